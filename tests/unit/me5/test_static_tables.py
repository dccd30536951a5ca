"""StaticEmbedding and model2vec folders, read by the static engine: against sentence-transformers, and by definition."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from me5.errors import EngineError, ModelFormatError
from me5.folders import MODEL2VEC_TOKENS, NO_LIMIT, read_folder
from me5.loading import load_encoder
from tests.conftest import build_tokenizer
from tests.support.static_tables import write_model2vec, write_static

TEXTS = ["river", "Die Bibliothek öffnet um neun.", "東京 図書館", "river silt " * 700, ""]


@pytest.mark.parametrize("path", ["0_StaticEmbedding", ""])
@pytest.mark.parametrize("normalize", [True, False])
def test_equals_sentence_transformers(tmp_path: Path, path: str, normalize: bool) -> None:
    from sentence_transformers import SentenceTransformer

    folder = write_static(tmp_path / "model", path=path, normalize=normalize)
    encoder = load_encoder(str(folder))
    expected = SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
    vectors = encoder.encode(TEXTS)
    assert encoder.engine_name == "static" and encoder.max_tokens == NO_LIMIT
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    assert not vectors[-1].any() and encoder.spec.normalize == normalize
    np.testing.assert_allclose(vectors[[1]], encoder.encode([TEXTS[1]]), atol=1e-6)


def by_definition(folder: Path, texts: list[str], rows_of: Any) -> np.ndarray:
    """model2vec's ``StaticModel.encode``: no special tokens, unknown ones left out, 512 read, mean, length 1."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    unknown = tokenizer.token_to_id("[UNK]")
    vectors = []
    for text in texts:
        ids = [one for one in tokenizer.encode(text, add_special_tokens=False).ids if one != unknown]
        mean = np.mean([rows_of(one) for one in ids[:MODEL2VEC_TOKENS]], axis=0)
        vectors.append(mean / np.linalg.norm(mean))
    return np.array(vectors)


def test_a_model2vec_folder_is_read_as_model2vec_reads_it(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    folder = write_model2vec(tmp_path / "model")
    rows = load_file(folder / "model.safetensors")["embeddings"]
    texts = TEXTS[:-1]
    np.testing.assert_allclose(
        load_encoder(str(folder)).encode(texts),
        by_definition(folder, texts, lambda one: rows[one]),
        atol=1e-5,
    )
    raw = load_encoder(str(write_model2vec(tmp_path / "raw", normalize=False)))
    assert not raw.spec.normalize and np.abs(np.linalg.norm(raw.encode(["river"])) - 1) > 1e-3


def test_unknown_pieces_are_left_out_where_model2vec_leaves_them_out(tmp_path: Path) -> None:
    folder = write_model2vec(tmp_path / "model")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["byte_fallback"] = False
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    known, with_unknown = load_encoder(str(folder)).encode(["river", "river\U0001f600"])
    np.testing.assert_allclose(known, with_unknown, atol=1e-6)
    (folder / "config.json").write_text("{}")
    (folder / "modules.json").write_text(
        '[{"type": "sentence_transformers.models.StaticEmbedding", "path": ""}]'
    )
    known, with_unknown = load_encoder(str(folder)).encode(["river", "river\U0001f600"])
    assert np.abs(known - with_unknown).max() > 1e-3


def test_a_mapping_and_weights_of_pieces_apply(tmp_path: Path) -> None:
    size = build_tokenizer("bert").get_vocab_size()
    draw = np.random.default_rng(2)
    rows = draw.normal(size=(40, 24)).astype(np.float32)
    mapping, weights = draw.integers(0, 40, size), draw.uniform(0.1, 2, size).astype(np.float32)
    tensors = {"embeddings": rows, "mapping": mapping, "weights": weights}
    folder = write_model2vec(tmp_path / "model", tensors=tensors)
    expected = by_definition(folder, TEXTS[:-1], lambda one: rows[mapping[one]] * weights[one])
    np.testing.assert_allclose(load_encoder(str(folder)).encode(TEXTS[:-1]), expected, atol=1e-5)


def test_other_engines_and_other_files_are_refused(tmp_path: Path) -> None:
    folder = write_static(tmp_path / "model")
    with pytest.raises(EngineError, match="table of pieces"):
        load_encoder(str(folder), engine="torch")
    save_file({"other": np.zeros((3, 4), np.float32)}, folder / "0_StaticEmbedding" / "model.safetensors")
    with pytest.raises(ModelFormatError, match="no table of pieces"):
        read_folder(folder)
    (folder / "0_StaticEmbedding" / "model.safetensors").unlink()
    with pytest.raises(ModelFormatError, match="no safetensors weights"):
        read_folder(folder)
