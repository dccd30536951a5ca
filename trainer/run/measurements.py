"""When a run is measured, and the file that remembers it.

A model is measured before the first step, every so many steps and after the last, once per step. Every
measurement adds lines to ``evaluations.jsonl``, one per task, metric and language.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.run.folder import JsonLines
from trainer.run.loop import Training

logger = logging.getLogger(__name__)

MEAN = "mean"  # of the languages
RESAMPLES = 200  # for the intervals of a look on the way; the verb `evaluate` draws more

Rows = Sequence[Mapping[str, Any]]


class Measurements:
    """The measurements of one run.

    Args:
        measure: the values of the lines; None where it was given up, and nothing where there is nothing to
            measure.
        every: steps between two measurements; 0 measures before and after only, None never.
    """

    def __init__(self, measure: Callable[[Training], Rows | None], *, every: int | None) -> None:
        self._measure = measure
        self._every = every
        self._lines: JsonLines | None = None
        self._measured: set[int] = set()

    def open(self, path: Path, training: Training) -> None:
        """Go on with the file of the run, whose later steps will come again."""
        if self._every is not None:
            self._lines = JsonLines(path, step=training.step, is_first=training.processes.is_first)
            self._measured = {row["step"] for row in self._lines.rows}

    def measure_if_due(self, training: Training) -> None:
        """Measure now if it is time, once per step. The first process does it, the others wait."""
        step = training.step
        is_due = step in (0, training.plan.steps) or (self._every and step % self._every == 0)
        if self._lines is None or not is_due:
            return
        if step not in self._measured and training.processes.is_first:
            rows = self._measure(training)
            if rows is not None:
                self._lines.write(*({"step": step, **row} for row in rows))
                self._measured.add(step)
                _tell(step, rows)
        training.processes.wait()


def _tell(step: int, rows: Rows) -> None:
    for row in rows:
        if row["language"] == MEAN:
            logger.info("step %d  %s  %s %.4f", step, row["task"], row["metric"], row["value"])
