"""The recipe of ``stage: fair``, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from trainer.config import SourceConfig, require

TAUGHT = ("parallel", "everyday")
"""Kinds whose texts get the teacher's vector of their English; the others are contrasted in the batch."""
ASKED_IN_TRANSLATION = ("section",)
"""Kinds whose queries are English and may be asked in any language that their translation is in."""


@dataclass(frozen=True)
class FairConfig:
    """The whole recipe.

    ``start`` is a BertModel, by registry name or folder, and ``neutral`` the map that belongs to it: a file,
    or null for the map of the built-in model. Start and map together are the teacher, and the student at its
    first step; the map stays as it is. ``begin`` is the folder of an earlier run, to go on from its student.
    """

    data: str
    out: str
    sources: tuple[SourceConfig, ...]
    mixture: Mapping[str, float]  # share of the steps that draw from each kind of pairs
    stage: Literal["fair"] = "fair"
    start: str = "small"
    neutral: str | None = None
    begin: str | None = None
    seed: int = 13
    steps: int = 2_000
    warmup_steps: int = 50
    batch_sizes: Mapping[str, int] = field(default_factory=dict)
    batch_size: int = 256
    remembered: int = 4_096  # targets of earlier steps that a taught text is told from as well
    learning_rate: float = 2e-4  # of the layers
    table_rate: float = 2e-3  # of the rows of pieces, by row-wise Adagrad
    final_share: float = 0.05  # of both rates, at the last step
    temperature: float = 0.03
    cosine_weight: float = 5.0
    english_share: float = 0.15  # of the taught texts: the English itself
    prefixes: Mapping[str, float] = field(
        default_factory=lambda: {"query: ": 0.5, "passage: ": 0.35, "": 0.15}
    )  # before taught texts, and how often
    heal: bool = True  # train the matrices as 4 bits will hold them
    language_exponent: float = 0.5
    need_exponent: float = 1.0  # how much more a language is drawn that the start model knows less well
    section_pivot_share: float = 0.8
    topic_size: int = 256  # passages of sections that are about one thing; 0: batches of any sections
    topic_pairs: int = 32  # of one topic in a batch of sections
    own_language_share: float = 0.5  # of them, asked in the language of another passage of the topic
    max_sentence_pieces: int = 64
    max_passage_pieces: int = 128
    held_out_one_in: int = 50
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require(self.stage == "fair", "stage", self.stage, "fair")
        require(bool(self.sources), "sources", self.sources, "at least one source")
        for name in (
            "steps",
            "warmup_steps",
            "batch_size",
            "max_sentence_pieces",
            "max_passage_pieces",
            "topic_pairs",
        ):
            require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        require(self.remembered >= 0, "remembered", self.remembered, "at least 0")
        require(0.025 <= self.temperature <= 1, "temperature", self.temperature, "a number in [0.025, 1]")
        require(0 <= self.english_share <= 1, "english_share", self.english_share, "a number in [0, 1]")
        require(self.held_out_one_in >= 2, "held_out_one_in", self.held_out_one_in, "at least 2")
        for name in ("mixture", "prefixes"):
            shares = getattr(self, name)
            require(bool(shares) and sum(shares.values()) > 0, name, shares, "shares that do not all vanish")
