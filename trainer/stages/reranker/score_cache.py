"""Scores of a cross-encoder on disk, so that no pair is scored twice, not even after a crash.

One SQLite file, a table of key and score. A key is the hash of the cross-encoder's contract, the query, and
the passage with its title: another model, limit or precision has other keys, so one file serves several.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from trainer.errors import TrainingError

KEYS_PER_QUESTION = 500
WAIT_S = 300  # for another process that is writing

Key = bytes


class ScoreCache:
    """The file; several processes may use it at a time.

    Raises:
        TrainingError: it cannot be opened, or is not such a file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._explain_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=WAIT_S)
            with self._database:
                self._database.execute(
                    "CREATE TABLE IF NOT EXISTS scores (key BLOB PRIMARY KEY, score REAL NOT NULL) "
                    "WITHOUT ROWID"
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def known(self, keys: Sequence[Key]) -> dict[Key, float]:
        """The scores that are there."""
        results: dict[Key, float] = {}
        with self._explain_errors():
            for start in range(0, len(keys), KEYS_PER_QUESTION):
                sample = keys[start : start + KEYS_PER_QUESTION]
                marks = ", ".join("?" * len(sample))
                results |= self._database.execute(
                    f"SELECT key, score FROM scores WHERE key IN ({marks})", sample
                ).fetchall()
        return results

    def add(self, scores: dict[Key, float]) -> None:
        """Keep scores; all of them are on the disk when this returns, or none.

        Raises:
            TrainingError: the disk is full or cannot be written; what was there stays.
        """
        with self._explain_errors(), self._database:
            self._database.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?)", scores.items())

    @contextmanager
    def _explain_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            raise TrainingError(
                f"The score cache {self._path} cannot be used ({error}). Expected a folder with free "
                "space that can be written. Make room and run again: what is scored is kept."
            ) from error
        except sqlite3.DatabaseError as error:
            raise TrainingError(
                f"{self._path} is not a score cache ({error}). Expected an SQLite file of this project. "
                "Remove it, or name another with cache=FILE."
            ) from error


def score_key(contract: str, query: str, passage: str) -> Key:
    """16 bytes for a pair under a contract; ``passage`` with its title."""
    digest = hashlib.sha256()
    for text in (contract, query, passage):
        content = text.encode("utf8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.digest()[:16]
