"""Recipes as frozen values, checked when they are made.

A recipe is a YAML file; ``key=value`` overrides reach nested values with dots (``optim.steps=100``).
"""

from __future__ import annotations

import dataclasses
import datetime
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from trainer.errors import ConfigError

SourceKind = Literal["parallel", "everyday", "string", "word", "question", "passage"]


@dataclass(frozen=True)
class SourceConfig:
    """One training file and what of it may be used."""

    file: str
    kind: SourceKind
    licence: str
    origin: str
    exclude_languages: tuple[str, ...] = ()
    only_languages: tuple[str, ...] = ()  # English and these; all where empty
    keep_sources: tuple[str, ...] = ()
    min_languages: int = 0
    note: str = ""

    def __post_init__(self) -> None:
        kinds = typing.get_args(SourceKind)
        require(self.kind in kinds, "kind", self.kind, f"one of {', '.join(kinds)}")
        require(bool(self.licence), "licence", self.licence, "the licence of the file")


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
        # Below, float32 has no room for the exponentials (trainer.builtin.losses).
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
class BuiltinConfig:
    """The whole recipe of the built-in model.

    With ``tatoeba`` (folder or archive of Tatoeba v1) the finished model is measured and gets its card, which
    names ``date``.
    """

    data: str
    out: str
    sources: tuple[SourceConfig, ...]
    stage: Literal["builtin"] = "builtin"
    tatoeba: str = ""
    date: datetime.date | None = None
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
        require(self.stage == "builtin", "stage", self.stage, "builtin")
        require(
            not self.tatoeba or self.date is not None,
            "date",
            self.date,
            "the date of the run, for the model card",
        )
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


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> BuiltinConfig:
    """The recipe of the built-in model."""
    recipe: BuiltinConfig = build_config(BuiltinConfig, read_recipe(path, overrides))
    return recipe


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The values of a recipe file with ``key=value`` overrides, not yet checked.

    A recipe with ``extends`` takes all that it does not say from that file beside it.
    """
    import yaml

    if not path.is_file():
        raise ConfigError(f"Recipe {path} does not exist; expected a YAML file. Check the path.")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"Recipe {path} is not YAML: {error}. Correct the file.") from error
    if not isinstance(values, dict):
        raise ConfigError(
            f"Recipe {path} is not a mapping of names to values. Start from a file in trainer/recipes/."
        )
    if "extends" in values:
        values = _merged(read_recipe(path.with_name(str(values.pop("extends")))), values)
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator:
            raise ConfigError(
                f"Override {override!r} has no value; expected key=value, as in optim.steps=100."
            )
        _set(values, key.split("."), yaml.safe_load(text), override)
    return values


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Values with changes; nested names are merged, lists replaced."""
    both = {
        name: _merged(value, changes[name])
        for name, value in values.items()
        if isinstance(value, Mapping) and isinstance(changes.get(name), Mapping)
    }
    return {**values, **changes, **both}


def build_config(kind: Any, values: Mapping[str, Any]) -> Any:
    """Recipe values as the dataclass ``kind``, every name and type checked."""
    return _build(kind, values, "recipe")


def _set(values: Any, keys: Sequence[str], value: object, override: str) -> None:
    """Set a nested value; a number picks an item of a list, as in sources.0.path=pairs.tsv."""
    try:
        for key in keys[:-1]:
            values = values[int(key)] if isinstance(values, list) else values.setdefault(key, {})
        values[int(keys[-1]) if isinstance(values, list) else keys[-1]] = value
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise ConfigError(f"Override {override!r} names nothing in the recipe. Check the key.") from error


def _build(kind: Any, value: Any, where: str) -> Any:
    if isinstance(kind, types.UnionType):  # X | None
        return None if value is None else _build(typing.get_args(kind)[0], value, where)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} is {value!r}; expected names with values. Correct the recipe.")
        hints = typing.get_type_hints(kind)
        unknown = sorted(set(value) - set(hints))
        if unknown:
            raise ConfigError(f"Unknown name {unknown[0]!r} in {where}. Known names: {', '.join(hints)}.")
        try:
            return kind(
                **{name: _build(hints[name], item, f"{where}.{name}") for name, item in value.items()}
            )
        except TypeError as error:
            raise ConfigError(f"{where} is not complete: {error}. Add the missing name.") from error
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{where} is {value!r}; expected a list. Correct the recipe.")
        return tuple(_build(typing.get_args(kind)[0], item, where) for item in value)
    if kind is float and isinstance(value, int | str) and not isinstance(value, bool):
        try:
            return float(value)  # YAML reads 1e-3 as text
        except ValueError as error:
            raise ConfigError(f"{where} is {value!r}; expected a number.") from error
    if isinstance(kind, type) and not isinstance(kind, types.GenericAlias) and not isinstance(value, kind):
        raise ConfigError(f"{where} is {value!r}; expected {kind.__name__}.")
    return value


def require(condition: bool, name: str, value: object, expected: str) -> None:
    """Stop with a ConfigError unless the condition holds."""
    if not condition:
        raise ConfigError(f"{name} is {value!r}; expected {expected}. Correct the recipe.")
