"""What a task is: frozen values that the layouts fill and the scoring reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation.statistics import Sample

UNKNOWN_LANGUAGE = "und"

Kind = Literal["retrieval", "bitext", "mining", "similarity", "classification"]

MAIN_METRIC: dict[str, str] = {
    "retrieval": "nDCG@10",
    "bitext": "F1",
    "mining": "F1",
    "similarity": "Spearman",
    "classification": "accuracy (logistic)",
}


@dataclass(frozen=True)
class Retrieval:
    """Queries over one pool of passages.

    Passages stand in descending order of their ids (as bytes), so that ties by ascending number are broken
    as ``trec_eval`` breaks them. ``judged[q]`` maps passage numbers to grades; grades of 0 and below are
    judged and not relevant. ``itself[q]`` is the number of the passage that is the query, or -1.
    """

    queries: Sequence[str]
    languages: Sequence[str]
    judged: Sequence[dict[int, int]]
    passages: Sequence[str]
    titles: Sequence[str] | None = None
    itself: Sequence[int] = ()
    name: str = ""  # of the pool, where a task has several

    def label(self, language: str) -> str:
        """The language, with the name of the pool where that says more."""
        if self.name in ("", language):
            return language
        return self.name if language == UNKNOWN_LANGUAGE else f"{self.name}/{language}"


@dataclass(frozen=True)
class Bitext:
    """Sentences and the number of each one's translation among the targets (MTEB's bitext protocol)."""

    language: str
    sources: Sequence[str]
    targets: Sequence[str]
    gold: NDArray[np.int64]
    both_ways: bool = True


@dataclass(frozen=True)
class Mining:
    """Two piles of sentences, of which only ``gold`` pairs (source, target) are translations (BUCC).

    ``tuning`` is the pile on which the threshold is chosen;
    without it, the same one, which flatters a little.
    """

    language: str
    sources: Sequence[str]
    targets: Sequence[str]
    gold: frozenset[tuple[int, int]]
    tuning: Mining | None = None


@dataclass(frozen=True)
class Similarity:
    """Pairs of texts and how alike people found them."""

    language: str
    left: Sequence[str]
    right: Sequence[str]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class Classification:
    """Labelled texts to learn from and to be tested on."""

    language: str
    train_texts: Sequence[str]
    train_labels: Sequence[str]
    test_texts: Sequence[str]
    test_labels: Sequence[str]


Part = Retrieval | Bitext | Mining | Similarity | Classification


@dataclass(frozen=True)
class Task:
    """A named set of parts, read when iterated, one language after the other."""

    name: str
    kind: Kind
    read: Callable[[], Iterator[Part]] = field(repr=False)


@dataclass(frozen=True)
class Measured:
    """The metrics of one model on one language of a task; ``pool`` counts what was chosen from."""

    language: str
    items: int
    pool: int
    samples: dict[str, Sample]
    notes: dict[str, float] = field(default_factory=dict)
