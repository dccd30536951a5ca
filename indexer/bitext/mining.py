"""Mining: two piles of sentences to scored pairs that translate each other.

Filter both sides, encode them, find the nearest neighbours of every sentence on the other side, turn
cosines into margins, choose candidates, estimate a threshold, check what is above it. The long steps keep
what they have done in a folder: a run that was killed goes on there, and only there. Memory: the texts, the
neighbours of every sentence, and ``memory_mb``; the vectors stay on disk.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from indexer.bitext.checking import check_pairs, usual_ratios
from indexer.bitext.filters import Filtered, filter_side
from indexer.bitext.margins import (
    Candidates,
    decoys,
    first,
    margin_of,
    mean_cosine,
    one_to_one,
    retrieve,
    score_neighbours,
)
from indexer.bitext.threshold import estimate_threshold, outlier_cap, threshold_from_gold
from indexer.bitext.values import (
    UNKNOWN_LANGUAGE,
    Estimate,
    MiningResult,
    MiningSettings,
    Pair,
    Sentence,
)
from indexer.bitext.vectors import encode_side
from indexer.errors import JobError, MiningError
from indexer.progress import Progress
from me5.errors import WorkCancelledError
from me5.neighbours import Neighbours, both_ways

if TYPE_CHECKING:
    from me5.encoder import Encoder

logger = logging.getLogger(__name__)

_PARTS = 1_000
"""Progress is told in so many parts."""

# Rough seconds per sentence and per product of two numbers: they only divide the progress between steps.
_FILTER_S, _ENCODE_S, _PRODUCT_S = 2e-4, 1e-3, 2.5e-12


def mine(
    source: Sequence[Sentence],
    target: Sequence[Sentence],
    encoder: "Encoder",
    settings: MiningSettings | None = None,
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> MiningResult:
    """Pairs of sentences of both sides that translate each other.

    Args:
        source, target: the two sides; their languages are detected where the sentences do not say.
        encoder: the model; both sides are encoded as queries.
        settings: what decides the result.
        folder: where finished work is kept; the same call goes on from there. The caller removes it.
        progress: hears thousandths of the whole, and what is done now.
        cancelled: asked often.

    Raises:
        MiningError: a side is empty, or has nothing left to mine, or both are in one language.
        DiskFullError: the vectors do not fit into ``folder``.
        JobError: ``cancelled`` said so; finished work is kept.
    """
    settings = settings or MiningSettings()
    _require_sides(len(source), len(target))
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    steps = _Steps(len(source), len(target), encoder.dimension, progress, cancelled)
    sides = _filter(source, target, settings, folder, steps)
    languages = _require_two_languages(sides)
    texts = [
        [side[place].text for place in filtered.kept]
        for side, filtered in zip((source, target), sides, strict=True)
    ]
    vectors = _encode(texts, encoder, folder, steps)
    found = _both_ways(*vectors, settings=settings, folder=folder, steps=steps)
    steps.enter("choosing pairs", 0)
    candidates, estimate = choose(found, settings)
    threshold = estimate.threshold if settings.threshold is None else settings.threshold
    above = candidates.score >= threshold
    cap = outlier_cap(candidates.score[above]) if settings.max_score is None else settings.max_score
    kept = candidates if settings.keep_below else candidates.take(above)
    # Where each row of a side stands among the sentences that were given
    source_rows, target_rows = sides[0].kept[kept.source], sides[1].kept[kept.target]
    pairs = [
        _pair(source[int(one)], target[int(other)], float(score), float(cosine), languages)
        for one, other, score, cosine in zip(source_rows, target_rows, kept.score, kept.cosine, strict=True)
    ]
    usual = usual_ratios(pairs[: int(above.sum())])
    pairs, dropped = check_pairs(pairs, settings, max_score=cap, usual=usual)
    steps.finish(f"{len(pairs)} pairs")
    counts: Counter[str] = Counter(dropped)
    for side, name in zip(sides, ("source", "target"), strict=True):
        counts.update({f"{name} {reason}": count for reason, count in side.dropped.items()})
    precision = estimate.precision_at(threshold) if estimate.method == "mixture" else float("nan")
    return MiningResult(
        tuple(pairs),
        candidates.score,
        threshold,
        precision,
        dict(counts),
        (len(source), len(target)),
        estimate,
        languages,
        cap,
    )


def choose(found: Neighbours, settings: MiningSettings) -> tuple[Candidates, Estimate]:
    """Candidates by the wanted retrieval, and what their scores say of them.

    The estimate is made from the candidates of *max*, the only retrieval for which a second round gives pairs
    by chance alone; the margin of a pair is the same in all of them. For *intersect*, whose pairs are right
    more often, the precision is a lower bound; for *forward* and *backward* without one-to-one an upper one.

    Args:
        found: ``settings.k`` neighbours and one more.
        settings: margin, retrieval, k, one_to_one.
    """
    nearest = first(found, settings.k)
    scored = score_neighbours(nearest, settings.margin)
    both = retrieve(nearest, scored, "max")
    chance = decoys(found, both, settings.margin, "max")
    estimate = estimate_threshold(both.score, chance, settings.margin)
    if settings.retrieval == "max":
        return both, estimate
    candidates = retrieve(nearest, scored, settings.retrieval)
    if settings.one_to_one:
        candidates = one_to_one(candidates, len(found.forward_ids_NK), len(found.backward_ids_MK))
    chances = estimate.chances
    if estimate.method == "mixture" and len(candidates):
        places = np.interp(-candidates.score, -estimate.scores, np.arange(len(chances)))
        chances = estimate.chances[places.astype(np.int64)]
    else:
        chances = np.full(len(candidates), np.nan, dtype=np.float32)
    return candidates, replace(estimate, scores=candidates.score, chances=chances)


def with_gold(result: MiningResult, gold: Sequence[Pair]) -> MiningResult:
    """The result above the threshold that is best for known pairs; ``result`` was made with ``keep_below``.

    Only pairs of which a side is in the gold set count; of others nothing is known.

    Raises:
        MiningError: no known pair is among the candidates.
    """
    known = {(pair.source.strip(), pair.target.strip()) for pair in gold}
    sources, targets = {one for one, _ in known}, {other for _, other in known}
    judged = [pair for pair in result.pairs if pair.source in sources or pair.target in targets]
    estimate = threshold_from_gold(
        np.array([pair.score for pair in judged], dtype=np.float32),
        np.array([(pair.source, pair.target) in known for pair in judged], dtype=np.bool_),
        len(known),
    )
    pairs = tuple(pair for pair in result.pairs if pair.score >= estimate.threshold)
    return replace(
        result,
        pairs=pairs,
        threshold=estimate.threshold,
        estimated_precision=estimate.precision,
        estimate=estimate,
    )


def rescore(
    pairs: Sequence[Pair],
    encoder: "Encoder",
    settings: MiningSettings | None = None,
    *,
    apply_estimate: bool = False,
    folder: Path | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> MiningResult:
    """Pairs that exist already, in their order, with margin, cosine and flags as mining would give them.

    The neighbourhoods of the margin are those among the pairs' own sentences. All pairs stay, unless
    ``settings.threshold`` says how good they must be or ``apply_estimate`` has that estimated; state and meta
    stay as they are.

    Raises:
        MiningError: there is no pair.
        DiskFullError, JobError: as :func:`mine`.
    """
    settings = settings or MiningSettings()
    _require_sides(len(pairs), len(pairs))
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    places: tuple[dict[str, int], dict[str, int]] = ({}, {})
    rows = np.array(
        [
            [
                side.setdefault(text, len(side))
                for side, text in zip(places, (pair.source, pair.target), strict=True)
            ]
            for pair in pairs
        ],
        dtype=np.int64,
    )
    texts = [list(side) for side in places]
    steps = _Steps(len(texts[0]), len(texts[1]), encoder.dimension, progress, cancelled)
    vectors = _encode(texts, encoder, folder, steps)
    found = _both_ways(*vectors, settings=settings, folder=folder, steps=steps)
    nearest = first(found, settings.k)
    cosine = np.einsum("nd,nd->n", vectors[0][rows[:, 0]], vectors[1][rows[:, 1]]).astype(np.float32)
    source_N, target_M = mean_cosine(nearest.forward_scores_NK), mean_cosine(nearest.backward_scores_MK)
    around = (source_N[rows[:, 0]] + target_M[rows[:, 1]]) / np.float32(2)
    score = margin_of(cosine, around, settings.margin)
    order = np.argsort(-score, kind="stable")
    candidates = Candidates(rows[order, 0], rows[order, 1], score[order], cosine[order])
    chance = decoys(found, candidates, settings.margin, "max")
    estimate = estimate_threshold(score, chance, settings.margin)
    threshold = float("-inf") if settings.threshold is None else settings.threshold
    cap = (
        outlier_cap(score[score >= estimate.threshold]) if settings.max_score is None else settings.max_score
    )
    scored = [
        replace(pair, score=float(score[row]), cosine=float(cosine[row]))
        for row, pair in enumerate(pairs)
        if score[row] >= threshold
    ]
    checked, dropped = check_pairs(scored, replace(settings, drop=()), max_score=cap)
    steps.finish(f"{len(checked)} pairs")
    languages = tuple(
        Counter(getattr(pair, side) for pair in pairs).most_common(1)[0][0]
        for side in ("source_language", "target_language")
    )
    precision = estimate.precision_at(threshold) if estimate.method == "mixture" else float("nan")
    return MiningResult(
        tuple(checked),
        np.sort(score)[::-1],
        threshold,
        precision,
        dropped,
        (len(texts[0]), len(texts[1])),
        estimate,
        (languages[0], languages[1]),
        cap,
    )


def _filter(
    source: Sequence[Sentence],
    target: Sequence[Sentence],
    settings: MiningSettings,
    folder: Path | None,
    steps: "_Steps",
) -> tuple[Filtered, Filtered]:
    total = len(source) + len(target)
    steps.enter("looking through the sentences", total * _FILTER_S)
    ours = filter_side(
        source, settings, kept_in=folder and folder / "source", each=lambda done: steps.tell(done / total)
    )
    theirs = filter_side(
        target,
        settings,
        kept_in=folder and folder / "target",
        each=lambda done: steps.tell((len(source) + done) / total),
    )
    for name, side in (("source", ours), ("target", theirs)):
        if not len(side.kept):
            reasons = ", ".join(f"{count} {reason}" for reason, count in side.dropped.items())
            raise MiningError(
                f"No sentence of the {name} side is left to mine ({reasons}). Expected sentences of "
                f"{settings.min_characters} to {settings.max_characters} characters in one language. Check "
                "the file, name its language, or loosen the limits."
            )
    return ours, theirs


def _require_sides(sources: int, targets: int) -> None:
    empty = [name for name, count in (("source", sources), ("target", targets)) if not count]
    if empty:
        raise MiningError(
            f"The {' and the '.join(empty)} side {'is' if len(empty) == 1 else 'are'} empty; expected "
            "sentences on both. Check the files."
        )


def _require_two_languages(sides: tuple[Filtered, Filtered]) -> tuple[str, str]:
    ours, theirs = (side.language for side in sides)
    if ours == theirs != UNKNOWN_LANGUAGE:
        raise MiningError(
            f"Both sides are in the same language ({ours}); expected two languages. Choose another file, or "
            "name the languages if this is not so."
        )
    return ours, theirs


def _encode(
    texts: Sequence[Sequence[str]], encoder: "Encoder", folder: Path | None, steps: "_Steps"
) -> tuple[np.ndarray, np.ndarray]:
    total = len(texts[0]) + len(texts[1])
    steps.enter("encoding", total * _ENCODE_S)
    ours = encode_side(
        texts[0], encoder, folder=folder, name="source", each=lambda done: steps.tell(done / total)
    )
    theirs = encode_side(
        texts[1],
        encoder,
        folder=folder,
        name="target",
        each=lambda done: steps.tell((len(texts[0]) + done) / total),
    )
    return ours, theirs


def _both_ways(
    source_ND: np.ndarray,
    target_MD: np.ndarray,
    *,
    settings: MiningSettings,
    folder: Path | None,
    steps: "_Steps",
) -> Neighbours:
    """One neighbour more than asked for, so that the second round of mining has as many as the first."""
    steps.enter("comparing", len(source_ND) * len(target_MD) * source_ND.shape[1] * _PRODUCT_S)
    try:
        return both_ways(
            source_ND,
            target_MD,
            settings.k + 1,
            memory_mb=settings.memory_mb,
            progress=steps.tell,
            state_dir=None if folder is None else folder / "neighbours",
            cancelled=steps.is_cancelled,
        )
    except WorkCancelledError as error:
        raise JobError(f"Mining was cancelled. {error}") from error


def _pair(
    source: Sentence, target: Sentence, score: float, cosine: float, languages: tuple[str, str]
) -> Pair:
    return Pair(
        source.text,
        target.text,
        score,
        source.language if source.language != UNKNOWN_LANGUAGE else languages[0],
        target.language if target.language != UNKNOWN_LANGUAGE else languages[1],
        cosine,
        source_origin=_place(source),
        target_origin=_place(target),
    )


def _place(sentence: Sentence) -> str:
    """Origin and offsets as one word: ``harbour.txt#10-42``."""
    if not sentence.origin or sentence.end <= sentence.start:
        return sentence.origin
    return f"{sentence.origin}#{sentence.start}-{sentence.end}"


class _Steps:
    """Progress over steps of very different length, told in thousandths of the whole."""

    def __init__(
        self,
        sources: int,
        targets: int,
        dimension: int,
        progress: Progress | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        sentences = sources + targets
        self._total = (
            sentences * (_FILTER_S + _ENCODE_S) + sources * targets * dimension * _PRODUCT_S
        ) or 1.0
        self._begun = self._length = 0.0
        self._message = ""
        self._told = (-1, "")
        self._progress, self._cancelled = progress, cancelled

    def enter(self, message: str, length: float) -> None:
        """Begin a step that takes about ``length`` of what the whole is made of."""
        self._begun += self._length
        self._length, self._message = length, message
        self.tell(0.0)

    def tell(self, share: float) -> None:
        """So much of the step is done.

        Raises:
            JobError: the caller asked to stop.
        """
        if self.is_cancelled():
            raise JobError("Mining was cancelled. What was finished is kept; start it again to go on.")
        done = min(self._begun + share * self._length, self._total)
        told = (int(_PARTS * done / self._total), self._message)
        if self._progress and told != self._told:
            self._told = told
            self._progress(told[0], _PARTS, "parts", self._message)

    def finish(self, message: str) -> None:
        """All is done."""
        if self._progress:
            self._progress(_PARTS, _PARTS, "parts", message)

    def is_cancelled(self) -> bool:
        """Whether the caller asked to stop."""
        return self._cancelled is not None and self._cancelled()
