"""Processes that do one piece of work together, as ``accelerate launch`` starts them.

Every process runs the same program on the same input. Each does its share of what costs time and tells the
others the result; only the first one prints and writes.
"""

import os
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """One process of ``size``; one that is alone by default."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process prints and writes."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """The part of ``count`` things that this process does; the parts follow each other by rank."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def gather(self, value: T) -> list[T]:
        """What every process gave, in order of rank; waits for all. The values must be picklable."""
        if self.size == 1:
            return [value]
        import torch.distributed as dist

        values: list[T | None] = [None] * self.size
        dist.all_gather_object(values, value)
        return [item for item in values if item is not None]

    def wait(self) -> None:
        """Until all processes have come here."""
        self.gather(0)


ALONE = Ranks()


@cache
def this_run() -> Ranks:
    """The processes that this one was started with, ready to talk to each other."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return ALONE
    from accelerate import PartialState

    state = PartialState()
    return Ranks(state.process_index, state.num_processes)


def is_first() -> bool:
    """Whether this process prints; asked before the processes talk to each other."""
    return os.environ.get("RANK", "0") == "0"
