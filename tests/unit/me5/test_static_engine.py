"""The numpy engine beyond parity (test_parity.py): half precision, other poolings, no torch import."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from me5.loading import load_encoder

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
