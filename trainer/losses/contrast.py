"""InfoNCE for large batches: in row blocks, over several processes, and with further negatives.

``trainer.losses.both_ways.info_nce`` holds the whole score matrix, which is 4 GB at 32,768 pairs. Here only a
block of rows exists at any time, and a block holds fewer rows the longer they are, so the memory of the
scores does not grow with the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from trainer.run.processes import Processes

BLOCK_SCORES = 4_194_304  # that exist at the same time: 16 MB in float32


@dataclass(frozen=True)
class PairKeys:
    """Numbers that tell equal texts of the joint batch, each [B] int64; row i of both is pair i."""

    query_B: Tensor  # noqa: N815  # shape suffix
    passage_B: Tensor  # noqa: N815  # shape suffix

    @property
    def swapped(self) -> PairKeys:
        """The same for the passage→query direction."""
        return PairKeys(query_B=self.passage_B, passage_B=self.query_B)

    @property
    def all_differ(self) -> bool:
        """True where no text is there twice, so that nothing has to be ignored."""
        both = torch.cat([self.query_B, self.passage_B])
        return len(both.unique()) == len(both)  # waits for the device

    def to(self, device: torch.device) -> PairKeys:
        """The same on a device."""
        return PairKeys(self.query_B.to(device), self.passage_B.to(device))

    def ignored(self, rows: slice) -> Tensor:
        """[rows, B]: true where passage j is no negative of query i, because the two pairs share a text."""
        query_R1, passage_R1 = self.query_B[rows, None], self.passage_B[rows, None]
        return (query_R1 == self.query_B) | (passage_R1 == self.passage_B) | (query_R1 == self.passage_B)

    def followed_by(self, others: PairKeys) -> PairKeys:
        """The keys of these pairs and then of others."""
        return PairKeys(
            torch.cat([self.query_B, others.query_B]), torch.cat([self.passage_B, others.passage_B])
        )


@dataclass(frozen=True)
class FurtherNegatives:
    """Passages of other batches: columns that get no gradient, [N, D], with the keys of their pairs."""

    passage_ND: Tensor  # noqa: N815  # shape suffix
    keys: PairKeys


@dataclass(frozen=True)
class Contrast:
    """The mean loss of the joint batch, and its gradient for the pairs of this process, each [b, D]."""

    loss: float
    query_gradient: Tensor
    passage_gradient: Tensor
    parts: dict[str, float] = field(default_factory=dict)  # of the loss, where it has several


def one_direction(
    rows_RD: Tensor,
    columns_BD: Tensor,
    *,
    temperature: float,
    first: int = 0,
    keys: PairKeys | None = None,
    further: FurtherNegatives | None = None,
    hardest_share: float = 1.0,
    block: int | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Cross-entropy of row i against all columns, where column ``first + i`` is right.

    Args:
        rows_RD: unit rows: all of the joint batch, or the slice of it that starts at ``first``.
        columns_BD: unit rows of the joint batch.
        temperature: divides the cosines.
        first: number of the first row in the joint batch.
        keys: equal texts, which are no negatives; None where all texts differ.
        further: columns behind those of the batch, negatives of every row; needs ``keys``.
        hardest_share: of all negatives of a row, this share counts, the ones with the highest scores, at
            least one; in (0, 1].
        block: rows whose scores exist at the same time; None takes ``BLOCK_SCORES`` scores.

    Returns:
        The sum of the rows' losses divided by B, and its gradients for rows [R, D] and columns [B, D].
    """
    share = 1.0 / len(columns_BD)
    batch = len(columns_BD)
    columns_CD = columns_BD
    if further is not None:
        assert keys is not None, "without keys a passage of an earlier batch could be a negative of itself"
        columns_CD = torch.cat([columns_BD, further.passage_ND])
        keys = keys.followed_by(further.keys)
    block = block or max(1, BLOCK_SCORES // len(columns_CD))
    loss = rows_RD.new_zeros(())
    row_gradient_RD = torch.empty_like(rows_RD)
    column_gradient_BD = torch.zeros_like(columns_BD)
    for start in range(0, len(rows_RD), block):
        block_bD = rows_RD[start : start + block]
        own_b = torch.arange(len(block_bD), device=rows_RD.device)
        positive_b = own_b + first + start
        scores_bC = (block_bD @ columns_CD.T).div_(temperature)
        positive_scores_b = scores_bC[own_b, positive_b]
        if keys is not None:
            scores_bC.masked_fill_(keys.ignored(slice(first + start, first + start + len(own_b))), -torch.inf)
        if hardest_share < 1.0:
            scores_bC[own_b, positive_b] = -torch.inf
            scores_bC.masked_fill_(scores_bC < _threshold(scores_bC, hardest_share), -torch.inf)
        scores_bC[own_b, positive_b] = positive_scores_b
        normalizer_b = scores_bC.logsumexp(dim=1)
        loss += (normalizer_b - positive_scores_b).sum() * share
        gradient_bC = scores_bC.sub_(normalizer_b[:, None]).exp_()
        gradient_bC[own_b, positive_b] -= 1.0
        gradient_bC.mul_(share / temperature)
        row_gradient_RD[start : start + block] = gradient_bC @ columns_CD
        column_gradient_BD.addmm_(gradient_bC[:, :batch].T, block_bD)
    return loss, row_gradient_RD, column_gradient_BD


def _threshold(scores_bC: Tensor, share: float) -> Tensor:
    """[b, 1]: the lowest score that still counts. A tie with it counts too."""
    negatives = scores_bC.shape[1] - 1
    kept = min(max(1, math.ceil(share * negatives)), negatives)
    return scores_bC.topk(kept, dim=1).values[:, -1:]


def joint_info_nce(
    query_bD: Tensor,
    passage_bD: Tensor,
    *,
    temperature: float,
    processes: Processes,
    keys: PairKeys | None = None,
    both_directions: bool = False,
    further: FurtherNegatives | None = None,
    hardest_share: float = 1.0,
    block: int | None = None,
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
        further: passages that are negatives of every query (not queries of passages).
        hardest_share: see ``one_direction``.
        block: see ``one_direction``.
    """
    first = processes.index * len(query_bD)
    own = slice(first, first + len(query_bD))
    if keys is not None and further is None and keys.all_differ:
        keys = None
    sides: Sequence[tuple[Tensor, Tensor, PairKeys | None, FurtherNegatives | None]]
    sides = [(query_bD, passage_bD, keys, further)]
    if both_directions:
        sides = [*sides, (passage_bD, query_bD, keys.swapped if keys else None, None)]
    losses, gradients = [], []
    for rows_bD, columns_bD, side_keys, side_further in sides:
        loss, row_gradient_bD, column_gradient_BD = one_direction(
            rows_bD,
            processes.gather(columns_bD),
            temperature=temperature,
            first=first,
            keys=side_keys,
            further=side_further,
            hardest_share=hardest_share,
            block=block,
        )
        losses.append(processes.sum(loss))
        gradients.append((row_gradient_bD, processes.sum(column_gradient_BD)[own]))
    query_gradient_bD, passage_gradient_bD = gradients[0]
    if both_directions:
        query_gradient_bD = query_gradient_bD.add_(gradients[1][1]).div_(2)
        passage_gradient_bD = (passage_gradient_bD + gradients[1][0]) / 2
    return Contrast(
        loss=float(torch.stack(losses).mean()),  # waits for the device
        query_gradient=query_gradient_bD,
        passage_gradient=passage_gradient_bD,
    )


ContrastOf = Callable[[Tensor, Tensor, FurtherNegatives | None], Contrast]


def nested_contrast(
    query_bD: Tensor,
    passage_bD: Tensor,
    *,
    dimensions: Sequence[int],
    contrast: ContrastOf,
    further: FurtherNegatives | None = None,
) -> Contrast:
    """The mean of a contrast over the first dimensions of the vectors (Matryoshka, arXiv:2205.13147).

    Each prefix is brought back to unit length, as it is when vectors are cut after training. The whole vector
    always takes part. The paper adds the losses up; the mean keeps the scale of loss and gradient norm.

    Args:
        query_bD: unit rows of the pairs of this process.
        passage_bD: their positives.
        dimensions: lengths of the prefixes below D.
        contrast: the loss of unit rows of any length.
        further: see ``joint_info_nce``; cut in the same way.
    """
    lengths = sorted({*dimensions, query_bD.shape[1]})
    query_gradient_bD, passage_gradient_bD = torch.zeros_like(query_bD), torch.zeros_like(passage_bD)
    parts = {}
    for length in lengths:
        query_bd, query_norm_b1 = _prefix(query_bD, length)
        passage_bd, passage_norm_b1 = _prefix(passage_bD, length)
        cut = further and FurtherNegatives(_prefix(further.passage_ND, length)[0], further.keys)
        part = contrast(query_bd, passage_bd, cut)
        parts[f"loss_{length}"] = part.loss
        query_gradient_bD[:, :length] += _prefix_gradient(part.query_gradient, query_bd, query_norm_b1)
        passage_gradient_bD[:, :length] += _prefix_gradient(
            part.passage_gradient, passage_bd, passage_norm_b1
        )
    count = len(lengths)
    return Contrast(
        loss=sum(parts.values()) / count,
        query_gradient=query_gradient_bD.div_(count),
        passage_gradient=passage_gradient_bD.div_(count),
        parts=parts,
    )


def _prefix(rows_bD: Tensor, length: int) -> tuple[Tensor, Tensor | None]:
    """Unit prefixes, and the norms they had; the whole vector stays as it is."""
    if length == rows_bD.shape[1]:
        return rows_bD, None
    prefix_bd = rows_bD[:, :length]
    norm_b1 = prefix_bd.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return prefix_bd / norm_b1, norm_b1


def _prefix_gradient(gradient_bd: Tensor, unit_bd: Tensor, norm_b1: Tensor | None) -> Tensor:
    """The gradient for the prefix out of that for its unit vector: without the part along the vector."""
    if norm_b1 is None:
        return gradient_bd
    return (gradient_bd - (gradient_bd * unit_bd).sum(dim=1, keepdim=True) * unit_bd) / norm_b1
