"""The values that the steps of mining hand to each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Margin = Literal["ratio", "distance", "absolute"]
Retrieval = Literal["max", "forward", "backward", "intersect"]
State = Literal["open", "accepted", "rejected"]

UNKNOWN_LANGUAGE = "und"

DROPPED = ("copy", "length", "near-duplicate")
"""Flags whose pairs are left out unless settings say otherwise; the other flags ask a person to look."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, and where it stands: ``origin[start:end]`` in characters."""

    text: str
    language: str = UNKNOWN_LANGUAGE
    origin: str = ""
    start: int = 0
    end: int = 0


@dataclass(frozen=True)
class Pair:
    """Two sentences that translate each other, and how sure that is.

    ``score`` is the margin, ``cosine`` the similarity; NaN where a file did not say. ``flags`` name what a
    person should look at, such as ``numbers``, ``length`` or ``suspicious``. ``meta`` is whatever else a
    file said of the pair, kept so that it can be written again.
    """

    source: str
    target: str
    score: float = float("nan")
    source_language: str = UNKNOWN_LANGUAGE
    target_language: str = UNKNOWN_LANGUAGE
    cosine: float = float("nan")
    flags: tuple[str, ...] = ()
    state: State = "open"
    source_origin: str = ""
    target_origin: str = ""
    meta: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class MiningSettings:
    """What decides the result of mining. ``threshold`` None estimates it from the scores.

    ``min_letters`` is the least share of letters among what is no space. ``length_ratio`` is how many times
    longer or shorter than expected for the two languages a translation may be. ``drop`` names the flags
    whose pairs are left out; pairs with other flags stay and carry them. ``keep_below`` keeps candidates
    below the threshold too, for another threshold later.
    """

    k: int = 4
    margin: Margin = "ratio"
    retrieval: Retrieval = "max"
    threshold: float | None = None
    max_score: float | None = None  # pairs above are flagged as suspicious; None takes the margin's default
    min_characters: int = 3
    max_characters: int = 1_000
    length_ratio: float = 3.0
    check_language: bool = True
    drop_duplicates: bool = True
    one_to_one: bool = True
    memory_mb: int = 512
    min_letters: float = 0.4
    drop: tuple[str, ...] = DROPPED
    keep_below: bool = False


@dataclass(frozen=True)
class Estimate:
    """What is thought of candidate scores without knowing the truth.

    ``scores`` are descending; ``probabilities`` say how likely each is a translation, never rising.
    ``precision`` and ``f1`` are those expected at ``threshold``. ``method`` is ``mixture``, ``gold`` or,
    where there was too little to estimate from, ``default``; then the expectations are NaN.
    """

    threshold: float
    precision: float
    f1: float
    scores: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    method: Literal["mixture", "gold", "default"]

    @property
    def matched(self) -> float:
        """How many translations are expected among the candidates."""
        return float(self.probabilities.sum())

    def precision_at(self, threshold: float) -> float:
        """The expected share of translations among candidates of at least ``threshold``; NaN if none."""
        kept = int(np.searchsorted(-self.scores, -threshold, side="right"))
        return float(self.probabilities[:kept].mean()) if kept else float("nan")


@dataclass(frozen=True)
class MiningResult:
    """Pairs above the threshold, best first, and what is needed to choose another threshold.

    ``scores`` are those of all candidates, descending; ``pairs`` are candidates too when ``keep_below`` was
    asked for. ``dropped`` counts sentences and pairs by the filter that took them out. Pairs that score
    above ``max_score`` carry the flag ``suspicious``.
    """

    pairs: tuple[Pair, ...]
    scores: NDArray[np.float32]
    threshold: float
    estimated_precision: float
    dropped: dict[str, int] = field(default_factory=dict)
    sentences: tuple[int, int] = (0, 0)
    estimate: Estimate | None = None
    languages: tuple[str, str] = (UNKNOWN_LANGUAGE, UNKNOWN_LANGUAGE)
    max_score: float = float("inf")
