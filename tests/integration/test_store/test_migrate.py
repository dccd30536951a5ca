"""Moving vectors between homes."""

from collections.abc import Callable
from pathlib import Path

from indexer.catalog import Catalog
from indexer.library.moving import Move
from indexer.store.protocol import VectorStore
from indexer.store.qdrant import QdrantStore
from indexer.types import Point


def test_a_copy_has_the_same_points_and_answers(
    store: VectorStore, make_points: Callable[..., list[Point]], tmp_path: Path
) -> None:
    catalog = Catalog.open(tmp_path / "catalog.sqlite3")
    record = catalog.collections.create(
        "library", model="m", contract="{}", contract_digest="0" * 16, dimension=16, created_at=1.0
    )
    points = make_points(700)
    source = QdrantStore(":memory:")
    source.ensure(record.store_name, 16)
    source.upsert(record.store_name, points)
    steps: list[int] = []
    for _ in range(2):
        move = Move(catalog, source, store, progress=lambda done, *_: steps.append(done))
        assert move.catch_up(move.copy()).points == 700
    assert steps == [512, 700]  # the second time everything is there
    for point in points[::100]:
        arguments = {"dense": point.dense, "sparse": point.sparse, "limit": 1}
        assert store.query(record.store_name, **arguments)[0].id == point.id
        assert source.query(record.store_name, **arguments)[0].id == point.id
    store.drop(record.store_name)
    catalog.close()
