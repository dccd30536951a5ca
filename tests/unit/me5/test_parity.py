"""Exactness: our vectors against plain transformers and sentence-transformers on the same folder."""

from pathlib import Path

import numpy as np
import pytest

from me5.loading import load_encoder
from me5.prefixes import Role

MIXED = [
    "",
    "x",
    "word " * 2_000,
    "The library opens at nine.",
    "تحمل الأنهار الطمي إلى البحر",
    "ห้องสมุดเปิดเก้าโมงเช้า",
    "图书馆早上九点开门。",
    "👩‍👩‍👧 emoji 😀🇺🇳",
    "control \x00\x07\x1b characters\t\r\n",
    "  spaces   at both ends  ",
    "<s> [CLS] special </s> [SEP] pieces",
    "É e\u0301 combined",
]
CLOSE = 1 - 1e-6  # fp32 sums in another order differ in the seventh digit


@pytest.fixture(scope="module", params=["tiny_model_dir", "tiny_xlmr_dir", "static_model_dir"])
def folder(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


def transformers_reference(folder: Path, texts: list[str]) -> np.ndarray:
    """One text at a time, without padding: masked mean is then the plain mean."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()
    rows = []
    for text in texts:
        inputs = tokenizer(text, truncation=True, max_length=512, return_tensors="pt")
        inputs.pop("token_type_ids", None)
        with torch.inference_mode():
            rows.append(model(**inputs).last_hidden_state[0].mean(dim=0).numpy())
    vectors = np.stack(rows)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.sum(left.astype(np.float64) * right.astype(np.float64), axis=1)


def exact(folder: Path):
    static = "static" in folder.name
    return load_encoder(str(folder), engine="static" if static else "torch", device="cpu", precision="fp32")


@pytest.mark.parametrize("role", [Role.QUERY, Role.PASSAGE])
def test_equals_transformers(folder: Path, role: Role) -> None:
    reference = transformers_reference(folder, [f"{role.value}: {text}" for text in MIXED])
    assert cosines(exact(folder).encode(MIXED, role), reference).min() >= CLOSE


def test_equals_sentence_transformers(folder: Path) -> None:
    from sentence_transformers import SentenceTransformer

    peer = SentenceTransformer(str(folder), device="cpu")
    reference = peer.encode(MIXED, prompt_name="passage", normalize_embeddings=True)
    assert cosines(exact(folder).encode(MIXED, Role.PASSAGE), reference).min() >= CLOSE


def test_the_comparison_can_fail(folder: Path) -> None:
    """The wrong prefix, and a mean that includes padding, are both far outside the tolerance."""
    encoder = exact(folder)
    queries, passages = encoder.encode(MIXED, Role.QUERY), encoder.encode(MIXED, Role.PASSAGE)
    short = [row for row, text in enumerate(MIXED) if len(text) < 1_000]
    assert cosines(queries, passages)[short].max() < 1 - 1e-5


@pytest.mark.parametrize("engine", ["torch", "static"])
def test_a_model_without_layers_is_equal_in_both_engines(static_model_dir: Path, engine: str) -> None:
    vectors = load_encoder(str(static_model_dir), engine=engine, device="cpu").encode(MIXED)
    reference = transformers_reference(static_model_dir, [f"query: {text}" for text in MIXED])
    assert cosines(vectors, reference).min() >= CLOSE


def test_batch_composition_and_order_change_nothing(folder: Path) -> None:
    encoder = exact(folder)
    together = encoder.encode(MIXED)
    alone = np.concatenate([encoder.encode([text]) for text in MIXED])
    backwards = encoder.encode(MIXED[::-1])[::-1]
    assert np.abs(together - alone).max() <= 1e-6
    assert np.abs(together - backwards).max() <= 1e-6


def test_text_beyond_the_limit_is_not_read_and_text_before_it_is(folder: Path) -> None:
    encoder = exact(folder)
    long = "river " * 600
    base, same, different = encoder.encode([long, long + "city " * 900, "city " + long])
    assert base @ same >= CLOSE
    assert base @ different < 1 - 1e-6


def test_very_long_text_is_cut_before_tokenising_without_a_trace(tiny_model_dir: Path) -> None:
    encoder = exact(tiny_model_dir)
    spaces_then_word = " " * 50_000 + "river"  # fewer tokens than characters suggest: must be read in full
    ids = encoder._tokenization.encode(["river city " * 60_000, spaces_then_word])
    full = [
        encoder._tokenization._truncate(row) for row in encoder._tokenization._ids(["river city " * 60_000])
    ]
    assert ids[0] == full[0] and len(ids[0]) == 512


def test_lone_surrogates_do_not_crash(folder: Path) -> None:
    broken, replaced = exact(folder).encode(["a \ud800 b", "a \ufffd b"])
    assert broken @ replaced >= CLOSE
