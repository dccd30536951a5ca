"""The recipe of stage 1, contrastive pre-training, as frozen values (arXiv:2402.05672, section 2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from trainer.config import require
from trainer.data.sources import PairSource
from trainer.models.backbone import StartConfig
from trainer.runs.settings import EvaluateConfig, OptimConfig, RuntimeConfig, require_sources


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
class ContrastiveOptim(OptimConfig):
    """What decides the steps. ``batch_size`` counts pairs.

    ``bank_batches``: the passages of so many earlier batches are negatives too (``trainer.losses.bank``).
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
    bank_batches: int = 0
    curriculum: Curriculum | None = None
    matryoshka: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.batch_size >= 2, "optim.batch_size", self.batch_size, "at least 2")
        require(self.steps >= 1, "optim.steps", self.steps, "at least 1")
        require(
            0 <= self.warmup_steps <= self.steps,
            "optim.warmup_steps",
            self.warmup_steps,
            "at most optim.steps",
        )
        require(0 < self.temperature <= 1, "optim.temperature", self.temperature, "a number in (0, 1]")
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
