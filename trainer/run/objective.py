"""What a stage asks of a model: which texts a step embeds, and how good their embeddings are.

The loop knows steps, mini-batches, processes and the optimiser; an objective knows data and loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """The texts of one step.

    Every process draws the same joint batch and embeds its own share of it.
    """

    source: str  # where the texts are from, for people
    items: int  # pairs or query groups of the joint batch
    ids: Sequence[Sequence[int]]  # token ids of the texts of this process
    data: Any = None  # what the objective needs to know for the loss


@dataclass(frozen=True)
class Loss:
    """How good the embeddings of a batch are.

    ``value`` is the mean loss of the joint batch, the same in all processes; ``gradient_BD`` its gradient
    for the texts of this process, in the order of ``Batch.ids``; ``parts`` what is worth a line in the
    metrics besides.
    """

    value: float
    gradient_BD: Tensor  # noqa: N815  # shape suffix
    parts: Mapping[str, float] = field(default_factory=dict)


class Objective(Protocol):
    """Draws the batches of a run and judges their embeddings."""

    def next_batch(self) -> Batch:
        """The texts of the next step."""

    def loss(self, embeddings_BD: Tensor, batch: Batch) -> Loss:
        """The loss of the embeddings, unit rows in the order of ``batch.ids``, without a graph."""

    def state(self) -> dict[str, Any]:
        """The position in the data, as values that JSON can hold."""

    def tensors(self) -> dict[str, Tensor]:
        """What else the objective must not lose, such as a memory bank; mostly nothing."""

    def restore(self, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Go on from what ``state`` and ``tensors`` gave."""
