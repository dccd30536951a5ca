"""The passages that score best for each query and are no answers to it: exact search in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.negatives.scoring import best_passages
from trainer.negatives.texts import Corpus, lookup
from trainer.negatives.vector_cache import Progress, RowFile, content_name

SCORE_DECIMALS = 9
"""Scores that agree to so many decimals are equal; then the passage that came first goes first."""

SLACK = 16  # more than asked for, because single precision may misplace passages with nearly equal scores
SCORE_BYTES = 20  # of memory that finding the best takes for each score of a block
PASSAGE_BLOCK = 16_384
QUERY_BLOCK = 4_096


@dataclass(frozen=True)
class Blocks:
    """How many queries and passages are scored together."""

    queries: int
    passages: int

    @property
    def scores(self) -> int:
        """How many scores are held together."""
        return self.queries * self.passages

    @classmethod
    def within(cls, memory_mb: int) -> Blocks:
        """The largest blocks whose scores take half of the memory; vectors and the rest have the other."""
        scores = memory_mb * 2**20 // 2 // SCORE_BYTES
        passages = min(PASSAGE_BLOCK, max(1, int((scores * 8) ** 0.5)))
        return cls(min(QUERY_BLOCK, max(1, scores // passages)), passages)


def nearest(
    queries_QD: NDArray[np.float32],
    passages_PD: NDArray[np.float32],
    excluded: Sequence[NDArray[np.int64]],
    *,
    count: int,
    passage_block: int,
    numbers: NDArray[np.int64] | None = None,
    device: str = "cpu",
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The ``count`` best passages of each query that are not excluded.

    Args:
        queries_QD: query vectors.
        passages_PD: vectors of all passages, perhaps a map of a file.
        excluded: the passages that each query may not have, by number.
        count: how many.
        passage_block: passages scored together; does not change the result.
        numbers: the passages that take part, ascending; all of them when left out.
        device: that scores; does not change the result.

    Returns:
        Passage numbers and scores, both [Q, count], best first; a score is the inner product in double
        precision, rounded to nine decimals, and equal scores go by number. Where passages run out, the
        number is -1 and the score -inf.
    """
    asked = count + max((len(sample) for sample in excluded), default=0) + SLACK
    found_QK = _search(queries_QD, passages_PD, numbers, asked=asked, block=passage_block, device=device)
    chosen_QC = np.full((len(queries_QD), count), -1, dtype=np.int64)
    scores_QC = np.full((len(queries_QD), count), -np.inf)
    for row, banned in enumerate(excluded):
        allowed_K = found_QK[row][~np.isin(found_QK[row], banned)]
        scores_K = exact_scores(queries_QD[row], passages_PD[allowed_K])
        order = np.lexsort((allowed_K, -scores_K))[:count]
        chosen_QC[row, : len(order)] = allowed_K[order]
        scores_QC[row, : len(order)] = scores_K[order]
    return chosen_QC, scores_QC


def exact_scores(query_D: NDArray[np.float32], passages_PD: NDArray[np.float32]) -> NDArray[np.float64]:
    """Inner products in double precision, rounded so that equal passages have equal scores."""
    return np.round(
        np.einsum("pd,d->p", passages_PD.astype(np.float64), query_D.astype(np.float64)), SCORE_DECIMALS
    )


def _search(
    queries_QD: NDArray[np.float32],
    passages_PD: NDArray[np.float32],
    numbers: NDArray[np.int64] | None,
    *,
    asked: int,
    block: int,
    device: str,
) -> NDArray[np.int64]:
    """The best passages by single-precision score; only a block of passages is held at a time."""
    best_scores = np.empty((len(queries_QD), 0), dtype=np.float32)
    best_numbers = np.empty((len(queries_QD), 0), dtype=np.int64)
    for start in range(0, len(passages_PD) if numbers is None else len(numbers), block):
        part = slice(start, start + block) if numbers is None else numbers[start : start + block]
        scores, columns = best_passages(queries_QD, passages_PD[part], count=asked, device=device)
        result = columns + start if numbers is None else numbers[columns + start]
        best_scores = np.concatenate([best_scores, scores], axis=1)
        best_numbers = np.concatenate([best_numbers, result], axis=1)
        order = np.lexsort((best_numbers, -best_scores), axis=1)[:, :asked]
        best_scores = np.take_along_axis(best_scores, order, axis=1)
        best_numbers = np.take_along_axis(best_numbers, order, axis=1)
    return best_numbers


@dataclass(frozen=True)
class Ranking:
    """The best passages for every query, on disk; its positives have no rank.

    ``rows`` are the places of the queries there; ``name`` changes with whatever decides the ranking.
    """

    name: str
    numbers: NDArray[np.int32]
    scores: NDArray[np.float64]
    rows: NDArray[np.int64]

    def window(self, query: int, first_rank: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Passage numbers and scores from a rank on, best first; fewer where passages ran out."""
        row = self.rows[query]
        numbers, scores = self.numbers[row, first_rank - 1 :], self.scores[row, first_rank - 1 :]
        return numbers[numbers >= 0].astype(np.int64), scores[numbers >= 0]


def rank_passages(
    corpus: Corpus,
    queries_QD: NDArray[np.float32],
    passages_PD: NDArray[np.float32],
    *,
    vectors_name: str,
    count: int,
    same_language_only: bool,
    memory_mb: int,
    folder: Path,
    device: str = "cpu",
) -> Ranking:
    """For every query the ``count`` best passages, not counting its positives.

    Args:
        corpus: queries and passages; a passage with the text of the query does not count either.
        queries_QD: query vectors.
        passages_PD: passage vectors.
        vectors_name: changes with any vector.
        count: how many.
        same_language_only: rank only passages in the language of the query.
        memory_mb: how much the search may take; does not change the result.
        folder: where finished blocks are kept.
        device: that scores; does not change the result.
    """
    scopes = _scopes(corpus, same_language_only)
    order = np.concatenate([queries for queries, _ in scopes])
    name = content_name(vectors_name, str(count), corpus.starts, corpus.answers, *_used(scopes, passages_PD))
    numbers = RowFile(folder / f"ranking-{name}.numbers", rows=len(order), width=count, dtype=np.int32)
    scores = RowFile(folder / f"ranking-{name}.scores", rows=len(order), width=count, dtype=np.float64)
    done = min(numbers.done, scores.done)
    numbers.keep(done)
    scores.keep(done)
    blocks = Blocks.within(memory_mb)
    twins = lookup(corpus.passages.keys)(corpus.queries.keys)
    progress = Progress("queries ranked", len(order) - done)
    begin = 0
    for queries, passages in scopes:
        start = max(done - begin, 0)
        while start < len(queries):
            block = _next_block(corpus, queries[start : start + blocks.queries], count, blocks)
            start += len(block)
            excluded = [np.append(corpus.positives(int(query)), twins[query]) for query in block]
            found_QC, scores_QC = nearest(
                queries_QD[block],
                passages_PD,
                excluded,
                count=count,
                passage_block=blocks.passages,
                numbers=passages,
                device=device,
            )
            progress.add(len(block))
            numbers.append(found_QC)
            scores.append(scores_QC)
        begin += len(queries)
    rows = np.empty(len(order), dtype=np.int64)
    rows[order] = np.arange(len(order))
    return Ranking(name, numbers.read(), scores.read(), rows)


def _next_block(corpus: Corpus, queries: NDArray[np.int64], count: int, blocks: Blocks) -> NDArray[np.int64]:
    """So many of the queries that the answer fits too: positives are found before they are left out."""
    asked_Q = count + corpus.starts[queries + 1] - corpus.starts[queries]
    while len(queries) > 1 and len(queries) * asked_Q[: len(queries)].max() > blocks.scores // 4:
        queries = queries[: len(queries) // 2]
    return queries


_Scope = tuple[NDArray[np.int64], NDArray[np.int64] | None]


def _scopes(corpus: Corpus, same_language_only: bool) -> list[_Scope]:
    """Queries with the passages that they are ranked against: all, or those of their language."""
    if not same_language_only:
        return [(np.arange(len(corpus.queries)), None)]
    return [
        (
            np.flatnonzero(corpus.queries.languages == language),
            np.flatnonzero(corpus.passages.languages == language),
        )
        for language in np.unique(corpus.queries.languages)
    ]


def _used(scopes: Sequence[_Scope], passages_PD: NDArray[np.float32]) -> list[NDArray[np.int64]]:
    """What names the scopes."""
    everything = np.array([len(passages_PD)])
    return [
        part for queries, sample in scopes for part in (queries, everything if sample is None else sample)
    ]
