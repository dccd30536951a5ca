import numpy as np

from research.builtin.figures import Model
from research.builtin.same_language import measure_rankings
from research.builtin.sets import Ranking
from trainer.evaluation.bm25 import word_pieces

COUNT = 30


def numbered(texts):
    """Each text stands for the number at its end."""
    return np.eye(COUNT, dtype=np.float32)[[int(text.split()[-1]) for text in texts]]


def shifted(texts):
    """As ``numbered``, but one off: never right."""
    return np.roll(numbered(texts), 1, axis=1)


def ranking(language="de", passage_language="de", *, shared):
    queries = [f"frage {number}" for number in range(COUNT)]
    passages = [f"{'frage' if shared else 'antwort zu'} {number}" for number in range(COUNT)]
    return Ranking(
        "question", language, passage_language, queries, [[number] for number in range(COUNT)], passages
    )


def test_the_model_and_bm25_stand_side_by_side():
    found = measure_rankings([ranking(shared=True)], Model(numbered, numbered), {"words": word_pieces()})
    (row,) = found["sets"]
    assert row["ndcg_10"]["value"] == row["mrr_10"] == row["bm25_words_ndcg_10"] == 1
    assert row["difference"]["value"] == 0
    assert (row["queries"], row["passages"]) == (COUNT, COUNT)


def test_the_difference_is_to_the_better_bm25_and_has_its_sign():
    def nothing(texts):
        return [[] for _ in texts]

    found = measure_rankings(
        [ranking(shared=True)], Model(numbered, shifted), {"none": nothing, "words": word_pieces()}
    )
    (row,) = found["sets"]
    assert row["bm25_none_ndcg_10"] == 0
    assert row["difference"]["value"] == row["ndcg_10"]["value"] - 1 < 0
    assert row["difference"]["high"] < 0
    assert found["same_language"]["above_bm25"] == 0
    blind = measure_rankings([ranking(shared=True)], Model(numbered, numbered), {"none": nothing})
    assert blind["same_language"]["difference"]["value"] == 1
    assert blind["same_language"]["above_bm25"] == 1


def test_questions_across_languages_are_a_mean_of_their_own():
    sets = [ranking(shared=True), ranking("sw", "en", shared=False)]
    found = measure_rankings(sets, Model(numbered, numbered), {"words": word_pieces()})
    assert found["same_language"]["sets"] == 1
    assert set(found["means"]) == {"question", "question, other language"}


def test_any_of_several_answers_counts():
    one = ranking(shared=False)
    several = Ranking(
        one.kind, "de", "de", one.queries, [[n, (n - 1) % COUNT] for n in range(COUNT)], one.passages
    )
    found = measure_rankings([several], Model(numbered, shifted), {"words": word_pieces()})
    assert found["sets"][0]["mrr_10"] == 1  # one off is an answer too
    assert 0.3 < found["sets"][0]["ndcg_10"]["value"] < 1
