"""Losses as pure functions of embeddings. They know nothing of models, files or optimisers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


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
    ignored_QQ: Tensor | None = None,
    matmul_dtype: torch.dtype | None = None,
) -> LossAndGradients:
    """InfoNCE with in-batch negatives (arXiv:1807.03748) in both directions (as in arXiv:2103.00020).

    The loss is the mean of the query→passage and passage→query cross-entropies of ``cosine / temperature``.
    The gradient is written out by hand: one softmax per direction, no graph, and the three products may run
    in a narrower type than the rest.

    Args:
        query_QD: unit rows, float32 or float64.
        passage_QD: unit rows; row i is the positive of query i, every other row a negative.
        temperature: divides the cosines, in (0, 1].
        ignored_QQ: true where passage j must not count as a negative of query i (the same text twice in a
            batch). The diagonal is never ignored.
        matmul_dtype: type of the products, for example bfloat16; None keeps the type of the inputs.

    Returns:
        The loss, and its gradient for each input (not through the normalisation of the rows).
    """
    dtype = matmul_dtype or query_QD.dtype
    query, passage = query_QD.to(dtype), passage_QD.to(dtype)
    scores_QQ = (query @ passage.T).to(query_QD.dtype).div_(temperature)
    if ignored_QQ is not None:
        positives_Q = scores_QQ.diagonal().clone()
        scores_QQ.masked_fill_(ignored_QQ, float("-inf"))
        scores_QQ.diagonal().copy_(positives_Q)
    row_max_Q1 = scores_QQ.amax(dim=1, keepdim=True)
    column_max_1Q = scores_QQ.amax(dim=0, keepdim=True)
    positives_Q = scores_QQ.diagonal().clone()
    rows_QQ = scores_QQ.sub(row_max_Q1).exp_()
    columns_QQ = scores_QQ.sub_(column_max_1Q).exp_()
    row_sum_Q1 = rows_QQ.sum(dim=1, keepdim=True)
    column_sum_1Q = columns_QQ.sum(dim=0, keepdim=True)
    forward_Q = row_sum_Q1.log().add_(row_max_Q1).squeeze(1) - positives_Q
    backward_Q = column_sum_1Q.log().add_(column_max_1Q).squeeze(0) - positives_Q
    loss = float((forward_Q.mean() + backward_Q.mean()) / 2)

    gradient_QQ = rows_QQ.div_(row_sum_Q1).add_(columns_QQ.div_(column_sum_1Q))
    gradient_QQ.diagonal().sub_(2.0)
    gradient_QQ.mul_(1.0 / (2.0 * len(query_QD) * temperature))
    gradient = gradient_QQ.to(dtype)
    return LossAndGradients(
        loss=loss,
        query_gradient=(gradient @ passage).to(query_QD.dtype),
        passage_gradient=(gradient.T @ query).to(query_QD.dtype),
    )


def distillation(
    student_BD: Tensor,
    teacher_BD: Tensor,
    *,
    temperature: float,
    cosine_weight: float,
    ignored_BB: Tensor | None = None,
    matmul_dtype: torch.dtype | None = None,
) -> tuple[float, Tensor]:
    """Brings each student vector to its teacher vector: ``info_nce`` plus ``cosine_weight * (1 - cosine)``.

    InfoNCE tells the right target from the others, the cosine also says where it lies; the teacher stays.

    Args:
        student_BD: unit rows.
        teacher_BD: unit rows, the target of the student row of the same number.
        temperature: of the InfoNCE term.
        cosine_weight: at least 0.
        ignored_BB: as in ``info_nce``: targets that are the same text.
        matmul_dtype: as in ``info_nce``.

    Returns:
        The loss and its gradient for ``student_BD``.
    """
    contrast = info_nce(
        student_BD, teacher_BD, temperature=temperature, ignored_QQ=ignored_BB, matmul_dtype=matmul_dtype
    )
    distance = float((1.0 - (student_BD * teacher_BD).sum(dim=1)).mean())
    gradient = contrast.query_gradient - teacher_BD * (cosine_weight / len(student_BD))
    return contrast.loss + cosine_weight * distance, gradient
