"""InfoNCE for large batches: in row blocks, and over the batches of several processes.

``trainer.losses.info_nce`` holds the whole score matrix, which is 4 GB at 32,768 pairs. Here only a block of
rows exists at any time, so memory grows with the batch and not with its square.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.processes import Processes

ROW_BLOCK = 1_024


@dataclass(frozen=True)
class PairKeys:
    """Numbers that tell equal texts of the joint batch, each [B] int64; row i of both is pair i."""

    query_B: Tensor  # noqa: N815  # shape suffix
    passage_B: Tensor  # noqa: N815  # shape suffix

    @property
    def swapped(self) -> PairKeys:
        """The same for the passage→query direction."""
        return PairKeys(query_B=self.passage_B, passage_B=self.query_B)

    def ignored(self, rows: slice) -> Tensor:
        """[rows, B]: true where passage j is no negative of query i, because the two pairs share a text."""
        query_R1, passage_R1 = self.query_B[rows, None], self.passage_B[rows, None]
        return (query_R1 == self.query_B) | (passage_R1 == self.passage_B) | (query_R1 == self.passage_B)


@dataclass(frozen=True)
class Contrast:
    """The mean loss of the joint batch, and its gradient for the pairs of this process, each [b, D]."""

    loss: float
    query_gradient: Tensor
    passage_gradient: Tensor


def one_direction(
    rows_RD: Tensor,
    columns_BD: Tensor,
    *,
    temperature: float,
    first: int = 0,
    keys: PairKeys | None = None,
    block: int = ROW_BLOCK,
) -> tuple[Tensor, Tensor, Tensor]:
    """Cross-entropy of row i against all columns, where column ``first + i`` is right.

    Args:
        rows_RD: unit rows: all of the joint batch, or the slice of it that starts at ``first``.
        columns_BD: unit rows of the joint batch.
        temperature: divides the cosines.
        first: number of the first row in the joint batch.
        keys: equal texts, which are no negatives; None where all texts differ.
        block: rows whose scores exist at the same time.

    Returns:
        The sum of the rows' losses divided by B, and its gradients for rows [R, D] and columns [B, D].
    """
    share = 1.0 / len(columns_BD)
    loss = rows_RD.new_zeros(())
    row_gradient_RD = torch.empty_like(rows_RD)
    column_gradient_BD = torch.zeros_like(columns_BD)
    for start in range(0, len(rows_RD), block):
        block_bD = rows_RD[start : start + block]
        own_b = torch.arange(len(block_bD), device=rows_RD.device)
        positive_b = own_b + first + start
        scores_bB = (block_bD @ columns_BD.T).div_(temperature)
        positive_scores_b = scores_bB[own_b, positive_b]
        if keys is not None:
            scores_bB.masked_fill_(keys.ignored(slice(first + start, first + start + len(own_b))), -torch.inf)
            scores_bB[own_b, positive_b] = positive_scores_b
        normalizer_b = scores_bB.logsumexp(dim=1)
        loss += (normalizer_b - positive_scores_b).sum() * share
        gradient_bB = scores_bB.sub_(normalizer_b[:, None]).exp_()
        gradient_bB[own_b, positive_b] -= 1.0
        gradient_bB.mul_(share / temperature)
        row_gradient_RD[start : start + block] = gradient_bB @ columns_BD
        column_gradient_BD.addmm_(gradient_bB.T, block_bD)
    return loss, row_gradient_RD, column_gradient_BD


def joint_info_nce(
    query_bD: Tensor,
    passage_bD: Tensor,
    *,
    temperature: float,
    processes: Processes,
    keys: PairKeys | None = None,
    both_directions: bool = False,
    block: int = ROW_BLOCK,
) -> Contrast:
    """InfoNCE where every pair of every process gives negatives to all others.

    Each process computes the rows of its own queries against the passages of all, and hands out the gradient
    of the passages that are not its own. With one process this is ordinary in-batch InfoNCE.

    Args:
        query_bD: unit rows of the pairs of this process, as many as every other process has.
        passage_bD: the positives of these queries, in the same order.
        temperature: divides the cosines, in (0, 1].
        processes: those that share the batch.
        keys: of the joint batch, the pairs of process 0 first.
        both_directions: mean of query→passage and passage→query, instead of query→passage alone.
        block: see ``one_direction``.
    """
    first = processes.index * len(query_bD)
    own = slice(first, first + len(query_bD))
    sides: Sequence[tuple[Tensor, Tensor, PairKeys | None]] = [(query_bD, passage_bD, keys)]
    if both_directions:
        sides = [*sides, (passage_bD, query_bD, keys.swapped if keys else None)]
    losses, gradients = [], []
    for rows_bD, columns_bD, side_keys in sides:
        loss, row_gradient_bD, column_gradient_BD = one_direction(
            rows_bD,
            processes.gather(columns_bD),
            temperature=temperature,
            first=first,
            keys=side_keys,
            block=block,
        )
        losses.append(processes.sum(loss))
        gradients.append((row_gradient_bD, processes.sum(column_gradient_BD)[own]))
    query_gradient_bD, passage_gradient_bD = gradients[0]
    if both_directions:
        query_gradient_bD = (query_gradient_bD + gradients[1][1]) / 2
        passage_gradient_bD = (passage_gradient_bD + gradients[1][0]) / 2
    return Contrast(
        loss=float(torch.stack(losses).mean()),  # waits for the device
        query_gradient=query_gradient_bD,
        passage_gradient=passage_gradient_bD,
    )
