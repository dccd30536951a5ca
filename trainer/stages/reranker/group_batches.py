"""Which groups a step of a cross-encoder sees, and with which passages: a function of recipe and step.

Every epoch goes through all groups once, in an order of its own. Each time, a group shows one of its
positives and other negatives, where it has more than are asked for. A resume needs the step alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.data.group_file import GroupFile
from trainer.data.groups import Passage
from trainer.errors import DataError


@dataclass(frozen=True)
class DrawnGroup:
    """A query with the passages of one step, its positive first."""

    query: str
    passages: tuple[Passage, ...]


class GroupBatches:
    """Batches of groups.

    Args:
        groups: where they are read from.
        numbers: those that are trained on.
        batch_size: groups of the joint batch of all processes.
        passages: the most of a group, the positive among them.
        seed: of order and choice.
    """

    def __init__(
        self, groups: GroupFile, numbers: Sequence[int], *, batch_size: int, passages: int, seed: int
    ) -> None:
        self._groups = groups
        self._numbers = np.asarray(numbers, dtype=np.int64)
        self._batch_size = batch_size
        self._passages = passages
        self._seed = seed
        self._order: tuple[int, NDArray[np.int64]] = (-1, self._numbers)

    def steps(self, epochs: float) -> int:
        """Steps that see every group ``epochs`` times."""
        return -(-round(len(self._numbers) * epochs) // self._batch_size)

    def draw(self, step: int, *, index: int = 0, count: int = 1) -> list[DrawnGroup]:
        """The share of process ``index`` of ``count`` in the joint batch of a step; the first step is 0."""
        first = step * self._batch_size
        return [self._drawn(position) for position in range(first + index, first + self._batch_size, count)]

    def state(self) -> dict[str, Any]:
        """What a resumed run must find again."""
        return {"groups": len(self._numbers)}

    def tensors(self) -> dict[str, Any]:
        """None."""
        return {}

    def restore(self, state: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
        """Check that the data is that of ``state``.

        Raises:
            DataError: it has another number of groups.
        """
        if state["groups"] != len(self._numbers):
            raise DataError(
                f"The run trains on {len(self._numbers):,} groups and had {state['groups']:,} when it began. "
                "Expected the same files for --resume. Put them back, or start again with out=FOLDER."
            )

    def _drawn(self, position: int) -> DrawnGroup:
        epoch, place = divmod(position, len(self._numbers))
        if self._order[0] != epoch:
            generator = np.random.default_rng([self._seed, epoch])
            self._order = (epoch, generator.permutation(self._numbers))
        number = int(self._order[1][place])
        group = self._groups[number]
        generator = np.random.default_rng([self._seed, epoch, number])
        positive = group.positives[generator.integers(len(group.positives))]
        chosen = generator.permutation(len(group.negatives))[: self._passages - 1]
        return DrawnGroup(group.query, (positive, *(group.negatives[row] for row in chosen)))
