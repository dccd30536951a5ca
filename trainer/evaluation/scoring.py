"""From a part of a task and a model to samples: which metric is computed from what.

Retrieval: every passage of the pool is ranked, not only the judged ones. Bitext: MTEB's protocol, the
nearest target of each source. Mining: ratio margin with four neighbours, the best target of each source and
the best source of each target (LASER's "max" retrieval), pairs above the threshold of the highest F1.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation import metrics
from trainer.evaluation.classifiers import k_means, knn_predict, logistic_predict
from trainer.evaluation.models import Hits, Model
from trainer.evaluation.statistics import Sample, Statistic
from trainer.evaluation.values import Bitext, Classification, Measured, Mining, Part, Retrieval, Similarity

CUT_OFF, DEEP_CUT_OFF = 10, 100
NEIGHBOURS = 4
VOTERS = 5
_PAIR_METRICS = ("precision", "recall", "F1")


def statistic_of(metric: str, columns: int) -> Statistic | None:
    """What is computed from the rows of a sample of that metric; None for the mean of the only column."""
    if columns == 1:
        return None
    if columns == len(_PAIR_METRICS):
        return partial(_of_pairs, position=_PAIR_METRICS.index(metric))
    return _spearman if metric == "Spearman" else _v_measure


def measure(part: Part, model: Model) -> Iterator[Measured]:
    """One result per language of the part."""
    if isinstance(part, Retrieval):
        yield from _retrieval(part, model)
    elif isinstance(part, Bitext):
        yield _bitext(part, model)
    elif isinstance(part, Mining):
        yield _mining(part, model)
    elif isinstance(part, Similarity):
        yield _similarity(part, model)
    else:
        yield _classification(part, model)


def _retrieval(part: Retrieval, model: Model) -> Iterator[Measured]:
    _, numbers_QK = model.search(part.queries, part.passages, part.titles, DEEP_CUT_OFF + 1)
    if part.itself:
        numbers_QK = _without(numbers_QK, np.asarray(part.itself))
    grades_QK = np.array(
        [
            [judged.get(int(number), 0) for number in row[:DEEP_CUT_OFF]]
            for judged, row in zip(part.judged, numbers_QK, strict=True)
        ]
    )
    judged = [list(grades.values()) for grades in part.judged]
    values = {
        "nDCG@10": metrics.graded_ndcg(grades_QK, judged, CUT_OFF),
        "Recall@100": metrics.graded_recall(grades_QK, judged, DEEP_CUT_OFF),
        "MRR@10": metrics.reciprocal_rank(grades_QK, CUT_OFF),
    }
    languages = np.asarray(part.languages)
    for language in sorted(set(part.languages)):
        own = languages == language
        samples = {name: Sample.of_values(per_query[own]) for name, per_query in values.items()}
        yield Measured(part.label(language), int(own.sum()), len(part.passages), samples)


def _without(numbers_QK: NDArray[np.int64], itself_Q: NDArray[np.int64]) -> NDArray[np.int64]:
    """Hits without the passage that is the query itself; the others move up."""
    is_itself_QK = (numbers_QK == itself_Q[:, None]) & (itself_Q[:, None] >= 0)
    return np.take_along_axis(numbers_QK, np.argsort(is_itself_QK, axis=1, kind="stable"), axis=1)


def _bitext(part: Bitext, model: Model) -> Measured:
    (_, to_targets), (_, to_sources) = model.pair(part.sources, part.targets, 1, "bitext")
    samples = _matching("", part.gold, to_targets[:, 0], len(part.targets))
    if part.both_ways:
        gold = np.empty_like(part.gold)
        gold[part.gold] = np.arange(len(part.gold))
        samples |= _matching("reverse ", gold, to_sources[:, 0], len(part.sources))
    return Measured(part.language, len(part.sources), len(part.targets), samples)


def _matching(
    prefix: str, gold: NDArray[np.int64], result: NDArray[np.int64], no_hit: int
) -> dict[str, Sample]:
    result = np.where(result < 0, no_hit, result)  # a number that is nobody's translation
    # Resampled as a value per sentence: drawing sentences anew would part predictions that collide, and
    # the F1 of every draw would be too high.
    return {
        f"{prefix}F1": Sample.of_values(metrics.f1_of_labels(gold, result)),
        f"{prefix}accuracy": Sample.of_values(gold == result),
    }


def _mining(part: Mining, model: Model) -> Measured:
    scores, pairs = _candidates(part, model)
    tuned_scores, tuned_pairs, tuned_gold = scores, pairs, part.gold
    if part.tuning is not None:
        tuned_scores, tuned_pairs = _candidates(part.tuning, model)
        tuned_gold = part.tuning.gold
    right = np.array([(int(a), int(b)) in tuned_gold for a, b in tuned_pairs], dtype=bool)
    threshold = metrics.best_threshold(tuned_scores, right, len(tuned_gold))
    taken = pairs[scores >= threshold]
    rows = np.zeros((len(part.sources), 3))  # of each source sentence: pairs right, taken, in the gold
    for source, target in taken:
        rows[source, 0] += (int(source), int(target)) in part.gold
        rows[source, 1] += 1
    for source, _ in part.gold:
        rows[source, 2] += 1
    samples = {name: Sample(rows, statistic_of(name, rows.shape[1])) for name in _PAIR_METRICS}
    notes = {"threshold": threshold, "pairs": float(len(taken)), "gold": float(len(part.gold))}
    return Measured(part.language, len(part.sources), len(part.targets), samples, notes)


def _of_pairs(rows: NDArray[np.float64], position: int) -> float:
    right, taken, gold = rows.sum(axis=0)
    return metrics.precision_recall_f1(right, taken, gold)[position]


def _candidates(part: Mining, model: Model) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Margins and (source, target), best first, every sentence in at most one pair."""
    forward, backward = model.pair(part.sources, part.targets, NEIGHBOURS, "mining")
    means_source, means_target = _neighbourhood(forward), _neighbourhood(backward)
    ahead = _best(forward, means_source, means_target)
    back = _best(backward, means_target, means_source)
    margins = np.concatenate([ahead[0], back[0]])
    pairs = np.concatenate([ahead[1], back[1][:, ::-1]])
    used_sources, used_targets, kept = set(), set(), []
    for number in np.argsort(-margins, kind="stable"):
        source, target = int(pairs[number, 0]), int(pairs[number, 1])
        if source not in used_sources and target not in used_targets:
            used_sources.add(source)
            used_targets.add(target)
            kept.append(number)
    return margins[kept], pairs[kept]


def _neighbourhood(hits: Hits) -> NDArray[np.float64]:
    scores, numbers = hits
    return scores.sum(axis=1, dtype=np.float64) / np.maximum(1, (numbers >= 0).sum(axis=1))


def _best(
    hits: Hits, means_own: NDArray[np.float64], means_other: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    scores, numbers = hits
    values = metrics.margins(scores.astype(np.float64), numbers, means_own, means_other)
    values = np.where(numbers >= 0, values, -np.inf)
    best = values.argmax(axis=1)
    rows = np.arange(len(values))
    result = np.isfinite(values[rows, best])
    return values[rows, best][result], np.stack([rows, numbers[rows, best]], axis=1)[result]


def _similarity(part: Similarity, model: Model) -> Measured:
    left_ND, right_ND = model.vectors(part.left, "similarity"), model.vectors(part.right, "similarity")
    cosines = (left_ND * right_ND).sum(axis=1, dtype=np.float64)
    rows = np.stack([part.scores, cosines], axis=1)
    return Measured(part.language, len(rows), len(rows), {"Spearman": Sample(rows, _spearman)})


def _spearman(rows: NDArray[np.float64]) -> float:
    return metrics.spearman(rows[:, 0], rows[:, 1])


def _classification(part: Classification, model: Model) -> Measured:
    names = sorted({*part.train_labels, *part.test_labels})
    number = {name: position for position, name in enumerate(names)}
    train = np.array([number[label] for label in part.train_labels])
    test = np.array([number[label] for label in part.test_labels])
    train_ND = model.vectors(part.train_texts, "classification")
    test_ND = model.vectors(part.test_texts, "classification")
    clusters = k_means(test_ND, len(set(part.test_labels)))
    samples = {
        "accuracy (logistic)": Sample.of_values(logistic_predict(train_ND, train, test_ND) == test),
        "accuracy (kNN)": Sample.of_values(knn_predict(train_ND, train, test_ND, VOTERS) == test),
        "v-measure": Sample(np.stack([test, clusters], axis=1).astype(np.float64), _v_measure),
    }
    return Measured(part.language, len(test), len(train), samples)


def _v_measure(rows: NDArray[np.float64]) -> float:
    return metrics.v_measure(rows[:, 0], rows[:, 1])
