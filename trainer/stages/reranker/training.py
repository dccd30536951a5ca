"""The stage ``reranker``: train a cross-encoder from query groups, as the teacher of stage 2.

The recipe follows the reranker of SimLM (arXiv:2207.02578): the positive against the negatives of its query,
listwise, with R-Drop. It starts from any encoder, which gets a fresh head, or from another cross-encoder.
Some groups are held out, to see how well positives are told from negatives.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from trainer.config import require
from trainer.data.group_file import GroupFile
from trainer.errors import DataError
from trainer.models.backbone import TextModel
from trainer.models.card import model_card
from trainer.run.folder import RunFolder
from trainer.run.interruption import StopRequest
from trainer.run.loop import Training
from trainer.run.measurements import Measurements
from trainer.run.objective import Objective
from trainer.run.optimiser import build_optimiser
from trainer.run.processes import Processes
from trainer.run.settings import EpochOptim, RuntimeConfig
from trainer.run.training import Stage, run_training
from trainer.stages.reranker.group_batches import GroupBatches
from trainer.stages.reranker.held_out import HeldOut
from trainer.stages.reranker.loop import ListwiseSteps, listwise_gradients
from trainer.stages.reranker.model import (
    CrossEncoder,
    has_segments,
    is_classifier,
    load_classifier,
    model_folder,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RerankerStart:
    """Where the weights start: a registry name, a folder or a hub id, of an encoder or a cross-encoder."""

    model: str


@dataclass(frozen=True)
class RerankerOptim(EpochOptim):
    """What decides the steps. ``batch_size`` counts query groups.

    A group shows one positive and up to ``group_size`` - 1 negatives. Of these, ``hardest`` passages are
    trained on: the positive and those that the model scores highest; 0 takes all. ``r_drop`` is the weight of
    the divergence between two readings of every pair; 0 reads once, which takes half the time.
    """

    batch_size: int = 32
    learning_rate: float = 3e-5
    epochs: float = 3.0
    group_size: int = 64
    hardest: int = 0
    r_drop: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.group_size >= 2, "optim.group_size", self.group_size, "at least 2")
        require(self.hardest == 0 or self.hardest >= 2, "optim.hardest", self.hardest, "0, or at least 2")
        require(self.r_drop >= 0, "optim.r_drop", self.r_drop, "at least 0")


@dataclass(frozen=True)
class HeldOutConfig:
    """When the held-out groups are measured: before and after, and every so many steps (0: not between)."""

    every: int = 0
    max_items: int = 500  # groups

    def __post_init__(self) -> None:
        require(self.every >= 0, "evaluate.every", self.every, "at least 0 steps")
        require(self.max_items >= 1, "evaluate.max_items", self.max_items, "at least 1")


@dataclass(frozen=True)
class RerankerConfig:
    """The whole recipe of a cross-encoder. ``groups`` are files of query groups (``trainer.data.groups``)."""

    stage: Literal["reranker"]
    out: str
    start: RerankerStart
    groups: tuple[str, ...]
    held_out_one_in: int = 50  # queries, by their SHA-1; 0 holds none out
    seed: int = 13
    optim: RerankerOptim = field(default_factory=RerankerOptim)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    evaluate: HeldOutConfig = field(default_factory=HeldOutConfig)

    def __post_init__(self) -> None:
        require(self.stage == "reranker", "stage", self.stage, "reranker")
        require(bool(self.groups), "groups", self.groups, "at least one file of query groups")
        one_in = self.held_out_one_in
        require(one_in == 0 or one_in >= 2, "held_out_one_in", one_in, "0, or at least 2")


def run_reranker(config: RerankerConfig, *, resume: bool) -> Path:
    """Train by the recipe and return the folder of the model; see ``trainer.run.training.run_training``."""
    processes = Processes(config.runtime.device)

    def stage(run: RunFolder, stop: StopRequest) -> Stage:
        groups = GroupFile(config.groups)
        train_on, held_out = split(groups, config.held_out_one_in)
        batches = GroupBatches(
            groups,
            train_on,
            batch_size=config.optim.batch_size,
            passages=config.optim.group_size,
            seed=config.seed,
        )
        run.set_status("Loading the model")
        model = build_cross_encoder(config)
        measured = held_out[: config.evaluate.max_items]
        measurements = Measurements(
            HeldOut(model, groups, measured).measure, every=config.evaluate.every if measured else None
        )
        optim = config.optim
        steps = ListwiseSteps(model, batches, optim.batch_size, optim.hardest, optim.r_drop)
        return Stage(
            _build(config, model, batches, processes),
            lambda training: listwise_gradients(training, steps),
            measurements,
            reranker_card(config, len(train_on)),
        )

    return run_training(config, stage, processes, resume=resume)


def build_cross_encoder(config: RerankerConfig) -> CrossEncoder:
    """The model that the run starts from; a body gets a fresh head, and its tokenizer a template for pairs.

    Raises:
        Me5Error: the base model is missing, damaged, or cannot be a cross-encoder.
    """
    folder = model_folder(config.start.model)
    body = load_classifier(folder, fresh_head_seed=config.seed)
    use_segments = None if is_classifier(folder) else has_segments(body)
    model = CrossEncoder(folder, body, max_tokens=config.optim.max_tokens, use_segments=use_segments)
    if not model.tokenization.has_separator:
        logger.info("the tokenizer of %s knows no pairs and gets a separator", config.start.model)
        model.tokenization.add_separator(has_segments=has_segments(body))
    return model


def split(groups: GroupFile, one_in: int) -> tuple[list[int], list[int]]:
    """Numbers of the groups to train on and of those held out; groups without negatives are left out.

    Raises:
        DataError: none is left to train on.
    """
    usable = groups.with_negatives()
    if len(usable) < len(groups):
        logger.info(
            "%d of %d groups have no negative and are left out", len(groups) - len(usable), len(groups)
        )
    held_out = [number for number in usable if groups.is_held_out(number, one_in)]
    train_on = [number for number in usable if not groups.is_held_out(number, one_in)]
    if not train_on:
        raise DataError(
            f"None of the {len(groups):,} groups can be trained on: {len(groups) - len(usable):,} have no "
            f"negative and {len(held_out):,} are held out. Expected groups with negatives. Mine them with a "
            "recipe of `stage: negatives`, or hold out fewer (held_out_one_in)."
        )
    return train_on, held_out


def _build(
    config: RerankerConfig, model: CrossEncoder, batches: GroupBatches, processes: Processes
) -> Training:
    optim = config.optim
    plan = optim.plan(batches.steps(optim.epochs))
    body = model.body.to(processes.device)
    return Training(
        model=cast(TextModel, model),  # a run asks its model for body, tokens and file; the steps are our own
        optimiser=build_optimiser(body, learning_rate=plan.learning_rate, weight_decay=optim.weight_decay),
        objective=cast(Objective, batches),  # as it asks the data for its position
        processes=processes,
        plan=plan,
        runtime=config.runtime,
        seed=config.seed,
    )


def reranker_card(config: RerankerConfig, groups: int) -> str:
    """The model card: what it started from, on what and how it was trained."""
    optim = config.optim
    return model_card(
        config.out,
        "text-ranking",
        (
            f"A cross-encoder, trained from `{config.start.model}` to score the positive of a query above "
            "its negatives. It reads a query and a passage together and gives one logit; higher is better. "
            "Titles stand before their passages; there are no prefixes.",
        ),
        {
            "Query groups": f"{groups:,}, from {', '.join(Path(path).name for path in config.groups)}",
            "Groups per batch": f"{optim.batch_size:,}",
            "Passages per group": f"{optim.group_size}, at most",
            "Of these trained on": f"the hardest {optim.hardest}" if optim.hardest else "all",
            **optim.described(),
            "R-Drop": f"{optim.r_drop:g}" if optim.r_drop else "no",
            "Tokens per pair": f"{optim.max_tokens}",
            "Precision": config.runtime.precision,
            "Seed": f"{config.seed}",
        },
        "The licences of the data and of the base model apply.",
    )
