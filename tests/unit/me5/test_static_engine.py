"""The numpy engine beyond parity (test_parity.py): half precision, other poolings, no torch import."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from me5.loading import load_encoder
from me5.weights import FLOAT8

ROOT = Path(__file__).resolve().parents[3]
TEXTS = ["", "river", "ภาษา 東京 😀", "word " * 700, "Die Bibliothek öffnet um neun Uhr."]


def test_half_precision_weights_and_uneven_positions(static_model_dir: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    for positions in (0.0, 0.5):
        folder = Path(shutil.copytree(static_model_dir, tmp_path / f"half-{positions}"))
        weights = {
            name: array.astype(np.float16) for name, array in load_file(folder / "model.safetensors").items()
        }
        table = weights["embeddings.position_embeddings.weight"]
        table += (positions * np.random.default_rng(0).normal(size=table.shape)).astype(np.float16)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        static = load_encoder(str(folder), engine="static").encode(TEXTS)
        torch = load_encoder(str(folder), engine="torch", device="cpu").encode(TEXTS)
        assert np.sum(static * torch, axis=1).min() >= 1 - 1e-6


def test_tables_of_8_bit_floats(static_model_dir: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(static_model_dir, tmp_path / "narrow"))
    weights = load_file(folder / "model.safetensors")
    exact = load_encoder(str(static_model_dir), engine="static").encode(TEXTS)
    table = weights["embeddings.word_embeddings.weight"]
    weights["embeddings.word_embeddings.weight"] = (table * 64).to(torch.float8_e4m3fn)
    for name in ("embeddings.position_embeddings.weight", "embeddings.token_type_embeddings.weight"):
        weights[name] *= 64
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    static = load_encoder(str(folder), engine="static").encode(TEXTS)
    reference = load_encoder(str(folder), engine="torch", device="cpu").encode(TEXTS)
    assert np.sum(static * reference, axis=1).min() >= 1 - 1e-6
    assert 1 - 1e-2 < np.sum(static * exact, axis=1).min() < 1 - 1e-6


def test_every_8_bit_code_means_what_torch_says() -> None:
    import torch

    codes = torch.arange(256, dtype=torch.uint8)
    np.testing.assert_array_equal(FLOAT8, codes.view(torch.float8_e4m3fn).float().numpy())


@pytest.mark.parametrize("mode", ["cls_token", "lasttoken"])
def test_other_poolings(static_model_dir: Path, tmp_path: Path, mode: str) -> None:
    folder = Path(shutil.copytree(static_model_dir, tmp_path / "model"))
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({f"pooling_mode_{mode}": True}))
    static = load_encoder(str(folder), engine="static").encode(TEXTS)
    torch = load_encoder(str(folder), engine="torch", device="cpu").encode(TEXTS)
    assert np.sum(static * torch, axis=1).min() >= 1 - 1e-6


def test_a_query_imports_neither_torch_nor_transformers(static_model_dir: Path) -> None:
    program = (
        "import sys, me5; me5.load_encoder(sys.argv[1]).encode(['river']);"
        "heavy = {'torch', 'transformers', 'openvino', 'huggingface_hub'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(static_model_dir)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
