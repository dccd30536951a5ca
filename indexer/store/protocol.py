"""What every vector store does, whatever its home.

A *name* is any non-empty text; the store finds a safe folder or collection name for it. Every method
may be called from several threads at once and raises ``StoreError`` when the store refuses or has
died; the next call tries again with a fresh connection or child process.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from indexer.progress import CancelToken, Progress
from indexer.store.settings import Layout
from indexer.types import Filters, Fusion, Point, ScoredPoint, SparseVector

DENSE = "dense"
LEXICAL = "lexical"
KEYWORD_FIELDS = ("language", "file_type", "folders", "document_id")
FLOAT_FIELDS = ("added_at",)
RRF_K = 60
"""The constant of reciprocal rank fusion, 1 / (k + rank), of Cormack et al. 2009; ranks count from 0."""

SCORE_DIGITS = 5
"""Of scores, by which points are told apart."""
WRITE_BATCH = 512
"""Points per write. Larger batches are not faster (benchmarks/store.md) and keep searches waiting."""


def in_order(points: Iterable[ScoredPoint]) -> list[ScoredPoint]:
    """Best first; by id where scores are the same up to rounding, so that every home gives one order."""
    return sorted(points, key=lambda point: (-round(point.score, SCORE_DIGITS), point.id))


class VectorStore(Protocol):
    """Points with one dense and one sparse vector, filtered and ranked."""

    def ensure(self, name: str, dimension: int) -> None:
        """Make the named place for points if it is missing.

        Raises:
            StoreError: it exists with another dimension, or is damaged.
            DiskFullError: free disk is below the reserve.
        """
        ...

    def exists(self, name: str) -> bool:
        """Whether the name has been made and not dropped or set aside as damaged."""
        ...

    def drop(self, name: str) -> None:
        """Delete the name with all its points, damaged or not. Unknown names are ignored."""
        ...

    def names(self) -> list[str]:
        """The names that exist, sorted."""
        ...

    def upsert(self, name: str, points: Sequence[Point]) -> None:
        """Write points; those with known ids are replaced. Durable when it returns.

        All points are checked before the first is written: ``dense`` float [D], finite, of length
        1 ± 1e-3; ``sparse`` indices unique and ascending; ids uuids. A batch with one bad point
        changes nothing.

        Raises:
            StoreError: a bad point, or an unknown name.
            DiskFullError: free disk is below the reserve.
        """
        ...

    def delete(self, name: str, ids: Sequence[str]) -> None:
        """Remove points; unknown ids are ignored. Durable when it returns."""
        ...

    def count(self, name: str) -> int:
        """The exact number of points."""
        ...

    def iter_ids(self, name: str) -> Iterator[str]:
        """All ids in ascending order, read in pages."""
        ...

    def query(
        self,
        name: str,
        *,
        dense: NDArray[np.float32] | None = None,
        sparse: SparseVector | None = None,
        limit: int = 10,
        prefetch: int = 100,
        fusion: Fusion = "rrf",
        where: Filters = Filters(),  # noqa: B008 - frozen
        with_dense: bool = False,
        lexical_prefetch: int | None = None,
    ) -> list[ScoredPoint]:
        """The best points, best first.

        Args:
            name: which points.
            dense: float [D]; alone, the score is the dot product (the cosine of unit vectors).
            sparse: alone, the score is the IDF-weighted dot product, and only points that share a
                feature are returned. Both given: fused from ``prefetch`` candidates of each.
            limit: at most so many points.
            prefetch: candidates per vector before fusion; raised to ``limit`` when lower.
            fusion: ``rrf`` (1 / (60 + rank), the best rank is 0) or ``dbsf`` (normalised scores, summed).
            where: filters, applied to each leg before ranking.
            with_dense: return each point's dense vector, float32 [D].
            lexical_prefetch: candidates of the sparse leg, ``prefetch`` when None. A caller that knows from
                which rank on shared features mean nothing keeps such candidates out of the fusion.
        """
        ...

    def fetch_dense(self, name: str, ids: Sequence[str]) -> NDArray[np.float32]:
        """Dense vectors [N, D] in the order of ``ids``.

        Raises:
            StoreError: an id is not there.
        """
        ...

    def fetch_points(self, name: str, ids: Sequence[str]) -> list[Point]:
        """Whole points in the order of ``ids``; those that are not there are left out."""
        ...

    def bulk(self, name: str) -> AbstractContextManager[None]:
        """While it lasts, much may be written to a name; a server builds the index once, at its end."""
        ...

    def optimize(self, name: str) -> None:
        """Build indexes where they pay. May take minutes; searches and writes go on meanwhile.

        Nothing depends on it but speed: what prevents it, such as little free disk, is a warning in the log,
        and it is tried again with the next call.

        Cheap when there is nothing to do. Ask after every 100,000 points written and at the end: until
        then the embedded home keeps the sparse vectors of new points in memory, 5 MB per 1,000.
        """
        ...

    def is_indexing(self, name: str) -> bool:
        """Whether an index is being built in the background: all is found meanwhile, only slower."""
        ...

    def tune(
        self,
        name: str,
        layout: Layout,
        *,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """Change how the points of a name lie in the store, while they are used.

        Raises:
            StoreError: the store has nothing to choose, or refuses.
            Cancelled: ``cancel`` said so.
        """
        ...

    def describe(self) -> str:
        """Home and size in one line, for people."""
        ...

    def is_there(self) -> bool:
        """Whether the store answers now; says so within seconds."""
        ...

    def close(self) -> None:
        """Release the store. Further calls raise ``StoreError``."""
        ...
