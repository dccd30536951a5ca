"""Losses as plain functions of embeddings; autograd gives their gradient. A new loss begins here.

A function takes unit rows of the joint batch and gives a mean; ``joint`` makes it a loss of every process.
The whole score matrix exists at once, 4 GB at 32,768 pairs: what is used at that size gets a blocked form of
the same value, as InfoNCE has in ``trainer.losses.contrast``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from trainer.losses.contrast import Contrast, PairKeys
from trainer.run.processes import Processes


class PairLoss(Protocol):
    """The loss of query i with passage i, among all queries and passages."""

    def __call__(
        self, query_BD: Tensor, passage_BD: Tensor, *, temperature: float, ignored_BB: Tensor
    ) -> Tensor:
        """The mean over the pairs, a number.

        Args:
            query_BD, passage_BD: unit rows.
            temperature: divides the cosines.
            ignored_BB: true where passage j is no negative of query i; false on the diagonal.
        """
        ...


def info_nce(query_BD: Tensor, passage_BD: Tensor, *, temperature: float, ignored_BB: Tensor) -> Tensor:
    """Cross-entropy of the passage among all (arXiv:1807.03748)."""
    scores_BB = (query_BD @ passage_BD.T / temperature).masked_fill(ignored_BB, -torch.inf)
    return -scores_BB.log_softmax(dim=1).diagonal().mean()


def decoupled(query_BD: Tensor, passage_BD: Tensor, *, temperature: float, ignored_BB: Tensor) -> Tensor:
    """InfoNCE whose positive is not in the denominator (arXiv:2110.06848), for small batches."""
    scores_BB = query_BD @ passage_BD.T / temperature
    own_BB = torch.eye(len(scores_BB), dtype=torch.bool, device=scores_BB.device)
    others_B = scores_BB.masked_fill(ignored_BB | own_BB, -torch.inf).logsumexp(dim=1)
    has_other_B = others_B > -torch.inf
    return torch.where(has_other_B, others_B, 0.0).mean() - scores_BB.diagonal().mean()


def sigmoid(query_BD: Tensor, passage_BD: Tensor, *, temperature: float, ignored_BB: Tensor) -> Tensor:
    """Each cell right or wrong by itself (SigLIP, arXiv:2303.15343), with the bias -log(B - 1)."""
    count = len(query_BD)
    bias = -torch.log(torch.tensor(max(count - 1.0, 1.0)))
    logits_BB = query_BD @ passage_BD.T / temperature + bias
    own_BB = torch.eye(count, dtype=torch.bool, device=logits_BB.device)
    cells_BB = logsigmoid(torch.where(own_BB, logits_BB, -logits_BB)).masked_fill(ignored_BB, 0.0)
    return -cells_BB.sum() / count


PAIR_LOSSES: Mapping[str, PairLoss] = {"decoupled": decoupled, "info_nce": info_nce, "sigmoid": sigmoid}
"""By the name that a recipe gives as ``optim.loss``."""


def joint(
    loss: PairLoss,
    query_bD: Tensor,
    passage_bD: Tensor,
    *,
    temperature: float,
    processes: Processes,
    keys: PairKeys,
) -> Contrast:
    """The loss of the joint batch, computed by every process, and the gradient for the pairs of this one.

    Args:
        loss: of the joint batch.
        query_bD, passage_bD: unit rows of this process.
        temperature: divides the cosines.
        processes: those that share the batch.
        keys: of the joint batch; equal texts are no negatives of each other.
    """
    query_BD, passage_BD = (
        processes.gather(part.detach()).requires_grad_() for part in (query_bD, passage_bD)
    )
    ignored_BB = keys.ignored(slice(0, len(query_BD))).fill_diagonal_(False)
    value, gradients = with_gradient(
        lambda: loss(query_BD, passage_BD, temperature=temperature, ignored_BB=ignored_BB),
        query_BD,
        passage_BD,
    )
    own = slice(processes.index * len(query_bD), (processes.index + 1) * len(query_bD))
    return Contrast(value, gradients[0][own], gradients[1][own])


def with_gradient(loss: Callable[[], Tensor], *leaves: Tensor) -> tuple[float, tuple[Tensor, ...]]:
    """The value of a loss and its gradient for the leaves that it reads."""
    value = loss()
    return float(value.detach()), torch.autograd.grad(value, leaves)


def to_targets(
    student_BD: Tensor,
    known_MD: Tensor,
    which_B: Tensor,
    ignored_K2: Tensor,
    *,
    temperature: float,
    cosine_weight: float,
    contrastive_weight: float = 1.0,
) -> Tensor:
    """Mean cross-entropy of each student vector for its target among all known ones, and its distance.

    Args:
        student_BD: unit rows.
        known_MD: unit rows of the teacher.
        which_B: the row of ``known_MD`` that is the target.
        ignored_K2: (i, m) where known m is no negative of student i, being the same text; its target is one.
        temperature: divides the cosines.
        cosine_weight: of the mean of 1 - cosine, which is half the squared distance.
        contrastive_weight: of the cross-entropy.
    """
    cosines_BM = student_BD @ known_MD.T
    own_B = cosines_BM.gather(1, which_B[:, None])[:, 0]
    ignored = ignored_K2[:, 0], ignored_K2[:, 1]
    others_BM = (cosines_BM / temperature).index_put(ignored, cosines_BM.new_tensor(-torch.inf))
    logits_BM = torch.cat([own_B[:, None] / temperature, others_BM], dim=1)
    told_apart = -logits_BM.log_softmax(dim=1)[:, 0].mean()
    return contrastive_weight * told_apart + cosine_weight * (1.0 - own_B).mean()
