"""One pass over the tiles of X Yᵀ that feeds the lists of the rows and of the columns.

Rows go by strips. A thread owns a tile of columns for a whole strip and goes down the strip's blocks of
rows; what it computes is small enough for the cache and never kept. Floors rise, so that few candidates are
looked at: the rows' whenever twice as many tiles are swept, the columns' whenever twice as many rows are
seen. Until then candidates wait for their scores: one call for many costs least. A floor that another
thread has not raised yet lets through more, never less.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from me5.knn.best import Best, Entries, Floats, Integers
from me5.knn.codes import Vectors, blocks
from me5.knn.scores import scores_of_pairs
from me5.knn.screens import GROUP_COLUMNS, Screen, pairs_by_column, pairs_by_row, seed_scores

BLOCK_ROWS = 512
_MAX_WAITING = 1 << 18
"""Candidates that wait for their scores, or for their lists, before they are taken together."""

_AHEAD = 3  # tiles per thread that may be ready before their turn
T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """Sizes that keep the work within the memory allowed."""

    strip_rows: int
    tile_columns: int
    threads: int
    codes_in_memory: bool


class Workers:
    """Threads that torch uses one core each in."""

    def __init__(self, threads: int) -> None:
        import torch

        self._torch, self._threads = torch, threads
        self._threads_before = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(
            threads, "neighbours", initializer=torch.set_num_threads, initargs=(1,)
        )

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        # Worker threads set their own count, and with it the one that threads started later begin with.
        self._torch.set_num_threads(self._threads_before)

    def map(self, work: Callable[[slice], T], parts: Iterable[slice]) -> Iterator[T]:
        """``work`` of every part, in order."""
        return self._pool.map(work, parts)

    def in_order(self, work: Callable[[slice], T], parts: Iterable[slice]) -> Generator[T]:
        """Like ``map``, a few parts ahead; closed early, it waits for what has begun and leaves the rest."""
        ahead: deque[Future[T]] = deque()
        try:
            for part in parts:
                ahead.append(self._pool.submit(work, part))
                if len(ahead) > _AHEAD * self._threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
            for future in ahead:
                if not future.cancelled():
                    future.exception()  # wait: none may write once this returns


class Strip:
    """Some rows against all columns."""

    def __init__(
        self, x_ND: Vectors, y_MD: Vectors, rows: slice, *, columns: Best, screen: Screen, plan: Plan
    ) -> None:
        self._y_MD, self._rows, self._columns = y_MD, rows, columns
        self._screen, self._plan = screen, plan
        self._blocks = blocks(rows.stop - rows.start, BLOCK_ROWS)
        self._pauses = _pauses(rows)
        self._vectors_RD = np.require(x_ND[rows], np.float32, ["C", "W"])
        self._screened = screen.load_rows(rows)
        k = columns.scores.shape[1]
        self.best = Best.empty(rows.stop - rows.start, k, columns.ids.dtype.type)

    def sweep(self, workers: Workers, after_tile: Callable[[int], None]) -> None:
        """Go over all columns; ``after_tile`` hears how many pairs each tile had, and may raise to stop."""
        tiles = blocks(len(self._y_MD), _tile_columns(len(self._y_MD), self._plan))
        results: list[Entries] = []
        merged = 0
        with closing(workers.in_order(self._sweep_tile, tiles)) as swept:
            for number, (tile, entries) in enumerate(zip(tiles, swept, strict=True), 1):
                results += entries
                if number in (2 * merged, len(tiles)) or not merged or _count(results) > _MAX_WAITING:
                    self.best.add(*(np.concatenate(column) for column in zip(*results, strict=True)))
                    results, merged = [], number
                after_tile(len(self._vectors_RD) * (tile.stop - tile.start))

    def _sweep_tile(self, tile: slice) -> list[Entries]:
        """Candidates of the rows, in parts; those of the columns go into their lists at once."""
        screen, columns = self._screen, self._columns.part(tile)
        screened_C = screen.load_columns(tile)
        vectors_CD = np.require(self._y_MD[tile], np.float32, ["C", "W"])
        out = np.empty(BLOCK_ROWS * len(vectors_CD), dtype=screen.number_type)
        last_R = self.best.last.copy()  # another thread raises it meanwhile
        floors_R = None if np.isneginf(last_R).any() else screen.floors(last_R)
        results: list[Entries] = []
        by_row, by_column, start = [], [], 0
        for block in self._blocks:
            vectors_RD = self._vectors_RD[block]
            bounds_RC = screen.bounds(self._screened[block], screened_C, out)
            if block.start == start:
                floors_C = screen.floors(_seeded(columns, bounds_RC.T, vectors_CD, vectors_RD))
            if floors_R is None:
                seeds = _seeded(self.best.part(block), bounds_RC, vectors_RD, vectors_CD)
                own_floors = screen.floors(seeds)
            else:
                own_floors = floors_R[block]
            above = (block.start - start) * len(vectors_CD)
            by_row.append(pairs_by_row(bounds_RC, own_floors) + above)
            by_column.append(pairs_by_column(bounds_RC, floors_C) + above)
            if block.stop in self._pauses or sum(map(len, by_row + by_column)) > _MAX_WAITING:
                rows = slice(start, block.stop)
                results.append(self._score_rows(np.concatenate(by_row), rows, tile, vectors_CD))
                self._score_columns(np.concatenate(by_column), rows, columns, vectors_CD)
                by_row, by_column, start = [], [], block.stop
        return results

    def _score_rows(self, pairs: NDArray[np.int64], part: slice, tile: slice, y_CD: Vectors) -> Entries:
        best = self.best.part(part)
        rows, ids, scores = _candidates(pairs, self._vectors_RD[part], y_CD, best.last, by_row=True)
        rows, ids, scores = _thinned(rows, ids + tile.start, scores, best)
        return rows + part.start, ids, scores

    def _score_columns(self, pairs: NDArray[np.int64], part: slice, columns: Best, y_CD: Vectors) -> None:
        rows, ids, scores = _candidates(pairs, self._vectors_RD[part], y_CD, columns.last, by_row=False)
        columns.add(ids, rows + (self._rows.start + part.start), scores)


def _tile_columns(columns: int, plan: Plan) -> int:
    """About as many as planned, so that every thread gets the same number of tiles."""
    tiles = plan.threads * max(1, round(columns / (plan.threads * plan.tile_columns)))
    return -(-columns // (tiles * GROUP_COLUMNS)) * GROUP_COLUMNS


def _pauses(rows: slice) -> set[int]:
    """How far into a strip its columns' floors rise: wherever twice as many rows are seen, and at its end."""
    count = rows.stop - rows.start
    ends, end = {count}, max(BLOCK_ROWS, rows.start)
    while end < count:
        ends.add(end)
        end += rows.start + end
    return ends


def _count(entries: list[Entries]) -> int:
    return sum(len(rows) for rows, _, _ in entries)


def _seeded(best: Best, bounds_RC: NDArray[Any], x_RD: Vectors, y_CD: Vectors) -> Floats:
    """The scores that newcomers to lists must reach; from the tile itself while the lists are not full."""
    if not np.isneginf(best.last).any():
        return best.last
    return np.maximum(best.last, seed_scores(bounds_RC, x_RD, y_CD, best.scores.shape[1]))


def _candidates(
    pairs: NDArray[np.int64], x_RD: Vectors, y_CD: Vectors, last: Floats, *, by_row: bool
) -> Entries:
    """Rows, columns and scores of the pairs that beat the k-th best of their row (or column)."""
    scores = scores_of_pairs(x_RD, y_CD, pairs)
    rows, columns = np.divmod(pairs, len(y_CD))
    beats = scores > last[rows if by_row else columns]  # a tie loses: those already in have smaller ids
    return rows[beats], columns[beats], scores[beats]


def _thinned(rows: Integers, ids: Integers, scores: Floats, best: Best) -> Entries:
    """The entries, or where there are many only the k best of each row: memory stays bounded."""
    ids = ids.astype(best.ids.dtype)
    if len(rows) <= 8 * best.scores.size:
        return rows, ids, scores
    own = Best.empty(len(best.scores), best.scores.shape[1], best.ids.dtype.type)
    own.add(rows, ids, scores)
    return own.entries()
