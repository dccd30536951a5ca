"""The batches of stage 2: query groups out of files, in an order that depends on seed and epoch alone.

Groups stay on the disk until their turn comes (``trainer.data.group_file``), so memory does not
grow with their texts. A position in the data is the number of groups taken so far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.data.group_file import GroupFile
from trainer.data.groups import Passage, QueryGroup
from trainer.data.pairs import text_key
from trainer.data.sources import GroupSource
from trainer.errors import DataError


@dataclass(frozen=True)
class GroupSample:
    """What one step sees of a group: the query, one positive, and then some of its negatives."""

    source: GroupSource
    query: str
    instruction: str
    passages: tuple[Passage, ...]
    scores: tuple[float, ...] | None  # of these passages
    positive_keys: tuple[int, ...]  # of all positives of the group, the chosen one first

    @property
    def query_key(self) -> int:
        """Equal queries have equal numbers."""
        return text_key(self.query)

    @property
    def passage_keys(self) -> list[int]:
        """Equal passages have equal numbers."""
        return [passage_key(passage) for passage in self.passages]


def passage_key(passage: Passage) -> int:
    """A number that tells passages apart by title and text."""
    return text_key(f"{passage.title} {passage.text}".strip())


def sample_group(
    group: QueryGroup, source: GroupSource, *, size: int, epoch: int, seed: Sequence[int]
) -> GroupSample:
    """One positive, another in every epoch, and up to ``size`` - 1 of the negatives.

    A negative that equals the query, a positive or another negative is left out.

    Args:
        group: what is sampled from.
        source: of the group.
        size: passages at most.
        epoch: counts from 0.
        seed: numbers of the run and the group.
    """
    first = int(np.random.default_rng(seed).integers(len(group.positives)))
    positive = (first + epoch) % len(group.positives)
    positive_keys = [passage_key(passage) for passage in group.positives]
    seen = {*positive_keys, text_key(group.query)}
    negatives = []
    for number, passage in enumerate(group.negatives, start=len(group.positives)):
        if (key := passage_key(passage)) not in seen:
            seen.add(key)
            negatives.append(number)
    order = np.random.default_rng([*seed, epoch]).permutation(len(negatives))[: size - 1]
    chosen = [positive, *(negatives[place] for place in order)]
    return GroupSample(
        source=source,
        query=group.query,
        instruction=group.instruction or source.instruction,
        passages=tuple(group.passages[number] for number in chosen),
        scores=None if group.scores is None else tuple(group.scores[number] for number in chosen),
        positive_keys=tuple(dict.fromkeys([positive_keys[positive], *positive_keys])),
    )


def groups_per_epoch(source: GroupSource, groups: int) -> int:
    """How many of its groups an epoch takes."""
    return groups if source.volume is None else min(groups, int(source.volume))


class GroupMixture:
    """Draws the batches of a run: epoch after epoch, all sources shuffled together.

    Args:
        sources: the files.
        batch_size: groups per batch; a batch may reach into the next epoch.
        group_size: passages per group at most.
        seed: of all choices.

    Raises:
        DataError: a file is missing, empty or holds a line that is no group; or an epoch is smaller than a
            batch.
    """

    def __init__(
        self, sources: Sequence[GroupSource], *, batch_size: int, group_size: int, seed: int
    ) -> None:
        self._files = [(source, GroupFile([source.path])) for source in sources]
        self.sources = sources
        self._batch_size = batch_size
        self._group_size = group_size
        self._seed = seed
        self._taken = 0
        self._order: tuple[int, NDArray[np.int64]] | None = None  # of an epoch: rows of source and group
        self.per_epoch = sum(groups_per_epoch(source, len(file)) for source, file in self._files)
        if self.per_epoch < batch_size:
            raise DataError(
                f"The sources have {self.per_epoch:,} groups in an epoch; a batch needs {batch_size:,}. "
                "Lower optim.batch_size, or give the recipe more groups."
            )

    def next_batch(self) -> list[GroupSample]:
        """The groups of the next step."""
        taken = range(self._taken, self._taken + self._batch_size)
        self._taken = taken.stop
        return [self._sample(*divmod(position, self.per_epoch)) for position in taken]

    def state(self) -> dict[str, Any]:
        """The position, and what it counts in."""
        return {"taken": self._taken, "groups": {source.name: len(file) for source, file in self._files}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a position that ``state`` gave.

        Raises:
            DataError: a file has changed.
        """
        now = self.state()["groups"]
        for name, count in state["groups"].items():
            if now.get(name) != count:
                raise DataError(
                    f"Source {name!r} has {now.get(name, 0):,} groups, and had {count:,} when the run began. "
                    "Expected the same file for --resume. Put it back, or start again with out=FOLDER."
                )
        self._taken = state["taken"]

    def _sample(self, epoch: int, place: int) -> GroupSample:
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, self._epoch_order(epoch)
        position, number = (int(value) for value in self._order[1][place])
        source, file = self._files[position]
        seed = [self._seed, position, number]
        return sample_group(file[number], source, size=self._group_size, epoch=epoch, seed=seed)

    def _epoch_order(self, epoch: int) -> NDArray[np.int64]:
        """[per_epoch, 2]: number of the source, number of the group."""
        rows = []
        for position, (source, file) in enumerate(self._files):
            order = np.random.default_rng([self._seed, epoch, position]).permutation(len(file))
            drawn = order[: groups_per_epoch(source, len(file))]
            rows.append(np.stack([np.full(len(drawn), position), drawn], axis=1))
        mixed = np.random.default_rng([self._seed, epoch]).permutation(self.per_epoch)
        return np.concatenate(rows)[mixed]
