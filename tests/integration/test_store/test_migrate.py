"""Moving vectors between homes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from indexer.errors import StoreError
from indexer.store import open_store
from indexer.store.migrate import copy_vectors
from indexer.store.protocol import VectorStore
from indexer.store.qdrant import QdrantStore
from indexer.types import Point


def test_a_copy_has_the_same_points_and_answers(
    store: VectorStore, make_points: Callable[..., list[Point]], tmp_path: Path
) -> None:
    points = make_points(700)
    source = QdrantStore(":memory:")
    source.ensure("test-move", 16)
    source.upsert("test-move", points)
    steps: list[int] = []
    for _ in range(2):
        assert copy_vectors(source, store, "test-move", 16, on_progress=steps.append) == 700
    assert steps == [512, 700, 512, 700]
    for point in points[::100]:
        arguments = {"dense": point.dense, "sparse": point.sparse, "limit": 1}
        assert store.query("test-move", **arguments)[0].id == point.id
        assert source.query("test-move", **arguments)[0].id == point.id


def test_a_copy_with_other_points_is_refused(points: list[Point]) -> None:
    source, target = open_store(Path(), qdrant_url=":memory:"), open_store(Path(), qdrant_url=":memory:")
    for place, content in ((source, points[:50]), (target, points[40:])):
        place.ensure("test-move", 16)
        place.upsert("test-move", content)
    with pytest.raises(StoreError, match="holds 60 points; expected 50"):
        copy_vectors(source, target, "test-move", 16)


def test_a_target_that_changes_points_is_refused(points: list[Point]) -> None:
    class Forgetful(QdrantStore):
        def upsert(self, name: str, points: list[Point]) -> None:  # type: ignore[override]
            super().upsert(name, [replace(point, payload={}) for point in points])

    source = QdrantStore(":memory:")
    source.ensure("test-move", 16)
    source.upsert("test-move", points)
    with pytest.raises(StoreError, match="differ from those written"):
        copy_vectors(source, Forgetful(":memory:"), "test-move", 16)
