"""The same behaviour in every home: embedded, memory, and a server where QDRANT_URL is set."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from indexer.errors import StoreError
from indexer.store import open_store
from indexer.store.protocol import VectorStore
from indexer.types import Filters, Point, SparseVector

NAME = "test-3f2a"
SHARED = "shared-3f2a"
NOTHING = SparseVector(np.zeros(0, np.uint32), np.zeros(0, np.float32))


def sparse(*indices: int) -> SparseVector:
    return SparseVector(np.array(indices, np.uint32), np.ones(len(indices), np.float32))


@pytest.fixture(scope="session")
def shared(open_home: VectorStore, make_points: Callable[..., list[Point]]) -> Iterator[VectorStore]:
    """A store with 60 points under the name SHARED, which no test changes."""
    open_home.ensure(SHARED, 16)
    open_home.upsert(SHARED, make_points(60))
    yield open_home
    open_home.drop(SHARED)


@pytest.fixture
def filled(store: VectorStore, points: list[Point]) -> VectorStore:
    store.ensure(NAME, len(points[0].dense))
    store.upsert(NAME, points)
    return store


def test_names_come_and_go(store: VectorStore) -> None:
    names = ["test-plain", "test Ünï/..\\文書 ภาษา", "TEST-plain"]
    for name in names:
        assert not store.exists(name)
        store.ensure(name, 4)
        store.ensure(name, 4)
        assert store.exists(name)
        assert store.count(name) == 0
    assert set(names) <= set(store.names())
    store.drop(names[0])
    store.drop(names[0])
    assert not store.exists(names[0])
    assert store.exists(names[2])
    store.ensure(names[0], 8)
    assert store.count(names[0]) == 0


def test_another_dimension_is_refused(shared: VectorStore) -> None:
    with pytest.raises(StoreError, match="dimension 16; expected 8"):
        shared.ensure(SHARED, 8)
    assert shared.count(SHARED) == 60


def test_an_unknown_name_is_refused_and_the_known_are_listed(shared: VectorStore) -> None:
    with pytest.raises(StoreError, match=rf"no vectors named 'test-other'.*{SHARED}"):
        shared.count("test-other")


def test_upserting_twice_is_upserting_once(filled: VectorStore, points: list[Point]) -> None:
    filled.upsert(NAME, points[:30])
    filled.upsert(NAME, points)
    assert filled.count(NAME) == len(points)
    assert sorted(filled.iter_ids(NAME)) == sorted(point.id for point in points)


def test_upsert_replaces_all_of_a_point(filled: VectorStore, points: list[Point]) -> None:
    changed = replace(points[0], dense=-points[0].dense, sparse=sparse(5), payload={"language": "km"})
    filled.upsert(NAME, [changed])
    (found,) = filled.fetch_points(NAME, [changed.id])
    np.testing.assert_allclose(found.dense, changed.dense, atol=1e-6)
    assert found.sparse.indices.tolist() == [5]
    assert dict(found.payload) == {"language": "km"}


def test_batches_larger_than_one_write_arrive_whole(
    store: VectorStore, make_points: Callable[..., list[Point]]
) -> None:
    points = make_points(1100)
    store.ensure(NAME, 16)
    store.upsert(NAME, points)
    assert store.count(NAME) == 1100
    store.delete(NAME, [point.id for point in points[:600]])
    assert set(store.iter_ids(NAME)) == {point.id for point in points[600:]}


def test_delete_ignores_unknown_ids(filled: VectorStore, points: list[Point]) -> None:
    filled.delete(NAME, [])
    filled.delete(NAME, [points[0].id, "00000000-0000-5000-8000-000000000000"])
    assert filled.count(NAME) == len(points) - 1
    hits = filled.query(NAME, dense=points[0].dense, limit=60)
    assert points[0].id not in {hit.id for hit in hits}


def test_dense_query_ranks_by_cosine(shared: VectorStore, points: list[Point]) -> None:
    query = points[3].dense
    exact = {point.id: float(point.dense @ query) for point in points}
    hits = shared.query(SHARED, dense=query, limit=10, with_dense=True)
    assert [hit.id for hit in hits] == sorted(exact, key=lambda key: -exact[key])[:10]
    for hit in hits:
        assert hit.score == pytest.approx(exact[hit.id], abs=1e-5)
        assert hit.dense is not None
        assert hit.dense.dtype == np.float32
        assert float(hit.dense @ query) == pytest.approx(hit.score, abs=1e-5)
    assert shared.query(SHARED, dense=query, limit=1)[0].dense is None


def test_lexical_query_finds_only_shared_features_and_rare_ones_weigh_more(
    shared: VectorStore, points: list[Point]
) -> None:
    hits = shared.query(SHARED, sparse=sparse(102, 1017), limit=60)
    assert hits[0].id == points[17].id
    assert {hit.id for hit in hits} == {point.id for point in points if 102 in point.sparse.indices}
    common, rare = (
        shared.query(SHARED, sparse=sparse(feature), limit=1)[0].score / weight
        for feature, weight in ((7, 1.0), (1017, 2.0))
    )
    assert rare > 3 * common  # without IDF both were 1


def test_a_query_without_known_features_finds_nothing(shared: VectorStore, points: list[Point]) -> None:
    assert shared.query(SHARED, sparse=NOTHING) == []
    assert shared.query(SHARED, sparse=sparse(999_999_999)) == []
    fused = shared.query(SHARED, dense=points[3].dense, sparse=NOTHING, limit=5)
    alone = shared.query(SHARED, dense=points[3].dense, limit=5)
    assert [hit.id for hit in fused] == [hit.id for hit in alone]


def test_rrf_sums_reciprocal_ranks(shared: VectorStore, points: list[Point]) -> None:
    query, features = points[3].dense, sparse(1007, 1011)
    dense_rank = {hit.id: rank for rank, hit in enumerate(shared.query(SHARED, dense=query, limit=20))}
    sparse_rank = {hit.id: rank for rank, hit in enumerate(shared.query(SHARED, sparse=features, limit=20))}
    assert len(sparse_rank) == 2
    fused = shared.query(SHARED, dense=query, sparse=features, limit=20, prefetch=20)
    for hit in fused:
        ranks = [ranking[hit.id] for ranking in (dense_rank, sparse_rank) if hit.id in ranking]
        expected = [1 / (60 + rank) for rank in ranks]
        # The two sparse hits tie, so their order may differ between two questions.
        slack = 1 / 60 - 1 / 61 if hit.id in sparse_rank else 0.0
        assert hit.score == pytest.approx(sum(expected), abs=slack + 1e-6)
    scores = [hit.score for hit in fused]
    assert scores == sorted(scores, reverse=True)
    assert {points[7].id, points[11].id} <= {hit.id for hit in fused}


def test_dbsf_puts_the_point_that_both_legs_prefer_first(shared: VectorStore, points: list[Point]) -> None:
    hits = shared.query(
        SHARED, dense=points[9].dense, sparse=points[9].sparse, fusion="dbsf", limit=5, with_dense=True
    )
    assert hits[0].id == points[9].id
    assert hits[0].dense is not None
    assert hits[0].score > hits[1].score


@pytest.mark.parametrize(
    ("where", "matches"),
    [
        (Filters(languages=("th",)), lambda n: n % 3 == 2),
        (Filters(languages=("th", "de")), lambda n: n % 3 != 1),
        (Filters(file_types=("pdf",)), lambda n: n % 2 == 1),
        (Filters(folders=("/a/2", "/a/3")), lambda n: n % 4 >= 2),
        (Filters(folders=("/a",)), lambda n: True),
        (Filters(folders=("/b",)), lambda n: False),
        (Filters(documents=("document-1", "document-4")), lambda n: n // 10 in (1, 4)),
        (Filters(added_after=datetime.fromtimestamp(1_000_030, UTC)), lambda n: n >= 30),
        (Filters(added_before=datetime.fromtimestamp(1_000_030, UTC)), lambda n: n < 30),
        (Filters(languages=("en",), file_types=("txt",)), lambda n: n % 3 == 1 and n % 2 == 0),
    ],
)
def test_filters_hold_in_every_mode(
    shared: VectorStore, points: list[Point], where: Filters, matches: Callable[[int], bool]
) -> None:
    expected = {point.id for number, point in enumerate(points) if matches(number)}
    dense, lexical = points[0].dense, sparse(7)
    for vectors in ({"dense": dense}, {"sparse": lexical}, {"dense": dense, "sparse": lexical}):
        hits = shared.query(SHARED, limit=60, where=where, **vectors)
        assert {hit.id for hit in hits} == expected


def test_filters_apply_before_the_candidates_are_cut(shared: VectorStore, points: list[Point]) -> None:
    """A rare language is found although its points are far down in both legs."""
    where = Filters(documents=("document-5",))
    hits = shared.query(SHARED, dense=points[0].dense, sparse=sparse(7), limit=2, prefetch=2, where=where)
    assert hits
    assert {hit.id for hit in hits} <= {point.id for point in points[50:60]}


def test_fetch_dense_keeps_the_order_of_ids(shared: VectorStore, points: list[Point]) -> None:
    wanted = [points[number] for number in (31, 2, 58, 2)]
    rows = shared.fetch_dense(SHARED, [point.id for point in wanted])
    np.testing.assert_array_equal(rows, np.stack([point.dense for point in wanted]))
    assert shared.fetch_dense(SHARED, []).shape == (0, 16)
    with pytest.raises(StoreError, match="is not among the vectors"):
        shared.fetch_dense(SHARED, [points[0].id, "00000000-0000-5000-8000-000000000000"])


def test_fetch_points_gives_back_what_was_written(shared: VectorStore, points: list[Point]) -> None:
    unknown = "00000000-0000-5000-8000-000000000000"
    read = shared.fetch_points(SHARED, [points[4].id, unknown, points[1].id])
    assert [point.id for point in read] == [points[4].id, points[1].id]
    for one, other in zip(read, (points[4], points[1]), strict=True):
        np.testing.assert_array_equal(one.dense, other.dense)
        np.testing.assert_array_equal(one.sparse.indices, other.sparse.indices)
        np.testing.assert_array_equal(one.sparse.values, other.sparse.values)
        assert dict(one.payload) == dict(other.payload)


def test_points_without_features_are_found_by_meaning(filled: VectorStore, points: list[Point]) -> None:
    filled.upsert(NAME, [replace(points[0], sparse=NOTHING)])
    assert filled.query(NAME, dense=points[0].dense, limit=1)[0].id == points[0].id
    assert filled.fetch_points(NAME, [points[0].id])[0].sparse.indices.size == 0


BAD = {
    "dimension": lambda p: replace(p, dense=p.dense[:15]),
    "nan": lambda p: replace(p, dense=np.where(np.arange(16) == 3, np.nan, p.dense)),
    "length": lambda p: replace(p, dense=p.dense * np.float32(1.01)),
    "zero": lambda p: replace(p, dense=np.zeros(16, np.float32)),
    "id": lambda p: replace(p, id="chunk-1"),
    "descending": lambda p: replace(p, sparse=sparse(9, 3)),
    "repeated": lambda p: replace(p, sparse=sparse(3, 3)),
    "infinite": lambda p: replace(p, sparse=SparseVector(np.ones(1, np.uint32), np.array([np.inf]))),
    "payload": lambda p: replace(p, payload={"added_at": float("nan")}),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_batch_with_one_bad_point_changes_nothing(
    shared: VectorStore, make_points: Callable[..., list[Point]], fault: str
) -> None:
    batch = make_points(10, first=100)
    batch[7] = BAD[fault](batch[7])
    with pytest.raises(StoreError):
        shared.upsert(SHARED, batch)
    assert shared.count(SHARED) == 60


def test_impossible_queries_are_refused(shared: VectorStore, points: list[Point]) -> None:
    with pytest.raises(StoreError, match="without any vector"):
        shared.query(SHARED)
    with pytest.raises(StoreError, match=r"shape \(8,\); expected \(16,\)"):
        shared.query(SHARED, dense=points[0].dense[:8])
    with pytest.raises(StoreError, match="not finite"):
        shared.query(SHARED, dense=np.full(16, np.nan, np.float32))
    with pytest.raises(StoreError, match="limit 0"):
        shared.query(SHARED, dense=points[0].dense, limit=0)


def test_many_threads_search_while_one_writes(
    filled: VectorStore, points: list[Point], make_points: Callable[..., list[Point]]
) -> None:
    more = make_points(400, first=60)
    written = threading.Event()
    failures: list[BaseException] = []
    searches = [0] * 4

    def search(worker: int) -> None:
        try:
            while not written.is_set() or not searches[worker]:
                point = points[(worker * 7 + searches[worker]) % 60]
                hits = filled.query(NAME, dense=point.dense, sparse=point.sparse, limit=3)
                assert hits[0].id == point.id
                searches[worker] += 1
        except BaseException as error:  # noqa: BLE001 - shown by the main thread
            failures.append(error)

    workers = [threading.Thread(target=search, args=(worker,)) for worker in range(4)]
    for worker in workers:
        worker.start()
    for start in range(0, len(more), 20):
        filled.upsert(NAME, more[start : start + 20])
    written.set()
    for worker in workers:
        worker.join()
    assert failures == []
    assert all(searches)
    assert filled.count(NAME) == 460


def test_optimise_leaves_small_collections_alone(shared: VectorStore, points: list[Point]) -> None:
    shared.optimize(SHARED)
    assert shared.query(SHARED, dense=points[5].dense, limit=1)[0].id == points[5].id


@pytest.mark.parametrize("url", [None, ":memory:"])
def test_a_closed_store_says_so(tmp_path: Path, url: str | None) -> None:
    store = open_store(tmp_path, qdrant_url=url)
    assert "0 collections" in store.describe()
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.ensure(NAME, 16)
