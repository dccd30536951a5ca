import math

import numpy as np
import pytest

from trainer.metrics import accuracy, mrr, ndcg, ranks_of_positives, recall

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
