"""What a reader of pairs passes over, counted, so that one damaged unit does not cost the file."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from indexer.bitext.values import Pair
from indexer.errors import ReadError

MAX_REASONS = 3

Item = TypeVar("Item")


@dataclass
class LeftOut:
    """Counts of what was left out of a file; ``reasons`` are the first of them, in words."""

    damaged: int = 0
    empty: int = 0
    reasons: list[str] = field(default_factory=list)

    def add(self, error: ReadError) -> None:
        """Count a unit that cannot be read."""
        self.damaged += 1
        if len(self.reasons) < MAX_REASONS:
            self.reasons.append(str(error))

    def counts(self) -> dict[str, int]:
        """Name -> count, of what there was."""
        named = {"damaged": self.damaged, "empty side": self.empty}
        return {name: count for name, count in named.items() if count}


def parsed(
    items: Iterable[Item], parse: Callable[[Item], Iterable[Pair]], left_out: LeftOut | None
) -> Iterator[Pair]:
    """The pairs of each unit, row or line.

    Raises:
        ReadError: one cannot be read, and nothing counts those that are left out.
    """
    for item in items:
        try:
            pairs = list(parse(item))
        except ReadError as error:
            if left_out is None:
                raise
            left_out.add(error)
            continue
        yield from pairs


def with_both_sides(pairs: Iterable[Pair], left_out: LeftOut) -> Iterator[Pair]:
    """The pairs without those that have an empty side."""
    for pair in pairs:
        if pair.source.strip() and pair.target.strip():
            yield pair
        else:
            left_out.empty += 1
