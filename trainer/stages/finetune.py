"""Stage 2, fine-tuning on query groups (arXiv:2402.05672, section 2): recipe, batches, loss and run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from me5 import Role
from trainer.config import require
from trainer.data.group_mixture import GroupMixture, GroupSample
from trainer.data.sources import GroupSource
from trainer.errors import ConfigError
from trainer.losses.group_loss import GroupTable, group_loss
from trainer.models.backbone import TextModel
from trainer.models.start import StartConfig
from trainer.run.embedding_run import Prepared, run_embedding_stage
from trainer.run.objective import Batch, Loss
from trainer.run.processes import Processes
from trainer.run.run_card import run_card
from trainer.run.settings import EpochOptim, EvaluateConfig, RuntimeConfig, StepPlan, require_sources


@dataclass(frozen=True)
class FinetuneOptim(EpochOptim):
    """What decides the steps and their loss. ``batch_size`` counts query groups.

    A group gives one positive and up to ``group_size`` - 1 negatives, in every epoch others if it has more.
    """

    batch_size: int = 512
    learning_rate: float = 3e-5
    group_size: int = 8
    temperature: float = 0.01
    contrastive_weight: float = 0.2  # of InfoNCE, beside the weight 1 of the distillation
    kd_mask_hn: bool = False  # leave a group's own negatives to the distillation alone

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.group_size >= 1, "optim.group_size", self.group_size, "at least 1")
        require(0 < self.temperature <= 1, "optim.temperature", self.temperature, "a number in (0, 1]")
        require(
            self.contrastive_weight >= 0, "optim.contrastive_weight", self.contrastive_weight, "at least 0"
        )


@dataclass(frozen=True)
class FinetuneConfig:
    """The whole recipe of a fine-tuning run."""

    stage: Literal["finetune"]
    out: str
    start: StartConfig
    sources: tuple[GroupSource, ...]
    seed: int = 13
    optim: FinetuneOptim = field(default_factory=FinetuneOptim)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    evaluate: EvaluateConfig | None = None

    def __post_init__(self) -> None:
        require(self.stage == "finetune", "stage", self.stage, "finetune")
        require_sources(self.sources)


def run_finetune(config: FinetuneConfig, *, resume: bool) -> Path:
    """Train by the recipe and return the folder of the model; see ``trainer.run.training.run_training``."""
    return run_embedding_stage(
        config, prepare=lambda: _prepare(config), card=lambda: finetune_card(config), resume=resume
    )


def _prepare(config: FinetuneConfig) -> Prepared:
    mixture = GroupMixture(
        config.sources,
        batch_size=config.optim.batch_size,
        group_size=config.optim.group_size,
        seed=config.seed,
    )
    return Prepared(
        step_plan(config.optim, mixture.per_epoch),
        lambda model, processes: GroupObjective(config.optim, mixture, model, processes),
    )


def step_plan(optim: FinetuneOptim, groups: int) -> StepPlan:
    """The steps of a run whose epochs have so many groups."""
    return optim.plan(max(1, int(optim.epochs * groups / optim.batch_size)))


@dataclass
class GroupObjective:
    """Distillation inside the groups, and InfoNCE over all of them."""

    optim: FinetuneOptim
    mixture: GroupMixture
    model: TextModel
    processes: Processes

    def __post_init__(self) -> None:
        symmetric = [source.name for source in self.mixture.sources if source.passage_role == Role.QUERY]
        if symmetric and self.model.instruct_template is not None:
            raise ConfigError(
                f"Source {symmetric[0]!r} has passage_role query, and the model reads instructions before "
                "queries. Expected passages without instruction. Set its passage_role to passage."
            )

    def next_batch(self) -> Batch:
        """The groups of the joint batch; this process embeds its slice: all queries, then all passages."""
        samples = self.mixture.next_batch()
        own = self._own(samples)
        queries = self.model.tokenize(
            [sample.query for sample in own],
            Role.QUERY,
            instructions=[sample.instruction for sample in own],
        )
        names = {sample.source.name for sample in samples}
        source = names.pop() if len(names) == 1 else "mixed"
        return Batch(source, len(samples), queries + self._passages(own), data=samples)

    def loss(self, embeddings_BD: Tensor, batch: Batch) -> Loss:
        """The loss of the joint batch."""
        samples: Sequence[GroupSample] = batch.data
        table = GroupTable.of(samples, self.optim.group_size, embeddings_BD.device)
        is_passage_bS = table.is_passage_BS[self._slice(len(samples))]
        own = len(is_passage_bS)
        query_bD, passages_TD = embeddings_BD[:own], embeddings_BD[own:]
        passage_bSD = embeddings_BD.new_zeros(*is_passage_bS.shape, embeddings_BD.shape[1])
        passage_bSD[is_passage_bS] = passages_TD
        result = group_loss(
            query_bD,
            passage_bSD,
            table,
            temperature=self.optim.temperature,
            contrastive_weight=self.optim.contrastive_weight,
            mask_own_negatives=self.optim.kd_mask_hn,
            processes=self.processes,
        )
        gradient_BD = torch.cat([result.query_gradient_bD, result.passage_gradient_bSD[is_passage_bS]])
        return Loss(result.value, gradient_BD, {"kl": result.kl, "contrastive": result.contrastive})

    def state(self) -> dict[str, Any]:
        """The position in the files."""
        return self.mixture.state()

    def tensors(self) -> dict[str, Tensor]:
        """None."""
        return {}

    def restore(self, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Continue from a position that ``state`` gave."""
        self.mixture.restore(state)

    def _slice(self, groups: int) -> slice:
        size = groups // self.processes.count
        return slice(self.processes.index * size, (self.processes.index + 1) * size)

    def _own(self, samples: Sequence[GroupSample]) -> Sequence[GroupSample]:
        return samples[self._slice(len(samples))]

    def _passages(self, samples: Sequence[GroupSample]) -> list[list[int]]:
        """Token ids of the passages of all samples, group by group, each with the role of its source."""
        places = [(sample, passage) for sample in samples for passage in sample.passages]
        rows: dict[int, list[int]] = {}
        for role in Role:
            own = [place for place, (sample, _) in enumerate(places) if sample.source.passage_role == role]
            passages = [places[place][1] for place in own]
            ids = self.model.tokenize(
                [passage.text for passage in passages], role, [passage.title for passage in passages]
            )
            rows |= zip(own, ids, strict=True)
        return [rows[place] for place in range(len(places))]


def finetune_card(config: FinetuneConfig) -> str:
    """The model card: what it started from, on what and how it was trained."""
    optim = config.optim
    return run_card(
        config,
        "by distillation from a cross-encoder and contrastive learning on query groups",
        settings={
            "Query groups per batch": f"{optim.batch_size:,}",
            "Passages per group": f"{optim.group_size}",
            **optim.described(),
            "Temperature": f"{optim.temperature:g}",
            "Weight of InfoNCE": f"{optim.contrastive_weight:g}",
            "Tokens per text": f"{optim.max_tokens}",
        },
        sources=[
            (
                source.name,
                Path(source.path).name,
                source.construction or "–",
                "all" if source.volume is None else f"{source.volume:,.0f}",
            )
            for source in config.sources
        ],
        columns=("Source", "File", "Groups", "Per epoch, at most"),
    )
