"""The long steps of mining: encoding both sides, comparing them, and telling how far that is."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from indexer.bitext.values import MiningSettings
from indexer.bitext.vectors import BLOCK, RESERVE_BYTES, encode_side
from indexer.errors import Cancelled, DiskFullError, MiningError
from indexer.progress import Progress
from indexer.store.disk import check_reserve
from me5.errors import DiskSpaceError, WorkCancelledError
from me5.knn.neighbours import Neighbours
from me5.knn.shared import both_ways_shared
from me5.ranks import ALONE, Ranks

if TYPE_CHECKING:
    from me5.encoder import Encoder

Floats = NDArray[np.float32]

_PARTS = 1_000
"""Progress is told in so many parts."""

# Rough seconds per sentence and per product of two numbers: they only divide the progress between steps.
FILTER_S, _ENCODE_S, _PRODUCT_S = 2e-4, 1e-3, 2.5e-12


class Steps:
    """Progress over steps of very different length, told in thousandths of the whole."""

    def __init__(
        self,
        sources: int,
        targets: int,
        dimension: int,
        progress: Progress | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        sentences = sources + targets
        self._total = (sentences * (FILTER_S + _ENCODE_S) + sources * targets * dimension * _PRODUCT_S) or 1.0
        self._begun = self._length = 0.0
        self._message = ""
        self._told = (-1, "")
        self._progress, self._cancelled = progress, cancelled

    def enter(self, message: str, length: float) -> None:
        """Begin a step that takes about ``length`` of what the whole is made of."""
        self._begun += self._length
        self._length, self._message = length, message
        self.tell(0.0)

    def tell(self, share: float) -> None:
        """So much of the step is done.

        Raises:
            Cancelled: the caller asked to stop.
        """
        if self.is_cancelled():
            raise Cancelled("Mining was cancelled. What was finished is kept; start it again to resume.")
        done = min(self._begun + share * self._length, self._total)
        text = (int(_PARTS * done / self._total), self._message)
        if self._progress and text != self._told:
            self._told = text
            self._progress(text[0], _PARTS, "parts", self._message)

    def finish(self, message: str) -> None:
        """All is done."""
        if self._progress:
            self._progress(_PARTS, _PARTS, "parts", message)

    def is_cancelled(self) -> bool:
        """Whether the caller asked to stop."""
        return self._cancelled is not None and self._cancelled()


def require_sides(sources: int, targets: int) -> None:
    """Check that there is something on both sides.

    Raises:
        MiningError: a side is empty.
    """
    empty = [name for name, count in (("source", sources), ("target", targets)) if not count]
    if empty:
        raise MiningError(
            f"The {' and the '.join(empty)} side {'is' if len(empty) == 1 else 'are'} empty; expected "
            "sentences on both. Check the files."
        )


def encode_sides(
    texts: Sequence[Sequence[str]],
    encoder: "Encoder",
    folder: Path | None,
    steps: Steps,
    ranks: Ranks = ALONE,
) -> tuple[Floats, Floats]:
    """Vectors of the texts of both sides, from ``folder`` what is there already.

    Raises:
        DiskFullError, Cancelled: as :func:`indexer.bitext.mining.mine`.
    """
    own = [side[ranks.share(len(side))] for side in texts]
    total = len(own[0]) + len(own[1])
    steps.enter("encoding", sum(map(len, texts)) * _ENCODE_S)

    def encode(number: int, name: str) -> Floats:
        before = len(own[0]) * number
        part = encode_side(
            own[number],
            encoder,
            folder=folder,
            name=name,
            each=lambda done: steps.tell((before + done) / max(total, 1)),
        )
        if ranks.size == 1:
            return part
        return _from_all(part, len(texts[number]), ranks, folder and folder / f"all-{name}.f32")

    return encode(0, "source"), encode(1, "target")


def _from_all(part: Floats, rows: int, ranks: Ranks, path: Path | None) -> Floats:
    """The rows of all processes, in a file where there is a folder, a block at a time."""
    shape = (rows, part.shape[1])
    if path is None:
        whole: Floats = np.empty(shape, np.float32)
    else:
        check_reserve(path.parent, RESERVE_BYTES, rows * part.shape[1] * part.itemsize)
        whole = np.memmap(path, np.float32, "w+", shape=shape)
    first = [Ranks(rank, ranks.size).share(rows).start for rank in range(ranks.size)]
    for start in range(0, rows // ranks.size + 1, BLOCK):
        for rank, block in enumerate(ranks.gather(np.array(part[start : start + BLOCK]))):
            whole[first[rank] + start : first[rank] + start + len(block)] = block
    return whole


def compare(
    source_ND: Floats,
    target_MD: Floats,
    *,
    settings: MiningSettings,
    folder: Path | None,
    steps: Steps,
    ranks: Ranks = ALONE,
) -> Neighbours:
    """The nearest neighbours both ways: one more than ``settings.k``, for the second round of mining.

    Raises:
        DiskFullError: what is kept does not fit on the disk; finished work stays.
        Cancelled: the caller of the steps asked to stop.
    """
    steps.enter("comparing", len(source_ND) * len(target_MD) * source_ND.shape[1] * _PRODUCT_S)
    try:
        return both_ways_shared(
            source_ND,
            target_MD,
            settings.k + 1,
            ranks,
            memory_mb=settings.memory_mb,
            progress=steps.tell,
            state_dir=None if folder is None else folder / "neighbours",
            cancelled=steps.is_cancelled,
        )
    except DiskSpaceError as error:
        raise DiskFullError(str(error)) from error
    except WorkCancelledError as error:
        raise Cancelled(f"Mining was cancelled. {error}") from error
