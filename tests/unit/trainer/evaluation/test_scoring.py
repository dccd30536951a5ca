import numpy as np
import pytest

from trainer.evaluation.bitext import bucc_tasks
from trainer.evaluation.bm25 import word_pieces
from trainer.evaluation.models import Bm25Model, EncoderModel
from trainer.evaluation.retrieval import beir_task
from trainer.evaluation.scoring import measure
from trainer.evaluation.values import Bitext, Classification, Mining, Retrieval, Similarity


class Ranked:
    """A model whose hits are given."""

    name = "ranked"

    def __init__(self, hits):
        self.hits = np.array(hits)

    def search(self, queries, passages, titles, k):
        width = ((0, 0), (0, k - self.hits.shape[1]))
        return np.zeros((len(queries), k)), np.pad(self.hits, width, constant_values=-1)


def values(measured):
    return {name: sample.value for name, sample in measured.samples.items()}


def test_retrieval_by_language_over_the_whole_pool():
    part = Retrieval(
        queries=["a", "b", "c"],
        languages=["en", "de", "en"],
        judged=[{0: 2, 1: 1}, {2: 1}, {3: 1}],
        passages=["w", "x", "y", "z"],
    )
    german, english = measure(part, Ranked([[1, 0], [0, 2], [1, 2]]))
    assert (german.language, german.items, german.pool) == ("de", 1, 4)
    assert values(german) == pytest.approx({"nDCG@10": 1 / np.log2(3), "Recall@100": 1, "MRR@10": 0.5})
    graded = (1 + 2 / np.log2(3)) / (2 + 1 / np.log2(3))
    assert values(english) == pytest.approx({"nDCG@10": graded / 2, "Recall@100": 0.5, "MRR@10": 0.5})


def test_the_query_itself_is_no_hit():
    part = Retrieval(["a"], ["en"], [{1: 1}], ["a", "b"], itself=[0])
    (measured,) = measure(part, Ranked([[0, 1]]))
    assert measured.samples["MRR@10"].value == 1
    (measured,) = measure(Retrieval(["a"], ["en"], [{1: 1}], ["a", "b"]), Ranked([[0, 1]]))
    assert measured.samples["MRR@10"].value == 0.5


def test_a_beir_folder_end_to_end(beir, noting):
    (part,) = beir_task(beir, None).read()
    for model in (EncoderModel("m", noting()), Bm25Model("bm25", word_pieces())):
        english, unknown = measure(part, model)
        assert english.samples["nDCG@10"].value == 1  # d1 by its title and text, then d10
        assert unknown.samples["Recall@100"].value == 0.5  # one of its two passages is not in the pool


def test_bitext_takes_the_nearest_and_f1_punishes_collisions(noting):
    part = Bitext("de", ["eins", "zwei", "drei"], ["one", "two", "three"], np.arange(3))
    dictionary = {"eins": "one", "zwei": "two", "drei": "two"}
    (measured,) = measure(part, EncoderModel("m", noting(dictionary=dictionary)))
    found = values(measured)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["F1"] == pytest.approx((1 + 2 / 3) / 3)
    assert set(found) == {"F1", "accuracy", "reverse F1", "reverse accuracy"}


def test_gold_out_of_order_is_followed_both_ways(noting):
    part = Bitext("de", ["a", "b", "c"], ["c", "a", "b"], np.array([1, 2, 0]))
    (measured,) = measure(part, EncoderModel("m", noting()))
    assert values(measured) == {"F1": 1, "accuracy": 1, "reverse F1": 1, "reverse accuracy": 1}


def test_no_hit_is_wrong():
    part = Bitext("de", ["eins", "two"], ["one", "two"], np.arange(2))
    (measured,) = measure(part, Bm25Model("bm25", word_pieces()))
    assert values(measured)["accuracy"] == 0.5


def test_mining_finds_the_pairs_of_the_gold(bucc, noting, german):
    model = EncoderModel("m", noting(dictionary=german))
    for task in bucc_tasks(bucc, None):
        (part,) = task.read()
        (measured,) = measure(part, model)
        assert measured.samples["F1"].value == 1
    assert measured.notes["pairs"] == measured.notes["gold"] == 3
    assert (measured.items, measured.pool) == (5, 4)


def test_mining_without_meaning_finds_little(bucc, noting):
    (part,) = bucc_tasks(bucc, None)[1].read()
    (measured,) = measure(part, EncoderModel("m", noting()))
    assert measured.samples["recall"].value < 1


def test_a_threshold_of_another_pile_is_used(noting):
    # In the tuning pile only the first pair is right, and it has the highest margin: the threshold is high.
    piles = ["a", "b a x"], ["a", "b y"]  # margins 1.55 and 1.17
    tuning = Mining("de", *piles, frozenset({(0, 0)}))
    same = Mining("de", *piles, frozenset({(0, 0), (1, 1)}))
    model = EncoderModel("m", noting())
    (free,) = measure(same, model)
    (bound,) = measure(Mining("de", same.sources, same.targets, same.gold, tuning), model)
    assert bound.notes["threshold"] > free.notes["threshold"]
    assert (free.samples["recall"].value, bound.samples["recall"].value) == (1, 0.5)


def test_similarity_correlates_ranks(noting):
    part = Similarity("en", ["a b", "a b", "a b"], ["a b", "a c", "x y"], np.array([5.0, 3.0, 0.0]))
    (measured,) = measure(part, EncoderModel("m", noting()))
    assert measured.samples["Spearman"].value == pytest.approx(1)


def test_classification_three_ways(noting):
    train = ["good film", "good day", "bad film", "bad day"] * 3
    part = Classification(
        "en", train, ["1", "1", "0", "0"] * 3, ["good night", "bad night"] * 4, ["1", "0"] * 4
    )
    (measured,) = measure(part, EncoderModel("m", noting()))
    assert values(measured) == {"accuracy (logistic)": 1, "accuracy (kNN)": 1, "v-measure": 1}
    assert (measured.items, measured.pool) == (8, 12)
