"""A run of an embedding model from its first step to its last, whatever its stage.

The stage says how model and objective are built and what the model card tells; here they get their folder:
checkpoints, metrics, evaluations, signals, and the export at the end.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from trainer.errors import ConfigError, TrainingError
from trainer.models.backbone import StartConfig, TextModel, build_model
from trainer.models.layers import speed_up
from trainer.runs.checkpoint import Position
from trainer.runs.evaluating import Evaluations
from trainer.runs.folder import JsonLines, RunConfig, RunFolder
from trainer.runs.loop import Hook, StepReport, Training, train
from trainer.runs.objective import Objective
from trainer.runs.optimiser import build_optimiser
from trainer.runs.processes import Processes
from trainer.runs.settings import EvaluateConfig, StepPlan

logger = logging.getLogger(__name__)


class EmbeddingOptim(Protocol):
    """What the optimisers of both stages have in common."""

    @property
    def batch_size(self) -> int: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def max_tokens(self) -> int: ...


class EmbeddingConfig(RunConfig, Protocol):
    """The recipe of a stage that trains an embedding model."""

    @property
    def start(self) -> StartConfig: ...
    @property
    def seed(self) -> int: ...
    @property
    def optim(self) -> EmbeddingOptim: ...
    @property
    def evaluate(self) -> EvaluateConfig | None: ...


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A stage whose data was found: how many steps it has, and its objective for a model."""

    plan: StepPlan
    objective: Callable[[TextModel, Processes], Objective]


def run_embedding_stage(
    config: EmbeddingConfig, *, prepare: Callable[[], Prepared], card: Callable[[], str], resume: bool
) -> Path:
    """Train by the recipe and return the folder of the model.

    Args:
        config: the recipe.
        prepare: opens the data, before a model is loaded.
        card: the text of the model card.
        resume: go on from the newest checkpoint of the folder ``config.out``; from the start if it has none.

    Raises:
        TrainerError, Me5Error: the run cannot start or cannot go on; checkpoints written before stay.
        RunStopped: a signal came; the step was finished and a checkpoint written.
    """
    processes = Processes(config.runtime.device)
    _require_even_split(config.optim, processes)
    run = RunFolder(config, resume=resume, is_first=processes.is_first)
    with run.running() as stop:
        evaluations = Evaluations(config.evaluate, should_stop=stop.is_made)
        training = _build(config, prepare(), processes)
        restore_training(training, run)
        run.stands_at(training.step, training.plan.steps)
        evaluations.open(run.path / "evaluations.jsonl", training)
        with stop.granted_between_steps():
            evaluations.measure_if_due(training)
            hooks = [
                metrics_hook(training, run),
                checkpoint_hook(training, run),
                _evaluation(training, evaluations),
            ]
            if config.runtime.tensorboard and processes.is_first:
                hooks.append(tensorboard_hook(training, run.path / "tensorboard"))
            train(training, hooks, lambda: processes.any(stop.is_made()))
            if training.step < training.plan.steps:
                save_checkpoint(training, run)
        stop.require_done(training.step == training.plan.steps)
        if processes.is_first:
            _export(training.model, run.path / "model", card())
        processes.wait()
    return run.path / "model"


def _build(config: EmbeddingConfig, prepared: Prepared, processes: Processes) -> Training:
    optim, plan = config.optim, prepared.plan
    model = build_model(config.start, max_tokens=optim.max_tokens, seed=config.seed)
    model.body.to(processes.device)
    speed_up(model.body)
    return Training(
        model=model,
        optimiser=build_optimiser(
            model.body, learning_rate=plan.learning_rate, weight_decay=optim.weight_decay
        ),
        objective=prepared.objective(model, processes),
        processes=processes,
        plan=plan,
        runtime=config.runtime,
        seed=config.seed,
    )


def restore_training(training: Training, run: RunFolder) -> None:
    """Put back the newest checkpoint of the run, where it has one."""
    if run.newest is None:
        return
    position = run.checkpoints.load(run.newest, training.model.body, training.optimiser)
    training.objective.restore(position.data, position.tensors)
    training.step = position.step
    logger.info("resumed at step %d", position.step)


def save_checkpoint(training: Training, run: RunFolder) -> None:
    """A checkpoint of where the training stands, unless there is one."""
    newest = run.checkpoints.newest()
    is_saved = newest is not None and newest.name == run.checkpoints.name_of(training.step)
    if training.processes.is_first and training.step and not is_saved:
        objective = training.objective
        position = Position(step=training.step, data=objective.state(), tensors=objective.tensors())
        run.checkpoints.save(training.model.body, training.optimiser, position)
    training.processes.wait()


def checkpoint_hook(training: Training, run: RunFolder) -> Hook:
    """A checkpoint every ``save_every`` steps and after the last."""

    def save(report: StepReport) -> None:
        if report.step % training.runtime.save_every == 0 or report.step == training.plan.steps:
            save_checkpoint(training, run)

    return save


def _evaluation(training: Training, evaluations: Evaluations) -> Hook:
    def measure(report: StepReport) -> None:
        evaluations.measure_if_due(training)

    return measure


def metrics_hook(training: Training, run: RunFolder) -> Hook:
    """A line per logged step, each step once even after a resume."""
    is_first, steps = training.processes.is_first, training.plan.steps
    lines = JsonLines(run.path / "metrics.jsonl", step=training.step, is_first=is_first)

    def write(report: StepReport) -> None:
        if not is_first or (report.step % training.runtime.log_every and report.step != steps):
            return
        values = dataclasses.asdict(report)
        parts = values.pop("parts")
        pairs_per_s = round(report.pairs / report.seconds, 2)
        lines.write(values | {"pairs_per_s": pairs_per_s} | parts)
        run.stands_at(report.step, steps)
        logger.info(
            "step %d of %d  loss %.4f  %.0f pairs/s  %s",
            report.step,
            steps,
            report.loss,
            pairs_per_s,
            report.source,
        )

    return write


def tensorboard_hook(training: Training, folder: Path) -> Hook:
    """The figures of the metrics, for TensorBoard."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError(
            f"runtime.tensorboard is on, and tensorboard is not installed ({error}). Expected the package. "
            "Install it with: pip install tensorboard; or leave the option off."
        ) from error
    writer = SummaryWriter(str(folder), purge_step=training.step + 1)

    def write(report: StepReport) -> None:
        if report.step % training.runtime.log_every and report.step != training.plan.steps:
            return
        figures = dataclasses.asdict(report)
        for name, value in (figures | figures.pop("parts")).items():
            if isinstance(value, int | float) and name != "step":
                writer.add_scalar(name, value, report.step)
        writer.flush()

    return write


def _require_even_split(optim: EmbeddingOptim, processes: Processes) -> None:
    if optim.batch_size % processes.count:
        raise ConfigError(
            f"optim.batch_size is {optim.batch_size}; expected a multiple of {processes.count} processes, "
            "because each takes the same share. Change it."
        )


def _export(model: TextModel, folder: Path, card: str) -> None:
    try:
        model.save(folder)
        (folder / "README.md").write_text(card, encoding="utf8")
    except OSError as error:
        raise TrainingError(
            f"The model cannot be written to {folder} ({error}). Expected free space. Make room, --resume."
        ) from error
