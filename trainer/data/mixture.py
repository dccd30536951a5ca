"""Batches out of several sources: one source per batch, and no text twice among its queries or passages.

Within one source negatives are hard to tell from the positive by genre or language, which is what makes them
useful; and a text that is there twice would be a negative of itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainer.data.pairs import Pair, PairStream
from trainer.data.sources import PairSource
from trainer.errors import DataError


@dataclass(frozen=True)
class PairBatch:
    """The pairs of one step and the source that all of them are from."""

    source: PairSource
    pairs: Sequence[Pair]
    keys: Sequence[tuple[int, int]]  # of each pair: see ``Pair.keys``

    def share(self, index: int, count: int) -> Sequence[Pair]:
        """The pairs of process ``index`` of ``count``."""
        size = len(self.pairs) // count
        return self.pairs[index * size : (index + 1) * size]


class PairMixture:
    """Draws the batches of a run.

    Args:
        streams: one per source.
        batch_size: pairs per batch.
        temperature: a source with volume n is drawn in proportion to n ** (1 / temperature); 1 keeps the
            volumes, larger values favour small sources.
        seed: of the choice of sources.
    """

    def __init__(
        self, streams: Sequence[PairStream], *, batch_size: int, temperature: float, seed: int
    ) -> None:
        self._streams = streams
        self._batch_size = batch_size
        self._generator = np.random.default_rng(seed)
        weights = np.array([stream.source.volume for stream in streams]) ** (1.0 / temperature)
        self.shares = weights / weights.sum()

    def next_batch(self) -> PairBatch:
        """The next batch, from a source drawn by its share."""
        stream = self._streams[int(self._generator.choice(len(self._streams), p=self.shares))]
        pairs = self._distinct_pairs(stream)
        return PairBatch(stream.source, list(pairs.values()), list(pairs))

    def state(self) -> dict[str, Any]:
        """The position in all sources, as values that JSON can hold."""
        return {
            "generator": self._generator.bit_generator.state,
            "streams": {stream.source.name: stream.state() for stream in self._streams},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a position that ``state`` gave."""
        self._generator.bit_generator.state = state["generator"]
        for stream in self._streams:
            stream.restore(state["streams"][stream.source.name])

    def _distinct_pairs(self, stream: PairStream) -> dict[tuple[int, int], Pair]:
        """Pairs by their keys, in the order of the stream; one that repeats a text is passed over."""
        pairs: dict[tuple[int, int], Pair] = {}
        queries: set[int] = set()
        passages: set[int] = set()
        first_epoch = stream.epoch
        for pair in stream:
            query_key, passage_key = pair.keys
            if query_key not in queries and passage_key not in passages:
                queries.add(query_key)
                passages.add(passage_key)
                pairs[query_key, passage_key] = pair
            if len(pairs) == self._batch_size:
                break
            if stream.epoch > first_epoch + 1:  # a whole epoch has gone by
                raise DataError(
                    f"Source {stream.source.name!r} has only about {len(pairs):,} pairs that differ in query "
                    f"and passage; a batch needs {self._batch_size:,}. Lower optim.batch_size, or give the "
                    "source more pairs."
                )
        return pairs


def open_mixture(
    sources: Sequence[PairSource], *, batch_size: int, temperature: float, shuffle_rows: int, seed: int
) -> PairMixture:
    """The mixture of a recipe's sources, each in an order of its own; see ``PairMixture``, ``PairStream``."""
    streams = [
        PairStream(source, seed=seed + number, block_rows=shuffle_rows)
        for number, source in enumerate(sources)
    ]
    return PairMixture(streams, batch_size=batch_size, temperature=temperature, seed=seed)


def require_pairs(sources: Sequence[PairSource]) -> None:
    """Read a pair of each source: a wrong path or column is told now, not when its turn comes.

    Raises:
        DataError: a source gives none.
    """
    for source in sources:
        next(PairStream(source, seed=0, block_rows=100))
