"""Query groups out of natural language inference: what follows is positive, what contradicts is negative.

A row has a premise, a hypothesis and a label. Rows with the same premise become one group: its hypotheses
that follow from it are positives, those that contradict it are hard negatives (as E5 uses NLI,
arXiv:2212.03533); neutral ones are left out. There are no teacher scores for these groups.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from trainer.config import require
from trainer.data.groups import Passage, QueryGroup, write_groups
from trainer.data.pairs import to_pairs
from trainer.data.rows import no_column, read_rows
from trainer.data.sources import PairSource
from trainer.errors import DataError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class NliConfig:
    """The recipe: where the rows are, and what their labels mean.

    ``query`` of the source is the column of the premise, ``passage`` that of the hypothesis. Labels are
    compared as text, so 0 and "0" are the same.
    """

    stage: Literal["nli"]
    out: str
    source: PairSource
    label: str = "label"
    entailment: tuple[str, ...] = ("entailment", "0")
    contradiction: tuple[str, ...] = ("contradiction", "2")
    language: str = ""

    def __post_init__(self) -> None:
        require(self.stage == "nli", "stage", self.stage, "nli")
        require(self.out.endswith(".jsonl"), "out", self.out, "a file that ends in .jsonl")


def run_nli(config: NliConfig, *, resume: bool = False) -> Path:
    """Write the groups and return their file. All texts are in memory while it is made.

    Raises:
        DataError: the source cannot be read, or no premise has a hypothesis that follows from it.
        TrainingError: the file cannot be written.
    """
    path = Path(config.out).expanduser()
    written = write_groups(path, nli_groups(read_rows(config.source), config))
    logger.info("%d groups in %s", written, path)
    return path


def nli_groups(rows: Iterable[Mapping[str, Any]], config: NliConfig) -> Iterator[QueryGroup]:
    """The groups of all rows, in the order in which their premises first appear."""
    results: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    labels: set[str] = set()
    for row in rows:
        if config.label not in row:
            raise no_column(config.source, config.label, row, "label")
        label = str(row[config.label]).strip()
        labels.add(label)
        for pair in to_pairs(row, config.source):
            positives, negatives = results.setdefault(pair.query, ({}, {}))
            if label in config.entailment:
                positives[pair.passage] = None
            elif label in config.contradiction:
                negatives[pair.passage] = None
    if not any(positives for positives, _ in results.values()):
        raise DataError(
            f"Source {config.source.name!r} has no row labelled {' or '.join(config.entailment)}. Its "
            f"labels: {', '.join(sorted(labels)[:9])}. Correct 'entailment' of the recipe."
        )
    for premise, (positives, negatives) in results.items():
        if positives:
            yield QueryGroup(
                premise,
                tuple(map(Passage, positives)),
                tuple(Passage(text) for text in negatives if text not in positives),
                language=config.language,
                source=config.source.name,
            )
