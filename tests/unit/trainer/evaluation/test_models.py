from dataclasses import replace

import numpy as np
import pytest

import me5
from me5.neutral import fit
from me5.neutral_map import NeutralMap
from trainer.errors import ConfigError
from trainer.evaluation import models
from trainer.evaluation.bm25 import NO_HIT, word_pieces
from trainer.evaluation.models import INSTRUCTIONS, Bm25Model, EncoderModel, open_model


def test_retrieval_has_two_roles_and_symmetric_tasks_one(noting):
    encoder = noting()
    model = EncoderModel("m", encoder)
    model.search(["q"], ["p"], ["t"], 1)
    assert encoder.calls == [("query", ["q"], None, None), ("passage", ["p"], ["t"], None)]
    encoder.calls.clear()
    model.pair(["a"], ["b"], 1, "bitext")
    model.vectors(["c"], "similarity")
    model.pair(["a"], ["b"], 1, "mining")
    assert [role for role, *_ in encoder.calls] == ["bitext", "bitext", "query", "bitext", "bitext"]
    encoder.calls.clear()
    for prefix in ("query", "bitext"):
        other = EncoderModel("m", encoder, prefix=prefix)
        other.vectors(["a"], "bitext")
        other.vectors(["a"], "similarity")
        other.search(["q"], ["p"], None, 1)
    assert [role for role, *_ in encoder.calls] == [
        *("query", "query", "query", "passage"),
        *("bitext", "bitext", "query", "passage"),
    ]


def test_a_model_with_words_of_its_own_for_likeness_reads_them(noting):
    encoder = noting(instruct=True, sts_prefix="task: sentence similarity | query: ")
    EncoderModel("m", encoder).vectors(["a"], "similarity")
    EncoderModel("m", encoder, prefix="query").vectors(["a"], "similarity")
    EncoderModel("m", encoder).vectors(["a"], "classification")
    assert [(role, instruction) for role, _, _, instruction in encoder.calls] == [
        ("sts", None),
        ("query", INSTRUCTIONS["similarity"]),
        ("query", INSTRUCTIONS["classification"]),
    ]


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
    EncoderModel("m", encoder, prefix="query").vectors(["a"], "bitext")
    EncoderModel("m", encoder).vectors(["a"], "similarity")
    EncoderModel("m", encoder, instruction="Find it.").vectors(["a"], "bitext")
    EncoderModel("m", encoder).search(["q"], ["p"], None, 1)  # the model's own default
    assert [call[3] for call in encoder.calls] == [
        None,  # the words for bitext have an instruction of their own
        INSTRUCTIONS["bitext"],
        INSTRUCTIONS["similarity"],
        "Find it.",
        None,
        None,
    ]
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
    with pytest.raises(ConfigError, match=r"bm25:words.*--neutral is on"):
        open_model("bm25:words", neutral=True)
    with pytest.raises(ConfigError, match=r"product.*--neutral is off"):
        open_model("product", openers={"product": lambda name, progress: None}, neutral=False)


def test_bm25_takes_the_pieces_of_the_fast_model(monkeypatch):
    seen = []
    monkeypatch.setattr(models, "model_pieces", lambda path: seen.append(path) or word_pieces())
    open_model("bm25")
    assert seen == [models.model_folder("fast") / "tokenizer.json"]


def test_settings_say_what_a_number_was_measured_with(tiny_encoder):
    said = EncoderModel("m", tiny_encoder).settings("bitext")
    assert said == {
        "model_id": tiny_encoder.spec.model_id,
        "revision": tiny_encoder.spec.revision,
        "prefix": {"both": "query: "},
        "pooling": "mean",
        "precision": "fp32",
        "neutral": None,
    }
    model = EncoderModel("m", tiny_encoder)
    assert model.settings("retrieval")["prefix"] == {"query": "query: ", "passage": "passage: "}
    assert model.settings("hub")["prefix"] == {
        "query": "query: ",
        "passage": "passage: ",
        "bitext": "query: ",
    }
    told = tiny_encoder.with_neutral(None)
    told.spec = replace(told.spec, bitext_prefix="", instruct_template="Instruct: {task}\nQuery: {text}")
    assert EncoderModel("m", told).settings("bitext")["prefix"] == {"both": ""}
    assert EncoderModel("m", told, prefix="query").settings("bitext")["prefix"] == {
        "both": "Instruct: Retrieve parallel sentences.\nQuery: "
    }
    assert EncoderModel("m", told, instruction="Find it.").settings("mining")["prefix"] == {
        "both": "Instruct: Find it.\nQuery: "
    }


@pytest.fixture
def neutral_map(monkeypatch, tiny_encoder):
    """What is estimated for every model here, without the work."""
    texts = [f"{word} {number}" for word in ("river", "ship", "law") for number in range(5)]
    found = fit(tiny_encoder.encode(texts), [text.partition(" ")[0] for text in texts], directions=2)
    monkeypatch.setattr("me5.neutral.estimate", lambda encoder, on_progress=None: found)
    return found


def test_neutral_vectors_are_measured_when_asked_for(
    tiny_model_dir, neutral_map, tmp_path, monkeypatch, tiny_encoder
):
    monkeypatch.setenv("ME5_CACHE", str(tmp_path))
    name, texts = str(tiny_model_dir), ["the river", "a ship"]
    monkeypatch.setattr(me5, "load_encoder", lambda name: tiny_encoder)
    plain, off = open_model(name), open_model(name, neutral=False)
    assert plain.name == off.name == name and plain.settings("bitext")["neutral"] is None
    on, named = open_model(name, neutral=True), open_model(f"neutral:{name}")
    assert on.name == named.name == f"{name} (neutral)"
    assert on.settings("bitext")["neutral"] == neutral_map.digest
    expected = neutral_map(plain.vectors(texts, "bitext"))
    for model in (on, named):
        np.testing.assert_allclose(model.vectors(texts, "bitext"), expected, atol=1e-6)
    assert np.abs(expected - plain.vectors(texts, "bitext")).max() > 1e-3


def test_a_model_that_is_neutral_by_nature_can_be_measured_without(
    neutral_map: NeutralMap, monkeypatch, tiny_encoder
):
    monkeypatch.setattr(me5, "load_encoder", lambda name: tiny_encoder.with_neutral(neutral_map))
    assert open_model("own").name == open_model("own", neutral=True).name == open_model("neutral:own").name
    off = open_model("own", neutral=False)
    assert off.name == "own (not neutral)" and off.settings("bitext")["neutral"] is None
    np.testing.assert_array_equal(off.vectors(["a"], "bitext"), tiny_encoder.encode(["a"]))
