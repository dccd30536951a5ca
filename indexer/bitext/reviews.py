"""Review of parallel text: what a person decided of each pair, and how many are right by those decisions.

Values and sums only; the decisions themselves are kept in the catalog (``indexer.catalog.bitexts``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from indexer.bitext.values import UNKNOWN_LANGUAGE, Pair, State

Sort = Literal["best", "worst", "text", "random"]
Kind = Literal["mined", "aligned", "imported"]

ENOUGH_REVIEWED = 20
"""Decisions below which no precision is estimated from them."""
STRATA = 4
Z95 = 1.959964
SUSPICIOUS = "suspicious"


@dataclass(frozen=True)
class Bitext:
    """Pairs under review. ``revision`` grows with every change, so that windows notice each other.

    ``threshold`` None where no pair has a score. ``details`` is what the run said of itself.
    """

    id: str
    name: str
    kind: Kind
    source_language: str = UNKNOWN_LANGUAGE
    target_language: str = UNKNOWN_LANGUAGE
    threshold: float | None = None
    created_at: float = 0.0
    revision: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ReviewPair:
    """A pair with its place in its bitext; ``before`` holds both sides as they came when they were edited."""

    number: int
    pair: Pair
    before: tuple[str, str] | None = None


@dataclass(frozen=True)
class PairFilter:
    """Which pairs are meant. Empty means no restriction; ``edited`` counts as a state."""

    state: Literal["", "open", "accepted", "rejected", "edited"] = ""
    flag: str = ""
    min_score: float | None = None
    max_score: float | None = None
    words: str = ""


@dataclass(frozen=True)
class PairCounts:
    """How many pairs there are, by state and by flag."""

    total: int
    states: Mapping[str, int]
    flags: Mapping[str, int]
    edited: int = 0

    def of(self, state: State) -> int:
        """Pairs in a state."""
        return self.states.get(state, 0)


@dataclass(frozen=True)
class Precision:
    """Share of right pairs among those above a threshold, with the interval that 95 of 100 samples keep."""

    value: float
    low: float
    high: float
    reviewed: int


def reviewed_precision(
    scores: NDArray[np.float32], reviewed: Sequence[tuple[float, bool]], threshold: float
) -> Precision | None:
    """Share of right pairs above a threshold, by what a person accepted and rejected there.

    Best pairs are often reviewed first. So that they do not speak for all, the scores are divided into
    strata of equal size, and each stratum counts by its size, not by its decisions.

    Args:
        scores: of all pairs, in any order, without NaN.
        reviewed: score and whether the pair was accepted.
        threshold: pairs at or above it count.

    Returns:
        None below ``ENOUGH_REVIEWED`` decisions.
    """
    decided = np.array([(score, right) for score, right in reviewed if score >= threshold], np.float64)
    above = np.sort(scores[scores >= threshold])
    if len(decided) < ENOUGH_REVIEWED or not len(above):
        return None
    borders = np.quantile(above, np.arange(1, STRATA) / STRATA)
    sizes = np.bincount(np.searchsorted(borders, above, "right"), minlength=STRATA)
    places = np.searchsorted(borders, decided[:, 0], "right")
    done = np.bincount(places, minlength=STRATA)
    right = np.bincount(places, weights=decided[:, 1], minlength=STRATA).astype(np.float64)
    value = float(np.dot(_shares(right, done), sizes) / sizes.sum())
    low, high = wilson(value, len(decided))
    return Precision(value, low, high, len(decided))


def _shares(right: NDArray[np.float64], done: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of right pairs per stratum; one without decisions takes that of the nearest one with some."""
    known = np.flatnonzero(done)
    nearest = known[np.abs(np.arange(len(done))[:, None] - known[None, :]).argmin(1)]
    return right[nearest] / done[nearest]


def wilson(share: float, size: int) -> tuple[float, float]:
    """Wilson's interval at 95 % of a share among ``size`` trials."""
    middle = (share + Z95**2 / (2 * size)) / (1 + Z95**2 / size)
    reach = Z95 / (1 + Z95**2 / size) * math.sqrt(share * (1 - share) / size + Z95**2 / (4 * size**2))
    return max(0.0, middle - reach), min(1.0, middle + reach)
