"""Evaluation sets of the built-in model as values, and the file that keeps them.

They depend on the data folder and on the recipe (what it trains on, what it holds out), not on a model, so
one file serves every model of a recipe.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from me5 import atomic
from trainer.errors import DataError


@dataclass(frozen=True)
class Ranking:
    """Queries, and passages of which some answer them. ``relevant[i]`` are passage numbers of query i."""

    kind: str  # "question" or "title"
    language: str  # of the queries
    passage_language: str
    queries: list[str]
    relevant: list[list[int]]
    passages: list[str]


@dataclass(frozen=True)
class Asked:
    """One query of a multi-way set. ``source`` numbers the English text that it translates."""

    language: str
    text: str
    source: int
    relevant: list[int]


@dataclass(frozen=True)
class Multiway:
    """The same things said in many languages: queries in each, passages in each.

    ``seen`` counts the relevant passages that training has met beside other sentences of theirs.
    """

    name: str
    queries: list[Asked]
    passages: list[str]
    passage_languages: list[str]
    seen: int = 0

    @property
    def languages(self) -> list[str]:
        """Those of the passages, sorted."""
        return sorted(set(self.passage_languages))


@dataclass(frozen=True)
class Leaks:
    """Texts of one set: how many were looked at, are in training text, or nearly are; what was dropped."""

    checked: int
    exact: int
    near: int
    dropped: int


@dataclass(frozen=True)
class Sets:
    """Everything that is measured beside Tatoeba, and what was found about leaks.

    ``tatoeba_leaks`` are the sentence numbers per language of which a side is in training text, or nearly.
    """

    fingerprint: str
    rankings: list[Ranking] = field(default_factory=list)
    multiway: list[Multiway] = field(default_factory=list)
    similarity: dict[str, list[tuple[str, str, float]]] = field(default_factory=dict)
    tatoeba_leaks: dict[str, list[int]] = field(default_factory=dict)
    leaks: dict[str, Leaks] = field(default_factory=dict)
    training_texts: int = 0


def save_sets(sets: Sets, path: Path) -> None:
    """Write gzipped JSON, aside first, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        atomic.replacing(path) as aside,
        gzip.open(aside, "wt", encoding="utf8", compresslevel=4) as file,
    ):
        json.dump(dataclasses.asdict(sets), file, ensure_ascii=False)


def load_sets(path: Path) -> Sets:
    """What ``save_sets`` wrote.

    Raises:
        DataError: the file is not one.
    """
    try:
        with gzip.open(path, "rt", encoding="utf8") as file:
            values: Mapping[str, Any] = json.load(file)
        return Sets(
            fingerprint=values["fingerprint"],
            rankings=[Ranking(**value) for value in values["rankings"]],
            multiway=[
                Multiway(**{**value, "queries": [Asked(**query) for query in value["queries"]]})
                for value in values["multiway"]
            ],
            similarity={
                language: [(left, right, score) for left, right, score in rows]
                for language, rows in values["similarity"].items()
            },
            tatoeba_leaks=values["tatoeba_leaks"],
            leaks={name: Leaks(**counts) for name, counts in values["leaks"].items()},
            training_texts=values["training_texts"],
        )
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} holds no evaluation sets ({error!r}). Expected a file that benchmarks/builtin.py wrote. "
            "Delete it, and they are made again."
        ) from error
