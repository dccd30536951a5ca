"""Recipes as frozen values, checked when they are made.

A recipe is a YAML file; ``key=value`` overrides reach nested values with dots (``optim.steps=100``).
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
