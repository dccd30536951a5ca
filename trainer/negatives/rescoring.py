"""A second opinion of a cross-encoder on mined passages, kept on disk as it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from me5 import Me5Error
from trainer.errors import ConfigError
from trainer.negatives.texts import Corpus
from trainer.negatives.vector_cache import Progress, RowFile, content_name

if TYPE_CHECKING:
    from trainer.stages.reranker.model import Reranker

BLOCK_QUERIES = 64
"""Queries whose passages are scored and written together."""


@dataclass(frozen=True)
class Rescored:
    """Raw scores of the cross-encoder for one query."""

    weakest_positive: float
    picks: NDArray[np.float32]


class Rescorer:
    """Scores passages with a cross-encoder; what a killed run has scored is read from disk.

    Args:
        reranker: the cross-encoder.
        corpus: the texts.
        depth: the most passages of a query that will be asked for.
        folder: where scores are kept.
        picks_name: changes when other passages would be asked for.
    """

    def __init__(
        self, reranker: Reranker, corpus: Corpus, *, depth: int, folder: Path, picks_name: str
    ) -> None:
        self.depth = depth
        self._reranker = reranker
        self._corpus = corpus
        name = content_name(picks_name, reranker.contract, reranker.runtime.precision, str(depth))
        self._rows = RowFile(
            folder / f"rescored-{name}.f32",
            rows=len(corpus.queries),
            width=1 + depth,
            dtype=np.float32,
            block=BLOCK_QUERIES,
        )
        self._progress = Progress("queries rescored", len(corpus.queries) - self._rows.done)

    def scores(self, first_query: int, picks: Sequence[NDArray[np.int64]]) -> list[Rescored]:
        """Scores for a block of queries: those from ``first_query`` on, one entry of ``picks`` for each."""
        if first_query + len(picks) > self._rows.done:
            self._append(first_query, picks)
        rows = np.array(self._rows.read()[first_query : first_query + len(picks)])
        return [
            Rescored(float(row[0]), row[1 : 1 + len(pick)]) for row, pick in zip(rows, picks, strict=True)
        ]

    def _append(self, first_query: int, picks: Sequence[NDArray[np.int64]]) -> None:
        queries, passages, titles = [], [], []
        positives: list[int] = []
        for offset, sample in enumerate(picks):
            query = self._corpus.queries[first_query + offset][0]
            answers = self._corpus.positives(first_query + offset)
            positives.append(len(answers))
            for number in (*answers, *sample):
                text, title = self._corpus.passages[int(number)]
                queries.append(query)
                passages.append(text)
                titles.append(title)
        scores = self._reranker.score(queries, passages, titles)
        rows = np.full((len(picks), self._rows.width), np.nan, dtype=np.float32)
        taken = 0
        for offset, sample in enumerate(picks):
            rows[offset, 0] = scores[taken : taken + positives[offset]].min()
            taken += positives[offset]
            rows[offset, 1 : 1 + len(sample)] = scores[taken : taken + len(sample)]
            taken += len(sample)
        self._progress.add(len(picks))
        self._rows.append(rows)


def load_reranker(name: str) -> Reranker:
    """A cross-encoder by folder or hub id.

    Raises:
        ConfigError: it cannot be found or opened.
    """
    from trainer.stages.reranker.model import open_reranker

    try:
        return open_reranker(name)
    except Me5Error as error:
        raise ConfigError(f"reranker {name!r} cannot be opened: {error}") from error
