"""Batches of similar length under a token budget, so that little time goes into padding."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class BatchPolicy:
    """How an engine likes its batches.

    ``token_budget`` bounds texts x longest text (what padding makes of the batch), ``max_texts`` the
    number of texts. A text longer than the budget gets a batch of its own.
    """

    token_budget: int = 4_096
    max_texts: int = 256


def plan_batches(lengths: Sequence[int], policy: BatchPolicy) -> list[list[int]]:
    """Positions of the texts of each batch, longest first; every position appears exactly once.

    Longest first, so that memory peaks at the start and running out is noticed early. The caller
    writes results back to these positions, which restores the order.
    """
    order = sorted(range(len(lengths)), key=lambda position: -lengths[position])
    batches: list[list[int]] = []
    longest = 0
    for position in order:
        current = batches[-1] if batches else []
        fits = len(current) < policy.max_texts and (len(current) + 1) * longest <= policy.token_budget
        if current and fits:
            current.append(position)
        else:
            batches.append([position])
            longest = lengths[position]
    return batches
