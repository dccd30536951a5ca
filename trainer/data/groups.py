"""Query groups, the data of stage 2: a query, the passages that answer it, and hard ones that do not.

A file of groups has one JSON object per line::

    {"query": "…", "positives": [{"text": "…", "title": "…"}], "negatives": [{"text": "…"}],
     "scores": [3.1, -0.4], "instruction": "…", "language": "de", "source": "…"}

``scores`` are raw teacher logits, one per positive and then one per negative; without a teacher they are
left out. ``instruction``, ``language``, ``source`` and ``title`` may be left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from me5 import atomic
from trainer.errors import DataError, TrainingError


@dataclass(frozen=True)
class Passage:
    """A text that is searched, and its title."""

    text: str
    title: str = ""


@dataclass(frozen=True)
class QueryGroup:
    """One query with its passages; at least one positive."""

    query: str
    positives: tuple[Passage, ...]
    negatives: tuple[Passage, ...] = ()
    scores: tuple[float, ...] | None = None
    instruction: str = ""
    language: str = ""
    source: str = ""

    @property
    def passages(self) -> tuple[Passage, ...]:
        """Positives, then negatives: the order of ``scores``."""
        return self.positives + self.negatives


def read_groups(path: Path) -> Iterator[QueryGroup]:
    """The groups of a file, one at a time.

    Raises:
        DataError: the file is missing, or a line is no group.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist; expected a file of query groups. Check the path.")
    with path.open(encoding="utf8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield parse_group(line, f"{path}, line {number}")


def write_groups(path: Path, groups: Iterable[QueryGroup]) -> int:
    """Write a file of groups aside, then rename it; returns how many there are.

    Raises:
        TrainingError: the disk is full or cannot be written; an older file of that name stays.
    """
    written = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replacing(path) as aside, aside.open("w", encoding="utf8") as stream:
            for group in groups:
                stream.write(json.dumps(_plain(group), ensure_ascii=False) + "\n")
                written += 1
    except OSError as error:
        raise TrainingError(
            f"{path} cannot be written ({error}). Expected a folder with free space. Make room and run again."
        ) from error
    return written


def _plain(group: QueryGroup) -> dict[str, Any]:
    values: dict[str, Any] = {
        "query": group.query,
        "positives": [_plain_passage(passage) for passage in group.positives],
        "negatives": [_plain_passage(passage) for passage in group.negatives],
    }
    if group.scores is not None:
        values["scores"] = list(group.scores)
    for name in ("instruction", "language", "source"):
        if getattr(group, name):
            values[name] = getattr(group, name)
    return values


def _plain_passage(passage: Passage) -> dict[str, str]:
    return {"text": passage.text} | ({"title": passage.title} if passage.title else {})


def parse_group(line: str, where: str) -> QueryGroup:
    """The group of one line; ``where`` is told when it is none.

    Raises:
        DataError: the line is no group.
    """
    try:
        row = json.loads(line)
        scores = row.get("scores")
        group = QueryGroup(
            query=str(row["query"]),
            positives=_parsed_passages(row["positives"]),
            negatives=_parsed_passages(row.get("negatives", [])),
            scores=None if scores is None else tuple(float(score) for score in scores),
            instruction=str(row.get("instruction", "")),
            language=str(row.get("language", "")),
            source=str(row.get("source", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{where} is not a query group ({type(error).__name__}: {error}). Expected an object with query, "
            "positives and negatives. Correct the line."
        ) from error
    if not group.query.strip() or not group.positives:
        raise DataError(f"{where} has no query or no positive. Expected both. Correct or remove the line.")
    if group.scores is not None and len(group.scores) != len(group.passages):
        raise DataError(
            f"{where} has {len(group.scores)} scores for {len(group.passages)} passages. Expected one for "
            "each. Score the groups again with a recipe of `stage: teacher`."
        )
    return group


def _parsed_passages(rows: Any) -> tuple[Passage, ...]:
    return tuple(Passage(str(row["text"]), str(row.get("title", ""))) for row in rows)
