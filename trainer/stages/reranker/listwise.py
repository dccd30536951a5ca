"""The loss of a cross-encoder: the positive against the negatives of its group.

Cross-entropy of the softmax over the scores of a group. With R-Drop (arXiv:2106.14448) every pair is read
twice, under two draws of dropout, and the two distributions are pulled together by the mean of their
Kullback-Leibler divergences in both directions, as the reranker of SimLM was trained (arXiv:2207.02578).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ListwiseLoss:
    """Sums over the groups; ``gradient_S`` is that of ``value`` for each score."""

    value: float
    gradient_S: Tensor  # noqa: N815  # shape suffix
    cross_entropy: float
    r_drop: float
    first: int  # groups whose positive has the highest score


def listwise_loss(scores_S: Tensor, sizes: Sequence[int], *, r_drop: float = 0.0) -> ListwiseLoss:
    """The loss of some groups.

    Args:
        scores_S: scores of all pairs, group after group, the positive of each first; with R-Drop a second
            reading of all pairs follows in the same order.
        sizes: pairs of each group.
        r_drop: weight of the divergence between the readings; 0 for one reading.
    """
    readings = 2 if r_drop > 0 else 1
    leaf_S = scores_S.detach().float().requires_grad_()
    with torch.enable_grad():
        log_p_RGK, is_pair_GK = _log_probabilities(leaf_S.view(readings, -1), sizes)
        cross_entropy = -log_p_RGK[:, :, 0].sum() / readings
        divergence = _divergence(log_p_RGK, is_pair_GK) if readings == 2 else torch.zeros(())
        value = cross_entropy + r_drop * divergence.to(leaf_S.device)
        (gradient_S,) = torch.autograd.grad(value, leaf_S)
    return ListwiseLoss(
        value=value.item(),  # waits for the device
        gradient_S=gradient_S,
        cross_entropy=cross_entropy.item(),
        r_drop=divergence.item(),
        first=int((log_p_RGK[0].argmax(dim=1) == 0).sum()),
    )


def _log_probabilities(scores_RS: Tensor, sizes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Log softmax [R, G, K] inside each group, and which of [G, K] are pairs and not padding."""
    rows_GK = torch.zeros(len(sizes), max(sizes), dtype=torch.long)
    is_pair_GK = torch.zeros(rows_GK.shape, dtype=torch.bool)
    start = 0
    for group, size in enumerate(sizes):
        rows_GK[group, :size] = torch.arange(start, start + size)
        is_pair_GK[group, :size] = True
        start += size
    is_pair_GK = is_pair_GK.to(scores_RS.device)
    scores_RGK = scores_RS[:, rows_GK.to(scores_RS.device)]
    return scores_RGK.masked_fill(~is_pair_GK, -torch.inf).log_softmax(dim=2), is_pair_GK


def _divergence(log_p_RGK: Tensor, is_pair_GK: Tensor) -> Tensor:
    """Mean of both Kullback-Leibler divergences between the two readings, summed over the groups."""
    first_GK, second_GK = log_p_RGK.masked_fill(~is_pair_GK, 0.0).unbind()
    # KL(p|q) + KL(q|p) = sum of (p - q)(log p - log q); padding has 1 and 1, so it adds nothing
    return 0.5 * ((first_GK.exp() - second_GK.exp()) * (first_GK - second_GK)).sum()
