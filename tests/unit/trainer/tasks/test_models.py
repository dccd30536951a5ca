import numpy as np
import pytest

from trainer.errors import ConfigError
from trainer.tasks import models
from trainer.tasks.bm25 import NO_HIT, word_pieces
from trainer.tasks.models import INSTRUCTIONS, Bm25Model, EncoderModel, open_model


def test_retrieval_has_two_roles_and_symmetric_tasks_one(noting):
    encoder = noting()
    model = EncoderModel("m", encoder)
    model.search(["q"], ["p"], ["t"], 1)
    assert encoder.calls == [("query", ["q"], None, None), ("passage", ["p"], ["t"], None)]
    encoder.calls.clear()
    model.pair(["a"], ["b"], 1, "bitext")
    model.vectors(["c"], "similarity")
    assert [role for role, *_ in encoder.calls] == ["query"] * 3


def test_instructions_go_before_queries_only(noting):
    encoder = noting(instruct=True)
    model = EncoderModel("m", encoder, instruction="Find it.")
    model.search(["q"], ["p"], None, 1)
    assert [(role, instruction) for role, _, _, instruction in encoder.calls] == [
        ("query", "Find it."),
        ("passage", None),
    ]
    encoder.calls.clear()
    EncoderModel("m", encoder).vectors(["a"], "bitext")
    EncoderModel("m", encoder).search(["q"], ["p"], None, 1)  # the model's own default
    assert [call[3] for call in encoder.calls] == [INSTRUCTIONS["bitext"], None, None]
    with pytest.raises(ConfigError, match="takes no instruction"):
        EncoderModel("m", noting(), instruction="Find it.")


def test_blocks_change_nothing(noting, monkeypatch):
    passages = [f"word{number % 7} other{number % 3}" for number in range(40)]  # many ties
    model = EncoderModel("m", noting())
    whole = model.search(["word1 other2", "other0"], passages, passages, 5)
    pairs = model.pair(passages, passages, 3, "mining")
    monkeypatch.setattr(models, "PASSAGES_AT_A_TIME", 6)
    monkeypatch.setattr(models, "QUERIES_AT_A_TIME", 7)
    parts = model.search(["word1 other2", "other0"], passages, passages, 5)
    np.testing.assert_array_equal(whole[1], parts[1])
    np.testing.assert_allclose(whole[0], parts[0], atol=1e-6)
    np.testing.assert_array_equal(pairs[0][1], model.pair(passages, passages, 3, "mining")[0][1])


def test_missing_hits_are_marked(noting):
    model = EncoderModel("m", noting())
    assert model.search(["a"], ["a", "b"], None, 4)[1].tolist() == [[0, 1, NO_HIT, NO_HIT]]
    assert model.pair(["a"], ["b", "a"], 3, "mining")[0][1].tolist() == [[1, 0, NO_HIT]]


def test_progress_names_the_model(noting):
    seen = []
    model = EncoderModel("m", noting(), progress=lambda *words: seen.append(words))
    model.vectors(["a", "b"], "bitext")
    assert seen == [("m", 2, 2)]


def test_bm25_ranks_and_pairs_but_has_no_vectors():
    model = Bm25Model("bm25", word_pieces())
    assert model.search(["river"], ["sea", "silt"], ["", "River"], 2)[1].tolist() == [[1, NO_HIT]]
    forward, backward = model.pair(["a", "b"], ["b", "a"], 1, "bitext")
    assert forward[1].tolist() == backward[1].tolist() == [[1], [0]]
    with pytest.raises(ConfigError, match="no vectors for a similarity task"):
        model.vectors(["a"], "similarity")


def test_names_of_bm25(tiny_model_dir):
    assert open_model("bm25:words").search(["a"], ["a"], None, 1)[1].tolist() == [[0]]
    assert open_model(f"bm25:{tiny_model_dir}").search(["river"], ["river"], None, 1)[1].tolist() == [[0]]
    with pytest.raises(ConfigError, match="no instruction"):
        open_model("bm25:words", instruction="Find it.")
