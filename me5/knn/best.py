"""Running lists of the k best of each row, merged from loose (row, id, score) entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[Any]
Entries = tuple[Integers, Integers, Floats]


@dataclass(frozen=True)
class Best:
    """The k best of n rows so far, best first, ties by ascending id; -inf and -1 where fewer were seen."""

    scores: Floats
    ids: Integers

    @classmethod
    def empty(cls, rows: int, k: int, id_type: type[np.integer]) -> Best:
        """Lists without entries."""
        return cls(np.full((rows, k), -np.inf, dtype=np.float32), np.full((rows, k), -1, dtype=id_type))

    def part(self, rows: slice) -> Best:
        """The lists of some rows; changes show here too."""
        return Best(self.scores[rows], self.ids[rows])

    @property
    def last(self) -> Floats:
        """The k-th best score of each row: what a newcomer has to beat."""
        return self.scores[:, -1]

    def add(self, rows: Integers, ids: Integers, scores: Floats) -> None:
        """Merge entries into the lists, in place.

        Entries of one row must come by ascending id, and after those that the list has seen: that is how a
        tie goes to the smaller id.
        """
        if not len(rows):
            return
        k = self.scores.shape[1]
        is_touched = np.zeros(len(self.scores), dtype=bool)
        is_touched[rows] = True
        touched = np.flatnonzero(is_touched)
        all_rows = np.concatenate([np.repeat(touched, k), rows])
        all_scores = np.concatenate([self.scores[touched].ravel(), scores]) + np.float32(0)  # no -0.0
        all_ids = np.concatenate([self.ids[touched].ravel(), ids])
        order = np.argsort(all_rows * np.int64(1 << 32) + _descending(all_scores), kind="stable")
        counts = np.bincount(all_rows, minlength=len(self.scores))[touched]
        firsts = np.cumsum(counts) - counts
        kept = order[firsts[:, None] + np.arange(k)]  # every touched row has at least its k old entries
        self.scores[touched] = all_scores[kept]
        self.ids[touched] = all_ids[kept]

    def entries(self) -> Entries:
        """The lists as loose entries, by row and then by ascending id."""
        order = np.argsort(self.ids, axis=1, kind="stable")
        ids = np.take_along_axis(self.ids, order, axis=1)
        scores = np.take_along_axis(self.scores, order, axis=1)
        is_real = ids >= 0
        return np.nonzero(is_real)[0], ids[is_real], scores[is_real]


def _descending(scores: Floats) -> NDArray[np.int64]:
    """Integers below 2**32 that sort as the scores do from the highest to the lowest."""
    bits = scores.view(np.int32)
    ascending = np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits).astype(np.int64)
    return 0x7FFFFFFF - ascending
