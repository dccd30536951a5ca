"""A random pool of a source's passages, and how a pair's passage ranks against it."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from me5 import Encoder, Role
from trainer.data.pairs import Pair, text_key
from trainer.data.sources import PairSource
from trainer.errors import DataError
from trainer.negatives.candidates import Blocks
from trainer.negatives.scoring import count_above
from trainer.negatives.text_file import TextFile
from trainer.negatives.texts import exact_key, iter_pairs, lookup, normal_key
from trainer.negatives.vector_cache import cached_vectors

logger = logging.getLogger(__name__)

EQUAL = 1e-6
"""A passage of the pool scores higher only by more than this, so that rounding decides nothing."""


@dataclass(frozen=True)
class Pool:
    """Passages to rank against: their vectors, and keys that are equal for equal texts."""

    vectors: NDArray[np.float32]
    keys: NDArray[np.int64]
    exact_keys: NDArray[np.int64]  # change with any character of text or title

    def __len__(self) -> int:
        return len(self.keys)


def build_pool(
    source: PairSource, encoder: Encoder, *, size: int, from_rows: int, seed: int, folder: Path
) -> Pool:
    """Draw distinct passages of a source at random and encode them.

    Args:
        source: is read once.
        encoder: the first model.
        size: how many; all of them where the source has fewer.
        from_rows: pairs of the source that they are drawn from; 0 is all of them.
        seed: of the draw.
        folder: keeps the vectors.
    """
    with TextFile(folder / f"{source.name}.texts") as file:
        drawn = _drawn(source, file, size=size, from_rows=from_rows, seed=seed)
        logger.info("source %s: a pool of %d distinct passages", source.name, len(drawn.rows))

        def block(start: int, stop: int) -> tuple[list[str], list[str]]:
            texts = [file[int(row)] for row in drawn.rows[start:stop]]
            return [text for text, _ in texts], [title for _, title in texts]

        vectors = cached_vectors(
            encoder, block, drawn.exact_keys, role=Role(source.passage_role), folder=folder
        )
    return Pool(vectors, drawn.keys, drawn.exact_keys)


@dataclass(frozen=True)
class _Drawn:
    rows: NDArray[np.int64]
    keys: NDArray[np.int64]
    exact_keys: NDArray[np.int64]


def _drawn(source: PairSource, file: TextFile, *, size: int, from_rows: int, seed: int) -> _Drawn:
    """The distinct passages with the smallest hash of seed and text, which are a uniform sample.

    A passage is written to ``file`` only while it can still be among them: with N passages these are about
    size (1 + ln(N / size)).
    """
    keys, exact_keys, hashes = array("q"), array("q"), array("q")
    bound, next_look = 2**63, 2 * size
    if source.pairing == "columns":  # pairs without a query are passages too
        source = replace(source, query=source.passage)
    for pair, _ in islice(iter_pairs(source), from_rows or None):
        key = normal_key(pair.passage)
        order = text_key(f"{seed} {key}")
        if order >= bound:
            continue
        file.append(pair.passage, pair.title)
        keys.append(key)
        exact_keys.append(exact_key(pair.passage, pair.title))
        hashes.append(order)
        if len(hashes) >= next_look:
            smallest = _smallest(hashes, size)
            bound = hashes[int(smallest[-1])] if len(smallest) == size else bound
            next_look = len(hashes) + size
    rows = np.sort(_smallest(hashes, size))
    return _Drawn(rows, *(np.asarray(sample, dtype=np.int64)[rows] for sample in (keys, exact_keys)))


def _smallest(hashes: array[int], count: int) -> NDArray[np.int64]:
    """Rows of the ``count`` smallest distinct hashes, ascending by hash; of equal ones the first."""
    return np.unique(np.array(hashes, dtype=np.int64), return_index=True)[1][:count].astype(np.int64)


class ConsistencyFilter:
    """Says which pairs of a source rank in the top k against its pool.

    Args:
        encoder: the first model.
        source: says the roles.
        pool: to rank against.
        top_k: a pair is kept when fewer passages score higher than its own.
        memory_mb: of the scores; does not change the result.
        instruction: for queries of models that take one.
    """

    def __init__(
        self,
        encoder: Encoder,
        source: PairSource,
        pool: Pool,
        *,
        top_k: int,
        memory_mb: int,
        instruction: str | None = None,
    ) -> None:
        if len(pool) <= top_k:
            raise DataError(
                f"Source {source.name!r} has {len(pool)} distinct passages to rank against; top_k {top_k} "
                "needs more. Add rows to the source, or lower top_k."
            )
        self._encoder, self._source, self._pool = encoder, source, pool
        self._top_k, self._instruction = top_k, instruction
        self._blocks = Blocks.within(memory_mb)
        self._find = lookup(pool.keys)

    def keep(self, pairs: Sequence[Pair]) -> NDArray[np.bool_]:
        """True for each pair that ranks high enough."""
        queries_QD = self._encoder.encode(
            [pair.query for pair in pairs], Role(self._source.query_role), instruction=self._instruction
        )
        twins = self._find(np.array([normal_key(pair.passage) for pair in pairs], dtype=np.int64))
        passages_QD = self._passage_vectors(pairs, twins)
        own_Q = np.einsum("qd,qd->q", queries_QD, passages_QD)
        # The same text under another title does not count either: it must not score above the own passage.
        rows = np.flatnonzero(twins >= 0)
        twin_scores = np.einsum("qd,qd->q", queries_QD[rows], self._pool.vectors[twins[rows]])
        own_Q[rows] = np.maximum(own_Q[rows], twin_scores)
        size = self._blocks.queries
        return np.concatenate(
            [
                self._few_above(queries_QD[i : i + size], own_Q[i : i + size])
                for i in range(0, len(pairs), size)
            ]
        )

    def _passage_vectors(self, pairs: Sequence[Pair], twins: NDArray[np.int64]) -> NDArray[np.float32]:
        """Each pair's passage; what the pool has, or another pair of the block, is not encoded again."""
        exact_keys = np.array([exact_key(pair.passage, pair.title) for pair in pairs], dtype=np.int64)
        vectors_QD = np.array(self._pool.vectors[twins])
        rows = np.flatnonzero((twins < 0) | (self._pool.exact_keys[twins] != exact_keys))
        _, first, place = np.unique(exact_keys[rows], return_index=True, return_inverse=True)
        missing = [pairs[row] for row in rows[first]]
        if missing:
            vectors_QD[rows] = self._encoder.encode(
                [pair.passage for pair in missing],
                Role(self._source.passage_role),
                titles=[pair.title for pair in missing],
            )[place]
        return vectors_QD

    def _few_above(self, queries_QD: NDArray[np.float32], own_Q: NDArray[np.float32]) -> NDArray[np.bool_]:
        """True where fewer than ``top_k`` of the pool score higher; a lost query is not scored on."""
        above_Q = np.zeros(len(queries_QD), dtype=np.int64)
        open_rows = np.arange(len(queries_QD))
        for start in range(0, len(self._pool), self._blocks.passages):
            block_PD = self._pool.vectors[start : start + self._blocks.passages]
            limits_Q = (own_Q[open_rows] + EQUAL).astype(np.float32)
            above_Q[open_rows] += count_above(
                queries_QD[open_rows], block_PD, limits_Q, device=self._encoder.runtime.device
            )
            open_rows = open_rows[above_Q[open_rows] < self._top_k]
        return above_Q < self._top_k
