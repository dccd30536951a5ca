"""Stores to test and points to put in, small and made from seeds."""

import os
import uuid
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from indexer.store import open_store
from indexer.store.protocol import VectorStore
from indexer.types import Point, SparseVector

DIMENSION = 16
LANGUAGES = ("de", "en", "th")


def point_id(number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"chunk:{number}"))


def build_points(count: int, *, first: int = 0, seed: int = 0) -> list[Point]:
    """Points ``first`` to ``first + count - 1``; feature 7 is in all, feature 1000 + n only in point n."""
    points = []
    for number in range(first, first + count):
        vector = np.random.default_rng([seed, number]).standard_normal(DIMENSION).astype(np.float32)
        indices = np.array([7, 100 + number % 5, 1000 + number], dtype=np.uint32)
        payload = {
            "language": LANGUAGES[number % 3],
            "file_type": "pdf" if number % 2 else "txt",
            "folders": ["/a", f"/a/{number % 4}"],
            "document_id": f"document-{number // 10}",
            "added_at": 1_000_000.0 + number,
        }
        values = np.array([1.0, 0.5, 2.0], dtype=np.float32)
        unit = (vector / np.linalg.norm(vector)).astype(np.float32)
        points.append(Point(point_id(number), unit, SparseVector(indices, values), payload))
    return points


@pytest.fixture(name="points")
def points_fixture() -> list[Point]:
    return build_points(60)


@pytest.fixture(scope="session")
def make_points() -> Callable[..., list[Point]]:
    return build_points


HOMES = [
    "edge",
    "memory",
    pytest.param("server", marks=pytest.mark.skipif("QDRANT_URL" not in os.environ, reason="no QDRANT_URL")),
]


@pytest.fixture(scope="session", params=HOMES)
def open_home(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VectorStore]:
    url = {"edge": None, "memory": ":memory:"}.get(request.param, os.environ.get("QDRANT_URL"))
    opened = open_store(tmp_path_factory.mktemp("data"), qdrant_url=url, reserve_bytes=0)
    yield opened
    opened.close()


@pytest.fixture
def store(open_home: VectorStore) -> Iterator[VectorStore]:
    """A store in which no name that starts with "test" exists, and none is left."""
    yield open_home
    for name in open_home.names():
        if name.lower().startswith("test"):
            open_home.drop(name)
