"""Ranking and matching metrics on arrays. Scores: higher is better; ties count against the model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def ranks_of_positives(
    scores_QP: NDArray[np.floating], positives_Q: NDArray[np.integer]
) -> NDArray[np.int64]:
    """1-based rank of each query's positive; passages with an equal score rank before it."""
    own_Q1 = np.take_along_axis(scores_QP, positives_Q[:, None], axis=1)
    return (scores_QP >= own_Q1).sum(axis=1)


def accuracy(ranks_Q: NDArray[np.integer]) -> float:
    """Share of queries with the positive first, in [0, 1]; 0 without queries."""
    return float((ranks_Q == 1).mean()) if len(ranks_Q) else 0.0


def mrr(ranks_Q: NDArray[np.integer], cut_off: int = 10) -> float:
    """Mean reciprocal rank; a rank beyond the cut-off counts 0."""
    if not len(ranks_Q):
        return 0.0
    return float(np.where(ranks_Q <= cut_off, 1.0 / ranks_Q, 0.0).mean())


def ndcg(ranks_Q: NDArray[np.integer], cut_off: int = 10) -> float:
    """nDCG for one positive per query: 1 / log2(1 + rank) within the cut-off."""
    if not len(ranks_Q):
        return 0.0
    return float(np.where(ranks_Q <= cut_off, 1.0 / np.log2(1.0 + ranks_Q), 0.0).mean())


def recall(ranks_Q: NDArray[np.integer], cut_off: int) -> float:
    """Share of queries whose positive is within the cut-off."""
    return float((ranks_Q <= cut_off).mean()) if len(ranks_Q) else 0.0
