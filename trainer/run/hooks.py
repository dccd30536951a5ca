"""What is done after a step: the log, and the curve of a run, a line of ``metrics.jsonl`` each so many."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from trainer.run.folder import JsonLines

log = logging.getLogger(__name__)


class Stepping(Protocol):
    """A run of which a hook needs to know the step."""

    step: int


State_contra = TypeVar("State_contra", bound=Stepping, contravariant=True)


@dataclass
class Every(Generic[State_contra]):
    """A hook that acts each ``steps`` steps."""

    steps: int
    action: Callable[[State_contra, float], None]

    def __call__(self, state: State_contra, loss: float) -> None:
        if state.step % self.steps == 0:
            self.action(state, loss)


class LogLoss:
    """Writes loss and speed to the log."""

    def __init__(self) -> None:
        self._time, self._step = time.monotonic(), 0

    def __call__(self, state: Stepping, loss: float) -> None:
        now = time.monotonic()
        per_step = (now - self._time) / max(1, state.step - self._step)
        log.info("step %d loss %.4f, %.2f s per step", state.step, loss, per_step)
        self._time, self._step = now, state.step


class WriteMetrics:
    """A hook: step, mean loss of the steps since the last line, and seconds per step.

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
