"""Vectors to another home: copied while they are used, never embedded again, proved before they count."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from indexer.catalog import Catalog, CollectionRecord
from indexer.catalog.database import batches, slices
from indexer.catalog.records import ChunkState
from indexer.errors import StoreError
from indexer.library.changes import Fingerprints, changed_documents, fingerprints
from indexer.library.model_switch import with_kept
from indexer.library.repair import side_by_side
from indexer.progress import CancelToken, Progress
from indexer.store.protocol import WRITE_BATCH, VectorStore
from indexer.types import Point

SEARCHES = 10
SEARCHED = 10  # nearest points that must be the same
ENOUGH = 0.98
TIE = 1e-5
SAMPLE_STRIDE = 97
"""Every so many batches one is read back; the first always is."""


@dataclass(frozen=True)
class Moved:
    """What was copied: sets of vectors, and points."""

    sets: int
    points: int


class Move:
    """Makes the vectors of another home equal to those of this one. One that was interrupted is made again.

    Args:
        catalog: says which collections there are; vectors kept for going back to a former model go along.
        source: stays as it is.
        target: gets the vectors.
        progress: told how many points are done.
        cancel: to stop.
    """

    def __init__(
        self,
        catalog: Catalog,
        source: VectorStore,
        target: VectorStore,
        *,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        self._catalog, self._source, self._target = catalog, source, target
        self._progress: Progress = progress or (lambda done, total, unit, message: None)
        self._cancel = cancel or CancelToken()
        self._done = self._total = self._batches = 0
        self._copied: set[str] = set()

    def copy(self) -> dict[str, Fingerprints]:
        """Copy what is there, while others may change it.

        Returns:
            by collection, what tells later which documents have changed since.
        """
        seen = {item.id: fingerprints(self._catalog, item.id) for item in self._catalog.collections.records()}
        sets = list(self._sets())
        self._total = sum(self._source.count(record.store_name) for record in sets)
        for record in sets:
            try:
                self._make_equal(record)
                self._target.optimize(record.store_name)
            except StoreError:
                if self._source.exists(record.store_name):
                    raise  # else the collection was deleted meanwhile
        return seen

    def catch_up(self, seen: dict[str, Fingerprints]) -> Moved:
        """Repeat for what changed since ``copy``, and prove the copy; nothing may change meanwhile.

        Raises:
            StoreError: counts, vectors or the nearest of sampled points differ in the copy.
        """
        self._cancel.check()
        points = 0
        sets = list(self._sets())
        for record in sets:
            name = record.store_name
            self._make_equal(record)
            for documents in slices(changed_documents(self._catalog, record.id, seen.get(record.id, {}))):
                self._copy(record, self._catalog.chunks.of_documents(documents))
            expected, count = self._source.count(name), self._target.count(name)
            if count != expected:
                raise StoreError(
                    f"The copy of {record.name!r} holds {count} points; expected {expected}. The source is "
                    "unchanged and still used. Run the move again."
                )
            _compare_searches(self._source, self._target, name, expected)
            points += count
        for name in self._copied - {record.store_name for record in sets}:
            self._target.drop(name)  # a collection was deleted meanwhile
        return Moved(len(sets), points)

    def _sets(self) -> Iterator[CollectionRecord]:
        for record in self._catalog.collections.records():
            for kept in with_kept(self._catalog, record):
                if self._source.exists(kept.store_name):
                    yield kept

    def _make_equal(self, record: CollectionRecord) -> None:
        """Copy the points that are missing in the target, and delete those that the source has not."""
        name = record.store_name
        self._target.ensure(name, record.dimension)
        self._copied.add(name)
        already = self._target.count(name)
        with self._target.bulk(name):
            self._copy(record, self._unlike(name, "missing"))
        for ids in batches(self._unlike(name, "orphan"), WRITE_BATCH) if already else ():
            self._target.delete(name, ids)

    def _unlike(self, name: str, kind: str) -> Iterator[str]:
        known: Iterator[tuple[str, ChunkState]] = (
            (point, "indexed") for point in self._source.iter_ids(name)
        )
        return (point for found, point in side_by_side(known, self._target.iter_ids(name)) if found == kind)

    def _copy(self, record: CollectionRecord, ids: Iterable[str]) -> None:
        for part in batches(ids, WRITE_BATCH):
            self._cancel.check()
            points = self._source.fetch_points(record.store_name, part)
            if points:
                self._target.upsert(record.store_name, points)
            if self._batches % SAMPLE_STRIDE == 0:
                read = self._target.fetch_points(record.store_name, [point.id for point in points])
                _compare(record.store_name, points, read)
            self._batches += 1
            self._done += len(points)
            self._total = max(self._total, self._done)
            self._progress(self._done, self._total, "points", record.name)


def discard_vectors(catalog: Catalog, store: VectorStore) -> int:
    """Drop the vectors of all collections of this library from a home that it has left; how many names."""
    prefixes = tuple(f"{record.id}-" for record in catalog.collections.records())
    names = [name for name in store.names() if name.startswith(prefixes)]
    for name in names:
        store.drop(name)
    return len(names)


def _compare(name: str, written: Sequence[Point], read: Sequence[Point]) -> None:
    same = len(written) == len(read) and all(
        item.id == other.id
        and np.allclose(item.dense, other.dense, atol=1e-6)
        and np.array_equal(item.sparse.indices, other.sparse.indices)
        and np.allclose(item.sparse.values, other.sparse.values, rtol=1e-6)
        and dict(item.payload) == dict(other.payload)
        for item, other in zip(written, read, strict=False)
    )
    if not same:
        raise StoreError(
            f"Points of {name!r} read back from the copy differ from those written. The source is unchanged. "
            "Drop the copy and keep using the source."
        )


def _compare_searches(source: VectorStore, target: VectorStore, name: str, total: int) -> None:
    """The nearest points of a few, asked in both homes."""
    step = max(1, total // SEARCHES)
    ids = [point for number, point in enumerate(source.iter_ids(name)) if number % step == 0][:SEARCHES]
    if not ids:
        return
    shares = []
    for vector in source.fetch_dense(name, ids):
        here, there = (store.query(name, dense=vector, limit=SEARCHED) for store in (source, target))
        least = min(point.score for point in here) - TIE  # one as near as the last is as good
        shares.append(sum(point.score >= least for point in there) / len(here))
    if np.mean(shares) < ENOUGH:
        raise StoreError(
            f"The copy of {name!r} finds {np.mean(shares):.0%} of the nearest points; expected {ENOUGH:.0%}. "
            "The source is unchanged and still used. Run the move again."
        )
