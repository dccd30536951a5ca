"""The k nearest neighbours of two sets of vectors in each other, exact, from one pass over all scores.

Bitext mining needs for every row of X its nearest rows of Y and the reverse. Both come from X Yᵀ, which at
1,000,000 by 1,000,000 would take 4 TB; here it is swept in tiles that fit the cache. Where the processor
has fast int8 units a tile holds upper bounds from int8 codes, and only the few pairs whose bound reaches
the k-th best so far get their float32 score. Nothing is lost by that: a pair that is left out has a proof
that it does not belong (``me5.knn.codes``), and the answer is the same for every tile size, number of
threads and kind of screen. What margins are made of the scores is decided elsewhere.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from me5.errors import ShapeError, WorkCancelledError
from me5.knn.best import Best
from me5.knn.codes import NewCodes, blocks, code_width, extent
from me5.knn.saved import SavedRun, fingerprint
from me5.knn.screens import Screening, choose_screen
from me5.knn.space import open_array
from me5.knn.sweep import BLOCK_ROWS, Plan, Strip, Workers

Vectors = NDArray[np.float32]

_MIN_MEMORY_MB = 16
_TILE_COLUMNS = 2_048
_FEWEST_COLUMNS = 256
_MAX_STRIP_ROWS = 16 * BLOCK_ROWS
_DEVICE_TILE = 16_384


@dataclass(frozen=True)
class Neighbours:
    """The k best of every row of X among Y (forward) and of every row of Y among X (backward).

    Best first, equal scores by ascending id. Where the other side has fewer than k rows, the rest is -inf
    and -1. Scores are float32; ids are int32, or int64 beyond 2**31 rows.
    """

    forward_scores_NK: Vectors  # noqa: N815 - shape suffix
    forward_ids_NK: NDArray[np.integer]  # noqa: N815 - shape suffix
    backward_scores_MK: Vectors  # noqa: N815 - shape suffix
    backward_ids_MK: NDArray[np.integer]  # noqa: N815 - shape suffix


def both_ways(
    x_ND: Vectors,
    y_MD: Vectors,
    k: int = 4,
    *,
    memory_mb: int = 512,
    threads: int | None = None,
    progress: Callable[[float], None] | None = None,
    state_dir: Path | None = None,
    cancelled: Callable[[], bool] | None = None,
    screening: Screening = "auto",
    device: str = "cpu",
) -> Neighbours:
    """Exact nearest neighbours in both directions by inner product.

    Args:
        x_ND: unit rows, float32; may be a memory map.
        y_MD: unit rows of the same dimension; may be a memory map.
        k: neighbours of each row.
        memory_mb: for everything but the vectors, the result and some 30 bytes per row of both sides.
        threads: cores to use; None takes all that torch would.
        progress: hears the finished share, from 0 to 1, in the calling thread.
        state_dir: folder in which finished strips of rows are kept; the same call goes on from there after
            a kill, and returns at once after the end. The caller removes it. Codes that ``memory_mb`` has no
            room for are a file here meanwhile, or in the system's folder for temporary files.
        cancelled: asked after every tile of columns.
        screening: ``int8``, ``float32``, or ``auto`` for the faster one here; the answer is the same.
        device: a torch device; other than ``cpu``, plain blocked products on it.

    Raises:
        ShapeError: the dimensions differ, k or memory_mb is too small, or a value is not finite.
        DiskSpaceError: ``state_dir``, or what memory has no room for, does not fit on its disk.
        WorkCancelledError: ``cancelled`` said so.
    """
    _check(x_ND, y_MD, k, memory_mb, threads)
    rows, columns = Best.empty(len(x_ND), k, _id_type(y_MD)), Best.empty(len(y_MD), k, _id_type(x_ND))
    if len(x_ND) == 0 or len(y_MD) == 0:
        return _result(rows, columns)
    saved = SavedRun(state_dir, fingerprint(x_ND, y_MD, k), len(x_ND)) if state_dir else None
    done = saved.restore(rows, columns) if saved else 0
    meter = _Meter(len(x_ND) * len(y_MD), done * len(y_MD), progress, cancelled)
    if done == len(x_ND):
        return _result(rows, columns)
    plan = plan_for(x_ND.shape[1], len(x_ND) + len(y_MD), memory_mb, threads)
    with ExitStack() as stack:
        if device == "cpu":
            codes = _code_maker(plan, state_dir, stack)
            workers = stack.enter_context(Workers(plan.threads))
            sweep_strip = _on_processor(
                x_ND, y_MD, columns, plan=plan, screening=screening, codes=codes, workers=workers, meter=meter
            )
        else:
            sweep_strip = _on_device(x_ND, y_MD, columns, device, meter)
        for part in blocks(len(x_ND) - done, plan.strip_rows):
            strip = slice(done + part.start, done + part.stop)
            best = sweep_strip(strip)
            rows.scores[strip], rows.ids[strip] = best.scores, best.ids
            if saved:
                saved.save(rows, columns, strip)
    return _result(rows, columns)


def _result(rows: Best, columns: Best) -> Neighbours:
    return Neighbours(rows.scores, rows.ids, columns.scores, columns.ids)


def plan_for(dimensions: int, vectors: int, memory_mb: int, threads: int | None) -> Plan:
    """Sizes for a memory of ``memory_mb``: tiles first, then codes kept in memory, then strips."""
    import torch

    threads = threads or torch.get_num_threads()
    free, tile = memory_mb * 10**6, _TILE_COLUMNS
    # A tile: bounds and mask, vectors and codes of its columns, and lists of candidates of about its size.
    per_column = 2 * 5 * BLOCK_ROWS + 5 * dimensions + 64
    while tile > _FEWEST_COLUMNS and threads * tile * per_column > free // 2:
        tile //= 2
    free -= threads * tile * per_column
    codes_size = vectors * code_width(dimensions)
    codes_in_memory = codes_size < free // 2
    free -= codes_size if codes_in_memory else 0
    per_row = 5 * dimensions + 1_000  # vectors, codes, candidates of a round
    strip_blocks = max(1, min(free // (2 * per_row), _MAX_STRIP_ROWS) // BLOCK_ROWS)
    return Plan(strip_blocks * BLOCK_ROWS, tile, threads, codes_in_memory)


class _Meter:
    """Counts pairs, tells the share and asks whether to stop."""

    def __init__(
        self,
        total: int,
        done: int,
        progress: Callable[[float], None] | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        self._total, self._done, self._progress, self._cancelled = total, done, progress, cancelled
        self.add(0)

    def add(self, pairs: int) -> None:
        """Count finished pairs.

        Raises:
            WorkCancelledError: the caller asked to stop.
        """
        self._done += pairs
        if self._progress:
            self._progress(self._done / self._total)
        if self._cancelled and self._cancelled():
            raise WorkCancelledError(
                "The search for neighbours was cancelled. Finished strips are kept where a folder was given; "
                "start it again with the same folder to resume."
            )


def _on_processor(
    x_ND: Vectors,
    y_MD: Vectors,
    columns: Best,
    *,
    plan: Plan,
    screening: Screening,
    codes: NewCodes,
    workers: Workers,
    meter: _Meter,
) -> Callable[[slice], Best]:
    """What sweeps a strip on this machine's cores."""
    extents = extent(x_ND, "X", workers.map), extent(y_MD, "Y", workers.map)
    screen = choose_screen(x_ND, y_MD, extents, codes, screening=screening, run=workers.map)

    def sweep_strip(rows: slice) -> Best:
        strip = Strip(x_ND, y_MD, rows, columns=columns, screen=screen, plan=plan)
        strip.sweep(workers, meter.add)
        return strip.best

    return sweep_strip


def _on_device(
    x_ND: Vectors, y_MD: Vectors, columns: Best, device: str, meter: _Meter
) -> Callable[[slice], Best]:
    from me5.knn.device import sweep_on_device

    def sweep_strip(rows: slice) -> Best:
        best = Best.empty(rows.stop - rows.start, columns.scores.shape[1], _id_type(y_MD))
        sweep_on_device(
            x_ND,
            y_MD,
            rows,
            best=best,
            columns=columns,
            device=device,
            tile_columns=_DEVICE_TILE,
            after_tile=meter.add,
        )
        return best

    return sweep_strip


def _code_maker(plan: Plan, state_dir: Path | None, stack: ExitStack) -> NewCodes:
    """Arrays for codes: in memory where they fit, else in a file that goes when the work ends."""
    if plan.codes_in_memory:
        return lambda name, shape: np.empty(shape, dtype=np.int8)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="codes-", dir=state_dir)))
    return lambda name, shape: open_array(folder / f"{name}.npy", "w+", np.int8, shape)


def _id_type(other: Vectors) -> type[np.integer]:
    return np.int32 if len(other) <= np.iinfo(np.int32).max else np.int64


def _check(x_ND: Vectors, y_MD: Vectors, k: int, memory_mb: int, threads: int | None) -> None:
    if x_ND.ndim != 2 or y_MD.ndim != 2 or x_ND.shape[1] != y_MD.shape[1] or x_ND.shape[1] == 0:
        raise ShapeError(
            f"Vectors of shape {x_ND.shape} do not fit vectors of shape {y_MD.shape}. "
            "Expected [N, D] and [M, D] with one D of at least 1. Encode both sides with one model."
        )
    if k < 1 or memory_mb < _MIN_MEMORY_MB or (threads is not None and threads < 1):
        raise ShapeError(
            f"k is {k}, memory_mb is {memory_mb} and threads is {threads}. "
            f"Expected k and threads of at least 1 and memory_mb of at least {_MIN_MEMORY_MB}."
        )
