"""Which languages the start model knows less well, and so are to be drawn more often."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from trainer.data.multilingual.corpus import PairTable

PAIRS_PER_GROUP = 24

Encode = Callable[[NDArray[np.int32]], Tensor]
"""Text numbers [B] to unit vectors [B, D]."""


def beside_english(table: PairTable, is_english: NDArray[np.bool_]) -> PairTable:
    """The pairs of a text and its English, the English on the left."""
    left, right = table.left, table.right
    swapped = ~is_english[left] & is_english[right]
    kept = is_english[left] ^ is_english[right]
    return PairTable(
        left=np.where(swapped, right, left)[kept],
        right=np.where(swapped, left, right)[kept],
        group=table.group[kept],
        group_names=table.group_names,
    )


def need_of_groups(table: PairTable, encode: Encode, seed: int) -> NDArray[np.float64]:
    """Mean 1 - cosine of texts of each group and their English, [groups]; 0 of a group without pairs."""
    order = np.random.default_rng(seed).permutation(len(table))
    order = order[np.argsort(table.group[order], kind="stable")]
    groups = table.group[order]
    place = np.arange(len(order)) - np.searchsorted(groups, groups)
    rows = order[place < PAIRS_PER_GROUP]
    distances = 1.0 - (encode(table.left[rows]) * encode(table.right[rows])).sum(dim=1).double()
    sums = np.bincount(table.group[rows], distances.clamp(min=0).numpy(), len(table.group_names))
    return sums / np.maximum(np.bincount(table.group[rows], minlength=len(table.group_names)), 1)
