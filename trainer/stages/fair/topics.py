"""Batches on a few topics each: a query is told from passages that are like its own, in whatever language."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.data.multilingual.corpus import PairTable
from trainer.data.multilingual.sampling import Batch, PairSampler
from trainer.losses.both_ways import equal_pairs

ITERATIONS = 12


class TopicSampler(PairSampler):
    """Draws ``together`` pairs of a topic, then of another, until the batch is full.

    Passages that share a text of the left side are versions of one section, and no negatives of each other.

    Args:
        table: the pairs.
        topics: the topic of the passage of each pair.
        together: pairs of one topic in a batch.
        languages: of each text, as numbers.
        own_share: of the queries, asked in the language of another passage of their topic, so that the
            passage in their own language is no answer.
        others: as of ``PairSampler``.
    """

    def __init__(
        self,
        table: PairTable,
        topics: NDArray[np.int64],
        together: int,
        *,
        languages: NDArray[np.int32] | None = None,
        own_share: float = 0.0,
        **others: Any,
    ) -> None:
        order = np.argsort(topics, kind="stable")
        topics = topics[order]
        super().__init__(
            PairTable(table.left[order], table.right[order], table.group[order], table.group_names), **others
        )
        self._together, self._languages, self._own_share = together, languages, own_share
        self._first = np.searchsorted(topics, topics, side="left")
        self._last = np.searchsorted(topics, topics, side="right") - 1
        by_passage = np.argsort(table.right, kind="stable")
        self._lefts = table.left[by_passage]
        self._passages, self._starts, self._counts = np.unique(
            table.right[by_passage], return_index=True, return_counts=True
        )

    def rows(self, size: int) -> NDArray[np.int64]:
        seeds = np.repeat(super().rows(-(-size // self._together)), self._together)[:size]
        chances = self._cumulative
        low = np.where(self._first[seeds] > 0, chances[self._first[seeds] - 1], 0.0)
        points = low + self._generator.random(size) * (chances[self._last[seeds]] - low)
        found = np.searchsorted(chances, points, side="right")
        return np.clip(found, self._first[seeds], self._last[seeds])

    def draw(self, size: int) -> Batch:
        rows = self.rows(size)
        batch = self.batch(rows, self._versions(self._table.right[rows]))
        if self._languages is None or self._translations is None:
            return batch
        beside = self._beside(size)
        wanted = self._languages[batch.right[beside]]
        asked = (self._generator.random(size) < self._own_share) & (wanted != self._languages[batch.right])
        english = self._table.left[rows]
        own = self._translations.in_language(english, wanted, self._generator)
        return replace(batch, left=np.where(asked & (own != english), own, batch.left))

    def _beside(self, size: int) -> NDArray[np.int64]:
        """For each row of a batch another row of its topic."""
        rows = np.arange(size)
        start = rows // self._together * self._together
        count = np.minimum(start + self._together, size) - start
        step = 1 + (self._generator.random(size) * np.maximum(count - 1, 1)).astype(np.int64)
        return start + (rows - start + step) % count

    def _versions(self, passages_B: NDArray[np.int32]) -> Tensor:
        """Pairs (i, j) of passages that share a text, [K, 2]."""
        known = np.searchsorted(self._passages, passages_B)
        counts = self._counts[known]
        owner = np.repeat(np.arange(len(passages_B)), counts)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        lefts = self._lefts[self._starts[known][owner] + within]
        return torch.from_numpy(owner)[equal_pairs(lefts, lefts)]


def topics_of(vectors_ND: Tensor, size: int, seed: int) -> NDArray[np.int64]:
    """The topic of each unit vector, ``size`` to a topic on average, by k-means on the sphere."""
    count = max(len(vectors_ND) // size, 1)
    generator = torch.Generator().manual_seed(seed)
    centres_CD = vectors_ND[torch.randperm(len(vectors_ND), generator=generator)[:count]]
    topics_N = torch.zeros(len(vectors_ND), dtype=torch.int64)
    for _ in range(ITERATIONS):
        topics_N = torch.cat([(block @ centres_CD.T).argmax(dim=1) for block in vectors_ND.split(4_096)])
        sums_CD = torch.zeros_like(centres_CD).index_add_(0, topics_N, vectors_ND)
        filled_C = sums_CD.norm(dim=1) > 0
        centres_CD[filled_C] = torch.nn.functional.normalize(sums_CD[filled_C], dim=1)
    return topics_N.numpy()
