import math

import numpy as np
import pytest
import torch

from trainer.models.script_tokenizer import build_tokenizer
from trainer.stages.static.export import balanced, clip_lengths, export_bert

SAMPLE = ["the cat sleeps", "ein Hund", "猫 собака"] * 3


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    tokenizer = build_tokenizer(iter(SAMPLE), vocab_size=400, alphabet_size=60)
    vectors = np.random.default_rng(1).normal(size=(tokenizer.get_vocab_size(), 29)).astype(np.float32)
    vectors *= np.random.default_rng(2).uniform(0.05, 3, size=(len(vectors), 1)).astype(np.float32)
    folder = tmp_path_factory.mktemp("model")
    export_bert(vectors, tokenizer, folder)
    return folder, tokenizer, vectors


@pytest.mark.parametrize(("dtype", "step"), [(torch.float32, 1e-6), (torch.float8_e4m3fn, 1 / 16)])
def test_balanced_rows_have_mean_zero_and_one_length(dtype, step):
    vectors = np.random.default_rng(1).normal(size=(50, 13)).astype(np.float32)
    table, length = balanced(vectors, dtype)
    assert table.shape == (50, 16)
    table = table.double()
    scale = float(table[:, :13].norm() / np.linalg.norm(vectors))
    assert math.log2(scale) == pytest.approx(round(math.log2(scale)), abs=0.01)
    # Rounding moves a number by at most ``step`` of its size: the balance is off by that of one column.
    assert (table.mean(dim=1).abs() <= step * table[:, 13].abs() / 16 + 1e-5).all()
    torch.testing.assert_close(
        table.norm(dim=1) / scale, torch.full((50,), length).double(), rtol=step, atol=0
    )
    np.testing.assert_allclose(table[:, :13] / scale, vectors, rtol=step, atol=1e-3)


def test_only_the_longest_vectors_are_shortened():
    vectors = np.ones((1000, 4), dtype=np.float32)
    vectors[7] *= 100
    clipped = clip_lengths(vectors, 0.99)
    np.testing.assert_allclose(np.linalg.norm(clipped, axis=1), 2, rtol=1e-5)
    np.testing.assert_allclose(np.delete(clipped, 7, axis=0), np.delete(vectors, 7, axis=0))


def test_layer_norm_only_scales_the_trained_vectors(exported):
    from transformers import AutoModel

    folder, tokenizer, vectors = exported
    model = AutoModel.from_pretrained(folder)
    ids = list(range(5, tokenizer.get_vocab_size()))
    with torch.no_grad():
        hidden = model(input_ids=torch.tensor([ids[:300]])).last_hidden_state[0].numpy()
    expected = clip_lengths(vectors)[ids[:300]]
    expected = expected / np.linalg.norm(clip_lengths(vectors), axis=1).mean()
    cosines = (
        (hidden[:, :-3] * expected).sum(1) / np.linalg.norm(hidden, axis=1) / np.linalg.norm(expected, axis=1)
    )
    assert cosines.min() > 0.998  # numbers of 8 bits
    lengths, wanted = np.linalg.norm(hidden, axis=1), np.linalg.norm(expected, axis=1)
    np.testing.assert_allclose(lengths, wanted, rtol=0.08)  # the balance is rounded too
    assert (np.abs(lengths / wanted - 1)).mean() < 0.03
    np.testing.assert_allclose(hidden[:, -3:], 0, atol=1e-6)
    plain_layer_norm = expected / expected.std(axis=1, keepdims=True)
    assert np.abs(hidden[:, :-3] - plain_layer_norm).max() > 0.5  # lengths do survive


def test_special_pieces_weigh_nothing_but_give_an_empty_text_a_direction(exported):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(exported[0]), device="cpu")
    empty, cat, asked = model.encode(["", "the cat", "query: the cat"])
    assert np.linalg.norm(empty) == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(asked, cat, atol=1e-6)
    assert model.prompts["query"] == "query: " and model.prompts["passage"] == "passage: "


def test_positions_do_not_matter(exported):
    from transformers import AutoModel

    folder, tokenizer, _ = exported
    model = AutoModel.from_pretrained(folder)
    ids = tokenizer.encode("the cat sleeps").ids
    with torch.no_grad():
        once = model(input_ids=torch.tensor([ids])).last_hidden_state.mean(1)
        turned = model(input_ids=torch.tensor([ids[::-1]])).last_hidden_state.mean(1)
    torch.testing.assert_close(once, turned)
