"""The loss of stage 2: distillation inside each query group, and InfoNCE over the passages of all groups.

For query i with student scores s (cosines / temperature) and teacher logits t of its group::

    loss_i = KL(softmax(t) || softmax(s))  +  weight * -log softmax(s over all passages)[positive]

The teacher's logits are taken as they are. So it is done in the authors' own code (unilm
``simlm/src/models/biencoder_model.py``). Groups without teacher scores have the second term only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.data.group_mixture import GroupSample
from trainer.losses.contrast import BLOCK_SCORES
from trainer.run.processes import Processes


@dataclass(frozen=True)
class GroupTable:
    """The groups of the joint batch as tensors: B groups of S places, some of which are empty."""

    query_keys_B: Tensor  # noqa: N815  # shape suffix
    passage_keys_BS: Tensor  # noqa: N815
    is_passage_BS: Tensor  # noqa: N815
    positive_keys_BM: Tensor  # noqa: N815  # all positives of the group; shorter rows repeat the first
    teacher_BS: Tensor  # noqa: N815  # logits; 0 where there are none
    is_scored_B: Tensor  # noqa: N815

    @classmethod
    def of(cls, samples: Sequence[GroupSample], size: int, device: torch.device | None = None) -> GroupTable:
        """The table of samples with at most ``size`` passages."""
        widest = max(len(sample.positive_keys) for sample in samples)
        return cls(
            query_keys_B=torch.tensor([sample.query_key for sample in samples], device=device),
            passage_keys_BS=_padded([sample.passage_keys for sample in samples], size, 0).to(device),
            is_passage_BS=_padded([[True] * len(sample.passages) for sample in samples], size, False).to(
                device
            ),
            positive_keys_BM=torch.tensor(
                [
                    [*sample.positive_keys, *[sample.positive_keys[0]] * (widest - len(sample.positive_keys))]
                    for sample in samples
                ],
                device=device,
            ),
            teacher_BS=_padded([sample.scores or () for sample in samples], size, 0.0).to(device),
            is_scored_B=torch.tensor([sample.scores is not None for sample in samples], device=device),
        )

    def not_negative(self, rows: slice) -> Tensor:
        """[rows, B * S]: true where a passage is no negative of a query.

        These are empty places, passages that equal the query or a positive of its group, and the positives
        of groups with the same query.
        """
        keys_P, is_passage_P = self.passage_keys_BS.flatten(), self.is_passage_BS.flatten()
        query_keys_R1 = self.query_keys_B[rows, None]
        ignored_RP = ~is_passage_P | (query_keys_R1 == keys_P)
        for positive_keys_R in self.positive_keys_BM[rows].T:
            ignored_RP |= positive_keys_R[:, None] == keys_P
        size = self.passage_keys_BS.shape[1]
        ignored_RP[:, ::size] |= query_keys_R1 == self.query_keys_B
        return ignored_RP


@dataclass(frozen=True)
class GroupLoss:
    """The mean loss of the joint batch, its two parts, and its gradients for the groups of this process."""

    value: float
    kl: float  # 0 for a group without teacher scores
    contrastive: float  # before its weight
    query_gradient_bD: Tensor  # noqa: N815  # shape suffix
    passage_gradient_bSD: Tensor  # noqa: N815


def group_loss(
    query_bD: Tensor,
    passage_bSD: Tensor,
    table: GroupTable,
    *,
    temperature: float,
    contrastive_weight: float,
    processes: Processes,
    mask_own_negatives: bool = False,
    block: int | None = None,
) -> GroupLoss:
    """Loss and gradients; the scores of one block of queries exist at any time.

    Args:
        query_bD: unit rows, of the groups of this process.
        passage_bSD: unit rows of their passages, the positive first; zeros in empty places.
        table: of the joint batch, the groups of process 0 first.
        temperature: divides the cosines, in (0, 1].
        contrastive_weight: of InfoNCE.
        processes: those that share the batch, each with as many groups.
        mask_own_negatives: leave the negatives of a query's own group out of its InfoNCE.
        block: queries whose scores exist at the same time; None takes ``BLOCK_SCORES`` scores.
    """
    own, size, dimension = passage_bSD.shape
    first = processes.index * own
    passage_PD = processes.gather(passage_bSD.reshape(own * size, dimension))
    block = block or max(1, BLOCK_SCORES // len(passage_PD))
    sums = query_bD.new_zeros(2)
    query_gradient_bD = torch.empty_like(query_bD)
    passage_gradient_PD = torch.zeros_like(passage_PD)
    for start in range(0, own, block):
        part_rD = query_bD[start : start + block]
        rows = slice(first + start, first + start + len(part_rD))
        scores_rP = (part_rD @ passage_PD.T).div_(temperature)
        kl, gradient_rS, columns_rS = _distillation(scores_rP, table, rows)
        contrastive, gradient_rP = _info_nce(scores_rP, table, rows, columns_rS, mask_own_negatives)
        sums += torch.stack([kl, contrastive])
        gradient_rP.mul_(contrastive_weight).scatter_add_(1, columns_rS, gradient_rS)
        gradient_rP.div_(temperature * own * processes.count)
        query_gradient_bD[start : start + block] = gradient_rP @ passage_PD
        passage_gradient_PD.addmm_(gradient_rP.T, part_rD)
    kl, contrastive = (processes.sum(sums) / (own * processes.count)).tolist()  # waits for the device
    passage_gradient_PD = processes.sum(passage_gradient_PD)[first * size : (first + own) * size]
    return GroupLoss(
        value=kl + contrastive_weight * contrastive,
        kl=kl,
        contrastive=contrastive,
        query_gradient_bD=query_gradient_bD,
        passage_gradient_bSD=passage_gradient_PD.reshape(own, size, dimension),
    )


def _distillation(scores_rP: Tensor, table: GroupTable, rows: slice) -> tuple[Tensor, Tensor, Tensor]:
    """The sum of the queries' divergences, its gradient for the scores of their groups, and their columns."""
    size = table.passage_keys_BS.shape[1]
    numbers_r = torch.arange(rows.start, rows.stop, device=scores_rP.device)
    columns_rS = numbers_r[:, None] * size + torch.arange(size, device=scores_rP.device)
    is_empty_rS = ~table.is_passage_BS[rows]
    student_rS = scores_rP.gather(1, columns_rS).masked_fill(is_empty_rS, -torch.inf).log_softmax(dim=1)
    teacher_rS = table.teacher_BS[rows].to(scores_rP.dtype).masked_fill(is_empty_rS, -torch.inf)
    teacher_rS = teacher_rS.log_softmax(dim=1)
    is_scored_r1 = table.is_scored_B[rows, None]
    surprise_rS = (teacher_rS - student_rS).masked_fill(is_empty_rS, 0.0)
    divergence_rS = teacher_rS.exp() * surprise_rS * is_scored_r1
    gradient_rS = (student_rS.exp() - teacher_rS.exp()) * is_scored_r1
    return divergence_rS.sum(), gradient_rS, columns_rS


def _info_nce(
    scores_rP: Tensor, table: GroupTable, rows: slice, columns_rS: Tensor, mask_own_negatives: bool
) -> tuple[Tensor, Tensor]:
    """The sum of the queries' cross-entropies and its gradient for their scores, which are overwritten."""
    positive_r1 = columns_rS[:, :1]
    positive_scores_r1 = scores_rP.gather(1, positive_r1)
    scores_rP.masked_fill_(table.not_negative(rows), -torch.inf)
    if mask_own_negatives:
        scores_rP.scatter_(1, columns_rS, -torch.inf)
    scores_rP.scatter_(1, positive_r1, positive_scores_r1)
    normalizer_r1 = scores_rP.logsumexp(dim=1, keepdim=True)
    gradient_rP = scores_rP.sub_(normalizer_r1).exp_()
    gradient_rP.scatter_add_(1, positive_r1, gradient_rP.new_full(positive_r1.shape, -1.0))
    return (normalizer_r1 - positive_scores_r1).sum(), gradient_rP


def _padded(rows: Sequence[Sequence[float]], width: int, filling: float) -> Tensor:
    return torch.tensor([[*row, *[filling] * (width - len(row))] for row in rows])
