"""The model in training encodes as me5 does, and starts in each of the three ways."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from me5 import Encoder, Role, UnknownModelError, load_encoder
from tests.conftest import build_tokenizer
from trainer.errors import ConfigError
from trainer.models.backbone import ShapeConfig, StartConfig, build_model
from trainer.models.pieces import extend_tokenizer

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


def test_a_new_token_starts_as_the_mean_of_the_pieces_it_replaces(
    tiny_xlmr_dir: Path, tmp_path: Path
) -> None:
    old = Tokenizer.from_file(str(tiny_xlmr_dir / "tokenizer.json"))
    new = extend_tokenizer(old, ["Maktaba inafunguliwa saa tatu."] * 5, new_pieces=30, coverage=1.0)
    new.save(str(tmp_path / "tokenizer.json"))
    start = StartConfig(model=str(tiny_xlmr_dir), tokenizer=str(tmp_path))
    before = build_model(StartConfig(model=str(tiny_xlmr_dir)), max_tokens=64, seed=0).body
    after = build_model(start, max_tokens=64, seed=0).body
    old_VH, new_VH = (body.get_input_embeddings().weight for body in (before, after))
    assert torch.equal(new_VH[: len(old_VH)], old_VH) and len(new_VH) == new.get_vocab_size()
    known = old.get_vocab()
    token = max((token for token in new.get_vocab() if token not in known and "▁" not in token), key=len)
    pieces = [piece for piece in old.encode(token, add_special_tokens=False).ids if piece != known["▁"]]
    assert len(pieces) > 1
    torch.testing.assert_close(new_VH[new.token_to_id(token)], old_VH[pieces].mean(dim=0))


def test_a_body_that_counts_its_padding_otherwise_than_its_tokenizer(
    tiny_model_dir: Path, tiny_xlmr_dir: Path, tmp_path: Path
) -> None:
    """Multilingual-MiniLM, the body of the small model: a BERT with padding 0 and the tokenizer of XLM-R."""
    body = Path(shutil.copytree(tiny_model_dir, tmp_path / "body"))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tiny_xlmr_dir / name, body / name)
    model = build_model(StartConfig(model=str(body)), max_tokens=512, seed=0)
    model.save(tmp_path / "model")
    with torch.no_grad():
        vectors = model.embed(model.tokenize(TEXTS, Role.PASSAGE)).numpy()
        alone = [model.embed(model.tokenize([text], Role.PASSAGE)).numpy()[0] for text in TEXTS]
    np.testing.assert_allclose(vectors, alone, atol=2e-6)
    encoder = load_encoder(str(tmp_path / "model"), engine="torch", device="cpu", precision="fp32", threads=1)
    np.testing.assert_allclose(vectors, encoder.encode(TEXTS, Role.PASSAGE), atol=2e-6)


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


def test_a_model_of_word_vectors_alone_keeps_its_fast_engine(tmp_path: Path) -> None:
    model = build_model(StartConfig(model="fast"), max_tokens=32, seed=0)
    optimiser = torch.optim.SGD([p for p in model.body.parameters() if p.requires_grad], lr=1.0)
    vectors = model.embed(model.tokenize(TEXTS, Role.QUERY))
    vectors.prod(dim=0).sum().backward()
    optimiser.step()
    model.save(tmp_path / "model")
    trained = load_encoder(str(tmp_path / "model"))
    assert trained.engine_name == load_encoder("fast").engine_name
    assert not model.body.embeddings.position_embeddings.weight.any()
    assert np.abs(trained.encode(TEXTS) - load_encoder("fast").encode(TEXTS)).max() > 0


def test_a_packed_model_is_trained_from_its_weights_as_published() -> None:
    model = build_model(StartConfig(model="builtin"), max_tokens=512, seed=0)
    with torch.no_grad():
        found = model.embed(model.tokenize(TEXTS[:2], Role.QUERY)).numpy()
    encoder = load_encoder("builtin", device="cpu", engine="torch", precision="fp32", threads=1)
    np.testing.assert_allclose(found, encoder.with_neutral(None).encode(TEXTS[:2]), atol=1e-5)
    assert np.abs(found - encoder.encode(TEXTS[:2])).max() > 1e-2  # the language-neutral map is not trained


def test_what_was_trained_as_queries_pairs_sentences_as_queries(tiny_model_dir: Path) -> None:
    model = build_model(StartConfig(model=str(tiny_model_dir)), max_tokens=32, seed=0)
    assert model.tokenize(["a ship"], Role.BITEXT) == model.tokenize(["a ship"], Role.QUERY)
