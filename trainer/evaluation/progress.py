"""How far an evaluation is, for whoever watches from outside: texts done of all texts, in a small JSON file.

``{"task", "language", "done", "total"}``: texts of all tasks of the command; ``total`` is null where tasks of
the hub take part, whose size is not known before. Written aside and renamed, at most twice a second.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from me5 import atomic
from trainer.evaluation.values import Bitext, Classification, Mining, Part, Retrieval, Similarity

PAUSE_S = 0.5


def texts_of(part: Part) -> int:
    """How many texts a model has to read for a part."""
    if isinstance(part, Retrieval):
        return len(part.queries) + len(part.passages)
    if isinstance(part, Bitext):
        return len(part.sources) + len(part.targets)
    if isinstance(part, Mining):
        own = len(part.sources) + len(part.targets)
        return own + (texts_of(part.tuning) if part.tuning is not None else 0)
    if isinstance(part, Similarity):
        return 2 * len(part.left)
    assert isinstance(part, Classification)
    return len(part.train_texts) + len(part.test_texts)


class ProgressFile:
    """Writes the file; a model reports through :meth:`step`, the order of tasks through :meth:`begin`."""

    def __init__(self, path: Path, total: int | None) -> None:
        self._path = path
        self._total = total
        self._before = 0  # texts of the parts that are done
        self._part = 0  # texts of this part
        self._within = 0  # texts of this part in calls that have ended
        self._where: dict[str, Any] = {}
        self._written_at = -PAUSE_S
        self._write(0)

    def begin(self, task: str, part: Part) -> None:
        """The next part is measured."""
        self._before += self._part
        self._part, self._within = texts_of(part), 0
        language = "" if isinstance(part, Retrieval) else part.language
        self._where = {"task": task, "language": language}
        self._write(self._before)

    def step(self, done: int, total: int) -> None:
        """``done`` of the ``total`` texts of one call of the model; a part takes several calls."""
        reached = self._within + done
        if done >= total:
            self._within += total
        most = reached if self._total is None else min(reached, self._part)
        self._write(self._before + most)

    def end(self) -> None:
        """Everything is measured."""
        self._write(self._before + self._part, is_last=True)

    def _write(self, done: int, *, is_last: bool = False) -> None:
        now = time.monotonic()
        if now - self._written_at < PAUSE_S and not is_last:
            return
        self._written_at = now
        atomic.write(
            self._path, json.dumps(self._where | {"done": done, "total": self._total}), durable=False
        )
