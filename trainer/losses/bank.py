"""The passages of the last batches, as further negatives ("pre-batch negatives" of SimKGC, arXiv:2203.02167).

They were embedded by the weights of earlier steps and get no gradient, so they cost a product and no
embedding. The paper of E5 (arXiv:2212.03533) tried them and kept in-batch negatives alone; they are for runs
whose batch cannot be as large as wished. Every process holds the same bank: the joint batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import torch
from torch import Tensor

from trainer.losses.contrast import FurtherNegatives, PairKeys


class PassageBank:
    """The newest ``batches`` joint batches; one that is full forgets its oldest."""

    def __init__(self, batches: int) -> None:
        self._batches: deque[FurtherNegatives] = deque(maxlen=batches)

    def negatives(self) -> FurtherNegatives | None:
        """All that is held, oldest first; None before the first batch."""
        if not self._batches:
            return None
        return FurtherNegatives(
            torch.cat([batch.passage_ND for batch in self._batches]),
            PairKeys(
                torch.cat([batch.keys.query_B for batch in self._batches]),
                torch.cat([batch.keys.passage_B for batch in self._batches]),
            ),
        )

    def add(self, passage_BD: Tensor, keys: PairKeys) -> None:
        """Hold a copy of the passages of a joint batch."""
        self._batches.append(FurtherNegatives(passage_BD.detach().clone(), keys))

    def tensors(self) -> dict[str, Tensor]:
        """All that is held, to be saved: it cannot be made again, because the weights have moved on."""
        named = {}
        for number, batch in enumerate(self._batches):
            named[f"{number:04d}.passage"] = batch.passage_ND
            named[f"{number:04d}.query_key"] = batch.keys.query_B
            named[f"{number:04d}.passage_key"] = batch.keys.passage_B
        return named

    def restore(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        """Hold what ``tensors`` gave."""
        self._batches.clear()
        moved = {name: tensor.to(device) for name, tensor in tensors.items()}
        for name in sorted({name.partition(".")[0] for name in moved}):
            keys = PairKeys(moved[f"{name}.query_key"], moved[f"{name}.passage_key"])
            self._batches.append(FurtherNegatives(moved[f"{name}.passage"], keys))
