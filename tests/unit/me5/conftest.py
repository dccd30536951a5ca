"""Small packed models, made of the random ones of ``tests/conftest.py``."""

import json
import lzma
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from me5.neutral_map import FILE_NAME, NeutralMap
from me5.packed import TOKENIZER_FILE, ProductCodes, write_packed
from tests.conftest import write_model_dir
from tests.support.architectures import BY_NAME, write_architecture

PROMPTS = {"prompts": {"query": "query: ", "passage": "passage: "}}


def write_packed_dir(folder: Path, source: Path, *, codes: int = 8, seed: int = 0) -> Path:
    """A packed model of another: every third row of the table in 4 bits, random codes for the others."""
    tensors = load_file(source / "model.safetensors")
    rows, width = tensors["embeddings.word_embeddings.weight"].shape
    draw = np.random.default_rng(seed)
    frequent = np.arange(0, rows, 3)
    count = rows - len(frequent)
    rare = ProductCodes(
        draw.integers(0, 256, (count, codes), dtype=np.uint8),
        draw.normal(size=(codes, 256, width // codes)).astype(np.float16),
        draw.uniform(0.1, 0.5, count).astype(np.float16),
    )
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    write_packed(folder, config, tensors, frequent=frequent, rare=rare)
    tokenizer = (source / "tokenizer.json").read_bytes()
    (folder / TOKENIZER_FILE).write_bytes(lzma.compress(tokenizer))
    (folder / "config_sentence_transformers.json").write_text(json.dumps(PROMPTS), encoding="utf-8")
    return folder


def random_map(dimension: int, directions: int = 4, share: float = 0.8, seed: int = 0) -> NeutralMap:
    """Orthonormal directions and a centre of length one half."""
    draw = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(draw.normal(size=(dimension, directions)))
    centre = draw.normal(size=dimension)
    centre *= 0.5 / np.linalg.norm(centre)
    return NeutralMap(np.ascontiguousarray(basis.T, np.float32), centre.astype(np.float32), share)


@pytest.fixture(scope="session")
def packed_model_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed BertModel of 2 layers and 32 dimensions, without a map."""
    return write_packed_dir(tmp_path_factory.mktemp("models") / "tiny-packed", tiny_model_dir)


@pytest.fixture(scope="session")
def neutral_model_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with its language-neutral map, as the model that ships."""
    folder = write_packed_dir(tmp_path_factory.mktemp("models") / "tiny-neutral", tiny_model_dir)
    random_map(32).save(folder / FILE_NAME)
    return folder


@pytest.fixture(scope="session")
def tiny_wide_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BertModel of 256 dimensions: wide enough for 8-bit arithmetic in groups of 128."""
    return write_model_dir(tmp_path_factory.mktemp("models") / "tiny-wide", "bert", hidden=256)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of an architecture by its name, written when it is first asked for."""
    root = tmp_path_factory.mktemp("architectures")

    @cache
    def written(name: str) -> Path:
        return write_architecture(root / name, BY_NAME[name])

    return written
