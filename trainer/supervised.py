"""The recipe of stage 2, supervised fine-tuning, as frozen values (arXiv:2402.05672, section 2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from trainer.config import require
from trainer.models.start import StartConfig
from trainer.runs.settings import EpochOptim, EvaluateConfig, RuntimeConfig, require_sources


@dataclass(frozen=True)
class GroupSource:
    """A file of query groups (``trainer.data.groups``).

    ``volume`` is how many of its groups an epoch takes, drawn anew in each; none given, or more than there
    are, takes all. ``passage_role: query`` makes a source symmetric. ``instruction`` goes before the queries
    whose group has none of its own, for models that take one.
    """

    name: str
    path: str
    volume: float | None = None
    passage_role: Literal["query", "passage"] = "passage"
    instruction: str = ""
    construction: str = ""  # what query and passages are, for people
    note: str = ""

    def __post_init__(self) -> None:
        where = f"source {self.name!r}: "
        require(self.volume is None or self.volume >= 1, f"{where}volume", self.volume, "at least 1 group")
        require(
            self.passage_role in ("query", "passage"),
            f"{where}passage_role",
            self.passage_role,
            "query or passage",
        )


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
