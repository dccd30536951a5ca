"""Stage 1, contrastive pre-training on pairs (arXiv:2402.05672, section 2): recipe, batches, loss and run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from me5 import Role
from trainer.config import require
from trainer.data.mixture import PairBatch, open_mixture, require_pairs
from trainer.data.packed import PackedRows
from trainer.data.sources import PairSource
from trainer.errors import ConfigError
from trainer.losses.autograd import PAIR_LOSSES, joint
from trainer.losses.bank import PassageBank
from trainer.losses.contrast import Contrast, FurtherNegatives, PairKeys, joint_info_nce, nested_contrast
from trainer.models.backbone import StartConfig, TextModel
from trainer.models.new_pieces import learn_pieces
from trainer.run.embedding_run import Prepared, run_embedding_stage
from trainer.run.objective import Batch, Loss
from trainer.run.processes import Processes
from trainer.run.run_card import run_card
from trainer.run.settings import EvaluateConfig, PairOptim, RuntimeConfig, require_sources


@dataclass(frozen=True)
class Curriculum:
    """The share of its negatives, the ones with the highest scores, that counts for a query.

    It goes from ``first`` at the first step to ``last`` at the last one along a line; 1 counts all. Falling
    shares first order the space by all negatives and then look at the hardest alone; rising shares do the
    opposite. A proposal of this project for the question that the report leaves open, not of the report.
    """

    first: float = 1.0
    last: float = 0.1

    def __post_init__(self) -> None:
        for name in ("first", "last"):
            share = getattr(self, name)
            require(0 < share <= 1, f"optim.curriculum.{name}", share, "a share in (0, 1]")

    def share(self, step: int, steps: int) -> float:
        """The share at ``step`` of ``steps``; the first is 0."""
        return self.first + (self.last - self.first) * step / max(steps - 1, 1)


@dataclass(frozen=True)
class ContrastiveOptim(PairOptim):
    """What decides the steps.

    ``bank_batches``: the passages of so many earlier batches are negatives too (``trainer.losses.bank``).
    ``loss``: None for InfoNCE in blocks, which any batch size has room for, or a name of
    ``trainer.losses.autograd.PAIR_LOSSES``.
    ``matryoshka``: lengths at which the vectors may be cut later: see
    ``trainer.losses.contrast.nested_contrast``.
    """

    batch_size: int = 32_768
    learning_rate: float = 1e-4
    max_tokens: int = 128
    steps: int = 30_000
    warmup_steps: int = 1_000
    temperature: float = 0.01
    both_directions: bool = False
    loss: str | None = None
    bank_batches: int = 0
    curriculum: Curriculum | None = None
    matryoshka: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.loss is None or self.loss in PAIR_LOSSES,
            "optim.loss",
            self.loss,
            f"one of {', '.join(PAIR_LOSSES)}, or none",
        )
        require(
            self.loss is None or not (self.bank_batches or self.curriculum or self.both_directions),
            "optim.loss",
            self.loss,
            "none beside bank_batches, curriculum or both_directions, which belong to InfoNCE in blocks",
        )
        require(self.bank_batches >= 0, "optim.bank_batches", self.bank_batches, "at least 0")
        require(
            all(length >= 1 for length in self.matryoshka),
            "optim.matryoshka",
            self.matryoshka,
            "dimensions of at least 1",
        )


@dataclass(frozen=True)
class ContrastiveConfig:
    """The whole recipe of a contrastive run."""

    stage: Literal["contrastive"]
    out: str
    start: StartConfig
    sources: tuple[PairSource, ...]
    mixture_temperature: float = 1.0
    shuffle_rows: int = 20_000
    seed: int = 13
    optim: ContrastiveOptim = field(default_factory=ContrastiveOptim)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    evaluate: EvaluateConfig | None = None

    def __post_init__(self) -> None:
        require(self.stage == "contrastive", "stage", self.stage, "contrastive")
        require_sources(self.sources)
        require(self.mixture_temperature > 0, "mixture_temperature", self.mixture_temperature, "above 0")
        require(self.shuffle_rows >= 1, "shuffle_rows", self.shuffle_rows, "at least 1")


TOKENIZED_TEXTS = 1_024  # at a time


def run_contrastive(config: ContrastiveConfig, *, resume: bool) -> Path:
    """Train by the recipe and return the folder of the model; see ``trainer.run.training.run_training``."""
    return run_embedding_stage(
        config, prepare=lambda: _prepare(config), card=lambda: contrastive_card(config), resume=resume
    )


def _prepare(config: ContrastiveConfig) -> Prepared:
    require_pairs(config.sources)
    return Prepared(
        config.optim.plan(),
        lambda model, processes: PairObjective(config, model, processes),
        lambda folder: learn_pieces(config.start, config.sources, folder, seed=config.seed),
    )


@dataclass(frozen=True)
class PairData:
    """What the loss needs to know of a joint batch besides its embeddings."""

    keys: PairKeys
    number: int  # of the batch in the run; the first is 0


@dataclass
class PairObjective:
    """InfoNCE over the pairs of one source at a time."""

    config: ContrastiveConfig
    model: TextModel
    processes: Processes

    def __post_init__(self) -> None:
        config = self.config
        self._mixture = open_mixture(
            config.sources,
            batch_size=config.optim.batch_size,
            temperature=config.mixture_temperature,
            shuffle_rows=config.shuffle_rows,
            seed=config.seed,
        )
        _promise_lengths(self.model, config.optim.matryoshka)
        self._drawn = 0
        self._bank = PassageBank(config.optim.bank_batches)

    def next_batch(self) -> Batch:
        """The pairs of the joint batch; this process embeds its slice: all queries, then all passages."""
        batch = self._mixture.next_batch()
        own, source = batch.share(self.processes.index, self.processes.count), batch.source
        ids = PackedRows()
        self._tokenize(ids, [pair.query for pair in own], Role(source.query_role))
        titles = [pair.title for pair in own]
        self._tokenize(ids, [pair.passage for pair in own], Role(source.passage_role), titles)
        self._drawn += 1
        data = PairData(pair_keys(batch), number=self._drawn - 1)
        return Batch(source.name, len(batch.pairs), ids, data=data)

    def _tokenize(
        self, ids: PackedRows, texts: Sequence[str], role: Role, titles: Sequence[str] | None = None
    ) -> None:
        """Add token ids; what the tokenizer gives is far larger, so only a part exists at a time."""
        for start in range(0, len(texts), TOKENIZED_TEXTS):
            part = slice(start, start + TOKENIZED_TEXTS)
            ids.extend(self.model.tokenize(texts[part], role, titles and titles[part]))

    def loss(self, embeddings_BD: Tensor, batch: Batch) -> Loss:
        """InfoNCE among all pairs of all processes."""
        optim, data = self.config.optim, batch.data
        query_bD, passage_bD = embeddings_BD.chunk(2)
        keys = data.keys.to(embeddings_BD.device)
        share = optim.curriculum.share(data.number, optim.steps) if optim.curriculum else 1.0

        def contrast(query_bd: Tensor, passage_bd: Tensor, further: FurtherNegatives | None) -> Contrast:
            if optim.loss is not None:
                return joint(
                    PAIR_LOSSES[optim.loss],
                    query_bd,
                    passage_bd,
                    temperature=optim.temperature,
                    processes=self.processes,
                    keys=keys,
                )
            return joint_info_nce(
                query_bd,
                passage_bd,
                temperature=optim.temperature,
                both_directions=optim.both_directions,
                keys=keys,
                further=further,
                hardest_share=share,
                processes=self.processes,
            )

        further = self._bank.negatives()
        if optim.matryoshka:
            result = nested_contrast(
                query_bD, passage_bD, dimensions=optim.matryoshka, further=further, contrast=contrast
            )
        else:
            result = contrast(query_bD, passage_bD, further)
        if optim.bank_batches:
            self._bank.add(self.processes.gather(passage_bD), keys)
        gradient_BD = torch.cat([result.query_gradient, result.passage_gradient])
        parts = result.parts | ({"hardest_share": share} if optim.curriculum else {})
        return Loss(result.loss, gradient_BD, parts)

    def state(self) -> dict[str, Any]:
        """The position in all sources, and in the run."""
        return self._mixture.state() | {"drawn": self._drawn}

    def tensors(self) -> dict[str, Tensor]:
        """The memory bank: the weights that it was made by are gone."""
        return self._bank.tensors()

    def restore(self, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Continue from a position that ``state`` gave."""
        self._mixture.restore(state)
        self._drawn = state["drawn"]
        self._bank.restore(tensors, self.processes.device)


def _promise_lengths(model: TextModel, lengths: Sequence[int]) -> None:
    """Note in the config of the saved model, under the name that vLLM reads, where its vectors may be cut."""
    body: Any = model.body
    dimension = body.config.hidden_size
    if lengths and max(lengths) > dimension:
        raise ConfigError(
            f"optim.matryoshka is {list(lengths)}; expected lengths below the {dimension} dimensions of the "
            "model. Correct the recipe."
        )
    if lengths:
        body.config.matryoshka_dimensions = sorted({*lengths, dimension})


def pair_keys(batch: PairBatch) -> PairKeys:
    """Which texts of the joint batch are the same."""
    query_keys, passage_keys = zip(*batch.keys, strict=True)
    return PairKeys(torch.tensor(query_keys), torch.tensor(passage_keys))


def contrastive_card(config: ContrastiveConfig) -> str:
    """The model card: what it started from, on what and how it was trained."""
    optim = config.optim
    return run_card(
        config,
        "by contrastive learning on pairs of texts",
        settings={
            "Pairs per batch": f"{optim.batch_size:,}",
            "Steps": f"{optim.steps:,}",
            "Learning rate": f"{optim.learning_rate:g}, {optim.warmup_steps:,} warm-up steps, linear",
            "Temperature": f"{optim.temperature:g}",
            "Directions": "both" if optim.both_directions else "query to passage",
            "Tokens per text": f"{optim.max_tokens}",
            **_option_settings(optim),
        },
        sources=[
            (
                source.name,
                source.hub or Path(source.path or "").name,
                source.construction or "–",
                f"{source.volume:,.0f}",
            )
            for source in config.sources
        ],
        columns=("Source", "Data", "Pairs", "Volume"),
    )


def _option_settings(optim: ContrastiveOptim) -> dict[str, str]:
    """The options that are on, for the card."""
    settings = {}
    if optim.loss is not None:
        settings["Loss"] = optim.loss
    if optim.bank_batches:
        settings["Further negatives"] = f"the passages of the last {optim.bank_batches} batches"
    if optim.curriculum:
        first, last = optim.curriculum.first, optim.curriculum.last
        settings["Negatives that count"] = f"the hardest {first:.0%} at first, {last:.0%} at the end"
    if optim.matryoshka:
        lengths = ", ".join(map(str, sorted(optim.matryoshka)))
        settings["Vectors may be cut to"] = f"{lengths} dimensions, and scaled back to unit length"
    return settings
