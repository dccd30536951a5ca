import json
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from me5.loading import load_encoder


def test_a_dense_layer_after_pooling_equals_sentence_transformers(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    """The layout of LaBSE: pooling, then a linear layer with tanh, then normalisation."""
    from sentence_transformers import SentenceTransformer

    folder = Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))
    modules = json.loads((folder / "modules.json").read_text())
    modules[2:] = [
        {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"},
        {"idx": 3, "name": "3", "path": "3_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "2_Dense").mkdir()
    (folder / "3_Normalize").mkdir()
    config = {"in_features": 32, "out_features": 24, "bias": True}
    config["activation_function"] = "torch.nn.modules.activation.Tanh"
    (folder / "2_Dense" / "config.json").write_text(json.dumps(config))
    draw = np.random.default_rng(0)
    weights = {"linear.weight": draw.normal(size=(24, 32)), "linear.bias": draw.normal(size=24)}
    save_file({k: v.astype(np.float32) for k, v in weights.items()}, folder / "2_Dense" / "model.safetensors")
    encoder = load_encoder(str(folder), engine="torch", device="cpu")
    texts = ["river", "Die Bibliothek", "東京"]
    reference = SentenceTransformer(str(folder), device="cpu").encode(texts, prompt_name="query")
    assert encoder.dimension == 24 and encoder.encode(texts).shape == (3, 24)
    assert np.sum(encoder.encode(texts) * reference, axis=1).min() >= 1 - 1e-6
