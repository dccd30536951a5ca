"""Measuring a model in training: tasks before the first step, every so many steps, and after the last.

Each measurement adds lines to ``evaluations.jsonl``, one per task, metric and language ("mean" is the mean of
the languages). The random numbers of the training are put back, so that a run with evaluations has the same
curve as one without.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from me5 import Encoder, Role
from me5.batching import BatchPolicy, plan_batches
from trainer.errors import ConfigError
from trainer.losses.gradcache import RandomState
from trainer.models.backbone import TextModel
from trainer.runs.folder import JsonLines
from trainer.runs.loop import MAX_TEXTS, Training
from trainer.runs.settings import EvaluateConfig
from trainer.tasks.limits import limited_task
from trainer.tasks.models import EncoderModel
from trainer.tasks.running import Options, Row, TaskReport, find_tasks, run_task
from trainer.tasks.values import Task

logger = logging.getLogger(__name__)

RESAMPLES = 200  # for the intervals of a look on the way; the verb `evaluate` draws more
MEAN = "mean"
WINDOW_TEXTS = 4_096  # whose token ids are held at a time


class Evaluations:
    """The measurements of one run.

    Args:
        config: what and when; None measures nothing.
        should_stop: a measurement that has begun is given up when this says so.

    Raises:
        ConfigError: a task is not found.
        DataError: its files are in no known layout.
    """

    def __init__(
        self, config: EvaluateConfig | None, *, should_stop: Callable[[], bool] = lambda: False
    ) -> None:
        self._config = config
        self._should_stop = should_stop
        self._tasks = [] if config is None else [task for name in config.tasks for task in _find(name)]
        self._lines: JsonLines | None = None
        self._measured: set[int] = set()

    def open(self, path: Path, training: Training) -> None:
        """Go on with the file of the run, whose later steps will come again."""
        if self._config is not None:
            self._lines = JsonLines(path, step=training.step, is_first=training.processes.is_first)
            self._measured = {row["step"] for row in self._lines.rows}

    def measure_if_due(self, training: Training) -> None:
        """Measure now if the recipe says so, once per step. The first process does it, the others wait."""
        config, step = self._config, training.step
        if config is None:
            return
        is_due = step in (0, training.plan.steps) or (config.every > 0 and step % config.every == 0)
        if is_due and step not in self._measured and training.processes.is_first:
            self._measure(config, training)
        if is_due:
            training.processes.wait()

    def _measure(self, config: EvaluateConfig, training: Training) -> None:
        assert self._lines is not None
        encoder = TrainedEncoder(training.model, training.runtime.precision, self._should_stop)
        model = EncoderModel("model", cast(Encoder, encoder), instruction=config.instruction)
        options = Options(languages=config.languages, resamples=RESAMPLES)
        rows: list[dict[str, Any]] = []
        try:
            with undisturbed(training.model):
                for task in self._tasks:
                    report = run_task(limited_task(task, config.max_items), model, None, options)
                    rows += [{"step": training.step} | values for values in figures(report)]
        except GivenUp:
            return
        self._lines.write(*rows)
        self._measured.add(training.step)
        for row in rows:
            if row["language"] == MEAN:
                logger.info("step %d  %s  %s %.4f", row["step"], row["task"], row["metric"], row["value"])


class GivenUp(Exception):  # noqa: N818  # no error
    """Raised inside a measurement when the run is to stop."""


@dataclass(frozen=True)
class _Spec:
    instruct_template: str | None


class TrainedEncoder:
    """The model in training with the face of ``me5.Encoder`` that the tasks look at.

    Texts are cut where the saved model will cut them, not where the training does.
    """

    def __init__(
        self, model: TextModel, precision: str = "fp32", should_stop: Callable[[], bool] = lambda: False
    ) -> None:
        self.spec = _Spec(model.instruct_template)
        self._model = model.untruncated()
        self._precision = precision
        self._should_stop = should_stop
        on_gpu = next(model.body.parameters()).device.type != "cpu"
        self._policy = BatchPolicy(65_536 if on_gpu else 4_096, MAX_TEXTS)

    def encode(
        self,
        texts: Sequence[str],
        role: Role = Role.QUERY,
        *,
        titles: Sequence[str] | None = None,
        instruction: str | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> NDArray[np.float32]:
        """Unit rows [N, D]; see ``me5.Encoder.encode``."""
        if not texts:
            return np.zeros((0, 1), dtype=np.float32)
        windows = []
        for start in range(0, len(texts), WINDOW_TEXTS):
            own = slice(start, start + WINDOW_TEXTS)
            instructions = None if instruction is None else [instruction] * len(texts[own])
            ids = self._model.tokenize(texts[own], role, titles[own] if titles else None, instructions)
            windows.append(self._embedded(ids))
        return np.concatenate(windows)

    def _embedded(self, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        device = next(self._model.body.parameters()).device.type
        rows: dict[int, NDArray[np.float32]] = {}
        for batch in plan_batches([len(row) for row in ids], self._policy):
            if self._should_stop():
                raise GivenUp
            with torch.autocast(device, dtype=torch.bfloat16, enabled=self._precision == "bf16"):
                embeddings_BD = self._model.embed([ids[row] for row in batch])
            rows |= zip(batch, embeddings_BD.cpu().numpy(), strict=True)  # waits for the device
        return np.stack([rows[row] for row in range(len(ids))])


@contextmanager
def undisturbed(model: TextModel) -> Iterator[None]:
    """Inside, the model has no dropout and no graph; afterwards mode and random numbers are as before."""
    was_training = model.body.training
    model.body.eval()
    try:
        with RandomState.now().replayed(), torch.no_grad():
            yield
    finally:
        model.body.train(was_training)


def figures(report: TaskReport) -> Iterator[dict[str, Any]]:
    """A report as lines of ``evaluations.jsonl``, the mean first."""
    yield from _figures(report, report.mean or report.rows[0], MEAN)
    for row in report.rows:
        yield from _figures(report, row, row.language)


def _figures(report: TaskReport, row: Row, language: str) -> Iterator[dict[str, Any]]:
    for metric, score in row.scores.items():
        yield {
            "task": report.task,
            "kind": report.kind,
            "metric": metric,
            "language": language,
            "value": score.first.value,
            "low": score.first.low,
            "high": score.first.high,
        }


def _find(name: str) -> list[Task]:
    tasks = find_tasks(name, Options())
    if tasks is None:
        raise ConfigError(
            f"evaluate.tasks: there is no file or folder {name}. Expected tasks on this machine, because "
            "they are measured again and again. Check the path; tasks of the hub run with `app.py evaluate`."
        )
    return tasks
