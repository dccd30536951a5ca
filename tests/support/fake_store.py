"""A vector store in a dictionary: everything that ingest asks of one, without an engine."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.errors import StoreError
from indexer.types import Point, ScoredPoint


class FakeStore:
    """Fits the part of ``VectorStore`` that ingest uses, and ranks by meaning.

    ``before_change`` is called with the name of each change before it is made, to fail or to look.
    """

    def __init__(self, before_change: Callable[[str], None] | None = None) -> None:
        self.points: dict[str, dict[str, Point]] = {}
        self.before_change = before_change
        self.is_closed = False

    def _changing(self, what: str) -> None:
        if self.before_change is not None:
            self.before_change(what)

    def ensure(self, name: str, dimension: int) -> None:
        self.points.setdefault(name, {})

    def exists(self, name: str) -> bool:
        return name in self.points

    def drop(self, name: str) -> None:
        self.points.pop(name, None)

    def names(self) -> list[str]:
        return sorted(self.points)

    def upsert(self, name: str, points: Sequence[Point]) -> None:
        self._changing("upsert")
        if name not in self.points:
            raise StoreError(f"No such name {name!r}")
        self.points[name] |= {point.id: point for point in points}

    def delete(self, name: str, ids: Sequence[str]) -> None:
        self._changing("delete")
        for one in ids:
            self.points[name].pop(one, None)

    def count(self, name: str) -> int:
        return len(self.points[name])

    def iter_ids(self, name: str) -> Iterator[str]:
        return iter(sorted(self.points[name]))

    def fetch_points(self, name: str, ids: Sequence[str]) -> list[Point]:
        return [self.points[name][one] for one in ids if one in self.points[name]]

    def fetch_dense(self, name: str, ids: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self.points[name][one].dense for one in ids])

    def query(self, name: str, *, dense: Any, limit: int = 10, **_: Any) -> list[ScoredPoint]:
        points = self.points[name].values()
        found = [ScoredPoint(one.id, float(one.dense @ dense), None) for one in points]
        return sorted(found, key=lambda one: -one.score)[:limit]

    def bulk(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()

    def optimize(self, name: str) -> None:
        self._changing("optimize")

    def is_indexing(self, name: str) -> bool:
        return False

    def describe(self) -> str:
        return "fake store"

    def is_there(self) -> bool:
        return True

    def close(self) -> None:
        self.is_closed = True
