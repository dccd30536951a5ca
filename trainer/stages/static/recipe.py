"""The recipe of ``stage: static``, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from trainer.config import SourceConfig, build_config, read_recipe, require


@dataclass(frozen=True)
class TokenizerConfig:
    """How many pieces, and the sample of texts they are learned from."""

    vocab_size: int = 48_000
    alphabet_size: int = 8_000
    sample_texts: int = 700_000
    sample_exponent: float = 0.5
    max_characters: int = 250
    dropout: float = 0.0  # of merges, in every other step of training (BPE-dropout)

    def __post_init__(self) -> None:
        require(
            self.vocab_size > self.alphabet_size + 261,
            "vocab_size",
            self.vocab_size,
            "more than the alphabet",
        )
        require(0 <= self.sample_exponent <= 1, "sample_exponent", self.sample_exponent, "a number in [0, 1]")
        require(0 <= self.dropout < 1, "dropout", self.dropout, "a number in [0, 1)")


@dataclass(frozen=True)
class StaticOptimConfig:
    """The training of static piece embeddings."""

    batch_size: int = 4_096
    steps: int = 3_000
    learning_rate: float = 0.1
    final_learning_rate: float = 0.1  # share of learning_rate that is left at the last step
    temperature: float = 0.05
    language_exponent: float = 0.6
    pivot_share: float = 0.2
    matmul_bf16: bool = True

    def __post_init__(self) -> None:
        require(self.batch_size >= 2, "batch_size", self.batch_size, "at least 2")
        require(self.steps >= 1, "steps", self.steps, "at least 1")
        require(self.learning_rate > 0, "learning_rate", self.learning_rate, "a positive number")
        # Below, float32 has no room for the exponentials (trainer.losses.both_ways).
        require(0.025 <= self.temperature <= 1, "temperature", self.temperature, "a number in [0.025, 1]")
        require(
            0 <= self.language_exponent <= 1,
            "language_exponent",
            self.language_exponent,
            "a number in [0, 1]",
        )
        require(0 <= self.pivot_share <= 1, "pivot_share", self.pivot_share, "a number in [0, 1]")


@dataclass(frozen=True)
class DistillationConfig:
    """The second stage: an English teacher takes part."""

    teacher: str  # folder or name of a model that me5 loads
    mixture: Mapping[str, float]  # as in the first stage, with a share for the kind ``teacher``
    steps: int = 3_600
    learning_rate: float = 0.1
    final_learning_rate: float = 0.08
    cosine_weight: float = 4.0
    alone: int = 1_200  # English texts beside each batch that are not drawn through a translation
    english_share: float = 0.25  # of the translations: replaced by the English itself
    max_characters: int = 700

    def __post_init__(self) -> None:
        require(self.steps >= 1, "steps", self.steps, "at least 1")
        require(self.alone >= 0, "alone", self.alone, "at least 0")
        require(0 <= self.english_share <= 1, "english_share", self.english_share, "a number in [0, 1]")


@dataclass(frozen=True)
class StaticConfig:
    """The whole recipe."""

    data: str
    out: str
    sources: tuple[SourceConfig, ...]
    stage: Literal["static"] = "static"
    left_out: tuple[str, ...] = ()
    note: str = ""  # for the card: how the shipped weights and this recipe differ
    seed: int = 13
    dimension: int = 384
    max_parallel_pieces: int = 96
    max_passage_pieces: int = 192
    held_out_one_in: int = 50
    mixture: Mapping[str, float] = field(default_factory=lambda: {"parallel": 1.0})
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    optim: StaticOptimConfig = field(default_factory=StaticOptimConfig)
    distillation: DistillationConfig | None = None

    def __post_init__(self) -> None:
        require(self.stage == "static", "stage", self.stage, "static")
        require(bool(self.sources), "sources", self.sources, "at least one source")
        require(self.dimension >= 8, "dimension", self.dimension, "at least 8")
        require(self.held_out_one_in >= 2, "held_out_one_in", self.held_out_one_in, "at least 2")
        require(
            bool(self.mixture)
            and all(share >= 0 for share in self.mixture.values())
            and sum(self.mixture.values()) > 0,
            "mixture",
            self.mixture,
            "shares of at least 0 that do not all vanish",
        )


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> StaticConfig:
    """The recipe in a file, checked."""
    recipe: StaticConfig = build_config(StaticConfig, read_recipe(path, overrides))
    return recipe
