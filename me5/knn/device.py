"""The k nearest neighbours both ways by blocked float32 products on a torch device, for a GPU.

A few candidates more than k are kept per block; their scores are then computed as everywhere else
(``me5.knn.scores``), so that a device answers as the processor does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from me5.knn.best import Best, Entries
from me5.knn.codes import Vectors, blocks
from me5.knn.scores import scores_of_pairs

if TYPE_CHECKING:
    import torch

_SPARE = 4  # of the device's best, besides k: its rounding may swap close ones


def sweep_on_device(
    x_ND: Vectors,
    y_MD: Vectors,
    rows: slice,
    *,
    best: Best,
    columns: Best,
    device: str,
    tile_columns: int,
    after_tile: Callable[[int], None],
) -> None:
    """One strip of rows against all columns, as ``sweep.Strip`` does it on the processor.

    Args:
        x_ND: rows of one side; may be a memory map.
        y_MD: the other side; may be a memory map.
        rows: the strip.
        best: lists of these rows, empty; filled in place.
        columns: lists of all columns, in place.
        device: a torch device.
        tile_columns: columns at a time.
        after_tile: hears how many pairs each tile had; may raise to stop.
    """
    import torch

    vectors_RD = np.require(x_ND[rows], np.float32, ["C", "W"])
    on_device_RD = torch.from_numpy(vectors_RD).to(device)
    k = columns.scores.shape[1]
    for tile in blocks(len(y_MD), tile_columns):
        vectors_CD = np.require(y_MD[tile], np.float32, ["C", "W"])
        scores_RC = _exact_product(on_device_RD, torch.from_numpy(vectors_CD).to(device))
        of_rows = _pairs(scores_RC, k + _SPARE)
        found_rows, found_columns, scores = _scored(of_rows, vectors_RD, vectors_CD)
        best.add(found_rows, (found_columns + tile.start).astype(best.ids.dtype), scores)
        of_columns = _pairs(scores_RC.t(), k + _SPARE)
        transposed = np.sort(of_columns % len(vectors_RD) * len(vectors_CD) + of_columns // len(vectors_RD))
        found_rows, found_columns, scores = _scored(transposed, vectors_RD, vectors_CD)
        ids = (found_rows + rows.start).astype(columns.ids.dtype)
        columns.part(tile).add(found_columns, ids, scores)
        after_tile(scores_RC.numel())


def _exact_product(x_RD: torch.Tensor, y_CD: torch.Tensor) -> torch.Tensor:
    """X Yᵀ in full float32: TF32, where it is allowed, is off meanwhile."""
    import torch

    matmul = torch.backends.cuda.matmul
    allowed, matmul.allow_tf32 = matmul.allow_tf32, False
    try:
        return x_RD @ y_CD.t()
    finally:
        matmul.allow_tf32 = allowed


def _pairs(scores_RC: torch.Tensor, count: int) -> NDArray[np.int64]:
    """``row * C + column`` of the best of each row, and of all that tie with the last of them; ascending."""
    import torch

    width = scores_RC.shape[1]
    top: Any = torch.topk(scores_RC, min(count, width), dim=1)
    is_in = scores_RC >= top.values[:, -1:]
    pairs: NDArray[np.int64] = torch.nonzero(is_in.flatten()).flatten().cpu().numpy()  # waits for the device
    return pairs


def _scored(pairs: NDArray[np.int64], x_RD: Vectors, y_CD: Vectors) -> Entries:
    result, columns = np.divmod(pairs, len(y_CD))
    return result, columns, scores_of_pairs(x_RD, y_CD, pairs)
