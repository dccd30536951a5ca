"""The cheapest monotone path through a band of a grid, by dynamic programming over whole rows.

A node (i, j) says that i sentences of one side and j of the other are dealt with. A move (a, b) goes from
(i - a, j - b) to (i, j) and costs what the caller says; leaving out one sentence of either side costs a
constant. Time and memory follow the number of nodes in the band.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BlockCosts = Callable[[int, int, int, int], NDArray[np.float32]]
"""Called with (first row, last row, first column, last column), rows never going back; float32 [A, R, B, C]:
``[a - 1, r, b - 1, c]`` is the cost of the move (a, b) that ends in (first row + r, first column + c)."""

_CHUNK_NODES = 1 << 16  # nodes whose costs are asked for at once
_TIE = 1e-9


@dataclass(frozen=True)
class Band:
    """The nodes that may be visited: of row i the columns ``low_R[i]`` to ``high_R[i]``, both included."""

    low_R: NDArray[np.int64]  # noqa: N815 (a shape suffix)
    high_R: NDArray[np.int64]  # noqa: N815

    @property
    def rows(self) -> int:
        """Of the grid, counting row 0."""
        return len(self.low_R)

    @property
    def columns(self) -> int:
        """Of the grid, counting column 0."""
        return int(self.high_R[-1]) + 1

    @property
    def nodes(self) -> int:
        """In the band."""
        return int((self.high_R - self.low_R + 1).sum())


@dataclass(frozen=True)
class Step:
    """A move of the path: from one node to the next, and its cost."""

    start: tuple[int, int]
    end: tuple[int, int]
    cost: float

    @property
    def jump(self) -> tuple[int, int]:
        """How many rows and columns it takes."""
        return self.end[0] - self.start[0], self.end[1] - self.start[1]


def full_band(rows: int, columns: int) -> Band:
    """All nodes of a grid of ``rows`` × ``columns`` sentences."""
    return Band(np.zeros(rows + 1, dtype=np.int64), np.full(rows + 1, columns, dtype=np.int64))


def band_around(steps: Sequence[Step], rows: int, columns: int, *, scale: int, window: int) -> Band:
    """The nodes within ``window`` rows and columns of a path.

    Args:
        steps: a path whose moves take one row or column at most, perhaps of a coarser grid in which each row
            and column stands for ``scale``.
        rows, columns: sentences of the finer grid.
        scale: 1 for the same grid.
        window: 0 leaves the path itself.
    """
    coarse_rows = -(-rows // scale)
    low_C, high_C = np.full(coarse_rows + 1, columns), np.zeros(coarse_rows + 1, dtype=np.int64)
    nodes = np.array([(0, 0), *(step.end for step in steps)])
    np.minimum.at(low_C, nodes[:, 0], nodes[:, 1])
    np.maximum.at(high_C, nodes[:, 0], nodes[:, 1])
    row_R = np.arange(rows + 1)
    before_R = np.maximum(row_R - window, 0) // scale
    after_R = -(-np.minimum(row_R + window, rows) // scale)
    low_R = np.maximum(low_C[before_R] * scale - window, 0)
    high_R = np.minimum(high_C[after_R] * scale + window, columns)
    return Band(low_R, high_R)


def cheapest_path(
    costs: BlockCosts, block: int, skip: float, band: Band, *, check: Callable[[], None] = lambda: None
) -> list[Step]:
    """The cheapest path from (0, 0) to the last node, with moves of 1 to ``block`` on either side.

    Args:
        costs: of the moves; of equal paths that with the smaller moves wins.
        block: the most sentences of one side in a move.
        skip: what leaving out one sentence costs.
        band: must join (0, 0) with the last node.
        check: called now and then; may raise to stop.

    Returns:
        The moves in order; one that leaves out a sentence stays in its row or column.
    """
    moves, jumps = _moves(block)
    offset_R = np.concatenate([[0], np.cumsum(band.high_R - band.low_R + 1)])
    move_at = np.empty(offset_R[-1], dtype=np.int16)
    cost_at = np.empty(offset_R[-1], dtype=np.float32)
    # The last rows of totals; `block` columns of infinity stand before column 0.
    depth = block + 1
    totals = np.full((depth, block + band.columns), np.inf)
    for first, last in _chunks(band):
        check()
        left, right = int(band.low_R[first]), int(band.high_R[last])
        costs_ARBC = costs(first, last, left, right)
        for row in range(first, last + 1):
            low, high = int(band.low_R[row]), int(band.high_R[row])
            step_costs = costs_ARBC[:, row - first, :, low - left : high - left + 1].reshape(
                block * block, -1
            )
            step_costs = np.concatenate([step_costs[moves], np.full((1, high - low + 1), skip, np.float32)])
            column_J = np.arange(low, high + 1)
            reached = (
                totals[(row - jumps[:, 0, None]) % depth, column_J[None, :] - jumps[:, 1, None] + block]
                + step_costs
            )
            best_J = reached.argmin(axis=0)
            total_J = reached[best_J, column_J - low]
            if row == 0:
                total_J[0] = 0.0
            # Left-out columns: the least of what any column before reached plus the skips from there.
            skipped_J = np.minimum.accumulate(total_J - skip * column_J) + skip * column_J
            is_skip_J = skipped_J < total_J - _TIE
            here = slice(offset_R[row], offset_R[row + 1])
            move_at[here] = np.where(is_skip_J, len(jumps), best_J)
            cost_at[here] = np.where(is_skip_J, skip, step_costs[best_J, column_J - low])
            slot = totals[row % depth]
            if row >= depth:
                slot[block + band.low_R[row - depth] : block + band.high_R[row - depth] + 1] = np.inf
            slot[block + low : block + high + 1] = np.where(is_skip_J, skipped_J, total_J)
    return _trace(band, offset_R, move_at, cost_at, jumps)


def _moves(block: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The order in which moves are tried, smaller first, and their jumps; the last leaves out a row."""
    sizes = [(a, b) for a in range(1, block + 1) for b in range(1, block + 1)]
    order = sorted(range(len(sizes)), key=lambda place: (sum(sizes[place]), sizes[place]))
    return np.array(order), np.array([*(sizes[place] for place in order), (1, 0)])


def _chunks(band: Band) -> list[tuple[int, int]]:
    """First and last rows whose rectangle has a bounded number of nodes; at least one row each."""
    chunks, first = [], 0
    for row in range(1, band.rows + 1):
        if row == band.rows or (row - first + 1) * (band.high_R[row] - band.low_R[first] + 1) > _CHUNK_NODES:
            chunks.append((first, row - 1))
            first = row
    return chunks


def _trace(
    band: Band,
    offset_R: NDArray[np.int64],
    move_at: NDArray[np.int16],
    cost_at: NDArray[np.float32],
    jumps: NDArray[np.int64],
) -> list[Step]:
    row, column = band.rows - 1, band.columns - 1
    jump_of = [*map(tuple, jumps.tolist()), (0, 1)]
    steps = []
    while row or column:
        place = offset_R[row] + column - band.low_R[row]
        down, along = jump_of[move_at[place]]
        before = row - down, column - along
        steps.append(Step(before, (row, column), float(cost_at[place])))
        row, column = before
    return steps[::-1]
