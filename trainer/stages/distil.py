"""Distillation: any model learns to give texts, and their translations, the vectors of any other.

A pair's first text is read by the teacher; the student is to give its vector to both (arXiv:2004.09813).
Where both sides of a source are one column, texts are plain and the student learns each once.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from me5 import Role
from trainer.config import require
from trainer.data.mixture import PairBatch, open_mixture, require_pairs
from trainer.data.pairs import Pair
from trainer.data.sources import PairSource
from trainer.losses.autograd import to_targets, with_gradient
from trainer.models.backbone import TextModel
from trainer.models.start import StartConfig
from trainer.models.teacher_vectors import Room, TeacherVectors
from trainer.negatives.vector_cache import open_encoder
from trainer.run.embedding_run import Prepared, run_embedding_stage
from trainer.run.objective import Batch, Loss
from trainer.run.processes import Processes
from trainer.run.run_card import run_card
from trainer.run.settings import EvaluateConfig, PairOptim, RuntimeConfig, require_sources

SAMPLE_PER_DIMENSION = 4
"""Texts that choose the directions of a smaller student, for each number of the teacher."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DistilOptim(PairOptim):
    """What decides the steps.

    ``contrastive_weight`` is that of InfoNCE of a student's vector for its target among the targets of the
    batch, ``distance_weight`` that of half the squared distance to it.
    """

    batch_size: int = 256
    learning_rate: float = 2e-5
    max_tokens: int = 128
    contrastive_weight: float = 1.0
    distance_weight: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        weights = self.contrastive_weight, self.distance_weight
        require(
            min(weights) >= 0 < max(weights),
            "optim.contrastive_weight, optim.distance_weight",
            weights,
            "at least 0, and one above",
        )


@dataclass(frozen=True)
class DistilConfig:
    """The whole recipe of a distillation.

    ``teacher`` is a model by name, folder or hub id; ``neutral`` takes the language out of its vectors.
    """

    stage: Literal["distil"]
    out: str
    teacher: str
    start: StartConfig
    sources: tuple[PairSource, ...]
    neutral: bool = False
    mixture_temperature: float = 1.0
    shuffle_rows: int = 20_000
    seed: int = 13
    optim: DistilOptim = field(default_factory=DistilOptim)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    evaluate: EvaluateConfig | None = None

    def __post_init__(self) -> None:
        require(self.stage == "distil", "stage", self.stage, "distil")
        require(bool(self.teacher), "teacher", self.teacher, "a model")
        require_sources(self.sources)
        require(self.mixture_temperature > 0, "mixture_temperature", self.mixture_temperature, "above 0")
        require(self.shuffle_rows >= 1, "shuffle_rows", self.shuffle_rows, "at least 1")


def run_distil(config: DistilConfig, *, resume: bool) -> Path:
    """Train by the recipe and return the folder of the model; see ``trainer.run.training.run_training``."""
    return run_embedding_stage(
        config, prepare=lambda: _prepare(config), card=lambda: distil_card(config), resume=resume
    )


def _prepare(config: DistilConfig) -> Prepared:
    require_pairs(config.sources)

    def objective(model: TextModel, processes: Processes) -> DistilObjective:
        device = config.runtime.device
        encoder = open_encoder(config.teacher, device=device, neutral=config.neutral)
        teacher = TeacherVectors(encoder, Path(config.out) / "teacher", process=processes.index)
        return DistilObjective(config, model, processes, teacher)

    return Prepared(config.optim.plan(), objective)


class DistilObjective:
    """The vectors of the teacher as targets.

    Args:
        config: the recipe.
        model: the student.
        processes: those that share a batch.
        teacher: gives the targets.
    """

    def __init__(
        self, config: DistilConfig, model: TextModel, processes: Processes, teacher: TeacherVectors
    ) -> None:
        self._config, self._model, self._processes, self._teacher = config, model, processes, teacher
        self._mixture = open_mixture(
            config.sources,
            batch_size=config.optim.batch_size,
            temperature=config.mixture_temperature,
            shuffle_rows=config.shuffle_rows,
            seed=config.seed,
        )
        body: Any = model.body
        self._room = Room(teacher.dimension, body.config.hidden_size)

    def next_batch(self) -> Batch:
        """The pairs of the joint batch; this process embeds its slice: all first texts, then all second."""
        if self._room.is_smaller and self._room.directions_Dd is None:
            self._choose_directions()
        batch = self._mixture.next_batch()
        source, own = batch.source, self._own(batch)
        ids = self._model.tokenize([pair.query for pair in own], Role(source.query_role))
        if not _is_plain(source):
            titles = [pair.title for pair in own]
            ids = ids + self._model.tokenize(
                [pair.passage for pair in own], Role(source.passage_role), titles
            )
        return Batch(source.name, len(batch.pairs), ids, data=self._room(self._targets(batch)))

    def loss(self, embeddings_BD: Tensor, batch: Batch) -> Loss:
        """Of each student vector for its target among those of all processes."""
        optim, processes = self._config.optim, self._processes
        target_bD: Tensor = batch.data
        known_BD = processes.gather(target_bD)
        pairs = len(target_bD)
        which = torch.arange(processes.index * pairs, (processes.index + 1) * pairs, device=known_BD.device)
        which = which.repeat(len(embeddings_BD) // pairs)
        leaf_BD = embeddings_BD.float().clone().requires_grad_()
        value, (gradient_BD,) = with_gradient(
            lambda: to_targets(
                leaf_BD,
                known_BD,
                which,
                torch.stack([torch.arange(len(which), device=which.device), which], dim=1),
                temperature=optim.temperature,
                contrastive_weight=optim.contrastive_weight,
                cosine_weight=optim.distance_weight,
            ),
            leaf_BD,
        )
        cosine = (leaf_BD.detach() * known_BD[which]).sum(dim=1).mean()
        means_2 = (
            processes.sum(torch.tensor([value, float(cosine)], device=known_BD.device)) / processes.count
        )
        return Loss(float(means_2[0]), gradient_BD / processes.count, {"cosine": float(means_2[1])})

    def state(self) -> dict[str, Any]:
        """The position in all sources."""
        return self._mixture.state()

    def tensors(self) -> dict[str, Tensor]:
        """The directions, as the texts that chose them are not read again."""
        directions_Dd = self._room.directions_Dd
        return {} if directions_Dd is None else {"directions": directions_Dd}

    def restore(self, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Continue from a position that ``state`` gave."""
        self._mixture.restore(state)
        self._room.directions_Dd = tensors.get("directions")

    def _own(self, batch: PairBatch) -> Sequence[Pair]:
        return batch.share(self._processes.index, self._processes.count)

    def _targets(self, batch: PairBatch) -> Tensor:
        """The teacher's own vectors of the pairs of this process."""
        texts = [pair.query for pair in self._own(batch)]
        vectors_bD = self._teacher(texts, Role(batch.source.query_role))
        return torch.from_numpy(vectors_bD).to(self._processes.device)

    def _choose_directions(self) -> None:
        """Look ahead at as many texts as it takes, which the run meets again in its first steps."""
        position = self._mixture.state()
        wanted = SAMPLE_PER_DIMENSION * self._teacher.dimension
        sample: list[Tensor] = []
        while sum(len(part) for part in sample) < wanted:
            sample.append(self._processes.gather(self._targets(self._mixture.next_batch())))
        self._mixture.restore(position)
        self._room.fit(torch.cat(sample).cpu())
        logger.info("%.1f%% of the teacher's vectors fit the student", 100 * self._room.kept)


def _is_plain(source: PairSource) -> bool:
    """Whether both sides are the same texts, read in the same way."""
    sides = (source.query, source.query_role), (source.passage, source.passage_role)
    return source.pairing == "columns" and not source.title and sides[0] == sides[1]


def distil_card(config: DistilConfig) -> str:
    """The model card: what it started from, from whom and on what it learnt."""
    optim = config.optim
    return run_card(
        config,
        f"to give texts the vectors of `{config.teacher}`" + (", without their language" * config.neutral),
        settings={
            "Pairs per batch": f"{optim.batch_size:,}",
            "Steps": f"{optim.steps:,}",
            "Learning rate": f"{optim.learning_rate:g}, {optim.warmup_steps:,} warm-up steps, linear",
            "Weights": f"{optim.contrastive_weight:g} of InfoNCE at temperature {optim.temperature:g}, "
            f"{optim.distance_weight:g} of the distance",
            "Tokens per text": f"{optim.max_tokens}",
        },
        sources=[
            (source.name, source.hub or Path(source.path or "").name, source.construction or "–")
            for source in config.sources
        ],
        columns=("Source", "Data", "Texts"),
    )
