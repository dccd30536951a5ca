import numpy as np
import pytest

from research.builtin.sentences import measure_similarity, measure_tatoeba
from trainer.evaluation.tatoeba import evaluate_tatoeba

NUMBERS = {"eins": 0, "zwei": 1, "drei": 2, "one": 0, "two": 1, "three": 2, "un": 0, "deux": 0}


def encode(texts):
    """A direction per number word; 'deux' is taken for 'one'."""
    return np.eye(3, dtype=np.float32)[[NUMBERS[text] for text in texts]]


@pytest.fixture
def tatoeba(tmp_path):
    for name, lines in {
        "tatoeba.deu-eng.deu": "eins\nzwei\ndrei\n",
        "tatoeba.deu-eng.eng": "one\ntwo\nthree\n",
        "tatoeba.fra-eng.fra": "un\ndeux\n",
        "tatoeba.fra-eng.eng": "one\ntwo\n",
    }.items():
        (tmp_path / name).write_text(lines, encoding="utf8")
    return tmp_path


def test_accuracy_is_that_of_the_evaluation_and_f1_is_lower_for_a_sentence_taken_twice(tatoeba):
    found = measure_tatoeba(tatoeba, encode)
    known = evaluate_tatoeba(tatoeba, encode)
    for language, own in found["languages"].items():
        assert own["accuracy_to_english"] == known[language].to_english
        assert own["accuracy_from_english"] == known[language].from_english
        assert own["sentences"] == known[language].sentences
    assert found["languages"]["deu"]["f1_to_english"] == 100
    # Both French sentences go to 'one': its F1 is 2/3, that of 'two' 0.
    assert found["languages"]["fra"]["f1_to_english"] == pytest.approx(100 / 3, abs=0.01)
    assert found["all"]["accuracy_to_english"]["value"] == 75
    assert found["xtreme_36"]["languages"] == 2
    assert "all_without_leaks" not in found


def test_means_are_also_given_without_leaking_sentences(tatoeba):
    found = measure_tatoeba(tatoeba, encode, {"fra": [1], "deu": []})
    assert found["all"]["accuracy_to_english"]["value"] == 75
    assert found["all_without_leaks"]["accuracy_to_english"]["value"] == 100
    assert measure_tatoeba(tatoeba, encode, {"fra": [0, 1]})["all_without_leaks"]["languages"] == 1


def test_similarity_is_the_rank_correlation_of_cosine_and_label():
    angles = {"zero": 0.0, "ten": 10.0, "forty": 40.0, "ninety": 90.0}

    def turn(texts):
        turns = np.radians([angles[text] for text in texts])
        return np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)

    rows = [("zero", "zero", 5.0), ("zero", "ten", 4.0), ("zero", "forty", 2.0), ("zero", "ninety", 0.0)]
    backwards = [(left, right, -score) for left, right, score in rows]
    found = measure_similarity({"en (x)": rows, "de (x)": backwards}, turn)
    assert found["languages"]["en (x)"]["value"] == 100
    assert found["languages"]["de (x)"]["value"] == -100
    assert found["languages"]["en (x)"]["pairs"] == 4
    assert found["mean"]["value"] == 0
    assert measure_similarity({}, turn) == {"languages": {}, "mean": None}
