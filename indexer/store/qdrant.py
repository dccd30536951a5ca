"""The growing home: a Qdrant server or cluster through qdrant-client, or its memory mode for tests.

The server indexes, replicates and moves shards by itself; this module keeps the schema, the checks and
the words of errors the same as at home.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from indexer.errors import StoreAwayError, StoreError
from indexer.progress import CancelToken, Progress
from indexer.store.address import ServerAddress
from indexer.store.deferred import INDEX_ABOVE_KB, DeferredIndexing
from indexer.store.filters import AnyOf, to_conditions
from indexer.store.naming import decode_name, encode_name
from indexer.store.protocol import (
    DENSE,
    FLOAT_FIELDS,
    KEYWORD_FIELDS,
    LEXICAL,
    RRF_K,
    WRITE_BATCH,
    in_order,
)
from indexer.store.qdrant_requests import Requests
from indexer.store.settings import Layout, Quantization, ServerSettings
from indexer.store.tuning import tune
from indexer.store.validation import check_dimension, check_id, check_points, check_query
from indexer.types import Filters, Fusion, Point, ScoredPoint, SparseVector

PAGE = 1000
PREFIX = "me5-"
EXACT_BELOW = 50_000
"""Points that a server compares one by one, in some ten milliseconds, as the embedded store does."""
LEAST_EFFORT, EFFORT_PER_HIT = 256, 6
"""Width of the walk through the graph: never below the first, and so many times the hits asked for."""
COUNTED_FOR_S = 60.0

logger = logging.getLogger(__name__)


class QdrantStore:
    """The ``VectorStore`` of a Qdrant server.

    Args:
        url: as ``ServerAddress.parse`` takes it, or ``":memory:"`` for a store that ends with the process.
        api_key: sent with each request.
        settings: layout of new collections.

    Raises:
        StoreError: the server does not answer.
    """

    def __init__(
        self, url: str, *, api_key: str | None = None, settings: ServerSettings | None = None
    ) -> None:
        address = ServerAddress.parse(url)
        self._shown_url, self._is_memory = address.shown, address.is_memory
        self._settings = settings or ServerSettings()
        self._dimensions: dict[str, int] = {}
        self._counts: dict[str, tuple[float, int]] = {}  # of points, and when they were counted
        self._ask = Requests(address, api_key, self._settings)
        self._indexing = DeferredIndexing(self._ask)
        if not self._is_memory:
            self._ask("get_collections", is_asked_for=True)

    def ensure(self, name: str, dimension: int) -> None:
        """See ``VectorStore``."""
        check_dimension(dimension)
        collection = self._collection(name)
        if self._ask("collection_exists", collection):
            result = self._dimension(name)
            if result != dimension:
                raise StoreError(
                    f"The vectors of {name!r} have dimension {result}; expected {dimension}. "
                    "Use the model they were made with, or re-embed into a new collection."
                )
            return
        self._create(collection, dimension)
        self._dimensions[name] = dimension

    def exists(self, name: str) -> bool:
        """See ``VectorStore``."""
        return bool(self._ask("collection_exists", self._collection(name)))

    def drop(self, name: str) -> None:
        """See ``VectorStore``."""
        self._dimensions.pop(name, None)
        if self.exists(name):
            self._ask("delete_collection", self._collection(name))

    def names(self) -> list[str]:
        """See ``VectorStore``. Collections of others on the same server are left out."""
        collections = self._ask("get_collections").collections
        decoded = [decode_name(c.name.removeprefix(PREFIX)) for c in collections if c.name.startswith(PREFIX)]
        return sorted(name for name in decoded if name is not None)

    def upsert(self, name: str, points: Sequence[Point]) -> None:
        """See ``VectorStore``. Durable as the server's replicas acknowledge it."""
        if not points:
            return
        dense_ND = check_points(points, self._dimension(name))
        collection = self._collection(name)
        for start in range(0, len(points), WRITE_BATCH):
            rows = range(start, min(start + WRITE_BATCH, len(points)))
            part = [_to_struct(points[row], dense_ND[row]) for row in rows]
            # Each is in the log of the server when it answers; the last answer says that all can be found.
            self._ask("upsert", collection, part, wait=rows.stop == len(points))
        if not self._is_memory:
            self._indexing.written(collection, len(points))

    def delete(self, name: str, ids: Sequence[str]) -> None:
        """See ``VectorStore``."""
        for point_id in ids:
            check_id(point_id)
        self._dimension(name)
        if ids:
            selector = models.PointIdsList(points=list(ids))
            self._ask("delete", self._collection(name), selector, wait=True)

    def count(self, name: str) -> int:
        """See ``VectorStore``."""
        self._dimension(name)
        return int(self._ask("count", self._collection(name), exact=True).count)

    def iter_ids(self, name: str) -> Iterator[str]:
        """See ``VectorStore``."""
        self._dimension(name)
        offset: Any = None
        while True:
            records, offset = self._ask(
                "scroll",
                self._collection(name),
                limit=PAGE,
                offset=offset,
                with_payload=False,
                with_vectors=False,
            )
            yield from (str(record.id) for record in records)
            if offset is None:
                return

    def query(
        self,
        name: str,
        *,
        dense: NDArray[np.float32] | None = None,
        sparse: SparseVector | None = None,
        limit: int = 10,
        prefetch: int = 100,
        fusion: Fusion = "rrf",
        where: Filters = Filters(),  # noqa: B008 - frozen
        with_dense: bool = False,
        lexical_prefetch: int | None = None,
    ) -> list[ScoredPoint]:
        """See ``VectorStore``."""
        check_query(dense, sparse, self._dimension(name, is_asked_for=True), limit, prefetch)
        legs: list[tuple[Any, str]] = []
        if dense is not None:
            legs.append((np.asarray(dense, dtype=np.float32).tolist(), DENSE))
        if sparse is not None and len(sparse.indices):
            legs.append((_to_sparse(sparse), LEXICAL))
        if not legs:
            return []
        condition_filter = to_filter(where)
        arguments: dict[str, Any] = {"limit": limit, "with_payload": False}
        arguments["with_vectors"] = [DENSE] if with_dense else False
        effort = self._effort(name, max(prefetch, limit))
        arguments["search_params"] = effort
        if dense is None or sparse is None:
            arguments |= {"query": legs[0][0], "using": legs[0][1], "query_filter": condition_filter}
        else:
            limits = {DENSE: max(prefetch, limit), LEXICAL: lexical_prefetch or max(prefetch, limit)}
            arguments["prefetch"] = [
                models.Prefetch(
                    query=vector, using=using, filter=condition_filter, limit=limits[using], params=effort
                )
                for vector, using in legs
            ]
            arguments["query"] = (
                models.RrfQuery(rrf=models.Rrf(k=RRF_K))
                if fusion == "rrf"
                else models.FusionQuery(fusion=models.Fusion.DBSF)
            )
        response = self._ask("query_points", self._collection(name), is_asked_for=True, **arguments)
        return in_order(
            ScoredPoint(str(hit.id), float(hit.score), _dense(hit.vector) if with_dense else None)
            for hit in response.points
        )

    def fetch_dense(self, name: str, ids: Sequence[str]) -> NDArray[np.float32]:
        """See ``VectorStore``."""
        dense_ND = np.empty((len(ids), self._dimension(name)), dtype=np.float32)
        results = {
            str(record.id): record.vector for record in self._retrieve(name, ids, [DENSE], payload=False)
        }
        for row, point_id in enumerate(ids):
            if point_id not in results:
                raise StoreError(
                    f"Point {point_id} is not among the vectors of {name!r}; expected it there. "
                    "Run `python app.py doctor --repair` to bring vectors and catalog together."
                )
            dense_ND[row] = _dense(results[point_id])
        return dense_ND

    def fetch_points(self, name: str, ids: Sequence[str]) -> list[Point]:
        """See ``VectorStore``."""
        records = self._retrieve(name, ids, [DENSE, LEXICAL], payload=True)
        results = {str(record.id): _to_point(record) for record in records}
        return [results[point_id] for point_id in ids if point_id in results]

    def bulk(self, name: str) -> AbstractContextManager[None]:
        """See ``VectorStore``."""
        return nullcontext() if self._is_memory else self._indexing.bulk(self._collection(name))

    def optimize(self, name: str) -> None:
        """See ``VectorStore``. The server builds by itself; this only lets it, after a bulk."""
        if not self._is_memory:
            self._indexing.finish(self._collection(name))

    def is_indexing(self, name: str) -> bool:
        """See ``VectorStore``."""
        if self._is_memory:
            return False
        status = self._ask("get_collection", self._collection(name), is_asked_for=True).status
        return status in (models.CollectionStatus.YELLOW, models.CollectionStatus.GREY)

    def tune(
        self,
        name: str,
        layout: Layout,
        *,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """See ``VectorStore``; ``tuning.tune`` does it."""
        self._dimension(name)
        tune(
            self._ask,
            self._collection(name),
            layout,
            quantization_config=_quantization(layout.quantization or "none"),
            progress=progress,
            cancel=cancel,
        )

    def describe(self) -> str:
        """See ``VectorStore``."""
        home = "Qdrant in the memory of this process" if self._is_memory else f"Qdrant at {self._shown_url}"
        return f"{home}, {len(self.names())} collections"

    def is_there(self) -> bool:
        """See ``VectorStore``."""
        try:
            self._ask("get_collections", is_asked_for=True)
        except StoreAwayError:
            return False
        except StoreError as error:
            logger.info("%s", error)  # it answers, and will say the same to the work
        return True

    def close(self) -> None:
        """See ``VectorStore``."""
        self._ask.close()

    def _effort(self, name: str, hits: int) -> models.SearchParams | None:
        """How thoroughly the server looks: as the embedded store does, one by one, where there are few."""
        if self._is_memory:
            return None
        counted_at, count = self._counts.get(name, (float("-inf"), 0))
        if time.monotonic() - counted_at > COUNTED_FOR_S:
            count = int(self._ask("count", self._collection(name), exact=False, is_asked_for=True).count)
            self._counts[name] = time.monotonic(), count
        if count < EXACT_BELOW:
            return models.SearchParams(exact=True)
        return models.SearchParams(
            hnsw_ef=max(LEAST_EFFORT, EFFORT_PER_HIT * hits),
            # Quantised copies only choose what the originals rank.
            quantization=models.QuantizationSearchParams(rescore=True, oversampling=3.0),
        )

    def _collection(self, name: str) -> str:
        return PREFIX + encode_name(name)

    def _dimension(self, name: str, *, is_asked_for: bool = False) -> int:
        if name not in self._dimensions:
            collection = self._collection(name)
            if not self._ask("collection_exists", collection, is_asked_for=is_asked_for):
                raise StoreError(
                    f"There are no vectors named {name!r}. Known: {', '.join(self.names()) or 'none'}. "
                    "Add documents first, or run `python app.py doctor --repair`."
                )
            vectors = self._ask("get_collection", collection, is_asked_for=is_asked_for).config.params.vectors
            if not isinstance(vectors, dict) or DENSE not in vectors:
                raise StoreError(
                    f"{collection!r} at {self._shown_url} has no vector {DENSE!r}; it is not one of ours. "
                    "Rename or remove it on the server."
                )
            self._dimensions[name] = int(vectors[DENSE].size)
        return self._dimensions[name]

    def _create(self, collection: str, dimension: int) -> None:
        settings = self._settings
        self._ask(
            "create_collection",
            collection,
            vectors_config={
                DENSE: models.VectorParams(
                    size=dimension, distance=models.Distance.DOT, on_disk=settings.on_disk
                )
            },
            sparse_vectors_config={LEXICAL: models.SparseVectorParams(modifier=models.Modifier.IDF)},
            shard_number=settings.shard_number,
            replication_factor=settings.replication_factor or self._usual_replicas(),
            write_consistency_factor=settings.write_consistency_factor,
            quantization_config=_quantization(settings.quantization),
            optimizers_config=models.OptimizersConfigDiff(indexing_threshold=INDEX_ABOVE_KB),
        )
        if self._is_memory:  # which searches payloads without an index, and warns about one
            return
        for field in KEYWORD_FIELDS:
            self._ask("create_payload_index", collection, field, models.PayloadSchemaType.KEYWORD, wait=True)
        for field in FLOAT_FIELDS:
            self._ask("create_payload_index", collection, field, models.PayloadSchemaType.FLOAT, wait=True)

    def _usual_replicas(self) -> int:
        """Two copies where there are two nodes for them: with one, the loss of a node stops every search."""
        if self._is_memory:
            return 1
        try:
            status = self._ask("cluster_status")
        except StoreError as error:  # a key may allow collections and not this
            logger.info("the nodes of the Qdrant server are not known: %s", error)
            return 1
        return min(2, max(1, len(getattr(status, "peers", None) or ())))

    def _retrieve(self, name: str, ids: Sequence[str], vectors: list[str], *, payload: bool) -> list[Any]:
        for point_id in ids:
            check_id(point_id)
        self._dimension(name)
        records: list[Any] = []
        for start in range(0, len(ids), PAGE):
            part = list(ids[start : start + PAGE])
            records += self._ask(
                "retrieve", self._collection(name), part, with_payload=payload, with_vectors=vectors
            )
        return records


def _quantization(kind: Quantization) -> Any:
    if kind == "int8":
        return models.ScalarQuantization(
            scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
        )
    if kind == "binary":
        return models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))
    return None


def to_filter(where: Filters) -> models.Filter | None:
    """The server's filter; None when nothing is restricted."""
    conditions = to_conditions(where)
    if not conditions:
        return None
    return models.Filter(
        must=[
            models.FieldCondition(key=condition.field, match=models.MatchAny(any=list(condition.values)))
            if isinstance(condition, AnyOf)
            else models.FieldCondition(
                key=condition.field, range=models.Range(gte=condition.low, lt=condition.high)
            )
            for condition in conditions
        ]
    )


def _to_struct(point: Point, dense: NDArray[np.float32]) -> models.PointStruct:
    vector: dict[str, Any] = {DENSE: dense.tolist()}
    if len(point.sparse.indices):
        vector[LEXICAL] = _to_sparse(point.sparse)
    return models.PointStruct(id=point.id, vector=vector, payload=dict(point.payload))


def _to_sparse(sparse: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=sparse.indices.tolist(), values=sparse.values.tolist())


def _to_point(record: Any) -> Point:
    sparse = record.vector.get(LEXICAL)
    indices = np.array(sparse.indices if sparse else [], dtype=np.uint32)
    values = np.array(sparse.values if sparse else [], dtype=np.float32)
    return Point(str(record.id), _dense(record.vector), SparseVector(indices, values), record.payload or {})


def _dense(vector: Any) -> NDArray[np.float32]:
    return np.array(cast(dict[str, Any], vector)[DENSE], dtype=np.float32)
