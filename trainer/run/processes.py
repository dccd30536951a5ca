"""The processes that train one model together: which one this is, and what they tell each other.

Started by ``accelerate launch``, or one alone. Nothing else of the trainer knows how many there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, nn

PATIENCE = timedelta(hours=3)  # of one process for another: the first alone measures and saves


class Processes:
    """This process among the others.

    Args:
        device: ``auto`` takes an accelerator where there is one; ``cpu`` stays on the processor. Processes
            without an accelerator find each other by gloo.
    """

    def __init__(self, device: str = "auto") -> None:
        from accelerate import PartialState

        on_cpu = device == "cpu" or not torch.accelerator.is_available()
        self._state: Any = PartialState(cpu=on_cpu, timeout=PATIENCE)
        self.index: int = self._state.process_index
        self.count: int = self._state.num_processes
        self.device: torch.device = self._state.device

    @property
    def is_first(self) -> bool:
        """True for the one process that writes files."""
        return self.index == 0

    def gather(self, part_bD: Tensor) -> Tensor:
        """The tensors of all processes below each other, in the order of their numbers; without gradient."""
        if self.count == 1:
            return part_bD
        from accelerate.utils import gather

        joint: Tensor = gather(part_bD.contiguous())
        return joint

    def sum(self, value: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.count == 1:
            return value
        from accelerate.utils import reduce

        total: Tensor = reduce(value, reduction="sum")
        return total

    def any(self, claim: bool) -> bool:
        """True where it is for one of them."""
        if self.count == 1:
            return claim
        return bool(self.sum(torch.tensor(float(claim), device=self.device)))  # waits for the device

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its sum over all processes.

        Done once per step by hand: a wrapper such as DistributedDataParallel would average, and would talk
        after every mini-batch of a cached batch.
        """
        if self.count == 1:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            parameter.grad = self.sum(parameter.grad)

    def wait(self) -> None:
        """Go on when all have come here."""
        self._state.wait_for_everyone()
