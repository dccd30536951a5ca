"""Cosine scores of unit vectors and exact top-k, in blocks so that no full score matrix is held."""

import numpy as np
from numpy.typing import NDArray

from me5.errors import ShapeError


def top_k(
    queries_QD: NDArray[np.float32],
    passages_PD: NDArray[np.float32],
    k: int,
    block: int = 16_384,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k best passages of each query by inner product, exact.

    Args:
        queries_QD: query vectors.
        passages_PD: passage vectors of the same dimension.
        k: how many; fewer are returned when there are fewer passages.
        block: passages scored at a time; memory is about Q x block x 4 bytes.

    Returns:
        Scores and passage indices, both [Q, min(k, P)], best first; equal scores by ascending index.

    Raises:
        ShapeError: the dimensions differ, or k or block is below 1.
    """
    if queries_QD.ndim != 2 or passages_PD.ndim != 2 or queries_QD.shape[1] != passages_PD.shape[1]:
        raise ShapeError(
            f"Queries of shape {queries_QD.shape} do not fit passages of shape {passages_PD.shape}. "
            "Expected [Q, D] and [P, D] with one D."
        )
    if k < 1 or block < 1:
        raise ShapeError(f"k and block must be at least 1, got {k} and {block}.")
    rows = np.arange(len(queries_QD))[:, None]
    best_scores = np.empty((len(queries_QD), 0), dtype=np.float32)
    best_indices = np.empty((len(queries_QD), 0), dtype=np.int64)
    for start in range(0, len(passages_PD), block):
        scores_QP = queries_QD @ passages_PD[start : start + block].T
        columns = _candidates(scores_QP, k)
        best_scores = np.concatenate([best_scores, scores_QP[rows, columns]], axis=1, dtype=np.float32)
        best_indices = np.concatenate([best_indices, columns + start], axis=1)
        order = np.lexsort((best_indices, -best_scores), axis=1)[:, :k]
        best_scores, best_indices = best_scores[rows, order], best_indices[rows, order]
    return best_scores, best_indices


def _candidates(scores_QP: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Columns of the k highest scores of each row, in no order; ties at the border go to low columns."""
    count = scores_QP.shape[1]
    if k >= count:
        return np.broadcast_to(np.arange(count), scores_QP.shape)
    columns = np.argpartition(-scores_QP, k - 1, axis=1)[:, :k]
    border_Q1 = np.take_along_axis(scores_QP, columns, axis=1).min(axis=1, keepdims=True)
    tied_rows = np.flatnonzero((scores_QP >= border_Q1).sum(axis=1) > k)
    for row in tied_rows:  # rare: several passages share the k-th score, argpartition would pick any
        columns[row] = np.argsort(-scores_QP[row], kind="stable")[:k]
    return columns
