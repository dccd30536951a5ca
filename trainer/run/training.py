"""A run from its first step to its last, whatever the stage.

The stage brings model, data, steps and card; here they get their folder: checkpoints, metrics, measurements,
signals, and the export at the end.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trainer.errors import ConfigError, TrainingError
from trainer.models.backbone import TextModel
from trainer.run.checkpoint import Position
from trainer.run.folder import JsonLines, RunConfig, RunFolder
from trainer.run.interruption import StopRequest
from trainer.run.loop import Gradients, Hook, StepReport, Training, train
from trainer.run.measurements import Measurements
from trainer.run.processes import Processes

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stage:
    """What a stage brings to its run. ``before_first_step`` is called when the position is loaded."""

    training: Training
    compute: Callable[[Training], Gradients]
    measurements: Measurements
    card: str
    before_first_step: Callable[[], None] = lambda: None


def run_training(
    config: RunConfig,
    prepare: Callable[[RunFolder, StopRequest], Stage],
    processes: Processes,
    *,
    resume: bool,
) -> Path:
    """Train by the recipe and return the folder of the model.

    Args:
        config: the recipe.
        prepare: opens data and model.
        processes: that train together.
        resume: resume from the newest checkpoint of the folder ``config.out``; from the start if it has none.

    Raises:
        TrainerError, Me5Error: the run cannot start or cannot go on; checkpoints written before stay.
        RunStopped: a signal came; the step was finished and a checkpoint written.
    """
    run = RunFolder(config, resume=resume, is_first=processes.is_first)
    with run.running() as stop:
        stage = prepare(run, stop)
        training = stage.training
        restore_training(training, run)
        run.record_step(training.step, training.plan.steps)
        stage.measurements.open(run.path / "evaluations.jsonl", training)
        with stop.defer_signals():
            stage.before_first_step()
            stage.measurements.measure_if_due(training)
            train(training, _hooks(stage, run), stage.compute, lambda: processes.any(stop.is_made()))
            if training.step < training.plan.steps:
                save_checkpoint(training, run)
        stop.require_done(training.step == training.plan.steps)
        if processes.is_first:
            run.set_status("Writing the model")
            _export(training.model, run.path / "model", stage.card)
        processes.wait()
    return run.path / "model"


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


def _hooks(stage: Stage, run: RunFolder) -> list[Hook]:
    training = stage.training
    hooks = [
        metrics_hook(training, run),
        checkpoint_hook(training, run),
        lambda report: stage.measurements.measure_if_due(training),
    ]
    if training.runtime.tensorboard and training.processes.is_first:
        hooks.append(tensorboard_hook(training, run.path / "tensorboard"))
    return hooks


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
        run.record_step(report.step, steps)
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


def _export(model: TextModel, folder: Path, card: str) -> None:
    try:
        model.save(folder)
        (folder / "README.md").write_text(card, encoding="utf8")
    except (OSError, RuntimeError) as error:  # safetensors reports a failed write as its own RuntimeError
        raise TrainingError(
            f"The model cannot be written to {folder} ({error}). Expected free space. Make room, --resume."
        ) from error
