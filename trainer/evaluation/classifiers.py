"""What is fitted on embeddings to judge them: nearest neighbours, logistic regression, k-means.

Small and exact enough to measure with; nothing here is tuned, because the embeddings are what is judged.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.floating]
Labels = NDArray[np.int64]

REGRESSION_STEPS = 100


def knn_predict(train_ND: Matrix, labels_N: Labels, test_ND: Matrix, k: int = 5) -> Labels:
    """The most frequent label among the k nearest (cosine); a tie goes to the label whose first is nearer.

    Rows must have length 1. Fewer than k training rows are all used.
    """
    from me5.knn.similarity import top_k

    _, nearest = top_k(np.asarray(test_ND, dtype=np.float32), np.asarray(train_ND, dtype=np.float32), k)
    votes_QK = labels_N[nearest]
    counts_QK = (votes_QK[:, :, None] == votes_QK[:, None, :]).sum(axis=2)
    return votes_QK[np.arange(len(votes_QK)), counts_QK.argmax(axis=1)]


def logistic_predict(train_ND: Matrix, labels_N: Labels, test_ND: Matrix, strength: float = 1.0) -> Labels:
    """Labels by multinomial logistic regression with an L2 penalty on the weights, not on the biases.

    The objective is scikit-learn's: ``strength`` (C there) times the summed cross-entropy plus half the
    squared weights. It has one minimum, found by L-BFGS in float64.
    """
    import torch

    classes, targets = np.unique(labels_N, return_inverse=True)
    if len(classes) == 1:
        return np.full(len(test_ND), classes[0])
    inputs = torch.tensor(np.asarray(train_ND, dtype=np.float64))
    wanted = torch.tensor(targets)
    weights = torch.zeros(inputs.shape[1], len(classes), dtype=torch.float64, requires_grad=True)
    biases = torch.zeros(len(classes), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weights, biases],
        max_iter=REGRESSION_STEPS,
        tolerance_grad=1e-6,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def objective() -> torch.Tensor:
        optimiser.zero_grad()
        loss = strength * torch.nn.functional.cross_entropy(
            inputs @ weights + biases, wanted, reduction="sum"
        )
        loss = loss + weights.square().sum() / 2
        loss.backward()
        return loss

    optimiser.step(objective)
    with torch.no_grad():
        scores = torch.tensor(np.asarray(test_ND, dtype=np.float64)) @ weights + biases
    return classes[scores.argmax(dim=1).numpy()]


def k_means(vectors_ND: Matrix, clusters: int, seed: int = 0, rounds: int = 50) -> Labels:
    """The cluster of each row: Lloyd's rounds from a k-means++ start, until nothing changes."""
    rng = np.random.default_rng(seed)
    vectors = np.asarray(vectors_ND, dtype=np.float64)
    centres = _spread_start(vectors, min(clusters, len(vectors)), rng)
    assigned = np.full(len(vectors), -1, dtype=np.int64)
    for _ in range(rounds):
        nearest = _distances(vectors, centres).argmin(axis=1)
        if (nearest == assigned).all():
            break
        assigned = nearest
        for number in range(len(centres)):
            members = vectors[assigned == number]
            if len(members):  # an empty cluster keeps its centre
                centres[number] = members.mean(axis=0)
    return assigned


def _spread_start(vectors: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """k-means++ (Arthur and Vassilvitskii 2007): each next centre drawn by squared distance to the others."""
    chosen = [int(rng.integers(len(vectors)))]
    nearest = _distances(vectors, vectors[chosen])[:, 0]
    while len(chosen) < count:
        total = nearest.sum()
        shares = nearest / total if total > 0 else None
        chosen.append(int(rng.choice(len(vectors), p=shares)))
        nearest = np.minimum(nearest, _distances(vectors, vectors[chosen[-1:]])[:, 0])
    return vectors[chosen].copy()


def _distances(rows: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    squares = (rows**2).sum(axis=1)[:, None] - 2 * rows @ centres.T + (centres**2).sum(axis=1)
    return np.maximum(squares, 0.0)
