"""Ranking, matching, similarity and clustering metrics on arrays. Scores: higher is better.

The first functions take one positive per query and count ties against the model. Those for graded
judgements take ranked hits, ties already broken, and give a value per query, so that the caller can
resample them. Shares are in [0, 1]. Classifiers and clusterings are trained in
``trainer.evaluation.classifiers``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

# -- one positive per query ----------------------------------------------------------------------------------


def ranks_of_positives(
    scores_QP: NDArray[np.floating], positives_Q: NDArray[np.integer]
) -> NDArray[np.int64]:
    """1-based rank of each query's positive; passages with an equal score rank before it."""
    own_Q1 = np.take_along_axis(scores_QP, positives_Q[:, None], axis=1)
    return (scores_QP >= own_Q1).sum(axis=1)


def accuracy(ranks_Q: NDArray[np.integer]) -> float:
    """Share of queries with the positive first, in [0, 1]; 0 without queries."""
    return float((ranks_Q == 1).mean()) if len(ranks_Q) else 0.0


def mrr(ranks_Q: NDArray[np.integer], cut_off: int = 10) -> float:
    """Mean reciprocal rank; a rank beyond the cut-off counts 0."""
    if not len(ranks_Q):
        return 0.0
    return float(np.where(ranks_Q <= cut_off, 1.0 / ranks_Q, 0.0).mean())


def ndcg(ranks_Q: NDArray[np.integer], cut_off: int = 10) -> float:
    """nDCG for one positive per query: 1 / log2(1 + rank) within the cut-off."""
    if not len(ranks_Q):
        return 0.0
    return float(np.where(ranks_Q <= cut_off, 1.0 / np.log2(1.0 + ranks_Q), 0.0).mean())


def recall(ranks_Q: NDArray[np.integer], cut_off: int) -> float:
    """Share of queries whose positive is within the cut-off."""
    return float((ranks_Q <= cut_off).mean()) if len(ranks_Q) else 0.0


# -- ranked hits with graded judgements (the semantics of trec_eval) ----------------------------------------


def graded_ndcg(
    grades_QK: NDArray[np.integer], judged_Q: Sequence[Sequence[int]], cut_off: int = 10
) -> Values:
    """nDCG of every query: gain = grade, discount = log2(1 + rank), ideal = all judged grades, best first.

    Args:
        grades_QK: grade of the hit at each rank, 0 where it is unjudged or there is no hit. Grades below 0
            count as 0. ``trec_eval`` breaks ties by descending passage id; whoever ranks must do so.
        judged_Q: the grades of all judged passages of each query, found or not.
        cut_off: ranks that count.

    Returns:
        [Q] in [0, 1]; 0 for a query without a relevant passage.
    """
    best_QK = np.zeros((len(judged_Q), cut_off))
    for row, grades in enumerate(judged_Q):
        ordered = sorted(grades, reverse=True)[:cut_off]
        best_QK[row, : len(ordered)] = ordered
    return _share(_dcg(grades_QK[:, :cut_off]), _dcg(best_QK))


def graded_recall(
    grades_QK: NDArray[np.integer], judged_Q: Sequence[Sequence[int]], cut_off: int = 100
) -> Values:
    """Share of each query's relevant passages (grade 1 or more) within the cut-off; 0 where there is none."""
    found_Q = (grades_QK[:, :cut_off] > 0).sum(axis=1)
    relevant_Q = np.array([sum(grade > 0 for grade in grades) for grades in judged_Q])
    return _share(found_Q, relevant_Q)


def reciprocal_rank(grades_QK: NDArray[np.integer], cut_off: int = 10) -> Values:
    """1 / rank of the first relevant hit of each query, 0 where none is within the cut-off."""
    relevant_QK = grades_QK[:, :cut_off] > 0
    first_Q = relevant_QK.argmax(axis=1)
    return np.where(relevant_QK.any(axis=1), 1.0 / (1.0 + first_Q), 0.0)


def _dcg(grades_QK: NDArray[np.integer] | Values) -> Values:
    discounts_K = 1.0 / np.log2(np.arange(grades_QK.shape[1]) + 2.0)
    return np.maximum(grades_QK, 0) @ discounts_K


def _share(part: NDArray[Any], whole: NDArray[Any]) -> Values:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=np.asarray(whole) > 0)


# -- matching: bitext and mining ----------------------------------------------------------------------------


def f1_of_labels(labels_N: NDArray[np.integer], predictions_N: NDArray[np.integer]) -> Values:
    """The F1 of each item's label, [N].

    Its mean is the F1 of every label weighted by how often it is right (``f1_score(average="weighted")``,
    the main score of MTEB's bitext tasks). Labels are small non-negative integers, such as sentence numbers.
    """
    if not len(labels_N):
        return np.zeros(0)
    size = 1 + max(int(labels_N.max()), int(predictions_N.max()))
    right = np.bincount(labels_N[labels_N == predictions_N], minlength=size)
    labelled = np.bincount(labels_N, minlength=size)
    predicted = np.bincount(predictions_N, minlength=size)
    return _share(2 * right, labelled + predicted)[labels_N]


def margins(
    scores_QK: Values, neighbours_QK: NDArray[np.integer], means_Q: Values, means_P: Values
) -> Values:
    """Ratio margin of each candidate pair (arXiv:1811.01136): score over the mean of both neighbourhoods.

    Args:
        scores_QK, neighbours_QK: scores and numbers of the nearest targets of each source.
        means_Q: mean score of each source to its nearest targets.
        means_P: mean score of each target to its nearest sources.
    """
    around_QK = (means_Q[:, None] + means_P[neighbours_QK]) / 2
    return np.divide(scores_QK, around_QK, out=np.zeros(scores_QK.shape), where=around_QK > 0)


def best_threshold(scores_N: Values, right_N: NDArray[np.bool_], gold: int) -> float:
    """The score from which on taking pairs gives the highest F1; between two scores, as LASER's ``bucc.py``.

    ``gold`` is the number of pairs that could be found. Infinite where no pair is right.
    """
    order = np.argsort(-scores_N, kind="stable")
    scores, right = scores_N[order], np.cumsum(right_N[order])
    taken = np.arange(1, len(scores) + 1)
    f1 = 2 * right / (taken + gold)
    last_of_ties = np.append(scores[1:] != scores[:-1], True)  # a threshold cannot part equal scores
    f1 = np.where(last_of_ties, f1, -1.0)
    if not len(f1) or not right[-1]:
        return float("inf")
    best = int(f1.argmax())
    return float((scores[best] + scores[best + 1]) / 2 if best + 1 < len(scores) else scores[best])


def precision_recall_f1(right: float, taken: float, gold: float) -> tuple[float, float, float]:
    """Of pairs: right among those taken, right among those that exist, harmonic mean; 0 for 0 / 0."""
    precision = right / taken if taken else 0.0
    result = right / gold if gold else 0.0
    return precision, result, 2 * right / (taken + gold) if taken + gold else 0.0


# -- similarity, classification, clustering -----------------------------------------------------------------


def average_ranks(values_N: NDArray[Any]) -> Values:
    """1-based ranks, ascending; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values_N, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2.0)[inverse]


def spearman(left_N: NDArray[Any], right_N: NDArray[Any]) -> float:
    """Rank correlation in [-1, 1]; 0 where one side is constant (undefined)."""
    left, right = average_ranks(left_N), average_ranks(right_N)
    left, right = left - left.mean(), right - right.mean()
    spread = float(np.sqrt((left @ left) * (right @ right)))
    return float(left @ right) / spread if spread else 0.0


def v_measure(labels_N: NDArray[Any], clusters_N: NDArray[Any]) -> float:
    """Harmonic mean of homogeneity and completeness (Rosenberg and Hirschberg 2007), in [0, 1]."""
    _, labels = np.unique(labels_N, return_inverse=True)
    _, clusters = np.unique(clusters_N, return_inverse=True)
    if not len(labels):
        return 1.0
    counts_LC = np.zeros((labels.max() + 1, clusters.max() + 1))
    np.add.at(counts_LC, (labels, clusters), 1.0)
    of_labels, of_clusters = _entropy(counts_LC.sum(axis=1)), _entropy(counts_LC.sum(axis=0))
    shared = of_labels + of_clusters - _entropy(counts_LC.ravel())
    homogeneity = shared / of_labels if of_labels else 1.0
    completeness = shared / of_clusters if of_clusters else 1.0
    both = homogeneity + completeness
    return float(2 * homogeneity * completeness / both) if both > 0 else 0.0


def _entropy(counts: Values) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
