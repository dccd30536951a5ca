"""Scores that compare across languages: less what a passage scores because of its language alone.

The language-neutral map takes most of the language out of vectors; what is left still puts some passages in
the language of the question first. How much that is for one question is known of ordinary text in about 200
languages (me5.language_means). What is beyond ``TOLERANCE`` is taken off ``WEIGHT`` times, as passages of a
library lean more towards their language than the single sentences that the means are of. To take off more
makes languages more equal and finds fewer right passages first (docs/neutral.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from me5.encoder import Encoder

WEIGHT = 1.5
TOLERANCE = 0.02  # cosine


@dataclass(frozen=True)
class FairScores:
    """What a cosine to one question counts for, by the language of the passage."""

    leanings: Mapping[str, float]

    def __bool__(self) -> bool:
        return bool(self.leanings)

    def __call__(self, cosine: float, language: str) -> float:
        """The cosine itself where nothing is known about the language."""
        leaning = self.leanings.get(language)
        if leaning is None:  # zh-Hant-HK -> zh
            leaning = self.leanings.get(language.partition("-")[0], 0.0)
        return round(cosine - WEIGHT * max(0.0, leaning - TOLERANCE), 5)


AS_THEY_ARE = FairScores({})


def fair_scores(encoder: "Encoder", query_vector: NDArray[np.float32]) -> FairScores:
    """How cosines to a question [D] compare across languages; as they are without a language-neutral map."""
    known = None if encoder.neutral is None else encoder.neutral.languages
    return AS_THEY_ARE if known is None else FairScores(known.leanings(query_vector))
