"""Across languages: the rank of the right passage for every pair of languages, and fairness between them.

Fairness: for each query and each language A other than the query's, the best relevant passage in A stands
against ``SAMPLE`` irrelevant passages of a language B (always the same ones); it wins where it scores above
all of them. B is the query's own language, the language A of the answer, or a third one, with the script of
the query or with another. A model without language bias wins as often against passages in the query's
language as against passages in the answer's: ``same_language_bias`` is how many points less often it does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import regex
from numpy.typing import NDArray

from research.builtin.figures import Model, Values, grouped_figure
from research.builtin.sets import Asked, Multiway
from trainer.evaluation.bm25 import Bm25, word_pieces

CUT_OFF = 10
ENGLISH, BM25_QUERIES = "en", 300
SAMPLE = 100
MIN_QUERIES = 5  # of a pair of languages, to count
QUERY_BLOCK = 512
SEED = 13

SCRIPTS = ("Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Han", "Hiragana", "Hangul", "Devanagari",
           "Bengali", "Tamil", "Telugu", "Kannada", "Malayalam", "Gurmukhi", "Thai", "Khmer", "Myanmar",
           "Ethiopic", "Georgian", "Armenian")  # fmt: skip
_SCRIPT = {name: regex.compile(rf"\p{{Script={name}}}") for name in SCRIPTS}


@dataclass(frozen=True)
class Scored:
    """Per query and passage language, [N, L]; NaN where the language holds no relevant passage.

    ``ranks`` is of the best relevant passage among those of the language and ``best`` its score, ``rival``
    the best irrelevant score in the sample of the language. ``anywhere`` [N] is the rank of the best relevant
    passage in another language than the query among those of all other languages, ``everywhere`` [N] among
    those of all languages, the query's own too.
    """

    ranks: Values
    anywhere: Values
    everywhere: Values
    best: Values
    rival: Values


def measure_multiway(one: Multiway, model: Model) -> dict[str, Any]:
    """MRR@10 for every ordered pair of languages, in all other languages at once, and fairness."""
    languages = one.languages
    scored = score(one, model)
    sources = np.array([query.source for query in one.queries])
    asked = np.array([languages.index(query.language) for query in one.queries])
    gains_NL = _across(one, scored)
    pairs: dict[str, dict[str, Any]] = {}
    for number, language in enumerate(languages):
        rows = gains_NL[asked == number]
        counts = (~np.isnan(rows)).sum(axis=0)
        pairs[language] = {
            other: {"queries": int(counts[column]), "mrr_10": round(float(np.nanmean(rows[:, column])), 4)}
            for column, other in enumerate(languages)
            if counts[column] >= MIN_QUERIES
        }
    anywhere = _in_columns(_gains(scored.anywhere), asked, len(languages))
    everywhere = _in_columns(_gains(scored.everywhere), asked, len(languages))
    return {
        "languages": languages,
        "queries": len(one.queries),
        "passages": len(one.passages),
        "relevant_passages_seen_in_training": one.seen,
        "pairs": pairs,
        "pairs_counted": sum(len(pair) for pair in pairs.values()),
        "mrr_10": grouped_figure(_by_pair(gains_NL, asked, len(languages)), sources, min_rows=MIN_QUERIES),
        "all_languages_mrr_10": grouped_figure(anywhere, sources),
        "own_language_too_mrr_10": grouped_figure(everywhere, sources),
        "bm25_from_english": bm25_from_english(one, _gains(scored.anywhere)),
        "all_languages_by_query_language": {
            language: round(float(np.nanmean(anywhere[:, number])), 4)
            for number, language in enumerate(languages)
            if (~np.isnan(anywhere[:, number])).any()
        },
        "fairness": fairness(scored, asked, sources, languages, scripts_of(one)),
    }


def score(one: Multiway, model: Model) -> Scored:
    """Rank every passage for every query."""
    languages = one.languages
    columns = _columns(one)
    passages_PD = model.passage(one.passages)
    queries_ND = model.query([query.text for query in one.queries])
    samples = np.stack(_samples(columns))  # [L, SAMPLE]
    shape = (len(one.queries), len(languages))
    by_language, by_query = lambda: np.full(shape, np.nan), lambda: np.full(shape[0], np.nan)
    result = Scored(by_language(), by_query(), by_query(), by_language(), by_language())
    column_P = np.array([languages.index(language) for language in one.passage_languages])
    for start in range(0, len(one.queries), QUERY_BLOCK):
        queries = one.queries[start : start + QUERY_BLOCK]
        block_QP = queries_ND[start : start + QUERY_BLOCK] @ passages_PD.T
        if model.leanings is not None:
            leanings_QL = model.leanings(queries_ND[start : start + QUERY_BLOCK], languages)
            block_QP -= leanings_QL[:, column_P].astype(np.float32)
        for offset, query in enumerate(queries):
            _rank(result, start + offset, query, block_QP[offset], columns)
        # The relevant passages have left the race by now.
        result.rival[start : start + len(queries)] = block_QP[:, samples].max(axis=2)
    return result


def mean_mrr(one: Multiway, model: Model) -> float:
    """MRR@10, mean over the ordered pairs of languages, as ``measure_multiway`` gives it."""
    gains_NL = _across(one, score(one, model))
    asked = np.array([one.languages.index(query.language) for query in one.queries])
    pairs = _by_pair(gains_NL, asked, len(one.languages))
    counted = (~np.isnan(pairs)).sum(axis=0) >= MIN_QUERIES
    return float(np.nanmean(pairs[:, counted], axis=0).mean())


def bm25_from_english(one: Multiway, gains_N: Values) -> dict[str, Any]:
    """MRR@10 of BM25 over words, of English queries among the passages of all other languages at once.

    ``gains_N`` are the model's reciprocal ranks there; ``model_mrr_10`` is their mean over the same queries.
    """
    rows = [row for row, query in enumerate(one.queries) if query.language == ENGLISH][:BM25_QUERIES]
    if not rows:
        return {"queries": 0, "mrr_10": None, "model_mrr_10": None}
    queries = [one.queries[row] for row in rows]
    others = [number for number, language in enumerate(one.passage_languages) if language != ENGLISH]
    index = Bm25([one.passages[number] for number in others], word_pieces())
    _, found_QK = index.top_k([query.text for query in queries], CUT_OFF)
    gains = []
    for query, found_K in zip(queries, found_QK, strict=True):
        right = [others[number] in query.relevant for number in found_K[found_K >= 0]]
        gains.append(1.0 / (1 + right.index(True)) if True in right else 0.0)
    means = {"mrr_10": float(np.mean(gains)), "model_mrr_10": float(np.nanmean(gains_N[rows]))}
    return {"queries": len(gains), **{name: round(mean, 4) for name, mean in means.items()}}


def _rank(
    result: Scored,
    row: int,
    query: Asked,
    scores_P: NDArray[np.float32],
    columns: Sequence[tuple[str, slice]],
) -> None:
    """Fill a row of ranks and best scores; the scores of the relevant passages become minus infinity."""
    relevant = np.array(query.relevant)
    own_R = scores_P[relevant]
    scores_P[relevant] = -np.inf
    best_elsewhere, own_place = -np.inf, slice(0, 0)
    for column, (language, place) in enumerate(columns):
        if language == query.language:
            own_place = place
        here = (relevant >= place.start) & (relevant < place.stop)
        if here.any():
            best = own_R[here].max()
            result.best[row, column] = best
            result.ranks[row, column] = 1 + np.count_nonzero(scores_P[place] >= best)
            if language != query.language:
                best_elsewhere = max(best_elsewhere, best)
    if np.isfinite(best_elsewhere):
        above = np.count_nonzero(scores_P >= best_elsewhere)
        result.anywhere[row] = 1 + above - np.count_nonzero(scores_P[own_place] >= best_elsewhere)
        result.everywhere[row] = 1 + above


def _in_columns(values_N: Values, asked: NDArray[np.integer], languages: int) -> Values:
    """Values [N] in the columns of the queries' languages [N, L], NaN elsewhere."""
    found_NL = np.full((len(asked), languages), np.nan)
    found_NL[np.arange(len(asked)), asked] = values_N
    return found_NL


def _across(one: Multiway, scored: Scored) -> Values:
    """Reciprocal ranks [N, L], NaN in the query's own language."""
    gains_NL = _gains(scored.ranks)
    languages = np.array(one.languages)
    gains_NL[np.array([query.language for query in one.queries])[:, None] == languages] = np.nan
    return gains_NL


def fairness(
    scored: Scored,
    asked: NDArray[np.integer],
    sources: NDArray[np.integer],
    languages: Sequence[str],
    scripts: Mapping[str, str],
) -> dict[str, Any]:
    """How often the relevant passage wins, by the language it stands against; see the head of the module."""
    script = np.array([scripts[language] for language in languages])
    number = np.arange(len(languages))
    # wins[i, A, B]; NaN where A is the query's language or has no relevant passage
    wins = (scored.best[:, :, None] > scored.rival[:, None, :]).astype(np.float32)
    wins[np.isnan(scored.best) | (number == asked[:, None])] = np.nan
    own = number == asked[:, None]  # [i, B]
    answer = np.eye(len(languages), dtype=bool)  # [A, B]
    like_query = script == script[asked][:, None]  # [i, B]
    third = ~own[:, None, :] & ~answer[None]
    kinds = {
        "query_language": np.broadcast_to(own[:, None, :], wins.shape),
        "answer_language": np.broadcast_to(answer[None], wins.shape),
        "third_same_script": third & like_query[:, None, :],
        "third_other_script": third & ~like_query[:, None, :],
    }
    won = {kind: _mean_where(wins, mask) for kind, mask in kinds.items()}  # [i, A]
    latin = script == "Latin"
    families = {}
    for name, rows, columns in (
        ("Latin → Latin", latin[asked], latin),
        ("Latin → other", latin[asked], ~latin),
        ("other → Latin", ~latin[asked], latin),
        ("other → other", ~latin[asked], ~latin),
    ):
        families[name] = {
            kind: grouped_figure(values[rows][:, columns], sources[rows]) for kind, values in won.items()
        }
    bias = won["answer_language"] - won["query_language"]
    against = ~answer[None] & ~own[:, None, :]
    return {
        "against": SAMPLE,
        "wins": {kind: grouped_figure(values, sources) for kind, values in won.items()},
        "same_language_bias": _points(grouped_figure(bias, sources)),
        "families": families,
        "answers_win": _by_language(np.where(against, wins, np.nan), languages, axis=1),
        "distractors_lose": _by_language(np.where(against, wins, np.nan), languages, axis=2),
    }


def scripts_of(one: Multiway) -> dict[str, str]:
    """The commonest script in the passages of each language, Japanese and Chinese as ``Han``."""
    results = {}
    for language, place in _columns(one):
        text = " ".join(one.passages[place][:20])
        counts = {name: len(pattern.findall(text)) for name, pattern in _SCRIPT.items()}
        best = max(counts, key=lambda name: counts[name])
        results[language] = "Han" if best == "Hiragana" else best
    return results


def _columns(one: Multiway) -> list[tuple[str, slice]]:
    """Where the passages of each language stand; they come language by language, sorted."""
    places, start = [], 0
    for language, group in groupby(one.passage_languages):
        stop = start + len(list(group))
        places.append((language, slice(start, stop)))
        start = stop
    assert [language for language, _ in places] == one.languages
    return places


def _samples(columns: Sequence[tuple[str, slice]]) -> list[NDArray[np.int64]]:
    """Passage numbers of each language, ``SAMPLE`` of each; a smaller language gives all, some again."""
    rng = np.random.default_rng(SEED)
    return [np.resize(rng.permutation(np.arange(place.start, place.stop)), SAMPLE) for _, place in columns]


def _gains(ranks: Values) -> Values:
    """1 / rank within the cut-off, else 0; NaN stays."""
    return np.where(np.isnan(ranks), np.nan, np.where(ranks <= CUT_OFF, 1.0 / ranks, 0.0))


def _by_pair(gains_NL: Values, asked: NDArray[np.integer], count: int) -> Values:
    """A column per ordered pair of languages, [N, L * L]."""
    wide = np.full((len(gains_NL), count, count), np.nan)
    wide[np.arange(len(asked)), asked] = gains_NL
    return wide.reshape(len(gains_NL), count * count)


def _mean_where(values_NAB: NDArray[np.float32], mask_NAB: NDArray[np.bool_]) -> Values:
    """Mean over B where the mask holds, [N, A]; NaN where nothing does."""
    used = mask_NAB & ~np.isnan(values_NAB)
    sums, counts = np.where(used, values_NAB, 0).sum(axis=2), used.sum(axis=2)
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan, dtype=np.float64), where=counts > 0)


def _by_language(wins: NDArray[np.float32], languages: Sequence[str], axis: int) -> dict[str, float]:
    others = tuple(item for item in range(3) if item != axis)
    known = ~np.isnan(wins)
    sums, counts = np.where(known, wins, 0).sum(axis=others), known.sum(axis=others)
    return {
        language: round(float(sums[number] / counts[number]), 4)
        for number, language in enumerate(languages)
        if counts[number]
    }


def _points(match: dict[str, float]) -> dict[str, float]:
    return {name: round(100 * value, 2) for name, value in match.items()}
