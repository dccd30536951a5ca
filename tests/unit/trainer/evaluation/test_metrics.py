import math

import numpy as np
import pytest

from trainer.evaluation.metrics import (
    accuracy,
    average_ranks,
    best_threshold,
    f1_of_labels,
    graded_ndcg,
    graded_recall,
    margins,
    mrr,
    ndcg,
    precision_recall_f1,
    ranks_of_positives,
    recall,
    reciprocal_rank,
    spearman,
    v_measure,
)

SCORES = np.array([[0.9, 0.1, 0.5], [0.2, 0.3, 0.4], [0.7, 0.7, 0.1]])


def test_rank_is_one_plus_the_number_of_better_passages():
    assert ranks_of_positives(SCORES, np.array([0, 1, 2])).tolist() == [1, 2, 3]


def test_a_tie_counts_against_the_model():
    assert ranks_of_positives(SCORES, np.array([2, 2, 0])).tolist() == [2, 1, 2]


def test_figures_of_known_ranks():
    ranks = np.array([1, 2, 11])
    assert accuracy(ranks) == pytest.approx(1 / 3)
    assert mrr(ranks, 10) == pytest.approx((1 + 1 / 2) / 3)
    assert ndcg(ranks, 10) == pytest.approx((1 + 1 / math.log2(3)) / 3)
    assert recall(ranks, 10) == pytest.approx(2 / 3)
    assert recall(ranks, 11) == 1.0


def test_no_query_gives_zero():
    none = np.array([], dtype=np.int64)
    assert accuracy(none) == mrr(none) == ndcg(none) == recall(none, 10) == 0.0


# -- graded judgements, against ir_measures (trec_eval) ------------------------------------------------------


def judged_run(seed, *, tied):
    """Random qrels (0 to 3, some passages unjudged) and scores of 30 queries over 150 passages."""
    rng = np.random.default_rng(seed)
    names = [f"d{number}" for number in range(150)]
    qrels, run = {}, {}
    for query in range(30):
        judged = rng.choice(names, size=rng.integers(2, 140), replace=False)
        qrels[f"q{query}"] = {str(name): int(rng.integers(0, 4)) for name in judged} | {"d0": 1}
        scores = rng.normal(size=150).astype(np.float32)
        run[f"q{query}"] = dict(zip(names, (scores * 4).round() if tied else scores, strict=True))
    return qrels, run


def graded(qrels, run, *, descending_ids=True):
    """The three figures per query, by the way that the tasks go: ties by ascending position."""
    names = sorted(next(iter(run.values())), key=str.encode, reverse=descending_ids)
    order = [sorted(range(len(names)), key=lambda n: (-scores[names[n]], n)) for scores in run.values()]
    grades = np.array(
        [[qrels[query].get(names[n], 0) for n in ranked] for query, ranked in zip(run, order, strict=True)]
    )
    judged = [list(qrels[query].values()) for query in run]
    return graded_ndcg(grades, judged), graded_recall(grades, judged), reciprocal_rank(grades)


@pytest.fixture(scope="module")
def reference():
    import ir_measures
    from ir_measures import RR, R, nDCG

    def figures(qrels, run):
        plain = {query: {name: float(score) for name, score in row.items()} for query, row in run.items()}
        wanted = [nDCG @ 10, R @ 100, RR]
        found = {(r.measure, r.query_id): r.value for r in ir_measures.iter_calc(wanted, qrels, plain)}
        columns = [[found[measure, query] for query in run] for measure in wanted]
        # RR@10 of ir_measures is not from trec_eval and breaks ties the other way; cut the whole one instead.
        return [*columns[:2], [value if value >= 0.1 else 0.0 for value in columns[2]]]

    return figures


@pytest.mark.parametrize("tied", [False, True])
def test_graded_figures_are_those_of_trec_eval(reference, tied):
    qrels, run = judged_run(1, tied=tied)
    for ours, theirs in zip(graded(qrels, run), reference(qrels, run), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_the_order_of_ties_matters(reference):
    qrels, run = judged_run(1, tied=True)
    ours = graded(qrels, run, descending_ids=False)[0]
    assert np.abs(ours - reference(qrels, run)[0]).max() > 0.01


def test_grades_below_zero_count_as_not_relevant(reference):
    qrels = {"q": {"a": -1, "b": 2, "c": 1}}
    run = {"q": {"a": 3.0, "b": 2.0, "c": 1.0}}
    for ours, theirs in zip(graded(qrels, run), reference(qrels, run), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_a_query_without_relevant_passage_is_zero():
    nothing = np.zeros((1, 10), dtype=int)
    assert (
        graded_ndcg(nothing, [[0]])[0] == graded_recall(nothing, [[0]])[0] == reciprocal_rank(nothing)[0] == 0
    )


# -- against scikit-learn and scipy --------------------------------------------------------------------------


def test_weighted_f1_is_that_of_scikit_learn():
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(0)
    for labels in (np.arange(200), rng.integers(0, 20, 200)):
        predictions = np.where(rng.random(200) < 0.6, labels, rng.integers(0, 250, 200))
        expected = f1_score(labels, predictions, average="weighted", zero_division=0)
        assert f1_of_labels(labels, predictions).mean() == pytest.approx(expected)
        assert expected != pytest.approx((labels == predictions).mean())  # it is not the accuracy
    assert len(f1_of_labels(np.zeros(0, int), np.zeros(0, int))) == 0


def test_spearman_is_that_of_scipy_with_ties():
    from scipy.stats import rankdata, spearmanr

    rng = np.random.default_rng(0)
    left = rng.integers(0, 6, 300)
    right = left + rng.normal(size=300)
    assert spearman(left, right) == pytest.approx(spearmanr(left, right).statistic)
    assert average_ranks(left).tolist() == rankdata(left).tolist()
    assert spearman(left, np.ones(300)) == 0.0


def test_v_measure_is_that_of_scikit_learn():
    from sklearn.metrics import v_measure_score

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 300)
    for clusters in (labels, labels % 2, rng.integers(0, 9, 300), np.zeros(300, int)):
        assert v_measure(labels, clusters) == pytest.approx(v_measure_score(labels, clusters), abs=1e-12)
    assert v_measure(np.zeros(3), np.zeros(3)) == v_measure(np.zeros(0), np.zeros(0)) == 1.0


# -- mining --------------------------------------------------------------------------------------------------


def test_the_ratio_margin_of_a_known_case():
    scores = np.array([[0.8, 0.4]])
    found = margins(scores, np.array([[1, 0]]), np.array([0.6]), np.array([0.2, 0.4]))
    np.testing.assert_allclose(found, [[0.8 / 0.5, 0.4 / 0.4]])


def test_the_best_threshold_gives_the_highest_f1_of_all_thresholds():
    rng = np.random.default_rng(3)
    for _ in range(20):
        scores = rng.integers(0, 12, 40) / 10
        right = rng.random(40) < scores
        gold = int(right.sum()) + 3

        def f1(threshold, scores=scores, right=right, gold=gold):
            taken = scores >= threshold
            return precision_recall_f1(int((taken & right).sum()), int(taken.sum()), gold)[2]

        best = max(f1(threshold) for threshold in np.unique(scores))
        assert f1(best_threshold(scores, right, gold)) == pytest.approx(best)


def test_without_a_right_pair_nothing_is_taken():
    assert best_threshold(np.array([1.0, 2.0]), np.array([False, False]), 4) == math.inf
    assert best_threshold(np.zeros(0), np.zeros(0, dtype=bool), 4) == math.inf
    assert precision_recall_f1(0, 0, 4) == (0.0, 0.0, 0.0)


def test_precision_recall_and_f1():
    precision, found, f1 = precision_recall_f1(3, 4, 6)
    assert (precision, found) == (0.75, 0.5) and f1 == pytest.approx(0.6)
