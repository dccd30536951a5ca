"""What travels between this process and its store process: a length, then a pickle.

The pipe is private to a parent and the child it started; nothing pickled is ever written to disk.
"""

import pickle
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from indexer.store.filters import Condition
from indexer.types import Fusion, Point, SparseVector

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class PointBatch:
    """Points as arrays: ``dense`` [N, D]; ``offsets`` [N + 1] cut ``indices`` and ``values`` into rows."""

    ids: list[str]
    dense: NDArray[np.float32]
    offsets: NDArray[np.int64]
    indices: NDArray[np.uint32]
    values: NDArray[np.float32]
    payloads: list[dict[str, Any]]


@dataclass(frozen=True)
class QuerySpec:
    """A checked query. A sparse vector without features finds nothing."""

    dense: NDArray[np.float32] | None
    sparse: tuple[NDArray[np.uint32], NDArray[np.float32]] | None
    limit: int
    prefetch: int
    fusion: Fusion
    conditions: tuple[Condition, ...]
    with_dense: bool
    lexical_prefetch: int | None = None


@dataclass(frozen=True)
class ShardState:
    """Sizes of an open shard. ``indexed`` counts dense and sparse vectors together."""

    segments: int
    points: int
    indexed: int


def pack_points(points: Sequence[Point], dense_ND: NDArray[np.float32]) -> PointBatch:
    """Points as arrays; ``dense_ND`` are their dense vectors, already stacked."""
    lengths = [len(point.sparse.indices) for point in points]
    return PointBatch(
        ids=[point.id for point in points],
        dense=dense_ND,
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        indices=_joined([point.sparse.indices for point in points], np.dtype(np.uint32)),
        values=_joined([point.sparse.values for point in points], np.dtype(np.float32)),
        payloads=[dict(point.payload) for point in points],
    )


def unpack_points(batch: PointBatch) -> list[Point]:
    """The inverse of ``pack_points``."""
    return [
        Point(
            id=point_id,
            dense=batch.dense[row],
            sparse=SparseVector(
                batch.indices[batch.offsets[row] : batch.offsets[row + 1]],
                batch.values[batch.offsets[row] : batch.offsets[row + 1]],
            ),
            payload=batch.payloads[row],
        )
        for row, point_id in enumerate(batch.ids)
    ]


def send(stream: BinaryIO, message: object) -> None:
    """Write one message and flush."""
    body = pickle.dumps(message, protocol=5)
    stream.write(_LENGTH.pack(len(body)))
    stream.write(body)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """Read one message.

    Raises:
        EOFError: the other side is gone.
    """
    header = _read(stream, _LENGTH.size)
    return pickle.loads(_read(stream, _LENGTH.unpack(header)[0]))


def _read(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise EOFError
    return data


def _joined(parts: list[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype), *parts]).astype(dtype, copy=False)
