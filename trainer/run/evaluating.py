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
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from me5 import Encoder, Role
from me5.batching import BatchPolicy, plan_batches
from trainer.errors import ConfigError
from trainer.evaluation.models import EncoderModel
from trainer.evaluation.running import Options, Row, TaskReport, find_tasks, run_task
from trainer.evaluation.subsample import limited_task
from trainer.evaluation.values import Task
from trainer.losses.gradcache import RandomState
from trainer.models.backbone import TextModel
from trainer.run.embedding import MAX_TEXTS
from trainer.run.loop import Training
from trainer.run.measurements import MEAN, RESAMPLES
from trainer.run.settings import EvaluateConfig

logger = logging.getLogger(__name__)

WINDOW_TEXTS = 4_096  # whose token ids are held at a time


class Evaluations:
    """The measurements of one run.

    Args:
        config: what and when; None measures nothing.
        should_stop: a measurement that has begun is given up when this says so.
        says: is told before a measurement, in words for people.

    Raises:
        ConfigError: a task is not found.
        DataError: its files are in no known layout.
    """

    def __init__(
        self,
        config: EvaluateConfig | None,
        *,
        should_stop: Callable[[], bool] = lambda: False,
        set_status: Callable[[str], None] = lambda words: None,
    ) -> None:
        self._config = config
        self._should_stop = should_stop
        self._set_status = set_status
        self._tasks = [] if config is None else [task for name in config.tasks for task in _find(name)]

    @property
    def every(self) -> int | None:
        """Steps between two measurements; None measures never."""
        return None if self._config is None else self._config.every

    def measure(self, training: Training) -> list[dict[str, Any]] | None:
        """The values of all tasks; None where the run is to stop."""
        config = self._config
        assert config is not None
        self._set_status(
            "Measuring the model" if training.step else "Measuring the model before the first step"
        )
        encoder = TrainedEncoder(training.model, training.runtime.precision, self._should_stop)
        model = EncoderModel("model", cast(Encoder, encoder), instruction=config.instruction)
        options = Options(languages=config.languages, resamples=RESAMPLES)
        rows: list[dict[str, Any]] = []
        try:
            with undisturbed(training.model):
                for task in self._tasks:
                    rows += figures(run_task(limited_task(task, config.max_items), model, None, options))
        except GivenUp:
            return None
        return rows


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
