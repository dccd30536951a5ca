"""Losses as pure functions of embeddings. They know nothing of models, files or optimisers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.run import cores

BLOCK_ROWS = 256


@dataclass(frozen=True)
class LossAndGradients:
    """A loss with its gradient for both inputs, each [Q, D]."""

    loss: float
    query_gradient: Tensor
    passage_gradient: Tensor


def info_nce(
    query_QD: Tensor,
    passage_QD: Tensor,
    *,
    temperature: float,
    ignored_K2: Tensor | None = None,
    matmul_dtype: torch.dtype | None = None,
) -> LossAndGradients:
    """InfoNCE with in-batch negatives (arXiv:1807.03748) in both directions (as in arXiv:2103.00020).

    The loss is the mean of the query→passage and passage→query cross-entropies of ``cosine / temperature``.
    The gradient is written out by hand, over blocks of rows that stay in the cache. A cosine is at most 1, so
    one shift serves both softmaxes; in float32 it leaves room for temperatures from 0.025.

    Args:
        query_QD: unit rows, float32 or float64.
        passage_QD: unit rows; row i is the positive of query i, every other row a negative.
        temperature: divides the cosines, in (0, 1].
        ignored_K2: (i, j) where passage j must not count as a negative of query i (the same text twice in a
            batch). A pair on the diagonal is never ignored.
        matmul_dtype: type of the products, for example bfloat16; None keeps the type of the inputs.

    Returns:
        The loss, and its gradient for each input (not through the normalisation of the rows).
    """
    dtype = matmul_dtype or query_QD.dtype
    query, passage = query_QD.to(dtype), passage_QD.to(dtype)
    count = len(query)
    ignored = _OffDiagonal(ignored_K2)
    blocks = [slice(start, start + BLOCK_ROWS) for start in range(0, count, BLOCK_ROWS)]
    kept = [query_QD.new_empty(0)] * len(blocks)  # exp(score - 1 / temperature)
    positives_Q, row_sum_Q = query_QD.new_empty(count), query_QD.new_empty(count)
    column_sums_CQ = query_QD.new_zeros(cores.COUNT, count)

    def exponentials(core: int) -> None:
        for number in range(core, len(blocks), cores.COUNT):
            rows = blocks[number]
            scores_RQ = (query[rows] @ passage.T).to(query_QD.dtype).sub_(1.0).div_(temperature)
            positives_Q[rows] = scores_RQ.diagonal(rows.start)
            exponentials_RQ = scores_RQ.exp_()
            exponentials_RQ[ignored.within(rows)] = 0.0
            row_sum_Q[rows] = exponentials_RQ.sum(dim=1)
            column_sums_CQ[core] += exponentials_RQ.sum(dim=0)
            kept[number] = exponentials_RQ

    cores.on_every_core(exponentials)
    column_sum_Q = column_sums_CQ.sum(dim=0)
    loss = float((row_sum_Q.log() + column_sum_Q.log() - 2.0 * positives_Q).mean() / 2)

    weight = 1.0 / (2.0 * count * temperature)
    query_gradient = torch.empty_like(query_QD)
    passage_gradients = passage_QD.new_zeros(cores.COUNT, *passage_QD.shape)

    def gradients(core: int) -> None:
        for number in range(core, len(blocks), cores.COUNT):
            rows = blocks[number]
            share_RQ = kept[number].mul_((1.0 / row_sum_Q[rows])[:, None] + 1.0 / column_sum_Q)
            share_RQ.diagonal(rows.start).sub_(2.0)
            gradient_RQ = share_RQ.mul_(weight).to(dtype)
            query_gradient[rows] = (gradient_RQ @ passage).to(query_QD.dtype)
            passage_gradients[core] += (gradient_RQ.T @ query[rows]).to(query_QD.dtype)

    cores.on_every_core(gradients)
    return LossAndGradients(loss, query_gradient, passage_gradients.sum(dim=0))


class _OffDiagonal:
    """Index pairs without those of the diagonal, to be looked up by blocks of rows."""

    def __init__(self, pairs_K2: Tensor | None) -> None:
        pairs_K2 = torch.empty(0, 2, dtype=torch.int64) if pairs_K2 is None else pairs_K2
        pairs_K2 = pairs_K2[pairs_K2[:, 0] != pairs_K2[:, 1]]
        self._pairs_K2 = pairs_K2[torch.argsort(pairs_K2[:, 0])]

    def within(self, rows: slice) -> tuple[Tensor, Tensor]:
        """Row (counted from the first of the block) and column of each pair in these rows."""
        ends = torch.tensor([rows.start, rows.stop])
        start, stop = torch.searchsorted(self._pairs_K2[:, 0].contiguous(), ends).tolist()
        own_k2 = self._pairs_K2[start:stop]
        return own_k2[:, 0] - rows.start, own_k2[:, 1]


def equal_pairs(left_A: NDArray[np.int32], right_B: NDArray[np.int32]) -> Tensor:
    """All (i, j) with ``left_A[i] == right_B[j]``, [K, 2] int64."""
    order_B = np.argsort(right_B, kind="stable")
    ordered_B = right_B[order_B]
    first_A = np.searchsorted(ordered_B, left_A, side="left")
    counts_A = np.searchsorted(ordered_B, left_A, side="right") - first_A
    rows_K = np.repeat(np.arange(len(left_A)), counts_A)
    within_K = np.arange(len(rows_K)) - np.repeat(np.cumsum(counts_A) - counts_A, counts_A)
    return torch.from_numpy(np.stack([rows_K, order_B[np.repeat(first_A, counts_A) + within_K]], axis=1))


def distillation(
    student_BD: Tensor,
    teacher_BD: Tensor,
    *,
    temperature: float,
    cosine_weight: float,
    ignored_K2: Tensor | None = None,
    matmul_dtype: torch.dtype | None = None,
) -> tuple[float, Tensor]:
    """Brings each student vector to its teacher vector: ``info_nce`` plus ``cosine_weight * (1 - cosine)``.

    InfoNCE tells the right target from the others, the cosine also says where it lies; the teacher stays.

    Args:
        student_BD: unit rows.
        teacher_BD: unit rows, the target of the student row of the same number.
        temperature: of the InfoNCE term.
        cosine_weight: at least 0.
        ignored_K2: as in ``info_nce``: targets that are the same text.
        matmul_dtype: as in ``info_nce``.

    Returns:
        The loss and its gradient for ``student_BD``.
    """
    contrast = info_nce(
        student_BD, teacher_BD, temperature=temperature, ignored_K2=ignored_K2, matmul_dtype=matmul_dtype
    )
    distance = float((1.0 - (student_BD * teacher_BD).sum(dim=1)).mean())
    gradient = contrast.query_gradient - teacher_BD * (cosine_weight / len(student_BD))
    return contrast.loss + cosine_weight * distance, gradient
