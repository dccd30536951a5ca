"""Sentences of two translations of one text, aligned in order: m with n, left out, or added.

The cost of joining blocks of sentences is told in ``indexer.bitext.distances``; leaving a sentence out costs
a share of what a chance match costs. The cheapest way through both texts is found in two passes, after
"Vecalign: Improved Sentence Alignment in Linear Time and Space" (Thompson and Koehn, 2019): the first, over
vectors averaged until the whole grid is small and then step by step finer, finds the neighbourhood of the
path one sentence at a time; the second looks for blocks within a band around it. Time and memory grow
linearly with the texts, and of the vectors of blocks only a window is kept.

Which documents belong together is the business of ``indexer.bitext.document_pairing``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from indexer.bitext.distances import BlockDistances, BlockVectors, SentenceDistances, centred, unit
from indexer.bitext.dynamic_programming import Step, band_around, cheapest_path, full_band
from indexer.bitext.overlaps import Encode, encode_all, join_sentences
from indexer.bitext.values import Pair, Sentence
from indexer.errors import Cancelled, IndexerError


@dataclass(frozen=True)
class AlignmentSettings:
    """What decides an alignment.

    Args:
        max_block: the most sentences of one side that are joined.
        window: sentences to either side of the first path in which the second is looked for.
        skip_share: of the median cost of a chance match; leaving out one sentence costs that much.
        full_nodes: grids up to this size are searched whole in the first pass, larger ones are made coarser.
    """

    max_block: int = 4
    window: int = 12
    skip_share: float = 0.6
    full_nodes: int = 1 << 22

    def __post_init__(self) -> None:
        if not 1 <= self.max_block <= 8 or self.window < self.max_block or self.full_nodes < 4:
            raise IndexerError(
                f"An alignment cannot have blocks of {self.max_block}, a window of {self.window} and whole "
                f"grids of {self.full_nodes}. Expected 1 to 8, at least the block, and at least 4. "
                "Correct the settings."
            )
        if not 0 < self.skip_share < 2:
            raise IndexerError(
                f"skip_share is {self.skip_share}. Expected a number between 0 and 2; 0.6 suits most texts."
            )


@dataclass(frozen=True)
class Bead:
    """Source sentences ``start`` to ``end`` (not included) and the target sentences that translate them.

    An empty span means that the other side's sentence has no translation. ``score`` is 1 for equal vectors
    of equally long texts, and 0 or less for blocks no closer than unrelated sentences; NaN when a side is
    empty, as ``cosine`` is.
    """

    source: tuple[int, int]
    target: tuple[int, int]
    score: float
    cosine: float = float("nan")

    @property
    def shape(self) -> tuple[int, int]:
        """How many sentences of either side."""
        return self.source[1] - self.source[0], self.target[1] - self.target[0]


def align(
    source: Sequence[str],
    target: Sequence[str],
    encode: Encode,
    settings: AlignmentSettings | None = None,
    *,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> list[Bead]:
    """The alignment of two texts, given as their sentences in order.

    Args:
        source, target: sentences; blank ones go with the sentence before them.
        encode: texts of either side to unit vectors; sees every sentence and every block in reach once.
        progress: called with the share that is done.
        cancelled: asked between batches of texts.

    Returns:
        Beads in order; together their spans cover every sentence of both sides once, blank texts aside.

    Raises:
        Cancelled: it was cancelled.
        IndexerError: the encoder returned something else than one row for each text.
    """
    settings = settings or AlignmentSettings()
    kept = [[place for place, text in enumerate(side) if text.strip()] for side in (source, target)]
    texts = [[side[place] for place in places] for side, places in zip((source, target), kept, strict=True)]
    watch = _Watch(settings.max_block * (len(texts[0]) + len(texts[1])), progress, cancelled)
    beads = _align_texts(texts[0], texts[1], encode, settings, watch)
    watch.finish()
    # A span ends where the next sentence that is not blank begins.
    source_bounds, target_bounds = (
        [0, *places[1:], len(side)] for places, side in zip(kept, (source, target), strict=True)
    )
    return [
        replace(
            bead,
            source=(source_bounds[bead.source[0]], source_bounds[bead.source[1]]),
            target=(target_bounds[bead.target[0]], target_bounds[bead.target[1]]),
        )
        for bead in beads
    ]


def beads_to_pairs(
    beads: Sequence[Bead],
    source: Sequence[Sentence],
    target: Sequence[Sentence],
    *,
    min_score: float | None = None,
) -> list[Pair]:
    """The pairs that an alignment found, in order, with the joined sentences of each block as its texts.

    Args:
        beads: from :func:`align` of the same sentences. Left-out sentences make no pair.
        source, target: the sentences that were aligned.
        min_score: beads below make no pair either; None takes all.

    Returns:
        Pairs whose ``meta`` tells the shape of each block that is not one to one, such as ``2:1``.
    """
    pairs = []
    for bead in beads:
        if 0 in bead.shape or (min_score is not None and bead.score < min_score):
            continue
        left, right = source[slice(*bead.source)], target[slice(*bead.target)]
        shape = "{}:{}".format(*bead.shape)
        pairs.append(
            Pair(
                source=join_sentences([sentence.text for sentence in left]),
                target=join_sentences([sentence.text for sentence in right]),
                score=bead.score,
                source_language=left[0].language,
                target_language=right[0].language,
                cosine=bead.cosine,
                source_origin=left[0].origin,
                target_origin=right[0].origin,
                meta=() if shape == "1:1" else (("alignment", shape),),
            )
        )
    return pairs


class _Watch:
    """Tells how far the encoding is, which takes nearly all of the time, and stops when asked."""

    def __init__(
        self, total: int, progress: Callable[[float], None] | None, cancelled: Callable[[], bool] | None
    ) -> None:
        self._total, self._done = max(total, 1), 0
        self._progress, self._cancelled = progress, cancelled

    def check(self) -> None:
        if self._cancelled is not None and self._cancelled():
            raise Cancelled("The alignment was cancelled. Start it again to align the texts.")

    def add(self, texts: int) -> None:
        self._done += texts
        if self._progress is not None:
            self._progress(min(self._done / self._total, 1.0))
        self.check()

    def finish(self) -> None:
        if self._progress is not None:
            self._progress(1.0)


def _align_texts(
    source: Sequence[str], target: Sequence[str], encode: Encode, settings: AlignmentSettings, watch: _Watch
) -> list[Bead]:
    rows, columns = len(source), len(target)
    if not rows or not columns:
        left = [Bead((row, row + 1), (0, 0), float("nan")) for row in range(rows)]
        return left + [Bead((0, 0), (column, column + 1), float("nan")) for column in range(columns)]
    watch.check()
    source_ND = encode_all(source, encode, between=watch.add)
    target_MD = encode_all(target, encode, between=watch.add)
    steps = _first_pass(source_ND, target_MD, settings, watch)
    band = band_around(steps, rows, columns, scale=1, window=settings.window)
    lengths = _comparable_lengths(source, target, steps, settings.max_block)
    vectors = BlockVectors.pair(
        (source, target), (source_ND, target_MD), encode, settings.max_block, watch.add
    )
    distances = BlockDistances(*vectors, *lengths)
    skip = settings.skip_share * distances.chance()
    steps = cheapest_path(distances, settings.max_block, skip, band, check=watch.check)
    return [_bead(step, distances) for step in steps]


def _first_pass(
    source_ND: NDArray[np.float32], target_MD: NDArray[np.float32], settings: AlignmentSettings, watch: _Watch
) -> list[Step]:
    """The path of single sentences.

    Both sides are halved until their whole grid is searched; each finer grid is searched near the path of
    the one before.
    """
    levels = [centred(source_ND, target_MD)]
    while len(levels[-1][0]) * len(levels[-1][1]) > settings.full_nodes and min(map(len, levels[-1])) > 1:
        levels.append((_halve(levels[-1][0]), _halve(levels[-1][1])))
    steps: list[Step] = []
    for x_ND, y_MD in reversed(levels):
        shape = len(x_ND), len(y_MD)
        band = band_around(steps, *shape, scale=2, window=settings.window) if steps else full_band(*shape)
        distances = SentenceDistances(x_ND, y_MD)
        skip = settings.skip_share * distances.chance()
        steps = cheapest_path(distances, 1, skip, band, check=watch.check)
    return steps


def _halve(vectors_ND: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of two neighbouring rows, as unit rows; the last stays alone when their number is odd."""
    means_ND, odd_ND = vectors_ND[::2].copy(), vectors_ND[1::2]
    means_ND[: len(odd_ND)] += odd_ND
    return unit(means_ND)


def _comparable_lengths(
    source: Sequence[str], target: Sequence[str], steps: Sequence[Step], max_block: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Characters of each sentence, those of the target times what makes both texts equally long.

    Where one side has more than a block that the other has not, it says nothing about the languages.
    """
    lengths = [np.array([len(text.strip()) for text in side], dtype=np.float64) for side in (source, target)]
    totals = [0.0, 0.0]
    for jump, run in groupby(steps, key=lambda step: step.jump):
        places = [step.start for step in run]
        if jump == (1, 1) or len(places) <= max_block:
            for side in (0, 1):
                totals[side] += sum(lengths[side][place[side]] for place in places if jump[side])
    ratio = totals[0] / totals[1] if all(totals) else 1.0
    return lengths[0], lengths[1] * ratio


def _bead(step: Step, distances: BlockDistances) -> Bead:
    spans = (step.start[0], step.end[0]), (step.start[1], step.end[1])
    if 0 in step.jump:
        return Bead(*spans, score=float("nan"))
    share = step.cost / (step.jump[0] * step.jump[1])
    return Bead(*spans, score=1 - share, cosine=distances.cosine(step.end, step.jump, share))
