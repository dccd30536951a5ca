"""The process that owns all embedded shards: ``python -m indexer.store.edge.process LOCK``.

Qdrant Edge holds Python's global lock during every call and damaged files can abort the process, so it
never runs where people wait. Requests come in on stdin as (id, operation, arguments) and answers go out
on stdout as (id, ok, value). Searches overtake waiting writes. When stdin ends, the parent is gone:
shards are flushed, closed, and the process ends. LOCK is held until then: the lock of the engine is let go
a moment too early, and a second process that opened the files in that moment would miss points.
"""

import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from qdrant_edge import (
    CountRequest,
    Distance,
    EdgeConfig,
    EdgeShard,
    EdgeSparseVectorParams,
    EdgeVectorParams,
    FieldCondition,
    Filter,
    FloatIndexParams,
    Fusion,
    KeywordIndexParams,
    MatchAny,
    Memory,
    Modifier,
    Point,
    Prefetch,
    Query,
    QueryRequest,
    RangeFloat,
    ScrollRequest,
    SparseVector,
    UpdateOperation,
)

from indexer.store.edge.wire import PointBatch, QuerySpec, ShardState, receive, send
from indexer.store.filters import AnyOf, Condition
from indexer.store.lock import wait_for_lock
from indexer.store.protocol import DENSE, FLOAT_FIELDS, KEYWORD_FIELDS, LEXICAL, RRF_K
from me5.memory import give_back_memory

READS = frozenset({"query", "count", "fetch", "ids", "state"})
FLUSH_POINTS = 16_384  # keeps the log short and each flush near 0.1 s
IDLE_FLUSH_S = 2.0
LOCK_PATIENCE_S = 60.0
PANIC_EXIT = 70


class ShardNotOpenError(Exception):
    """Raised when a shard is used that ``open`` has not loaded into this process."""


def shard_config(dimension: int, **options: Any) -> EdgeConfig:
    """What every shard is: one dense and one sparse vector, and a write-ahead log, always.

    Unit vectors are compared by dot product, which keeps them exactly as they were written. Once built, the
    sparse index and the ids are read from the page cache: as fast, and 1 MB less memory per 1,000 passages.
    """
    return EdgeConfig(
        vectors={DENSE: EdgeVectorParams(dimension, Distance.Dot)},
        sparse_vectors={LEXICAL: EdgeSparseVectorParams(modifier=Modifier.Idf, memory=Memory.Cached)},
        id_tracker_memory=Memory.Cached,
        wal_enabled=True,
        **options,
    )


class Shards:
    """Every open shard by its folder. Methods are the operations of the pipe."""

    def __init__(self) -> None:
        self._open: dict[str, EdgeShard] = {}
        self._unflushed: dict[str, int] = {}
        self._held: set[str] = set()

    def ready(self) -> None:
        """Answer, which proves that this process runs and holds its lock."""

    def create(self, path: str, dimension: int) -> None:
        """Make an empty shard with indexed payload fields."""
        shard = EdgeShard.create(path, shard_config(dimension))
        self._open[path] = shard
        keyword, number = KeywordIndexParams(memory=Memory.Cached), FloatIndexParams(memory=Memory.Cached)
        for field in KEYWORD_FIELDS:
            shard.update(UpdateOperation.create_field_index(field, keyword))
        for field in FLOAT_FIELDS:
            shard.update(UpdateOperation.create_field_index(field, number))
        shard.flush()

    def open(self, path: str) -> None:
        """Load a shard unless it is open."""
        if path not in self._open:
            self._open[path] = EdgeShard.load(path)

    def close(self, path: str) -> None:
        """Flush and close a shard; nothing when it is not open."""
        shard = self._open.pop(path, None)
        self._unflushed.pop(path, None)
        self._held.discard(path)
        if shard is not None:
            shard.flush()
            shard.close()
            del shard
            give_back_memory()

    def upsert(self, path: str, batch: PointBatch) -> None:
        """Write checked points; in the write-ahead log when this returns."""
        points = []
        for row, point_id in enumerate(batch.ids):
            vectors: dict[str, Any] = {DENSE: batch.dense[row].tolist()}
            start, end = int(batch.offsets[row]), int(batch.offsets[row + 1])
            if end > start:
                vectors[LEXICAL] = SparseVector(
                    batch.indices[start:end].tolist(), batch.values[start:end].tolist()
                )
            points.append(Point(point_id, vectors, batch.payloads[row]))
        self._shard(path).update(UpdateOperation.upsert_points(points))
        self._wrote(path, len(points))

    def delete(self, path: str, ids: list[str]) -> None:
        """Remove points; unknown ids are ignored."""
        self._shard(path).update(UpdateOperation.delete_points(list(ids)))
        self._wrote(path, len(ids))

    def count(self, path: str) -> int:
        """The exact number of points."""
        return self._shard(path).count(CountRequest(exact=True))

    def ids(self, path: str, offset: str | None, limit: int) -> tuple[list[str], str | None]:
        """One page of ids in ascending order, and where the next page starts."""
        request = ScrollRequest(offset=offset, limit=limit, with_payload=False, with_vector=False)
        records, following = self._shard(path).scroll(request)
        return [str(record.id) for record in records], None if following is None else str(following)

    def fetch(self, path: str, ids: list[str], dense_only: bool) -> PointBatch:
        """The points that are there, in any order; without sparse and payload when ``dense_only``."""
        with_vector = [DENSE] if dense_only else [DENSE, LEXICAL]
        records = self._shard(path).retrieve(list(ids), with_payload=not dense_only, with_vector=with_vector)
        vectors: list[Any] = [record.vector or {} for record in records]
        sparse = [vector.get(LEXICAL) for vector in vectors]
        lengths = [len(item.indices) if item else 0 for item in sparse]
        dense_ND = np.array([vector[DENSE] for vector in vectors], dtype=np.float32)
        return PointBatch(
            ids=[str(record.id) for record in records],
            dense=dense_ND.reshape(len(records), -1) if records else np.empty((0, 0), np.float32),
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            indices=np.array([i for item in sparse if item for i in item.indices], dtype=np.uint32),
            values=np.array([v for item in sparse if item for v in item.values], dtype=np.float32),
            payloads=[dict(record.payload or {}) for record in records],
        )

    def query(self, path: str, spec: QuerySpec) -> tuple[list[str], list[float], Any]:
        """Ids and scores, best first, and the dense vectors [K, D] or None."""
        hits = self._shard(path).query(build_query(spec))
        dense_KD = None
        if spec.with_dense:
            rows: list[Any] = [hit.vector for hit in hits]
            dense_KD = np.array([row[DENSE] for row in rows], dtype=np.float32)
        return [str(hit.id) for hit in hits], [float(hit.score) for hit in hits], dense_KD

    def state(self, path: str) -> ShardState:
        """Sizes of the shard."""
        info = self._shard(path).info()
        return ShardState(info.segments_count, info.points_count, info.indexed_vectors_count)

    def hold(self, path: str) -> None:
        """Leave the files as they are until ``release``: nobody writes, and nothing is flushed."""
        self._shard(path)
        self._held.add(path)

    def release(self, path: str) -> None:
        """End ``hold``."""
        self._held.discard(path)

    def flush_all(self) -> None:
        """Flush what has been written since the last flush."""
        for path in set(self._unflushed) - self._held:
            self._flush(path)

    def close_all(self) -> None:
        """Flush and close every shard."""
        for path in list(self._open):
            self.close(path)

    def _shard(self, path: str) -> EdgeShard:
        if path not in self._open:
            raise ShardNotOpenError(path)
        return self._open[path]

    def _flush(self, path: str) -> None:
        self._shard(path).flush()
        self._unflushed.pop(path, None)

    def _wrote(self, path: str, points: int) -> None:
        self._unflushed[path] = self._unflushed.get(path, 0) + points
        if self._unflushed[path] >= FLUSH_POINTS:
            self._flush(path)


def build_query(spec: QuerySpec) -> QueryRequest:
    """The engine's request for a checked query. The filter goes into each leg."""
    condition_filter = to_filter(spec.conditions)
    legs: list[tuple[Any, str]] = []
    if spec.dense is not None:
        legs.append((spec.dense.tolist(), DENSE))
    if spec.sparse is not None and len(spec.sparse[0]):
        legs.append((SparseVector(spec.sparse[0].tolist(), spec.sparse[1].tolist()), LEXICAL))
    with_vector: list[str] | bool = [DENSE] if spec.with_dense else False
    if spec.dense is None or spec.sparse is None:
        vector, using = legs[0]
        return QueryRequest(
            limit=spec.limit,
            query=Query.Nearest(vector, using=using),
            filter=condition_filter,
            with_vector=with_vector,
        )
    prefetch = max(spec.prefetch, spec.limit)
    limits = {DENSE: prefetch, LEXICAL: spec.lexical_prefetch or prefetch}
    fusion: Any = Fusion.Rrf(k=RRF_K) if spec.fusion == "rrf" else Fusion.Dbsf()  # stubs: not a Fusion
    return QueryRequest(
        limit=spec.limit,
        query=fusion,
        prefetches=[
            Prefetch(limit=limits[using], query=Query.Nearest(vector, using=using), filter=condition_filter)
            for vector, using in legs
        ],
        with_vector=with_vector,
    )


def to_filter(conditions: Sequence[Condition]) -> Filter | None:
    """The engine's filter; None when nothing is restricted."""
    if not conditions:
        return None
    return Filter(
        must=[
            FieldCondition(condition.field, match=MatchAny(list(condition.values)))
            if isinstance(condition, AnyOf)
            else FieldCondition(condition.field, range=RangeFloat(gte=condition.low, lt=condition.high))
            for condition in conditions
        ]
    )


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer requests until ``source`` ends."""
    shards = Shards()
    waiting: queue.PriorityQueue[tuple[int, int, tuple[int, str, tuple[Any, ...]] | None]]
    waiting = queue.PriorityQueue()
    threading.Thread(target=_collect, args=(source, waiting), daemon=True).start()
    while True:
        try:
            _, _, request = waiting.get(timeout=IDLE_FLUSH_S)
        except queue.Empty:
            shards.flush_all()
            continue
        if request is None:
            break
        try:
            _answer(shards, request, sink)
        except BrokenPipeError:
            break
    shards.close_all()


def _collect(source: BinaryIO, waiting: "queue.PriorityQueue[Any]") -> None:
    order = count()
    try:
        while True:
            request = receive(source)
            waiting.put((0 if request[1] in READS else 1, next(order), request))
    except (EOFError, OSError):
        waiting.put((2, next(order), None))  # after everything that was asked before


def _answer(shards: Shards, request: tuple[int, str, tuple[Any, ...]], sink: BinaryIO) -> None:
    number, operation, arguments = request
    method: Callable[..., Any] = getattr(shards, operation)
    try:
        value = method(*arguments)
    except BaseException as error:  # noqa: BLE001 - a panic of the engine is no Exception
        send(sink, (number, False, f"{type(error).__name__}: {error}"))
        if not isinstance(error, Exception):  # locks inside the engine are poisoned from here on
            os._exit(PANIC_EXIT)
    else:
        send(sink, (number, True, value))


def main(arguments: Sequence[str]) -> None:
    """Serve on stdin and stdout while holding the lock file; whatever else is printed goes to stderr."""
    lock = wait_for_lock(Path(arguments[0]), LOCK_PATIENCE_S)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, whose end ends this process
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # an abort is reported, not dumped
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, sink)
    lock.close()


if __name__ == "__main__":
    main(sys.argv[1:])
