"""The parts of a recipe that stages share, as frozen values: how it runs, when it is measured, its steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from trainer.config import require
from trainer.errors import ConfigError


@dataclass(frozen=True)
class RuntimeConfig:
    """What decides speed and safety, and may change when a run is resumed."""

    device: Literal["auto", "cpu"] = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
    mini_batch_tokens: int = 16_384  # texts x longest text of one mini-batch: lower it when memory runs out
    save_every: int = 500
    keep: int = 3
    log_every: int = 1
    tensorboard: bool = False  # also write the metrics for TensorBoard, to the folder tensorboard/

    def __post_init__(self) -> None:
        require(self.device in ("auto", "cpu"), "runtime.device", self.device, "auto or cpu")
        require(self.precision in ("fp32", "bf16"), "runtime.precision", self.precision, "fp32 or bf16")
        for name in ("mini_batch_tokens", "save_every", "keep", "log_every"):
            require(getattr(self, name) >= 1, f"runtime.{name}", getattr(self, name), "at least 1")


@dataclass(frozen=True)
class EvaluateConfig:
    """What is measured during a run, before the first step and after the last; see ``trainer.evaluation``.

    ``every`` counts steps; 0 measures before and after only. ``languages`` picks some of a task's, none
    given takes all. ``max_items`` bounds the queries or sentences of a language; 0 takes all.
    ``instruction`` goes before the queries of models that take one.
    """

    tasks: tuple[str, ...]
    every: int = 0
    languages: tuple[str, ...] = ()
    max_items: int = 0
    instruction: str | None = None

    def __post_init__(self) -> None:
        require(bool(self.tasks), "evaluate.tasks", self.tasks, "at least one path")
        require(self.every >= 0, "evaluate.every", self.every, "at least 0 steps")
        require(self.max_items >= 0, "evaluate.max_items", self.max_items, "at least 0")


@dataclass(frozen=True)
class StepPlan:
    """How many steps a run has and how large each may be."""

    steps: int
    warmup_steps: int
    learning_rate: float
    max_gradient_norm: float


@dataclass(frozen=True)
class OptimConfig:
    """What decides the steps of every stage. ``batch_size`` counts what all processes take together."""

    batch_size: int
    learning_rate: float
    weight_decay: float = 0.01
    max_gradient_norm: float = 1.0
    max_tokens: int = 192

    def __post_init__(self) -> None:
        require(self.batch_size >= 1, "optim.batch_size", self.batch_size, "at least 1")
        require(self.learning_rate > 0, "optim.learning_rate", self.learning_rate, "a positive number")
        require(self.weight_decay >= 0, "optim.weight_decay", self.weight_decay, "at least 0")
        require(self.max_gradient_norm > 0, "optim.max_gradient_norm", self.max_gradient_norm, "above 0")
        require(self.max_tokens >= 8, "optim.max_tokens", self.max_tokens, "at least 8")


@dataclass(frozen=True)
class PairOptim(OptimConfig):
    """Steps of a stage that draws pairs without end. ``batch_size`` counts pairs."""

    steps: int = 1_000
    warmup_steps: int = 100
    temperature: float = 0.05

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

    def plan(self) -> StepPlan:
        """The steps of a run."""
        return StepPlan(self.steps, self.warmup_steps, self.learning_rate, self.max_gradient_norm)


@dataclass(frozen=True)
class EpochOptim(OptimConfig):
    """Steps of a stage that goes through its data ``epochs`` times; ``steps`` outrank them."""

    epochs: float = 2.0
    steps: int | None = None
    warmup_steps: int | None = None  # a tenth of the steps

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.epochs > 0, "optim.epochs", self.epochs, "above 0")
        require(self.steps is None or self.steps >= 1, "optim.steps", self.steps, "at least 1")
        warmup = self.warmup_steps
        require(warmup is None or warmup >= 0, "optim.warmup_steps", warmup, "at least 0")

    def plan(self, epoch_steps: int) -> StepPlan:
        """The steps of a run whose epochs together have ``epoch_steps``.

        Raises:
            ConfigError: the warm-up is longer than the run.
        """
        steps = self.steps or epoch_steps
        warmup_steps = steps // 10 if self.warmup_steps is None else self.warmup_steps
        if warmup_steps > steps:
            raise ConfigError(
                f"optim.warmup_steps is {warmup_steps} and the run has {steps} steps. Expected no more than "
                "there are steps. Lower it; null takes a tenth of the steps."
            )
        return StepPlan(steps, warmup_steps, self.learning_rate, self.max_gradient_norm)

    def described(self) -> dict[str, str]:
        """Length and learning rate of the run, for its model card."""
        warmup = "a tenth of the steps" if self.warmup_steps is None else f"{self.warmup_steps:,} steps"
        length = {"Epochs": f"{self.epochs:g}"} if self.steps is None else {"Steps": f"{self.steps:,}"}
        return length | {"Learning rate": f"{self.learning_rate:g}, warm-up {warmup}, linear"}


class Named(Protocol):
    """A source of data."""

    @property
    def name(self) -> str: ...


def require_sources(sources: Sequence[Named]) -> None:
    """A recipe has sources, and their names differ."""
    require(bool(sources), "sources", sources, "at least one source")
    names = [source.name for source in sources]
    require(len(set(names)) == len(names), "sources", names, "names that differ")
