"""Float32 scores of chosen pairs; a pair has one score, bit for bit, whatever it is computed with."""

from __future__ import annotations

import threading
import warnings
from functools import cache

import numpy as np
from numpy.typing import NDArray

_GATHERED_PAIRS = 4_096
_probing = threading.Lock()


def scores_of_pairs(
    x_RD: NDArray[np.float32], y_CD: NDArray[np.float32], pairs: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Inner products of row pairs.

    Args:
        x_RD: rows, contiguous.
        y_CD: other rows, contiguous.
        pairs: ``row * C + column``, ascending.

    Returns:
        One float32 per pair. torch computes each inside a sparse product without gathering the rows.
    """
    if not len(pairs):
        return np.empty(0, dtype=np.float32)
    with _probing:
        has_sampled = _has_sampled_product()
    if has_sampled:
        return _sampled(x_RD, y_CD, pairs)
    return _gathered(x_RD, y_CD, pairs)


def _sampled(
    x_RD: NDArray[np.float32], y_CD: NDArray[np.float32], pairs: NDArray[np.int64]
) -> NDArray[np.float32]:
    import torch

    shape = len(x_RD), len(y_CD)
    rows, columns = np.divmod(pairs, shape[1])
    starts = np.zeros(shape[0] + 1, dtype=np.int64)
    np.cumsum(np.bincount(rows, minlength=shape[0]), out=starts[1:])
    wanted = torch.sparse_csr_tensor(
        torch.from_numpy(starts),
        torch.from_numpy(columns),
        torch.zeros(len(pairs)),
        shape,
        check_invariants=False,
    )
    product = torch.sparse.sampled_addmm(wanted, torch.from_numpy(x_RD), torch.from_numpy(y_CD).t(), beta=0.0)
    return product.values().numpy()


def _gathered(
    x_RD: NDArray[np.float32], y_CD: NDArray[np.float32], pairs: NDArray[np.int64]
) -> NDArray[np.float32]:
    result = np.empty(len(pairs), dtype=np.float32)
    for start in range(0, len(pairs), _GATHERED_PAIRS):
        rows, columns = np.divmod(pairs[start : start + _GATHERED_PAIRS], len(y_CD))
        result[start : start + _GATHERED_PAIRS] = (x_RD[rows] * y_CD[columns]).sum(axis=1, dtype=np.float32)
    return result


@cache
def _has_sampled_product() -> bool:
    """Whether this torch multiplies into a sparse pattern on the CPU; takes its once-only warning too."""
    item = np.ones((1, 1), dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "Sparse CSR tensor support is in beta state"
        try:
            return bool(_sampled(item, item, np.zeros(1, dtype=np.int64))[0] == 1)
        except RuntimeError:
            return False
