"""Vectors that were paid for, on this disk: what is interrupted and started again costs nothing twice.

A file a model in the cache folder. Keys are hashes of the texts, which are not kept; the oldest vectors go
when there are too many. A file that cannot be used costs a request.
"""

import hashlib
import logging
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

Floats = NDArray[np.float32]
MAX_VECTORS = 200_000
_AT_A_TIME = 500  # variables of a statement


class KeptVectors:
    """See the module. Safe to use from several threads and processes.

    Args:
        path: of the file; made when first written.
        limit: how many vectors are kept.
    """

    def __init__(self, path: Path, limit: int = MAX_VECTORS) -> None:
        self._path, self._limit = path, limit
        self._lock = threading.Lock()

    def read(self, texts: Sequence[str], kind: str) -> dict[str, Floats]:
        """The known vectors by text; ``kind`` is what the texts are used as."""
        if not self._path.is_file():
            return {}
        by_key = {_key(text, kind): text for text in texts}
        keys = list(by_key)
        results: dict[str, Floats] = {}
        try:
            with self._lock, self._open() as connection:
                for start in range(0, len(keys), _AT_A_TIME):
                    block = keys[start : start + _AT_A_TIME]
                    marks = ",".join("?" * len(block))
                    rows = connection.execute(f"SELECT key, vector FROM kept WHERE key IN ({marks})", block)
                    results |= {by_key[key]: np.frombuffer(blob, "<f4") for key, blob in rows}
        except (sqlite3.Error, OSError, ValueError) as error:
            logger.info("kept vectors cannot be read: %s", error)
            return {}
        return results

    def write(self, texts: Sequence[str], kind: str, vectors_ND: Floats) -> None:
        """Keep the vectors of texts."""
        rows = [
            (_key(text, kind), np.ascontiguousarray(vector, "<f4").tobytes())
            for text, vector in zip(texts, vectors_ND, strict=True)
        ]
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock, self._open() as connection:
                connection.executemany("INSERT OR REPLACE INTO kept (key, vector) VALUES (?, ?)", rows)
                connection.execute(
                    "DELETE FROM kept WHERE number <= (SELECT max(number) FROM kept) - ?", (self._limit,)
                )
        except (sqlite3.Error, OSError) as error:
            logger.info("vectors are not kept: %s", error)

    def _open(self) -> "_Connection":
        return _Connection(self._path)


class _Connection:
    """Commits at the end and closes, which sqlite3's own context does not."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, timeout=30)

    def __enter__(self) -> sqlite3.Connection:
        try:
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS kept "
                "(number INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB UNIQUE NOT NULL, vector BLOB NOT NULL)"
            )
        except sqlite3.Error:
            self._connection.close()
            raise
        return self._connection

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if kind is None:
                self._connection.commit()
        finally:
            self._connection.close()


def _key(text: str, kind: str) -> bytes:
    return hashlib.sha256(f"{kind}\0{text}".encode()).digest()
