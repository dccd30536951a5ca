"""Move one name from one vector store to another, and prove it."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np

from indexer.errors import StoreError
from indexer.store.protocol import WRITE_BATCH, VectorStore
from indexer.types import Point

SAMPLE_STRIDE = 97
"""Every so many batches one is read back; the first always is."""


def copy_vectors(
    source: VectorStore,
    target: VectorStore,
    name: str,
    dimension: int,
    *,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Copy all points of a name; repeating it changes nothing. The source is left as it is.

    Args:
        source: read only; nobody may write to the name meanwhile.
        target: the name is made when missing; points that the source does not have are not allowed.
        name: which points.
        dimension: of the dense vectors.
        on_progress: called with the number of points copied so far.

    Returns:
        The number of points.

    Raises:
        StoreError: after copying, counts or sampled vectors differ.
    """
    target.ensure(name, dimension)
    copied = 0
    for number, ids in enumerate(_batches(source.iter_ids(name))):
        points = source.fetch_points(name, ids)
        target.upsert(name, points)
        if number % SAMPLE_STRIDE == 0:
            _compare(name, points, target.fetch_points(name, ids))
        copied += len(points)
        if on_progress is not None:
            on_progress(copied)
    expected, result = source.count(name), target.count(name)
    if result != expected:
        raise StoreError(
            f"The copy of {name!r} holds {result} points; expected {expected}. The source is unchanged. "
            "Drop the copy and start again while nothing writes to the collection."
        )
    return copied


def _batches(ids: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(islice(ids, WRITE_BATCH)):
        yield batch


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
