"""What only a real cluster can show. Run with QDRANT_CLUSTER_URLS, the addresses of its nodes with commas."""

import os
import uuid
from collections.abc import Callable, Iterator

import pytest

from indexer.errors import StoreError
from indexer.store.naming import encode_name
from indexer.store.qdrant import PREFIX, QdrantStore
from indexer.store.settings import Layout, ServerSettings
from indexer.types import Point

URLS = os.environ.get("QDRANT_CLUSTER_URLS", "")
pytestmark = pytest.mark.skipif(not URLS, reason="needs QDRANT_CLUSTER_URLS")


@pytest.fixture
def store() -> Iterator[QdrantStore]:
    opened = QdrantStore(URLS, api_key=os.environ.get("QDRANT_API_KEY"))
    yield opened
    opened.close()


@pytest.fixture
def name(store: QdrantStore) -> Iterator[str]:
    made = f"test-{uuid.uuid4()}"
    yield made
    store.drop(made)


def copies(store: QdrantStore, name: str) -> set[int]:
    """How many nodes have each shard."""
    info = store._ask("collection_cluster_info", PREFIX + encode_name(name))
    shards = [shard.shard_id for shard in (*info.local_shards, *info.remote_shards)]
    return {shards.count(shard) for shard in shards}


def test_two_copies_are_kept_where_nobody_says_otherwise(store: QdrantStore, name: str) -> None:
    store.ensure(name, 16)
    assert copies(store, name) == {2}


def test_a_node_that_does_not_answer_is_passed_over(
    name: str, make_points: Callable[..., list[Point]]
) -> None:
    first, *others = URLS.split(",")
    store = QdrantStore(",".join(["127.0.0.1:9", first, *others]), settings=ServerSettings(patience_s=20))
    store.ensure(name, 16)
    store.upsert(name, make_points(100))
    assert store.count(name) == 100
    store.close()


def test_copies_are_added_and_dropped_while_points_stay(
    store: QdrantStore, name: str, make_points: Callable[..., list[Point]]
) -> None:
    points = make_points(500)
    store.ensure(name, 16)
    store.upsert(name, points)
    for replicas in (3, 1, 2):
        store.tune(name, Layout(replicas=replicas))
        assert copies(store, name) == {replicas} and store.count(name) == 500
        assert store.query(name, dense=points[7].dense, limit=1)[0].id == points[7].id
    with pytest.raises(StoreError, match="need as many nodes"):
        store.tune(name, Layout(replicas=99))


@pytest.mark.parametrize("quantization", ["int8", "binary", "none"])
def test_quantised_search_finds_what_the_originals_find(
    store: QdrantStore, name: str, make_points: Callable[..., list[Point]], quantization: str
) -> None:
    points = make_points(2_000)
    store.ensure(name, 16)
    store.upsert(name, points)
    exact = [{hit.id for hit in store.query(name, dense=item.dense, limit=100)} for item in points[:20]]
    store.tune(name, Layout(quantization=quantization, on_disk=quantization != "none"))  # type: ignore[arg-type]
    found = [{hit.id for hit in store.query(name, dense=item.dense, limit=100)} for item in points[:20]]
    recall = sum(len(a & b) for a, b in zip(exact, found, strict=True)) / 2_000
    assert recall >= 0.98
