"""From token states to one vector per text: pure numpy functions, no weights.

Engines pool inside their own graph where that is faster; these functions are the definition they are
tested against. Shapes: B texts, T tokens, H hidden, D embedding.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from me5.errors import ShapeError

Pooling = Literal["mean", "cls", "last"]
Floats = NDArray[np.float32]


def mean_pool(hidden_BTH: Floats, mask_BT: NDArray[np.integer]) -> Floats:
    """Average the hidden states of real tokens (the pooling of E5, arXiv:2212.03533).

    Args:
        hidden_BTH: last hidden states.
        mask_BT: 1 for real tokens, 0 for padding.

    Returns:
        [B, H], not normalised; rows without tokens are zero.

    Raises:
        ShapeError: the first two dimensions of the inputs differ.
    """
    _require_same_shape(hidden_BTH, mask_BT)
    weights_BT1 = mask_BT[:, :, None].astype(hidden_BTH.dtype)
    counts_B1 = np.maximum(weights_BT1.sum(axis=1), 1)
    return np.asarray((hidden_BTH * weights_BT1).sum(axis=1) / counts_B1, dtype=hidden_BTH.dtype)


def cls_pool(hidden_BTH: Floats, mask_BT: NDArray[np.integer]) -> Floats:
    """The state of the first token, [B, H]."""
    _require_same_shape(hidden_BTH, mask_BT)
    return hidden_BTH[:, 0].copy()


def last_pool(hidden_BTH: Floats, mask_BT: NDArray[np.integer]) -> Floats:
    """The state of the last real token of each right-padded row, [B, H]."""
    _require_same_shape(hidden_BTH, mask_BT)
    last_B = np.maximum(mask_BT.sum(axis=1) - 1, 0).astype(np.intp)
    return hidden_BTH[np.arange(len(hidden_BTH)), last_B]


POOLERS: Mapping[Pooling, Callable[[Floats, NDArray[np.integer]], Floats]] = {
    "mean": mean_pool,
    "cls": cls_pool,
    "last": last_pool,
}


def l2_normalize(vectors_BD: Floats) -> Floats:
    """Rows of length 1 in float32; rows of zeros stay zero."""
    vectors_BD = np.asarray(vectors_BD, dtype=np.float32)
    lengths_B1 = np.linalg.norm(vectors_BD, axis=1, keepdims=True)
    return vectors_BD / np.maximum(lengths_B1, np.float32(1e-12))


def _require_same_shape(hidden_BTH: Floats, mask_BT: NDArray[np.integer]) -> None:
    if hidden_BTH.ndim != 3 or hidden_BTH.shape[:2] != mask_BT.shape:
        raise ShapeError(
            f"Hidden states of shape {hidden_BTH.shape} do not fit a mask of shape {mask_BT.shape}. "
            "Expected [B, T, H] and [B, T]."
        )
