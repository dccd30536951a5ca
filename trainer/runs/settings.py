"""The parts of a recipe that stages share, as frozen values: how it runs, when it is measured, its steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainer.config import require


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
    """What is measured during a run, before the first step and after the last; see ``trainer.tasks``.

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
