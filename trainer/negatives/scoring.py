"""Blocks of scores on the device of the model: the best passages, and how many score above a limit.

On a processor this is numpy; on an accelerator torch, in single precision both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from me5.knn.similarity import top_k

Vectors = NDArray[np.float32]


def best_passages(
    queries_QD: Vectors, passages_PD: Vectors, *, count: int, device: str
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Scores and numbers of the ``count`` best passages of a block, both [Q, min(count, P)], best first."""
    if device == "cpu":
        return top_k(queries_QD, passages_PD, count, block=max(1, len(passages_PD)))
    import torch

    with torch.inference_mode():
        scores_QP = _on(queries_QD, device) @ _on(passages_PD, device).T
        scores_QK, numbers_QK = scores_QP.topk(min(count, len(passages_PD)), dim=1)
        return scores_QK.cpu().numpy(), numbers_QK.cpu().numpy()  # waits for the device


def count_above(
    queries_QD: Vectors, passages_PD: Vectors, limits_Q: NDArray[np.float32], *, device: str
) -> NDArray[np.int64]:
    """How many passages of a block score above the limit of each query."""
    if device == "cpu":
        counts_Q: NDArray[np.int64] = (queries_QD @ passages_PD.T > limits_Q[:, None]).sum(axis=1)
        return counts_Q
    import torch

    with torch.inference_mode():
        scores_QP = _on(queries_QD, device) @ _on(passages_PD, device).T
        above_Q = (scores_QP > _on(limits_Q, device)[:, None]).sum(dim=1)
        return np.asarray(above_Q.cpu().numpy(), dtype=np.int64)


def _on(values: NDArray[Any], device: str) -> Any:
    import torch

    return torch.from_numpy(np.array(values, dtype=np.float32)).to(device)
