"""Vectors to another home: copied, never embedded again, and proved before they are used there."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from indexer.catalog import Catalog, CollectionRecord
from indexer.catalog.records import ChunkState
from indexer.errors import StoreError
from indexer.library.model_switch import with_kept
from indexer.library.repair import side_by_side
from indexer.store.migrate import copy_vectors
from indexer.store.protocol import VectorStore

SEARCHES = 10
SEARCHED = 10  # nearest points that must be the same
ENOUGH = 0.98
TIE = 1e-5


@dataclass(frozen=True)
class Moved:
    """What was copied: names of vectors, and points."""

    names: int
    points: int


def move_vectors(
    catalog: Catalog,
    source: VectorStore,
    target: VectorStore,
    *,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> Moved:
    """Copy the vectors of every collection, also those kept for going back to a former model.

    A move that was interrupted is simply made again. The source stays as it is.

    Args:
        catalog: says which collections there are.
        source: nobody may write to it meanwhile.
        target: gets the vectors.
        on_progress: told the collection, the points that are there, and how many there will be.

    Raises:
        StoreError: counts, vectors or the nearest of sampled points differ in the copy.
    """
    names = points = 0
    for record in catalog.collections.records():
        for kept in with_kept(catalog, record):
            if source.exists(kept.store_name):
                points += _move(source, target, kept, on_progress)
                names += 1
    return Moved(names, points)


def discard_vectors(catalog: Catalog, store: VectorStore) -> int:
    """Drop the vectors of all collections of this library from a home that it has left; how many names."""
    prefixes = tuple(f"{record.id}-" for record in catalog.collections.records())
    names = [name for name in store.names() if name.startswith(prefixes)]
    for name in names:
        store.drop(name)
    return len(names)


def _move(
    source: VectorStore,
    target: VectorStore,
    record: CollectionRecord,
    on_progress: Callable[[str, int, int], None] | None,
) -> int:
    name = record.store_name
    total = source.count(name)

    def report(done: int) -> None:
        if on_progress is not None:
            on_progress(record.name, done, total)

    if target.exists(name):  # of a move that was interrupted: documents may have gone since
        known: Iterator[tuple[str, ChunkState]] = ((point, "indexed") for point in source.iter_ids(name))
        sides = side_by_side(known, target.iter_ids(name))
        target.delete(name, [point for kind, point in list(sides) if kind == "orphan"])
    copied = copy_vectors(source, target, name, record.dimension, on_progress=report)
    target.optimize(name)
    _compare_searches(source, target, name, total)
    return copied


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
