"""Exact neighbours both ways, the rows of Y shared out between processes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from me5.knn.best import Best
from me5.knn.neighbours import Neighbours, Vectors, both_ways
from me5.ranks import Ranks


def both_ways_shared(
    x_ND: Vectors,
    y_MD: Vectors,
    k: int,
    ranks: Ranks,
    *,
    memory_mb: int = 512,
    progress: Callable[[float], None] | None = None,
    state_dir: Path | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Neighbours:
    """``both_ways``, to the bit, by all processes together: each compares all rows of X with its part of Y.

    Args:
        x_ND, y_MD, k, memory_mb, progress, cancelled: as of ``both_ways``, the same in every process.
        ranks: the processes.
        state_dir: of this process alone.

    Raises:
        as ``both_ways``.
    """
    own = ranks.share(len(y_MD))
    part = both_ways(
        x_ND, y_MD[own], k, memory_mb=memory_mb, progress=progress, state_dir=state_dir, cancelled=cancelled
    )
    if ranks.size == 1:
        return part
    backward = ranks.gather((part.backward_scores_MK, part.backward_ids_MK))
    id_type = part.forward_ids_NK.dtype.type
    ids_NK = np.where(part.forward_ids_NK >= 0, part.forward_ids_NK + id_type(own.start), id_type(-1))
    best = Best.empty(len(x_ND), k, id_type)
    for scores_NK, numbers_NK in ranks.gather((part.forward_scores_NK, ids_NK)):
        best.add(*Best(scores_NK, numbers_NK).entries())  # parts come by ascending id, as ties want
    return Neighbours(
        best.scores,
        best.ids,
        np.concatenate([scores for scores, _ in backward]),
        np.concatenate([numbers for _, numbers in backward]),
    )
