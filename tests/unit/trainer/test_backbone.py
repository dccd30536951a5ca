"""The model in training encodes as me5 does, and starts in each of the three ways."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from me5 import Encoder, Role, UnknownModelError, load_encoder
from tests.conftest import build_tokenizer
from trainer.backbone import ShapeConfig, StartConfig, build_model
from trainer.errors import ConfigError

TEXTS = [
    "The library opens at nine.",
    "Die Bibliothek öffnet um neun Uhr. " * 30,
    "図書館は朝九時に開きます。",
]
SHAPE = ShapeConfig(layers=1, hidden=32, heads=4, intermediate=64)


@pytest.mark.parametrize("role", [Role.QUERY, Role.PASSAGE])
def test_embeddings_equal_those_of_me5(tiny_model_dir: Path, tiny_encoder: Encoder, role: Role) -> None:
    model = build_model(StartConfig(model=str(tiny_model_dir)), max_tokens=512, seed=0)
    titles = ["Title", "", "題"]
    with torch.no_grad():
        vectors = model.embed(model.tokenize(TEXTS, role, titles)).numpy()
    np.testing.assert_allclose(vectors, tiny_encoder.encode(TEXTS, role, titles=titles), atol=2e-6)
    other = Role.PASSAGE if role is Role.QUERY else Role.QUERY
    assert np.abs(vectors - tiny_encoder.encode(TEXTS, other, titles=titles)).max() > 1e-3


def test_training_texts_are_cut_but_the_saved_model_keeps_its_limit(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    model = build_model(StartConfig(model=str(tiny_model_dir)), max_tokens=16, seed=0)
    assert max(map(len, model.tokenize(TEXTS, Role.QUERY))) == 16
    model.save(tmp_path / "model")
    assert load_encoder(str(tmp_path / "model"), engine="torch", device="cpu").max_tokens == 512


@pytest.mark.parametrize("kind", ["body", "fresh"])
def test_a_saved_model_gives_the_same_vectors_in_me5(kind: str, tiny_xlmr_dir: Path, tmp_path: Path) -> None:
    if kind == "body":
        start = StartConfig(model=str(tiny_xlmr_dir))
    else:
        start = StartConfig(shape=SHAPE, tokenizer=str(tiny_xlmr_dir))
    model = build_model(start, max_tokens=512, seed=0)
    model.save(tmp_path / "model")
    encoder = load_encoder(str(tmp_path / "model"), engine="torch", device="cpu", precision="fp32", threads=1)
    model.body.eval()
    with torch.no_grad():
        vectors = model.embed(model.tokenize(TEXTS, Role.PASSAGE)).numpy()
    np.testing.assert_allclose(vectors, encoder.encode(TEXTS, Role.PASSAGE), atol=2e-6)
    assert encoder.spec.query_prefix == "query: "


def test_fresh_weights_depend_on_the_seed_alone(tiny_model_dir: Path) -> None:
    start = StartConfig(shape=SHAPE, tokenizer=str(tiny_model_dir / "tokenizer.json"))
    one, same, other = (
        build_model(start, max_tokens=64, seed=seed).body.state_dict()["embeddings.word_embeddings.weight"]
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_tokens_of_both_vocabularies_keep_their_embedding(tiny_model_dir: Path, tmp_path: Path) -> None:
    smaller = build_tokenizer("bert", vocab_size=700)
    smaller.save(str(tmp_path / "tokenizer.json"))
    start = StartConfig(model=str(tiny_model_dir), tokenizer=str(tmp_path))
    before = build_model(StartConfig(model=str(tiny_model_dir)), max_tokens=64, seed=0).body
    after = build_model(start, max_tokens=64, seed=0).body
    old = json.loads((tiny_model_dir / "tokenizer.json").read_text())["model"]["vocab"]
    new = smaller.get_vocab()
    shared = sorted(set(old) & set(new))
    assert len(shared) > 300
    rows = after.get_input_embeddings().weight[[new[token] for token in shared]]
    assert torch.equal(rows, before.get_input_embeddings().weight[[old[token] for token in shared]])
    assert after.config.vocab_size == len(after.get_input_embeddings().weight) == max(new.values()) + 1
    assert torch.equal(
        after.state_dict()["encoder.layer.0.output.dense.weight"],
        before.state_dict()["encoder.layer.0.output.dense.weight"],
    )


def test_the_recipe_gives_prefixes_to_a_model_that_has_none(tiny_model_dir: Path, tmp_path: Path) -> None:
    start = StartConfig(model=str(tiny_model_dir), query_prefix="ask: ", passage_prefix="")
    build_model(start, max_tokens=64, seed=0).save(tmp_path / "model")
    spec = load_encoder(str(tmp_path / "model"), engine="torch", device="cpu").spec
    assert (spec.query_prefix, spec.passage_prefix) == ("ask: ", "")


def test_a_start_that_cannot_work_is_refused(
    tiny_model_dir: Path, tiny_xlmr_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="either model or shape"):
        StartConfig()
    with pytest.raises(ConfigError, match="fresh weights"):
        StartConfig(shape=SHAPE)
    with pytest.raises(ConfigError, match="does not exist"):
        build_model(StartConfig(model=str(tiny_model_dir), tokenizer=str(tmp_path)), max_tokens=64, seed=0)
    with pytest.raises(ConfigError, match="counts its positions"):
        start = StartConfig(model=str(tiny_xlmr_dir), tokenizer=str(tiny_model_dir))
        build_model(start, max_tokens=64, seed=0)
    with pytest.raises(UnknownModelError, match="There is no model folder"):
        build_model(StartConfig(model=str(tmp_path / "none")), max_tokens=64, seed=0)
