"""The growing home: a Qdrant server or cluster through qdrant-client, or its memory mode for tests.

The server indexes, replicates and moves shards by itself; this module keeps the schema, the checks and
the words of errors the same as at home.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from indexer.addresses import hide_password, hide_passwords
from indexer.errors import StoreError
from indexer.store.filters import AnyOf, to_conditions
from indexer.store.naming import decode_name, encode_name
from indexer.store.protocol import DENSE, FLOAT_FIELDS, KEYWORD_FIELDS, LEXICAL, RRF_K, WRITE_BATCH
from indexer.store.settings import ServerSettings
from indexer.store.validation import check_dimension, check_id, check_points, check_query
from indexer.types import Filters, Fusion, Point, ScoredPoint, SparseVector

PAGE = 1000
PREFIX = "me5-"
MEMORY = ":memory:"

_Answer = TypeVar("_Answer")


class QdrantStore:
    """The ``VectorStore`` of a Qdrant server.

    Args:
        url: ``http://host:6333``, or ``":memory:"`` for a store that ends with the process.
        api_key: sent with each request.
        settings: layout of new collections.

    Raises:
        StoreError: the server does not answer.
    """

    def __init__(
        self, url: str, *, api_key: str | None = None, settings: ServerSettings | None = None
    ) -> None:
        self._shown_url = hide_password(url)
        settings = settings or ServerSettings()
        self._settings = settings
        self._is_memory = url == MEMORY
        # qdrant-client's memory mode is plain Python dictionaries and not safe between threads.
        self._guard: AbstractContextManager[object] = threading.RLock() if self._is_memory else nullcontext()
        self._dimensions: dict[str, int] = {}
        self._closed = False
        if self._is_memory:
            self._client = QdrantClient(MEMORY)
            return
        try:
            self._client = QdrantClient(
                url=url, api_key=api_key, timeout=settings.timeout_s, check_compatibility=False
            )
        except (ValueError, TypeError):
            raise StoreError(
                f"The Qdrant address {self._shown_url!r} cannot be used; expected http://host:6333."
            ) from None  # its words quote the address
        self._ask(self._client.get_collections)

    def ensure(self, name: str, dimension: int) -> None:
        """See ``VectorStore``."""
        check_dimension(dimension)
        collection = self._collection(name)
        if self._ask(lambda: self._client.collection_exists(collection)):
            result = self._dimension(name)
            if result != dimension:
                raise StoreError(
                    f"The vectors of {name!r} have dimension {result}; expected {dimension}. "
                    "Use the model they were made with, or re-embed into a new collection."
                )
            return
        self._ask(lambda: self._create(collection, dimension))
        self._dimensions[name] = dimension

    def exists(self, name: str) -> bool:
        """See ``VectorStore``."""
        return bool(self._ask(lambda: self._client.collection_exists(self._collection(name))))

    def drop(self, name: str) -> None:
        """See ``VectorStore``."""
        self._dimensions.pop(name, None)
        if self.exists(name):
            self._ask(lambda: self._client.delete_collection(self._collection(name)))

    def names(self) -> list[str]:
        """See ``VectorStore``. Collections of others on the same server are left out."""
        collections = self._ask(self._client.get_collections).collections
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
            self._ask(partial(self._client.upsert, collection, part, wait=True))

    def delete(self, name: str, ids: Sequence[str]) -> None:
        """See ``VectorStore``."""
        for point_id in ids:
            check_id(point_id)
        self._dimension(name)
        if ids:
            selector = models.PointIdsList(points=list(ids))
            self._ask(lambda: self._client.delete(self._collection(name), selector, wait=True))

    def count(self, name: str) -> int:
        """See ``VectorStore``."""
        self._dimension(name)
        return int(self._ask(lambda: self._client.count(self._collection(name), exact=True)).count)

    def iter_ids(self, name: str) -> Iterator[str]:
        """See ``VectorStore``."""
        self._dimension(name)
        offset: Any = None
        while True:
            records, offset = self._ask(
                partial(
                    self._client.scroll,
                    self._collection(name),
                    limit=PAGE,
                    offset=offset,
                    with_payload=False,
                    with_vectors=False,
                )
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
        check_query(dense, sparse, self._dimension(name), limit, prefetch)
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
        if dense is None or sparse is None:
            arguments |= {"query": legs[0][0], "using": legs[0][1], "query_filter": condition_filter}
        else:
            limits = {DENSE: max(prefetch, limit), LEXICAL: lexical_prefetch or max(prefetch, limit)}
            arguments["prefetch"] = [
                models.Prefetch(query=vector, using=using, filter=condition_filter, limit=limits[using])
                for vector, using in legs
            ]
            arguments["query"] = (
                models.RrfQuery(rrf=models.Rrf(k=RRF_K))
                if fusion == "rrf"
                else models.FusionQuery(fusion=models.Fusion.DBSF)
            )
        response = self._ask(lambda: self._client.query_points(self._collection(name), **arguments))
        return [
            ScoredPoint(str(hit.id), float(hit.score), _dense(hit.vector) if with_dense else None)
            for hit in response.points
        ]

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

    def optimize(self, name: str) -> None:
        """See ``VectorStore``. The server does so by itself, above 10,000 KB a segment."""

    def describe(self) -> str:
        """See ``VectorStore``."""
        home = "Qdrant in the memory of this process" if self._is_memory else f"Qdrant at {self._shown_url}"
        return f"{home}, {len(self.names())} collections"

    def close(self) -> None:
        """See ``VectorStore``."""
        self._closed = True
        self._client.close()

    def _collection(self, name: str) -> str:
        return PREFIX + encode_name(name)

    def _dimension(self, name: str) -> int:
        if name not in self._dimensions:
            collection = self._collection(name)
            if not self._ask(lambda: self._client.collection_exists(collection)):
                raise StoreError(
                    f"There are no vectors named {name!r}. Known: {', '.join(self.names()) or 'none'}. "
                    "Add documents first, or run `python app.py doctor --repair`."
                )
            vectors = self._ask(lambda: self._client.get_collection(collection)).config.params.vectors
            if not isinstance(vectors, dict) or DENSE not in vectors:
                raise StoreError(
                    f"{collection!r} at {self._shown_url} has no vector {DENSE!r}; it is not one of ours. "
                    "Rename or remove it on the server."
                )
            self._dimensions[name] = int(vectors[DENSE].size)
        return self._dimensions[name]

    def _create(self, collection: str, dimension: int) -> None:
        settings = self._settings
        quantization = (
            models.ScalarQuantization(
                scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
            )
            if settings.quantization == "int8"
            else None
        )
        self._client.create_collection(
            collection,
            vectors_config={
                DENSE: models.VectorParams(
                    size=dimension, distance=models.Distance.DOT, on_disk=settings.on_disk
                )
            },
            sparse_vectors_config={LEXICAL: models.SparseVectorParams(modifier=models.Modifier.IDF)},
            shard_number=settings.shard_number,
            replication_factor=settings.replication_factor,
            write_consistency_factor=settings.write_consistency_factor,
            quantization_config=quantization,
        )
        if self._is_memory:  # which searches payloads without an index, and warns about one
            return
        for field in KEYWORD_FIELDS:
            self._client.create_payload_index(collection, field, models.PayloadSchemaType.KEYWORD, wait=True)
        for field in FLOAT_FIELDS:
            self._client.create_payload_index(collection, field, models.PayloadSchemaType.FLOAT, wait=True)

    def _retrieve(self, name: str, ids: Sequence[str], vectors: list[str], *, payload: bool) -> list[Any]:
        for point_id in ids:
            check_id(point_id)
        self._dimension(name)
        records: list[Any] = []
        for start in range(0, len(ids), PAGE):
            part = list(ids[start : start + PAGE])
            records += self._ask(
                partial(
                    self._client.retrieve,
                    self._collection(name),
                    part,
                    with_payload=payload,
                    with_vectors=vectors,
                )
            )
        return records

    def _ask(self, request: Callable[[], _Answer]) -> _Answer:
        """Run a request and say in our words what went wrong."""
        if self._closed:
            raise StoreError("The vector store is closed. Open it again to use it.")
        try:
            with self._guard:
                return request()
        except ResponseHandlingException as error:
            raise StoreError(
                f"The Qdrant server at {self._shown_url} does not answer ({hide_passwords(str(error))}). "
                "Start it, check --qdrant-url, or leave that option out to keep the vectors on this computer."
            ) from error
        except UnexpectedResponse as error:
            hint = "Check the API key." if error.status_code in {401, 403} else "See the log of the server."
            text = error.content.decode("utf-8", "replace")[:500]
            raise StoreError(
                f"The Qdrant server at {self._shown_url} refused with status {error.status_code}: {text}. "
                f"{hint}"
            ) from error
        except (ApiException, ValueError) as error:
            raise StoreError(f"Qdrant at {self._shown_url} refused: {hide_passwords(str(error))}.") from error


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
