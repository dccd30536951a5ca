"""A run is a folder: ``config.yaml``, ``metrics.jsonl``, ``checkpoints/`` and, at the end, ``model/``."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainer.backbone import TextModel, build_model
from trainer.checkpoint import Checkpoints, Position
from trainer.contrastive import ContrastiveConfig, ContrastiveOptim
from trainer.errors import ConfigError, TrainingError
from trainer.loop import StepReport, Training, train
from trainer.mixture import PairMixture
from trainer.pairs import PairStream
from trainer.processes import Processes

logger = logging.getLogger(__name__)

NO_DECAY = ("bias", "LayerNorm.weight", "layer_norm.weight")
MAY_CHANGE = ("out", "runtime")  # of a recipe, when a run is resumed


def run_contrastive(config: ContrastiveConfig, *, resume: bool) -> Path:
    """Train by the recipe and return the folder of the model.

    Args:
        config: the recipe.
        resume: go on from the newest checkpoint of the folder ``config.out``; from the start if it has none.

    Raises:
        TrainerError, Me5Error: the run cannot start or cannot go on; checkpoints written before stay.
    """
    processes = Processes(config.runtime.device)
    _require_even_split(config.optim, processes)
    folder = Path(config.out).expanduser()
    checkpoints = Checkpoints(folder / "checkpoints", keep=config.runtime.keep)
    newest = checkpoints.newest()
    if newest is not None and not resume:
        raise ConfigError(
            f"out: {folder} already holds a run (checkpoint {newest.name}). Expected a new folder. "
            "Add --resume to go on with that run, or choose another folder with out=FOLDER."
        )
    if newest is not None:
        _require_same_recipe(folder / "config.yaml", config)
    training = _build_training(config, processes)
    if newest is not None:
        position = checkpoints.load(newest, training.model.body, training.optimiser)
        training.mixture.restore(position.data)
        training.step = position.step
        logger.info("resumed at step %d", position.step)
    if processes.is_first:
        _write_config(folder, config)
    with _Metrics(folder / "metrics.jsonl", training) as metrics:
        train(training, [metrics.write, lambda report: _save_at_times(report, training, checkpoints)])
    processes.wait()
    if processes.is_first:
        _export(training.model, config, folder)
    processes.wait()
    return folder / "model"


def _build_training(config: ContrastiveConfig, processes: Processes) -> Training:
    streams = [
        PairStream(source, seed=config.seed + number, block_rows=config.shuffle_rows)
        for number, source in enumerate(config.sources)
    ]
    for source in config.sources:  # a wrong path or column is told now, not when its turn comes
        next(PairStream(source, seed=config.seed, block_rows=100))
    model = build_model(config.start, max_tokens=config.optim.max_tokens, seed=config.seed)
    model.body.to(processes.device)
    mixture = PairMixture(
        streams,
        batch_size=config.optim.batch_size,
        temperature=config.mixture_temperature,
        seed=config.seed,
    )
    return Training(config, model, _build_optimiser(model.body, config.optim), mixture, processes)


def _build_optimiser(body: nn.Module, optim: ContrastiveOptim) -> torch.optim.Optimizer:
    """AdamW; biases and norms do not decay."""
    parameters = list(body.named_parameters())
    decayed = [parameter for name, parameter in parameters if not name.endswith(NO_DECAY)]
    others = [parameter for name, parameter in parameters if name.endswith(NO_DECAY)]
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": optim.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=optim.learning_rate,
    )


def _save_at_times(report: StepReport, training: Training, checkpoints: Checkpoints) -> None:
    is_last = report.step == training.config.optim.steps
    if report.step % training.config.runtime.save_every and not is_last:
        return
    if training.processes.is_first:
        position = Position(step=report.step, data=training.mixture.state())
        checkpoints.save(training.model.body, training.optimiser, position)
    training.processes.wait()


class _Metrics:
    """``metrics.jsonl``: one line per logged step, each step once even after a resume."""

    def __init__(self, path: Path, training: Training) -> None:
        self._path = path
        self._training = training
        self._stream: Any = None

    def __enter__(self) -> _Metrics:
        if self._training.processes.is_first:
            kept = []
            if self._path.is_file():
                for line in self._path.read_text(encoding="utf8").splitlines():
                    if _step_of(line) <= self._training.step:
                        kept.append(line)
            self._path.write_text("".join(f"{line}\n" for line in kept), encoding="utf8")
            self._stream = self._path.open("a", encoding="utf8")
        return self

    def __exit__(self, *error: object) -> None:
        if self._stream is not None:
            self._stream.close()

    def write(self, report: StepReport) -> None:
        """Add the line of a step where its turn has come."""
        config = self._training.config
        is_last = report.step == config.optim.steps
        if self._stream is None or (report.step % config.runtime.log_every and not is_last):
            return
        values = asdict(report) | {"pairs_per_s": round(report.pairs / report.seconds, 2)}
        try:
            self._stream.write(json.dumps(values) + "\n")
            self._stream.flush()
        except OSError as error:
            raise TrainingError(
                f"{self._path} cannot be written ({error}). Expected free space. Make room, then --resume."
            ) from error
        logger.info(
            "step %d of %d  loss %.4f  %.0f pairs/s  %s",
            report.step,
            config.optim.steps,
            report.loss,
            values["pairs_per_s"],
            report.source,
        )


def _step_of(line: str) -> float:
    """The step of a line; infinite for one that a crash has cut."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError):
        return float("inf")


def _write_config(folder: Path, config: ContrastiveConfig) -> None:
    import yaml

    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text(
            yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True), encoding="utf8"
        )
    except OSError as error:
        raise TrainingError(
            f"out: {folder} cannot be written ({error}). Expected a folder with free space. Choose another."
        ) from error


def _plain(config: ContrastiveConfig) -> dict[str, Any]:
    """The recipe as YAML holds it: lists for tuples."""
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return values


def _require_same_recipe(path: Path, config: ContrastiveConfig) -> None:
    import yaml

    if not path.is_file():
        return
    before, now = yaml.safe_load(path.read_text(encoding="utf8")), _plain(config)
    for name, value in now.items():
        if name not in MAY_CHANGE and before.get(name) != value:
            raise ConfigError(
                f"{name} is {_first_difference(value, before.get(name))} the run in {path.parent} had. "
                f"Expected the same recipe for --resume (only {' and '.join(MAY_CHANGE)} may change). "
                "Take the value back, or start anew with out=FOLDER."
            )


def _first_difference(now: Any, before: Any) -> str:
    if isinstance(now, Mapping) and isinstance(before, Mapping):
        for name, value in now.items():
            if value != before.get(name):
                return f"{name}={value!r}, not the {before.get(name)!r} that"
    return "not what"


def _require_even_split(optim: ContrastiveOptim, processes: Processes) -> None:
    if optim.batch_size % processes.count:
        raise ConfigError(
            f"optim.batch_size is {optim.batch_size}; expected a multiple of {processes.count} processes, "
            "because each takes the same share. Change it."
        )


def _export(model: TextModel, config: ContrastiveConfig, folder: Path) -> None:
    target = folder / "model"
    try:
        model.save(target)
        (target / "README.md").write_text(run_card(config), encoding="utf8")
    except OSError as error:
        raise TrainingError(
            f"The model cannot be written to {target} ({error}). Expected free space. Make room, --resume."
        ) from error


def run_card(config: ContrastiveConfig) -> str:
    """The model card: what it started from, on what and how it was trained."""
    optim, start = config.optim, config.start
    if start.shape is not None:
        origin = f"fresh weights ({start.shape.layers} layers, {start.shape.hidden} dimensions)"
    else:
        origin = f"`{start.model}`" + (" with a new vocabulary" if start.tokenizer else "")
    rows = [
        f"| {source.name} | {source.hub or Path(source.path or '').name} | {source.construction or '–'} | "
        f"{source.volume:,.0f} |"
        for source in config.sources
    ]
    return "\n".join(
        [
            "---",
            "library_name: sentence-transformers",
            "pipeline_tag: sentence-similarity",
            "---",
            "",
            f"# {Path(config.out).name}",
            "",
            f"A text embedding model, trained from {origin} by contrastive learning on pairs of texts.",
            "Write the prompts `query` and `passage` before texts, as the configuration in this folder does.",
            "",
            "| Setting | Value |",
            "|---|---|",
            f"| Pairs per batch | {optim.batch_size:,} |",
            f"| Steps | {optim.steps:,} |",
            f"| Learning rate | {optim.learning_rate:g}, {optim.warmup_steps:,} warm-up steps, linear |",
            f"| Temperature | {optim.temperature:g} |",
            f"| Directions | {'both' if optim.both_directions else 'query to passage'} |",
            f"| Tokens per text | {optim.max_tokens} |",
            f"| Precision | {config.runtime.precision} |",
            f"| Seed | {config.seed} |",
            "",
            "| Source | Data | Pairs | Volume |",
            "|---|---|---|---|",
            *rows,
            "",
            "The licences of the data and of the base model apply. Quality was not measured by the training.",
            "",
        ]
    )
