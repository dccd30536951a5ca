"""The curve of a run of the built-in model: a line of ``metrics.jsonl`` per so many steps."""

from __future__ import annotations

import time
from pathlib import Path

from trainer.builtin.static import Stepping
from trainer.run.folder import JsonLines


class WriteMetrics:
    """A hook of ``train_static``: step, mean loss of the steps since the last line, and seconds per step.

    Args:
        folder: of the stage; its ``metrics.jsonl`` goes on where a resumed run begins.
        step: that the run begins with.
        every: steps of a line.
    """

    def __init__(self, folder: Path, *, step: int, every: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lines = JsonLines(folder / "metrics.jsonl", step=step)
        self._every = every
        self._losses: list[float] = []
        self._started = time.monotonic()

    def __call__(self, state: Stepping, loss: float) -> None:
        self._losses.append(loss)
        if state.step % self._every:
            return
        now = time.monotonic()
        count = len(self._losses)
        self._lines.write(
            {
                "step": state.step,
                "loss": round(sum(self._losses) / count, 4),
                "seconds_per_step": round((now - self._started) / count, 3),
            }
        )
        self._losses, self._started = [], now
