"""A run of an embedding model, whatever its stage.

The stage says how its data is opened, what the objective is and what the model card tells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from trainer.errors import ConfigError
from trainer.models.backbone import StartConfig, TextModel, build_model
from trainer.models.layers import use_cpu_kernels
from trainer.run.embedding import embedding_gradients
from trainer.run.evaluating import Evaluations
from trainer.run.folder import RunConfig, RunFolder
from trainer.run.interruption import StopRequest
from trainer.run.loop import Training
from trainer.run.measurements import Measurements
from trainer.run.objective import Objective
from trainer.run.optimiser import build_optimiser
from trainer.run.processes import Processes
from trainer.run.settings import EvaluateConfig, OptimConfig, StepPlan
from trainer.run.training import Stage, run_training


class EmbeddingConfig(RunConfig, Protocol):
    """The recipe of a stage that trains an embedding model."""

    @property
    def start(self) -> StartConfig: ...
    @property
    def seed(self) -> int: ...
    @property
    def optim(self) -> OptimConfig: ...
    @property
    def evaluate(self) -> EvaluateConfig | None: ...


@dataclass(frozen=True)
class Prepared:
    """A stage whose data was found: how many steps it has, and its objective for a model.

    ``learn_pieces`` writes a tokenizer with ``start.new_pieces`` to a folder; None where a stage cannot.
    """

    plan: StepPlan
    objective: Callable[[TextModel, Processes], Objective]
    learn_pieces: Callable[[Path], None] | None = None


def run_embedding_stage(
    config: EmbeddingConfig, *, prepare: Callable[[], Prepared], card: Callable[[], str], resume: bool
) -> Path:
    """Train by the recipe and return the folder of the model; see ``trainer.run.training.run_training``.

    Args:
        config: the recipe.
        prepare: opens the data, before a model is loaded.
        card: the text of the model card.
        resume: resume from the newest checkpoint.
    """
    processes = Processes(config.runtime.device)
    _require_even_split(config.optim, processes)

    def stage(run: RunFolder, stop: StopRequest) -> Stage:
        evaluations = Evaluations(config.evaluate, should_stop=stop.is_made, set_status=run.set_status)
        prepared = prepare()
        start = _vocabulary(config, prepared, run, processes)
        run.set_status("Loading the model")
        training = _build(config, start, prepared, processes)
        measurements = Measurements(evaluations.measure, every=evaluations.every)

        def measure_without_pieces() -> None:
            """What new pieces and training have changed is told against the model as it was."""
            if config.start.new_pieces and training.step == 0 and config.evaluate is not None:
                model = _model(config, replace(config.start, new_pieces=0), processes)
                measurements.measure_if_due(replace(training, model=model))

        return Stage(
            training, embedding_gradients, measurements, card(), before_first_step=measure_without_pieces
        )

    return run_training(config, stage, processes, resume=resume)


def _vocabulary(
    config: EmbeddingConfig, prepared: Prepared, run: RunFolder, processes: Processes
) -> StartConfig:
    """The start with its new pieces, which a run learns once and keeps."""
    start = config.start
    if not start.new_pieces:
        return start
    if prepared.learn_pieces is None:
        raise ConfigError(
            f"start.new_pieces is {start.new_pieces}; expected 0 in this stage. Add the pieces in a run of "
            "the stage contrastive, and start this one from its model."
        )
    folder = run.path / "tokenizer"
    if processes.is_first:
        run.set_status(f"Learning up to {start.new_pieces:,} new pieces of words")
        prepared.learn_pieces(folder)
    processes.wait()
    return replace(start, tokenizer=str(folder), new_pieces=0)


def _model(config: EmbeddingConfig, start: StartConfig, processes: Processes) -> TextModel:
    model = build_model(start, max_tokens=config.optim.max_tokens, seed=config.seed)
    model.body.to(processes.device)
    use_cpu_kernels(model.body)
    return model


def _build(config: EmbeddingConfig, start: StartConfig, prepared: Prepared, processes: Processes) -> Training:
    optim, plan = config.optim, prepared.plan
    model = _model(config, start, processes)
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


def _require_even_split(optim: OptimConfig, processes: Processes) -> None:
    if optim.batch_size % processes.count:
        raise ConfigError(
            f"optim.batch_size is {optim.batch_size}; expected a multiple of {processes.count} processes, "
            "because each takes the same share. Change it."
        )
