"""The recipe of stage 1, contrastive pre-training, as frozen values (arXiv:2402.05672, section 2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from trainer.backbone import StartConfig
from trainer.config import require
from trainer.pairs import PairSource


@dataclass(frozen=True)
class ContrastiveOptim:
    """What decides the steps. ``batch_size`` counts the pairs of all processes together."""

    batch_size: int = 32_768
    steps: int = 30_000
    learning_rate: float = 1e-4
    warmup_steps: int = 1_000
    weight_decay: float = 0.01
    max_gradient_norm: float = 1.0
    temperature: float = 0.01
    both_directions: bool = False
    max_tokens: int = 128

    def __post_init__(self) -> None:
        require(self.batch_size >= 2, "optim.batch_size", self.batch_size, "at least 2")
        require(self.steps >= 1, "optim.steps", self.steps, "at least 1")
        require(self.learning_rate > 0, "optim.learning_rate", self.learning_rate, "a positive number")
        require(
            0 <= self.warmup_steps <= self.steps,
            "optim.warmup_steps",
            self.warmup_steps,
            "at most optim.steps",
        )
        require(self.weight_decay >= 0, "optim.weight_decay", self.weight_decay, "at least 0")
        require(self.max_gradient_norm > 0, "optim.max_gradient_norm", self.max_gradient_norm, "above 0")
        require(0 < self.temperature <= 1, "optim.temperature", self.temperature, "a number in (0, 1]")
        require(self.max_tokens >= 8, "optim.max_tokens", self.max_tokens, "at least 8")


@dataclass(frozen=True)
class RuntimeConfig:
    """What decides speed and safety, and may change when a run is resumed."""

    device: Literal["auto", "cpu"] = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
    mini_batch_tokens: int = 16_384  # texts x longest text of one mini-batch: lower it when memory runs out
    save_every: int = 500
    keep: int = 3
    log_every: int = 1

    def __post_init__(self) -> None:
        require(self.device in ("auto", "cpu"), "runtime.device", self.device, "auto or cpu")
        require(self.precision in ("fp32", "bf16"), "runtime.precision", self.precision, "fp32 or bf16")
        for name in ("mini_batch_tokens", "save_every", "keep", "log_every"):
            require(getattr(self, name) >= 1, f"runtime.{name}", getattr(self, name), "at least 1")


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

    def __post_init__(self) -> None:
        require(self.stage == "contrastive", "stage", self.stage, "contrastive")
        require(bool(self.sources), "sources", self.sources, "at least one source")
        names = [source.name for source in self.sources]
        require(len(set(names)) == len(names), "sources", names, "names that differ")
        require(self.mixture_temperature > 0, "mixture_temperature", self.mixture_temperature, "above 0")
        require(self.shuffle_rows >= 1, "shuffle_rows", self.shuffle_rows, "at least 1")
