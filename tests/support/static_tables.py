"""Folders of static tables with random rows, as sentence-transformers and model2vec save them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from tests.conftest import build_tokenizer


def write_static(folder: Path, *, path: str = "0_StaticEmbedding", normalize: bool = False) -> Path:
    """As sentence-transformers saves a StaticEmbedding: no config.json anywhere."""
    tokenizer = build_tokenizer("xlmr")
    (folder / path).mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / path / "tokenizer.json"))
    rows = np.random.default_rng(0).normal(size=(tokenizer.get_vocab_size(), 24)).astype(np.float32)
    save_file({"embedding.weight": rows}, folder / path / "model.safetensors")
    kinds = [("StaticEmbedding", path)] + ([("Normalize", "1_Normalize")] if normalize else [])
    modules = [
        {"idx": i, "name": str(i), "path": where, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, where) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def write_model2vec(folder: Path, *, tensors: dict[str, np.ndarray] | None = None, **config: Any) -> Path:
    """As model2vec saves: ``embeddings`` beside tokenizer.json and a config.json without a shape."""
    tokenizer = build_tokenizer("bert")
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    rows = np.random.default_rng(1).normal(size=(tokenizer.get_vocab_size(), 24)).astype(np.float32)
    save_file(tensors or {"embeddings": rows}, folder / "model.safetensors")
    stated = {"model_type": "model2vec", "architectures": ["StaticModel"], "normalize": True}
    (folder / "config.json").write_text(json.dumps(stated | config))
    return folder
