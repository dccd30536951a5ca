"""What it costs to say that a block of source sentences and a block of target sentences translate each other.

After Vecalign (Thompson and Koehn, 2019): (1 - cosine) of the vectors as a share of what it is between
unrelated sentences, times the sentences of the one and of the other block, so that joining must bring the
vectors closer to pay. Two things are added. Each side's mean is taken off its vectors, because the vectors of
one language lean to one direction, and those of models like E5 all lean to one. And blocks of unlike length
cost more, because the vector of a short sentence hardly changes when a shorter one is joined to it.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from indexer.bitext.overlaps import Encode, Overlaps

LENGTH_WEIGHT = 0.5  # of unlike lengths; chosen on texts other than those of benchmarks/alignment.md
_LEAST = 1e-5  # distance of equal vectors, above their rounding: of equal texts, sentences match, not blocks
_MIN_DISTANCE = 1e-3  # of unrelated sentences; texts of one repeated sentence have none
_FEW = 10  # sentences whose mean says little
_CHANCE_PAIRS = 10_000
_SEED = 0


def unit(vectors_ND: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows divided by their norm; zero rows stay."""
    return vectors_ND / np.maximum(np.linalg.norm(vectors_ND, axis=-1, keepdims=True), 1e-12)


def centres(
    x_ND: NDArray[np.float32], y_MD: NDArray[np.float32], few: int = _FEW
) -> list[NDArray[np.float32]]:
    """What is taken off the vectors of either side: their mean, half of it for ``few`` rows more than one."""
    others = min(len(x_ND), len(y_MD)) - 1
    weight = np.float32(others / (others + few))
    return [weight * x_ND.mean(axis=0), weight * y_MD.mean(axis=0)]


def centred(
    x_ND: NDArray[np.float32], y_MD: NDArray[np.float32], few: int = _FEW
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The vectors of both sides without what is common to each side, as unit rows."""
    x_centre_D, y_centre_D = centres(x_ND, y_MD, few)
    return unit(x_ND - x_centre_D), unit(y_MD - y_centre_D)


class SentenceDistances:
    """Costs of joining one sentence with one, lengths left aside.

    Args:
        x_ND, y_MD: centred unit rows.
    """

    def __init__(self, x_ND: NDArray[np.float32], y_MD: NDArray[np.float32]) -> None:
        self._x_ND, self._y_MD = x_ND, y_MD
        # The mean distance to all sentences of the other side is the distance to their mean.
        self._unrelated_N, self._unrelated_M = 1 - x_ND @ y_MD.mean(axis=0), 1 - y_MD @ x_ND.mean(axis=0)

    def __call__(self, first: int, last: int, left: int, right: int) -> NDArray[np.float32]:
        # No move ends before sentence 0: there, row and column -1 only fill a place.
        row_R, column_C = np.arange(first, last + 1) - 1, np.arange(left, right + 1) - 1
        cosine_RC = self._x_ND[row_R] @ self._y_MD[column_C].T
        unrelated_RC = (self._unrelated_N[row_R, None] + self._unrelated_M[None, column_C]) / 2
        return (np.maximum(1 - cosine_RC, _LEAST) / np.maximum(unrelated_RC, _MIN_DISTANCE))[None, :, None, :]

    def of(self, row_S: NDArray[np.int64], column_S: NDArray[np.int64]) -> NDArray[np.float32]:
        """Costs of single pairs."""
        cosine_S = (self._x_ND[row_S] * self._y_MD[column_S]).sum(axis=1)
        unrelated_S = (self._unrelated_N[row_S] + self._unrelated_M[column_S]) / 2
        return (1 - cosine_S) / np.maximum(unrelated_S, _MIN_DISTANCE)

    def chance(self) -> float:
        """The median cost of a pair drawn at random."""
        row_S, column_S = draw_pairs(len(self._x_ND), len(self._y_MD))
        return float(np.median(self.of(row_S, column_S)))


def draw_pairs(rows: int, columns: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs at random, the same ones each time."""
    draw = np.random.default_rng(_SEED)
    return draw.integers(rows, size=_CHANCE_PAIRS), draw.integers(columns, size=_CHANCE_PAIRS)


class BlockVectors:
    """Centred vectors of the blocks of one side, and what of each block is kept after the window has passed.

    Args:
        blocks: of this side.
        singles_ND: this side's vectors of sentences, as encoded.
        centre_D, other_centre_D: what is taken off the vectors of this side, and of the other.
        other_mean_D: mean of the other side's centred vectors.
        max_block: sentences in the largest block.
    """

    def __init__(
        self,
        blocks: Overlaps,
        singles_ND: NDArray[np.float32],
        *,
        centre_D: NDArray[np.float32],
        other_centre_D: NDArray[np.float32],
        other_mean_D: NDArray[np.float32],
        max_block: int,
    ) -> None:
        self._blocks = blocks
        self.centre_D, self._other_centre_D, self._other_mean_D = centre_D, other_centre_D, other_mean_D
        self.singles_ND = unit(singles_ND - centre_D)
        shape = max_block, len(singles_ND) + 1
        self.unrelated_AE = np.zeros(shape, dtype=np.float32)  # distance to sentences of the other side
        self.norm_AE = np.zeros(shape, dtype=np.float32)  # before it was made one
        self.lean_AE = np.zeros(shape, dtype=np.float32)  # encoded vector times the other side's centre

    @classmethod
    def pair(
        cls,
        texts: tuple[Sequence[str], Sequence[str]],
        singles: tuple[NDArray[np.float32], NDArray[np.float32]],
        encode: Encode,
        max_block: int,
        between: Callable[[int], None],
    ) -> "tuple[BlockVectors, BlockVectors]":
        """Both sides of an alignment; for ``between`` see :class:`Overlaps`."""
        centre = centres(*singles)
        means = [side.mean(axis=0) for side in centred(*singles)]
        source, target = (
            cls(
                Overlaps(texts[side], singles[side], encode, max_block, between=between),
                singles[side],
                centre_D=centre[side],
                other_centre_D=centre[1 - side],
                other_mean_D=means[1 - side],
                max_block=max_block,
            )
            for side in (0, 1)
        )
        return source, target

    def window(self, first: int, last: int) -> NDArray[np.float32]:
        """As :meth:`Overlaps.window`, centred."""
        encoded_AED = self._blocks.window(first, last)
        moved_AED = encoded_AED - self.centre_D
        here = slice(first, last + 1)
        self.norm_AE[:, here] = np.linalg.norm(moved_AED, axis=2)
        self.lean_AE[:, here] = encoded_AED @ self._other_centre_D
        vectors_AED = unit(moved_AED)
        self.unrelated_AE[:, here] = 1 - vectors_AED @ self._other_mean_D
        return vectors_AED


class BlockDistances:
    """Costs of joining a block of source sentences with a block of target sentences.

    Args:
        source, target: vectors of the blocks of either side.
        source_lengths, target_lengths: of the sentences, in a unit that makes translations equally long.
    """

    def __init__(
        self,
        source: BlockVectors,
        target: BlockVectors,
        source_lengths: NDArray[np.float64],
        target_lengths: NDArray[np.float64],
    ) -> None:
        self._source, self._target = source, target
        self._centres_product = float(source.centre_D @ target.centre_D)
        self._source_ends = np.concatenate([[0.0], np.cumsum(source_lengths)])
        self._target_ends = np.concatenate([[0.0], np.cumsum(target_lengths)])

    def __call__(self, first: int, last: int, left: int, right: int) -> NDArray[np.float32]:
        x_ARD, y_BCD = self._source.window(first, last), self._target.window(left, right)
        cosine_ARBC = np.tensordot(x_ARD, y_BCD, axes=(2, 2))
        unrelated_AR = self._source.unrelated_AE[:, first : last + 1]
        unrelated_BC = self._target.unrelated_AE[:, left : right + 1]
        unrelated_ARBC = np.maximum((unrelated_AR[:, :, None, None] + unrelated_BC) / 2, _MIN_DISTANCE)
        sizes = np.arange(1, len(x_ARD) + 1)
        length_AR = _block_lengths(self._source_ends, sizes[:, None], np.arange(first, last + 1))
        length_BC = _block_lengths(self._target_ends, sizes[:, None], np.arange(left, right + 1))
        unlike_ARBC = _unlike(length_AR[:, :, None, None], length_BC[None, None])
        sentences_ARBC = (sizes[:, None, None, None] * sizes[None, None, :, None]).astype(np.float32)
        distance_ARBC = np.maximum(1 - cosine_ARBC, _LEAST) / unrelated_ARBC
        return np.multiply(distance_ARBC + unlike_ARBC, sentences_ARBC, dtype=np.float32)

    def chance(self) -> float:
        """The median cost of joining two single sentences drawn at random."""
        x_ND, y_MD = self._source.singles_ND, self._target.singles_ND
        row_S, column_S = draw_pairs(len(x_ND), len(y_MD))
        length_S = np.diff(self._source_ends)[row_S]
        other_S = np.diff(self._target_ends)[column_S]
        costs_S = SentenceDistances(x_ND, y_MD).of(row_S, column_S) + _unlike(length_S, other_S)
        return float(np.median(costs_S))

    def cosine(self, end: tuple[int, int], sizes: tuple[int, int], share: float) -> float:
        """Of the vectors as they were encoded, from the cost of a move divided by its sentences.

        Args:
            end: where the blocks end; their costs were asked for before.
            sizes: sentences of both blocks.
            share: the cost for each sentence of the one and of the other.
        """
        (row, column), (left, right) = end, (sizes[0] - 1, sizes[1] - 1)
        source, target = self._source, self._target
        length = self._source_ends[[row]] - self._source_ends[[row - sizes[0]]]
        other = self._target_ends[[column]] - self._target_ends[[column - sizes[1]]]
        unrelated = (source.unrelated_AE[left, row] + target.unrelated_AE[right, column]) / 2
        centred_cosine = 1 - (share - float(_unlike(length, other)[0])) * max(float(unrelated), _MIN_DISTANCE)
        # a·b of vectors a = a' + c and b = b' + d is a'·b' + a·d + b·c - c·d.
        scale = float(source.norm_AE[left, row] * target.norm_AE[right, column])
        lean = float(source.lean_AE[left, row] + target.lean_AE[right, column])
        return scale * centred_cosine + lean - self._centres_product


def _block_lengths(
    ends_N: NDArray[np.float64], size_A1: NDArray[np.int64], end_E: NDArray[np.int64]
) -> NDArray[np.float64]:
    return ends_N[end_E] - ends_N[np.maximum(end_E - size_A1, 0)]


def _unlike(length: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float32]:
    """What unlike lengths cost: nothing for equal ones, nearly ``LENGTH_WEIGHT`` for very unlike ones."""
    longer = np.maximum(np.maximum(length, other), 1e-6)
    return (LENGTH_WEIGHT * (1 - np.minimum(length, other) / longer)).astype(np.float32)
