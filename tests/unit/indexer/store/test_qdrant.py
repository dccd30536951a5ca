"""What the server home asks of a server, seen through a client that only records."""

from typing import Any
from uuid import NAMESPACE_OID, uuid5

import numpy as np
import pytest

from indexer.store import qdrant, qdrant_requests
from indexer.store.settings import ServerSettings
from indexer.types import Filters, Point, SparseVector


class Recorder:
    def __init__(self, **arguments: Any) -> None:
        self.made: dict[str, Any] = arguments
        self.created: dict[str, Any] = {}
        self.indexed: list[tuple[str, str]] = []
        self.written: list[tuple[int, bool]] = []

    def get_collections(self) -> None: ...

    def collection_exists(self, _: str) -> bool:
        return False

    def create_collection(self, name: str, **arguments: Any) -> None:
        self.created = {"name": name, **arguments}

    def upsert(self, _: str, points: list[Any], wait: bool) -> None:
        self.written.append((len(points), wait))

    def create_payload_index(self, _: str, field: str, schema: Any, wait: bool) -> None:
        assert wait
        self.indexed.append((field, schema.value))


def test_settings_reach_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qdrant_requests, "QdrantClient", Recorder)
    settings = ServerSettings(shard_number=6, replication_factor=2, quantization="int8", timeout_s=7)
    store = qdrant.QdrantStore("http://example.invalid:6333", api_key="secret", settings=settings)
    store.ensure("Library", 384)
    client: Any = store._ask.clients[0]
    assert client.made["timeout"] == 7
    assert client.made["api_key"] == "secret"
    assert client.created["name"] == "me5-_4cibrary"
    assert client.created["shard_number"] == 6
    assert client.created["replication_factor"] == 2
    assert client.created["quantization_config"].scalar.type.value == "int8"
    assert client.created["vectors_config"]["dense"].size == 384
    assert client.created["sparse_vectors_config"]["lexical"].modifier.value == "idf"
    assert client.created["optimizers_config"].indexing_threshold == 10_000
    assert ("folders", "keyword") in client.indexed
    assert ("added_at", "float") in client.indexed


def test_only_the_last_batch_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qdrant_requests, "QdrantClient", Recorder)
    monkeypatch.setattr(qdrant, "WRITE_BATCH", 2)
    store = qdrant.QdrantStore("http://example.invalid:6333")
    store._dimensions["c"] = 2
    nothing = SparseVector(np.array([], np.uint32), np.array([], np.float32))
    points = [
        Point(str(uuid5(NAMESPACE_OID, str(row))), np.array([1, 0], np.float32), nothing, {})
        for row in range(5)
    ]
    store.upsert("c", points)
    client: Any = store._ask.clients[0]
    assert client.written == [(2, False), (2, False), (1, True)]


def test_no_restriction_is_no_filter() -> None:
    assert qdrant.to_filter(Filters()) is None
