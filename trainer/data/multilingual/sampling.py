"""Batches of pairs: small languages are drawn more often than their size, and no text is its own negative."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.data.multilingual.corpus import PairTable
from trainer.errors import TrainingError
from trainer.losses.both_ways import equal_pairs, info_nce


@dataclass(frozen=True)
class Batch:
    """Text numbers of one training step; ``left[i]`` belongs with ``right[i]``.

    ``paired``: rows (i, j), [K, 2], where ``left[i]`` is known to belong with ``right[j]`` as well.
    """

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    paired: Tensor | None = None

    @property
    def texts(self) -> NDArray[np.int32]:
        """All of them, left before right."""
        return np.concatenate([self.left, self.right])

    def loss(
        self, vectors_BD: Tensor, *, temperature: float, matmul_dtype: torch.dtype | None
    ) -> tuple[float, Tensor]:
        """InfoNCE and its gradient for the unit vectors of ``texts``."""
        query_QD, passage_QD = vectors_BD.chunk(2)
        result = info_nce(
            query_QD,
            passage_QD,
            temperature=temperature,
            ignored_K2=self.ignored(),
            matmul_dtype=matmul_dtype,
        )
        return result.loss, torch.cat([result.query_gradient, result.passage_gradient])

    def ignored(self) -> Tensor:
        """Pairs (i, j), [K, 2], where two texts are the same or share a partner: no negatives."""
        same = ((self.right, self.right), (self.left, self.left), (self.left, self.right))
        known = [] if self.paired is None else [self.paired]
        return torch.cat([*known, *(equal_pairs(item, other) for item, other in same)])


class Translations:
    """The partners of each text in a table of translations.

    Args:
        table: texts and their translations.
        languages: of each text, as numbers; where given, a translation may be wanted in one of them.
    """

    def __init__(self, table: PairTable, languages: NDArray[np.int32] | None = None) -> None:
        of_right = np.zeros(len(table), np.int64) if languages is None else languages[table.right]
        order = np.lexsort((of_right, table.left))
        self._right = table.right[order]
        self._keys = table.left[order].astype(np.int64) << 32 | of_right[order]
        self._lefts, self._starts = np.unique(table.left[order], return_index=True)
        self._counts = np.diff(np.append(self._starts, len(order)))

    def in_language(
        self, texts: NDArray[np.int32], languages: NDArray[np.int32], generator: np.random.Generator
    ) -> NDArray[np.int32]:
        """A random translation of each text into the language beside it; the text itself without one."""
        wanted = texts.astype(np.int64) << 32 | languages
        first = np.searchsorted(self._keys, wanted, side="left")
        count = np.searchsorted(self._keys, wanted, side="right") - first
        picks = first + (generator.random(len(texts)) * count).astype(np.int64)
        return np.where(count > 0, self._right[np.minimum(picks, len(self._right) - 1)], texts)

    def replace(
        self, texts: NDArray[np.int32], avoid: NDArray[np.int32], share: float, generator: np.random.Generator
    ) -> NDArray[np.int32]:
        """The texts, about ``share`` of them replaced by a random translation other than the one to avoid."""
        groups = np.minimum(np.searchsorted(self._lefts, texts), len(self._lefts) - 1)
        picks = (generator.random(len(texts)) * self._counts[groups]).astype(np.int64)
        candidates = self._right[self._starts[groups] + picks]
        replaced = (
            (generator.random(len(texts)) < share) & (self._lefts[groups] == texts) & (candidates != avoid)
        )
        return np.where(replaced, candidates, texts)


class PairSampler:
    """Draws batches with replacement from one table.

    Args:
        table: the pairs.
        exponent: a group with n pairs is drawn in proportion to n ** exponent (0: all groups alike).
        weights: times this, for each group.
        seed: of the draws.
        translations: where given, ``pivot_share`` of the left texts are replaced by a translation, so that
            two translations of one English sentence meet, or a question meets a passage in another language.
        pivot_share: in [0, 1].
    """

    def __init__(
        self,
        table: PairTable,
        *,
        exponent: float,
        seed: int,
        weights: NDArray[np.float64] | None = None,
        translations: Translations | None = None,
        pivot_share: float = 0.0,
    ) -> None:
        if not len(table):
            raise TrainingError(
                "A source of the mixture has no pairs. Remove it from 'mixture' or add a source file."
            )
        self._table = table
        self._translations = translations
        self._pivot_share = pivot_share
        self._generator = np.random.default_rng(seed)
        sizes = np.bincount(table.group, minlength=len(table.group_names)).astype(np.float64)
        chance = np.where(sizes > 0, sizes, 1.0) ** (exponent - 1.0) * (1.0 if weights is None else weights)
        self._cumulative = np.cumsum(chance[table.group])

    def draw(self, size: int) -> Batch:
        """``size`` pairs."""
        return self.batch(self.rows(size))

    def rows(self, size: int) -> NDArray[np.int64]:
        """``size`` rows of the table."""
        points = self._generator.random(size) * self._cumulative[-1]
        return np.minimum(np.searchsorted(self._cumulative, points, side="right"), len(self._table) - 1)

    def batch(self, rows: NDArray[np.int64], paired: Tensor | None = None) -> Batch:
        """The pairs of these rows, some of the left texts in translation."""
        left, right = self._table.left[rows], self._table.right[rows]
        if self._translations is not None:
            left = self._translations.replace(left, right, self._pivot_share, self._generator)
        return Batch(left, right, paired)

    def state(self) -> dict[str, object]:
        """The position in the stream of draws, to go on from there."""
        return dict(self._generator.bit_generator.state)

    def restore(self, state: dict[str, object]) -> None:
        """Continue from a position that ``state`` gave."""
        self._generator.bit_generator.state = state
