"""Rows of token ids in one piece of memory.

Tens of thousands of small arrays would be laid into the holes that the texts of a batch leave, and keep the
memory around them from being given back.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import overload


class PackedRows(Sequence[Sequence[int]]):
    """Rows of whole numbers of 32 bits; a row is copied out when it is asked for."""

    def __init__(self, rows: Iterable[Sequence[int]] = ()) -> None:
        self._values = array("i")
        self._ends = array("q", [0])
        self.extend(rows)

    def extend(self, rows: Iterable[Sequence[int]]) -> None:
        """Add rows behind those there are."""
        for row in rows:
            self._values.extend(row)
            self._ends.append(len(self._values))

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> Sequence[int]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sequence[int]]: ...
    def __getitem__(self, index: int | slice) -> Sequence[int] | Sequence[Sequence[int]]:
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        row = range(len(self))[index]  # raises IndexError where there is none
        return self._values[self._ends[row] : self._ends[row + 1]]
