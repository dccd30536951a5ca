"""One pass over the tiles of X Yᵀ that feeds the lists of the rows and of the columns.

Rows go by strips, a strip goes over all columns in rounds that grow: after each round the rows' floors rise,
so that few candidates are looked at. A thread owns a tile of columns for a whole strip and raises their
floors as it goes down the strip's blocks of rows. Tiles are small enough for the cache and never kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from me5.fused.best import Best, Entries, Floats, Integers
from me5.fused.codes import Vectors, blocks
from me5.fused.scores import scores_of_pairs
from me5.fused.screens import Screen, pairs_by_column, pairs_by_row, seed_floors

BLOCK_ROWS = 512
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

        self._torch = torch
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

    def finish(self, jobs: Sequence[Callable[[], int]], after_each: Callable[[int], None]) -> None:
        """Run all; ``after_each`` hears in this thread what each returned, and may raise to stop."""
        futures: list[Future[int]] = [self._pool.submit(job) for job in jobs]
        try:
            for future in as_completed(futures):
                after_each(future.result())
        finally:
            for future in futures:
                future.cancel()
            for future in futures:
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
        self._vectors_RD = np.require(x_ND[rows], np.float32, ["C", "W"])
        self._screened = screen.load_rows(rows)
        k = columns.scores.shape[1]
        self.best = Best.empty(rows.stop - rows.start, k, columns.ids.dtype.type)

    def sweep(self, workers: Workers, after_tile: Callable[[int], None]) -> None:
        """Go over all columns; ``after_tile`` hears how many pairs each tile had."""
        tiles = blocks(len(self._y_MD), self._plan.tile_columns)
        done, size = 0, self._plan.threads
        while done < len(tiles):
            batch = tiles[done : done + size]
            found: list[list[Entries]] = [[] for _ in batch]
            jobs = [partial(self._sweep_into, found, place, tile) for place, tile in enumerate(batch)]
            workers.finish(jobs, after_tile)
            self._merge_rows(found, workers)
            done, size = done + len(batch), max(self._plan.threads, done + len(batch))

    def _merge_rows(self, found: list[list[Entries]], workers: Workers) -> None:
        def merge(rows: slice) -> None:
            own = [tile[rows.start // BLOCK_ROWS] for tile in found]
            self.best.part(rows).add(*(np.concatenate(column) for column in zip(*own, strict=True)))

        for _ in workers.map(merge, self._blocks):
            pass

    def _sweep_into(self, found: list[list[Entries]], place: int, tile: slice) -> int:
        found[place] = self._sweep_tile(tile)
        return len(self._vectors_RD) * (tile.stop - tile.start)

    def _sweep_tile(self, tile: slice) -> list[Entries]:
        """Candidates of the rows, by block; those of the columns go into their lists at once."""
        screen, columns = self._screen, self._columns.part(tile)
        screened_C = screen.load_columns(tile)
        vectors_CD = np.require(self._y_MD[tile], np.float32, ["C", "W"])
        out = np.empty(BLOCK_ROWS * len(vectors_CD), dtype=screen.number_type)
        found = []
        for block in self._blocks:
            vectors_RD = self._vectors_RD[block]
            bounds_RC = screen.bounds(self._screened[block], screened_C, out)
            best = self.best.part(block)
            pairs = pairs_by_row(bounds_RC, self._floors(best, bounds_RC, block, tile, by_row=True))
            rows, ids, scores = _candidates(pairs, vectors_RD, vectors_CD, best.last, by_row=True)
            found.append(_thinned(rows, ids + tile.start, scores, best))
            pairs = pairs_by_column(bounds_RC, self._floors(columns, bounds_RC, block, tile, by_row=False))
            rows, ids, scores = _candidates(pairs, vectors_RD, vectors_CD, columns.last, by_row=False)
            columns.add(ids, rows + (self._rows.start + block.start), scores)
        return found

    def _floors(
        self, best: Best, bounds_RC: NDArray[Any], block: slice, tile: slice, *, by_row: bool
    ) -> NDArray[Any]:
        """Bounds that newcomers to these lists reach; from the tile itself while the lists are not full."""
        floors = self._screen.floors(best.last)
        if np.isneginf(best.last).any():
            rows = slice(self._rows.start + block.start, self._rows.start + block.stop)
            lower_RC = self._screen.lower(bounds_RC, rows, tile)
            seeds = seed_floors(lower_RC if by_row else lower_RC.T, best.scores.shape[1])
            floors = np.maximum(floors, seeds)
        return floors


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
