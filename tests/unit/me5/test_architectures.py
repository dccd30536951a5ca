"""Exactness of each architecture: a folder of random weights against sentence-transformers' own pipeline."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from me5.encoder import Encoder
from me5.loading import load_encoder
from me5.prefixes import Role
from tests.support.architectures import ARCHITECTURES, Architecture

CLOSE = 1 - 1e-6  # fp32 sums in another order differ in the seventh digit
TEXTS = [
    "",
    "x",
    "The library opens at nine.",
    "river silt " * 200,
    "Die Bibliothek öffnet um neun Uhr morgens. " * 5,
    "图书馆早上九点开门。",
    "تحمل الأنهار الطمي إلى البحر",
    "  spaces   at both ends  ",
]


def opened(folder: Path, **wishes: Any) -> Encoder:
    return load_encoder(str(folder), **({"engine": "torch", "device": "cpu", "threads": 1} | wishes))


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.sum(left.astype(np.float64) * right.astype(np.float64), axis=1)


def peer(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu")


def prompt_names(one: Architecture) -> dict[Role, str | None]:
    keys = [key for key in one.prompts if "query" in key and "sts" not in key]
    passage = [key for key in one.prompts if key in ("document", "passage")]
    return {Role.QUERY: keys[0] if keys else None, Role.PASSAGE: passage[0] if passage else None}


@pytest.mark.parametrize("one", ARCHITECTURES, ids=lambda one: one.name)
def test_equals_sentence_transformers(folders: Any, one: Architecture) -> None:
    folder = folders(one.name)
    encoder, other = opened(folder), peer(folder)  # one thread: small models are slower with more
    for role, name in prompt_names(one).items():
        for batch_size in (1, len(TEXTS)):  # without and with padding, on the side that the folder names
            expected = other.encode(TEXTS, prompt_name=name, batch_size=batch_size, normalize_embeddings=True)
            assert cosines(encoder.encode(TEXTS, role), expected).min() >= CLOSE, (role, batch_size)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert cosines(encoder.encode(TEXTS), alone).min() >= CLOSE


@pytest.mark.parametrize("one", ARCHITECTURES, ids=lambda one: one.name)
def test_the_other_role_or_no_words_at_all_are_far_from_it(folders: Any, one: Architecture) -> None:
    """The comparison can fail."""
    folder = folders(one.name)
    text = ["The library opens at nine."]
    with_words, without = opened(folder).encode(text), opened(folder, prefixes=("", "")).encode(text)
    if one.prompts:
        assert cosines(with_words, without)[0] < 1 - 1e-4
    else:
        np.testing.assert_array_equal(with_words, without)


@pytest.mark.parametrize("name", [one.name for one in ARCHITECTURES if one.padding_side == "left"])
def test_the_side_of_the_padding_changes_nothing(folders: Any, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(folders(name), tmp_path / name))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"padding_side": "right"}))
    expected = peer(folder).encode(TEXTS, batch_size=len(TEXTS), normalize_embeddings=True)
    assert cosines(opened(folder, prefixes=("", "")).encode(TEXTS), expected).min() >= CLOSE


@pytest.mark.parametrize("one", ARCHITECTURES, ids=lambda one: one.name)
def test_a_text_at_the_limit_keeps_its_end_token(folders: Any, one: Architecture) -> None:
    tokenization = opened(folders(one.name))._tokenization
    end = {"bert": "[SEP]", "xlmr": "</s>"}.get(one.tokenizer, "<eos>")
    assert tokenization.last_token == end
    for text in ("river", "river silt " * 400):
        ids = tokenization.encode([text])[0]
        assert len(ids) <= tokenization.max_tokens
        assert ids[-1] == tokenization._tokenizer.token_id(end)


@pytest.mark.parametrize("name", ["harrier", "qwen3"])
def test_an_end_token_that_the_tokenizer_forgot_is_added(folders: Any, tmp_path: Path, name: str) -> None:
    """Where tokenizer_config.json asks for it: without it a model that pools the last token is another one."""
    expected = opened(folders(name)).encode(TEXTS)
    folder = Path(shutil.copytree(folders(name), tmp_path / name))
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    template = tokenizer["post_processor"]["single"]
    assert template.pop() == {"SpecialToken": {"id": "<eos>", "type_id": 0}}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    forgotten = opened(folder)
    assert cosines(forgotten.encode(TEXTS), expected).min() < 0.999
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"add_eos_token": True}))
    added = opened(folder)
    assert cosines(added.encode(TEXTS), expected).min() >= CLOSE
    assert added.count_tokens(TEXTS, Role.QUERY) == opened(folders(name)).count_tokens(TEXTS, Role.QUERY)
    assert added.contract.revision != forgotten.contract.revision


def test_attention_of_causal_and_bidirectional_gemma_differs(folders: Any) -> None:
    """One sees only what stands before a token: more words at the end change a mean, not the first state."""
    import torch

    from me5.engines.torch_engine import load_backbone

    ids = torch.arange(5, 30)[None]
    with torch.inference_mode():
        for name, is_equal in (("harrier", True), ("embeddinggemma", False)):
            model = load_backbone(folders(name))
            short, long = model(ids[:, :10]).last_hidden_state, model(ids).last_hidden_state
            assert torch.allclose(short, long[:, :10], atol=1e-5) == is_equal
