"""The vector store of ``fake_store`` in a file that several processes write to at once."""

import pickle
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from fake_store import FakeStore
from numpy.typing import NDArray

from indexer.errors import StoreError
from indexer.types import Point, ScoredPoint


class SharedStore(FakeStore):
    """Keeps points in an SQLite file.

    Args:
        path: of the file.
        before_change: as of ``FakeStore``.
    """

    def __init__(self, path: Path, before_change: Callable[[str], None] | None = None) -> None:
        super().__init__(before_change)
        self._path = path
        self._run("CREATE TABLE IF NOT EXISTS names (name TEXT PRIMARY KEY)")
        self._run(
            "CREATE TABLE IF NOT EXISTS points (name TEXT, id TEXT, point BLOB, PRIMARY KEY (name, id))"
        )

    def _run(self, statement: str, *rows: tuple[Any, ...]) -> list[Any]:
        with closing(sqlite3.connect(self._path, timeout=30)) as connection, connection:
            if not rows:
                return connection.execute(statement).fetchall()
            if statement.startswith("SELECT"):
                return connection.execute(statement, rows[0]).fetchall()
            connection.executemany(statement, rows)
            return []

    def ensure(self, name: str, dimension: int) -> None:
        self._run("INSERT OR IGNORE INTO names VALUES (?)", (name,))

    def exists(self, name: str) -> bool:
        return name in self.names()

    def drop(self, name: str) -> None:
        self._run("DELETE FROM points WHERE name = ?", (name,))
        self._run("DELETE FROM names WHERE name = ?", (name,))

    def names(self) -> list[str]:
        return [row[0] for row in self._run("SELECT name FROM names ORDER BY name")]

    def upsert(self, name: str, points: Sequence[Point]) -> None:
        self._changing("upsert")
        if not self.exists(name):
            raise StoreError(f"No such name {name!r}")
        rows = [(name, point.id, pickle.dumps(point)) for point in points]
        self._run("INSERT OR REPLACE INTO points VALUES (?, ?, ?)", *rows)

    def delete(self, name: str, ids: Sequence[str]) -> None:
        self._changing("delete")
        self._run("DELETE FROM points WHERE name = ? AND id = ?", *((name, item) for item in ids))

    def count(self, name: str) -> int:
        return len(list(self.iter_ids(name)))

    def iter_ids(self, name: str) -> Iterator[str]:
        return iter(
            [row[0] for row in self._run("SELECT id FROM points WHERE name = ? ORDER BY id", (name,))]
        )

    def fetch_points(self, name: str, ids: Sequence[str]) -> list[Point]:
        stored = dict(self._run("SELECT id, point FROM points WHERE name = ?", (name,)))
        return [pickle.loads(stored[item]) for item in ids if item in stored]

    def query(self, name: str, *, dense: Any, limit: int = 10, **_: Any) -> list[ScoredPoint]:
        points = self.fetch_points(name, list(self.iter_ids(name)))
        found = [ScoredPoint(point.id, float(point.dense @ dense), None) for point in points]
        return sorted(found, key=lambda point: -point.score)[:limit]

    def fetch_dense(self, name: str, ids: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([point.dense for point in self.fetch_points(name, ids)])
