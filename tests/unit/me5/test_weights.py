"""Tensors out of safetensors files: number formats, names, and what is missing."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from me5.errors import ModelFormatError
from me5.loading import load_encoder
from me5.packed import BertWeights
from me5.weights import WORDS, StoredTable, StoredTensors

NORM = "embeddings.LayerNorm.weight"
TEXTS = ["", "river", "Die Bibliothek öffnet um neun Uhr.", "東京"]


def stored(folder: Path, tensors: dict, name: str = "model.safetensors") -> StoredTensors:
    from safetensors.torch import save_file

    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / name)
    return StoredTensors(folder)


@pytest.mark.parametrize(
    ("dtype", "written"),
    [
        ("float64", "F64"),
        ("float32", "F32"),
        ("float16", "F16"),
        ("bfloat16", "BF16"),
        ("float8_e4m3fn", "F8_E4M3"),
    ],
)
def test_every_number_format_is_widened_as_torch_does(tmp_path: Path, dtype: str, written: str) -> None:
    import torch

    torch.manual_seed(0)
    values = torch.randn(40, 8) * 3
    narrow = values.to(getattr(torch, dtype))
    tensors = stored(tmp_path / "model", {WORDS: narrow, NORM: narrow[0].clone()})
    assert tensors.stored_type(WORDS) == written
    expected = narrow.float().numpy()
    np.testing.assert_array_equal(tensors.read(WORDS), expected)
    np.testing.assert_array_equal(tensors.read(NORM), expected[0])
    assert tensors.read(WORDS).dtype == np.float32
    ids = np.array([3, 0, 39, 3])
    np.testing.assert_array_equal(StoredTable(tensors).rows(ids), expected[ids])
    assert StoredTable(tensors).shape == (40, 8)
    is_wide = written in ("F64", "F32")
    assert np.array_equal(expected, values.numpy()) == is_wide  # narrow formats do round


@pytest.mark.parametrize("prefix", ["", "bert.", "roberta.", "model.encoder."])
def test_names_leave_out_what_stands_before(tmp_path: Path, prefix: str) -> None:
    import torch

    values = {
        f"{prefix}{WORDS}": torch.ones(4, 2),
        f"{prefix}{NORM}": torch.zeros(2),
        "cls.predictions.bias": torch.ones(4),
    }
    tensors = stored(tmp_path / "model", values)
    assert WORDS in tensors and NORM in tensors and "cls.predictions.bias" in tensors
    np.testing.assert_array_equal(tensors.read(NORM), np.zeros(2))
    assert (f"{prefix}{NORM}" in tensors) == (not prefix)


@pytest.mark.parametrize("engine", ["openvino", "static"])
@pytest.mark.parametrize("prefix", ["bert.", "roberta."])
def test_a_model_with_a_head_is_read_like_its_body(
    request: pytest.FixtureRequest, tmp_path: Path, engine: str, prefix: str
) -> None:
    from safetensors.numpy import load_file, save_file

    pytest.importorskip("openvino")
    source = request.getfixturevalue("static_model_dir" if engine == "static" else "tiny_model_dir")
    folder = Path(shutil.copytree(source, tmp_path / "model"))
    body = load_file(folder / "model.safetensors")
    head = {"cls.predictions.bias": np.ones(3, np.float32)}
    save_file({f"{prefix}{name}": t for name, t in body.items()} | head, folder / "model.safetensors")
    precision = "fp32"
    exact = load_encoder(str(source), engine=engine, device="cpu", precision=precision).encode(TEXTS)
    found = load_encoder(str(folder), engine=engine, device="cpu", precision=precision).encode(TEXTS)
    np.testing.assert_array_equal(found, exact)


def test_parts_are_read_together_and_model_safetensors_alone(tmp_path: Path) -> None:
    import torch

    folder = tmp_path / "model"
    stored(folder, {WORDS: torch.ones(4, 2)}, "model-00001-of-00002.safetensors")
    both = stored(folder, {NORM: torch.ones(2)}, "model-00002-of-00002.safetensors")
    assert WORDS in both and NORM in both
    stored(folder, {NORM: torch.zeros(2)}, "model.safetensors")
    copy = stored(folder, {NORM: torch.full((2,), 7.0)}, "model_fp16.safetensors")
    np.testing.assert_array_equal(copy.read(NORM), np.zeros(2))
    assert WORDS not in copy


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    import torch

    tensors = stored(tmp_path / "model", {WORDS: torch.ones(4, 2)})
    for read in (tensors.read, tensors.mapped, tensors.stored_type):
        with pytest.raises(ModelFormatError, match=r"lack embeddings\.LayerNorm\.weight"):
            read(NORM)


def test_formats_that_are_not_weights_are_named(tmp_path: Path) -> None:
    import torch

    tensors = stored(tmp_path / "model", {WORDS: torch.ones(4, 2, dtype=torch.complex64)})
    with pytest.raises(ModelFormatError, match="as C64"):
        tensors.read(WORDS)


def test_a_tensor_without_numbers_is_read(tmp_path: Path) -> None:
    import torch

    assert stored(tmp_path / "model", {WORDS: torch.zeros(0, 8)}).read(WORDS).shape == (0, 8)


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64, b"\x02\0\0\0\0\0\0\0{}trailing bytes"])
def test_damaged_files_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelFormatError, match=r"model\.safetensors cannot be read"):
        StoredTensors(tmp_path)


def test_nothing_is_read_before_it_is_asked_for(tiny_model_dir: Path, tmp_path: Path) -> None:
    """A mapped table costs memory where it is touched."""
    tensors = StoredTensors(tiny_model_dir)
    assert isinstance(tensors.mapped(WORDS), np.memmap)
    assert not tensors.mapped(WORDS).flags.writeable
    config = json.loads((tiny_model_dir / "config.json").read_text())
    assert BertWeights(tiny_model_dir).words.shape == (config["vocab_size"], config["hidden_size"])
