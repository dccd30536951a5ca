"""How sure a hit is, in words: bands of what its passage and its best sentence reach together.

``calibration`` measures where the bands of a collection begin.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from indexer.search.matching import is_inside
from indexer.search.terms import Term
from indexer.types import Confidence

GROWTH = 1.25
"""A collection that grew or shrank by this factor is calibrated again, by the job that changed it."""

VERSION = 5
"""Of what a calibration means; others are made anew."""

_WEAK, _LIKELY = 0.5, 0.7  # quantiles of what unrelated questions reach
_MIN_SPREAD = 0.02  # cosine
_CHECK_SHARE = 0.8  # of the checked passages that must be found more likely than not
_MANY_PASSAGES, _FEW_PASSAGES = 0.1, 5
"""Of a sample, inside whose words a word may stand and still mean itself."""
_REMEMBERED_PARTS = 20_000


@dataclass(frozen=True)
class Bands:
    """Least likeness for each band."""

    weak: float
    likely: float
    strong: float

    def name(self, likeness: float) -> Confidence:
        """The band of a likeness (``ranking.likeness``)."""
        if likeness >= self.strong:
            return "strong"
        if likeness >= self.likely:
            return "likely"
        return "weak" if likeness >= self.weak else "none"


@dataclass(frozen=True)
class Calibration:
    """What is kept in the catalog: the bands, what they hold for, and whether they tell anything."""

    version: int
    contract: str
    chunks: int
    bands: Bands
    can_tell: bool

    def is_of(self, contract: str) -> bool:
        """Whether it was made with this model by this version: one that may be used."""
        return (self.version, self.contract) == (VERSION, contract)

    def is_current(self, chunks: int) -> bool:
        """Whether the collection still has about the size it was made for."""
        return chunks <= self.chunks * GROWTH and self.chunks <= chunks * GROWTH


@dataclass(frozen=True)
class TermStatistics:
    """In how many passages of a sample a term occurs, and the sample, folded."""

    size: int
    frequencies: Mapping[str, int]
    folded: Sequence[str] = ()
    parts: dict[str, bool] = field(default_factory=dict, repr=False, compare=False)
    """Whether a term is a common part: remembered, since the sample has to be read for each."""

    def idf(self, terms: Sequence[Term]) -> dict[str, float]:
        """Inverse document frequency of each term in the sample, from 0 (everywhere) to 1 (nowhere)."""
        size = self.size + 1.0
        return {
            term.text: float(np.log(size / (self.frequencies.get(term.text, 0) + 1.0)) / np.log(size))
            for term in terms
        }

    def common_parts(self, terms: Sequence[Term]) -> set[str]:
        """The terms whose letters stand inside words of many passages, and so say nothing there."""
        return {term.text for term in terms if term.may_be_part and self._is_common_part(term.text)}

    def _is_common_part(self, word: str) -> bool:
        known = self.parts.get(word)
        if known is None:
            limit = max(_FEW_PASSAGES, _MANY_PASSAGES * len(self.folded))
            known = sum(is_inside(word, text) for text in self.folded) > limit
            if len(self.parts) < _REMEMBERED_PARTS:
                self.parts[word] = known
        return known


def tells(own: NDArray[np.floating], bands: Bands) -> bool:
    """Whether nearly all sentences find something likely; of three and more, one may be odd in any case."""
    allowed = max(len(own) - math.ceil(_CHECK_SHARE * len(own)), 1 if len(own) > 2 else 0)
    return len(own) > 0 and int(np.sum(own < bands.likely)) <= allowed


def bands_from_chance(cosines: NDArray[np.floating]) -> Bands:
    """Bands from the best cosines that unrelated questions reach.

    Half of them stay below ``weak`` and seven in ten below ``likely``; ``strong`` lies as far above
    ``likely`` as these two are apart, twice.
    """
    middle, high = np.quantile(cosines, [_WEAK, _LIKELY])
    spread = max(float(high - middle), _MIN_SPREAD)
    return Bands(weak=float(middle), likely=float(high), strong=float(high) + 2 * spread)
