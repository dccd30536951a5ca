"""Pairs for contrastive training out of declared sources.

Rows are shuffled in blocks: a block is read, permuted by a generator that depends on seed, epoch and block
alone, and given out. So a position is four small values, and going on from it gives exactly the rows that an
uninterrupted run would have seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from trainer.data.rows import BLOCK_ROWS, no_column, open_rows, reading, with_parents
from trainer.data.sources import PairSource
from trainer.errors import DataError


@dataclass(frozen=True, slots=True)  # a batch holds tens of thousands
class Pair:
    """Two texts that belong together; ``title`` belongs to the passage."""

    query: str
    passage: str
    title: str = ""

    @property
    def keys(self) -> tuple[int, int]:
        """64-bit numbers of query and passage: equal texts have equal numbers."""
        return text_key(self.query), text_key(f"{self.title} {self.passage}".strip())


def text_key(text: str) -> int:
    """A signed 64-bit number that tells texts apart."""
    digest = hashlib.blake2b(text.encode("utf8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


class PairStream:
    """The pairs of one source, without end: epoch after epoch, each in its own order.

    Args:
        source: what to read.
        seed: of the order.
        block_rows: rows that are read and permuted together.
    """

    def __init__(self, source: PairSource, *, seed: int, block_rows: int = BLOCK_ROWS) -> None:
        self.source = source
        self.epoch = 0
        self._seed = seed
        self._block_rows = block_rows
        self._dataset: Any = None
        self._rows: Iterator[Mapping[str, Any]] | None = None
        self._blocks_read = 0  # in this epoch
        self._block_start: dict[str, Any] | None = None  # position of the dataset before the last block
        self._pairs: list[Pair] = []
        self._taken = 0
        self._epoch_has_pairs = False

    def __iter__(self) -> Iterator[Pair]:
        return self

    def __next__(self) -> Pair:
        while self._taken == len(self._pairs):
            self._next_block()
        self._taken += 1
        return self._pairs[self._taken - 1]

    def state(self) -> dict[str, Any]:
        """The position, as values that JSON can hold."""
        return {
            "epoch": self.epoch,
            "blocks_read": self._blocks_read,
            "block_start": self._block_start,
            "taken": self._taken,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a position that ``state`` gave."""
        self.epoch = state["epoch"]
        if state["blocks_read"] == 0:
            return
        self._open(state["block_start"])
        self._read_block(state["blocks_read"] - 1)
        self._blocks_read, self._block_start = state["blocks_read"], state["block_start"]
        self._taken = state["taken"]

    def _next_block(self) -> None:
        if self._rows is None:
            self._open()
        self._block_start = self._dataset.state_dict()
        if self._read_block(self._blocks_read):
            self._blocks_read += 1
            return
        if not self._epoch_has_pairs:
            raise DataError(
                f"Source {self.source.name!r} has no row with text in both {self.source.query!r} and "
                f"{self.source.passage!r}. Expected pairs. Correct the source or remove it from the recipe."
            )
        self.epoch, self._blocks_read, self._rows, self._epoch_has_pairs = self.epoch + 1, 0, None, False

    def _open(self, position: dict[str, Any] | None = None) -> None:
        self._dataset = open_rows(self.source)
        if position is not None:
            self._dataset.load_state_dict(position)
        self._rows = reading(iter(self._dataset), self.source)

    def _read_block(self, number: int) -> bool:
        """Fill ``_pairs`` with block ``number`` of the epoch; False where the rows have ended."""
        assert self._rows is not None
        rows = list(islice(self._rows, self._block_rows))
        joined = with_parents(rows, self.source)
        pairs = [pair for row in joined for pair in to_pairs(row, self.source)]
        generator = np.random.default_rng((self._seed, self.epoch, number))
        self._pairs, self._taken = [pairs[position] for position in generator.permutation(len(pairs))], 0
        if self.source.swap_half:
            for position in np.flatnonzero(generator.random(len(pairs)) < 0.5):
                pair = self._pairs[position]
                self._pairs[position] = Pair(pair.passage, pair.query)
        self._epoch_has_pairs |= bool(pairs)
        return bool(rows)


def to_pairs(row: Mapping[str, Any], source: PairSource) -> list[Pair]:
    """The pairs in a row that is wanted; one with an empty side is left out.

    Raises:
        DataError: the row has no such column.
    """
    for column, values in source.only.items():
        if _text(row, column, source) not in values:
            return []
    if not source.each:
        rows = [row]
    else:
        rows = [{**row, source.each: item} for item in _value(row, source.each, source) or []]
    return [pair for entry in rows if (pair := _to_pair(entry, source)) is not None]


def _to_pair(row: Mapping[str, Any], source: PairSource) -> Pair | None:
    passage = _text(row, source.passage, source)
    if source.pairing == "first_line":
        query, _, passage = passage.partition("\n")
    else:
        query = _text(row, source.query, source)
    query, passage = query.strip(), passage.strip()
    if not query or not passage or not {query, passage}.isdisjoint(source.no_text):
        return None
    return Pair(query, passage, _text(row, source.title, source) if source.title else "")


def _text(row: Mapping[str, Any], columns: str, source: PairSource) -> str:
    """The text of a column, or of several with " + " between their names."""
    texts = (_to_text(_value(row, column.strip(), source)) for column in columns.split(" + "))
    return " ".join(text for text in texts if text)


def _to_text(value: Any) -> str:
    if isinstance(value, list):
        value = value[0] if value else None
    return "" if value is None else str(value).strip()


def _value(row: Any, column: str, source: PairSource, whole: str = "") -> Any:
    """What a name with dots leads to; None behind something that is not there in this row."""
    if not column or row is None:
        return row
    name, _, rest = column.partition(".")
    whole = whole or column
    if isinstance(row, list) and name == "*":
        texts = (_to_text(_value(item, rest, source, whole)) for item in row)
        return "\n".join(text for text in texts if text)
    if isinstance(row, list) and name.isdecimal():
        return _value(row[int(name)] if int(name) < len(row) else None, rest, source, whole)
    if not isinstance(row, Mapping) or name not in row:
        raise no_column(source, whole, row, "query, passage or title")
    return _value(row[name], rest, source, whole)
