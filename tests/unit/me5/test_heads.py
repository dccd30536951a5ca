"""What follows the pooling: modules run in their order, each once, as in sentence-transformers."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from me5.errors import ModelFormatError
from me5.folders import read_folder
from me5.heads import load_heads
from me5.loading import load_encoder

TEXTS = ["river", "Die Bibliothek", "東京", ""]
TANH, IDENTITY = "torch.nn.modules.activation.Tanh", "torch.nn.modules.linear.Identity"


def with_modules(folder: Path, kinds: str, *, activation: str = IDENTITY, bias: bool = True) -> Path:
    """Write what follows the pooling: ``N`` normalises, ``D`` is a dense layer 32 -> 32 (the last 32 -> 24)."""
    modules = json.loads((folder / "modules.json").read_text())[:2]
    draw = np.random.default_rng(0)
    for number, kind in enumerate(kinds, start=2):
        name = {"N": "Normalize", "D": "Dense"}[kind]
        path = f"{number}_{name}"
        (folder / path).mkdir(exist_ok=True)
        modules.append(
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{name}"}
        )
        if kind == "D":
            size = 24 if "D" not in kinds[number - 1 :] else 32
            config = {
                "in_features": 32,
                "out_features": size,
                "bias": bias,
                "activation_function": activation,
            }
            (folder / path / "config.json").write_text(json.dumps(config))
            weights = {"linear.weight": draw.normal(size=(size, 32))}
            if bias:
                weights["linear.bias"] = draw.normal(size=size)
            tensors = {k: v.astype(np.float32) for k, v in weights.items()}
            save_file(tensors, folder / path / "model.safetensors")
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def peer_vectors(folder: Path) -> np.ndarray:
    from sentence_transformers import SentenceTransformer

    return np.asarray(SentenceTransformer(str(folder), device="cpu").encode(TEXTS, prompt_name="query"))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", [TANH, IDENTITY])
@pytest.mark.parametrize("kinds", ["DN", "NDN", "NDDN", "ND", "D", "NDNDN", "N", ""])
def test_modules_run_in_their_order_each_once(
    tiny_model_dir: Path, tmp_path: Path, kinds: str, activation: str, bias: bool
) -> None:
    """``DN`` with tanh is LaBSE, ``NDN`` a language-neutral model: its first normalisation counts."""
    folder = Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))
    with_modules(folder, kinds, activation=activation, bias=bias)
    encoder = load_encoder(str(folder), engine="torch", device="cpu")
    vectors, expected = encoder.encode(TEXTS), peer_vectors(folder)
    assert encoder.dimension == vectors.shape[1] == (24 if "D" in kinds else 32)
    np.testing.assert_allclose(vectors, expected, atol=2e-5 * np.abs(expected).max())
    assert encoder.spec.normalize == kinds.endswith("N")


def test_the_order_makes_a_difference(tiny_model_dir: Path, tmp_path: Path) -> None:
    vectors = []
    for kinds in ("DN", "NDN"):
        folder = with_modules(Path(shutil.copytree(tiny_model_dir, tmp_path / kinds)), kinds)
        vectors.append(load_encoder(str(folder), engine="torch", device="cpu").encode(TEXTS))
    assert np.sum(vectors[0] * vectors[1], axis=1).min() < 0.99


def test_a_folder_that_says_nothing_leaves_the_length_to_the_model(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    """mContriever is such a folder, and its vectors are not normalised."""
    folder = Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))
    assert load_heads(read_folder(folder).steps) == []
    (folder / "modules.json").unlink()
    facts = read_folder(folder)
    assert facts.normalize and load_heads(facts.steps) == []


def test_modules_that_are_not_known_there_are_named(tiny_model_dir: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))
    modules = json.loads((folder / "modules.json").read_text())

    def refused(changed: list[dict[str, Any]], message: str) -> None:
        (folder / "modules.json").write_text(json.dumps(changed))
        with pytest.raises(ModelFormatError, match=message):
            read_folder(folder)

    refused([*modules, modules[1]], "a Pooling after the pooling")
    refused([*modules, modules[2] | {"type": "sentence_transformers.models.CNN"}], "models.CNN")


def test_a_dense_layer_that_cannot_be_read_is_named(tiny_model_dir: Path, tmp_path: Path) -> None:
    folder = with_modules(Path(shutil.copytree(tiny_model_dir, tmp_path / "model")), "DN")
    save_file({"weight": np.zeros((24, 32), np.float32)}, folder / "2_Dense" / "model.safetensors")
    with pytest.raises(ModelFormatError, match=r"Expected linear\.weight"):
        load_encoder(str(folder), engine="torch", device="cpu")
    with_modules(folder, "DN", activation="torch.nn.modules.activation.GELU")
    with pytest.raises(ModelFormatError, match="activation 'GELU'"):
        load_encoder(str(folder), engine="torch", device="cpu")
