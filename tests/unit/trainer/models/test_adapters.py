"""LoRA: what learns, what stays, and what is saved."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from me5 import Role, load_encoder
from trainer.errors import ConfigError
from trainer.models.adapters import AdaptedBody
from trainer.models.backbone import TextModel, build_model
from trainer.models.start import LoraSettings, StartConfig

pytest.importorskip("peft")

TEXTS = ["The library opens at nine.", "Die Bibliothek öffnet um neun.", "図書館は朝九時に開きます。"]


def adapted(folder: Path, seed: int = 3, **settings: object) -> TextModel:
    lora = LoraSettings(**{"rank": 4, "alpha": 8.0} | settings)
    return build_model(StartConfig(model=str(folder), lora=lora), max_tokens=64, seed=seed)


def learn(model: TextModel, steps: int = 3) -> None:
    """Pull the first two texts together."""
    optimiser = torch.optim.AdamW(model.body.parameters(), lr=0.05, weight_decay=0.1)
    ids = model.tokenize(TEXTS, Role.QUERY)
    for _ in range(steps):
        embeddings_BD = model.embed(ids)
        (-(embeddings_BD[0] @ embeddings_BD[1])).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)


def vectors(model: TextModel) -> np.ndarray:
    model.body.eval()
    with torch.no_grad():
        return model.embed(model.tokenize(TEXTS, Role.PASSAGE)).numpy()


@pytest.fixture(params=["tiny_model_dir", "tiny_xlmr_dir"])
def folder(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


def test_nothing_changes_before_the_first_step(folder: Path) -> None:
    base = build_model(StartConfig(model=str(folder)), max_tokens=64, seed=0)
    np.testing.assert_allclose(vectors(adapted(folder)), vectors(base), atol=1e-6)


def test_the_saved_model_is_ordinary_and_equals_the_adapted_one(folder: Path, tmp_path: Path) -> None:
    model = adapted(folder)
    before = vectors(model)
    learn(model)
    after = vectors(model)
    assert np.abs(after - before).max() > 1e-2
    model.save(tmp_path / "model")
    encoder = load_encoder(str(tmp_path / "model"), engine="torch", device="cpu", precision="fp32", threads=1)
    np.testing.assert_allclose(encoder.encode(TEXTS, Role.PASSAGE), after, atol=1e-5)
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert "model.safetensors" in names and not any("adapter" in name for name in names)
    np.testing.assert_allclose(vectors(model), after, atol=1e-6)  # saving has changed nothing


def test_the_weights_of_the_base_model_stay_as_they_are(tiny_model_dir: Path) -> None:
    model = adapted(tiny_model_dir)
    base = build_model(StartConfig(model=str(tiny_model_dir)), max_tokens=64, seed=0).body.state_dict()
    learn(model)
    assert isinstance(model.body, AdaptedBody)
    frozen = {
        name.replace(".base_layer.", "."): tensor
        for name, tensor in model.body.body.state_dict().items()
        if ".lora_" not in name
    }
    assert frozen.keys() == base.keys()
    assert all(torch.equal(frozen[name], base[name]) for name in base)
    merged = model.body.merged_state()
    assert merged.keys() == base.keys()
    name = "encoder.layer.0.attention.self.query.weight"
    assert not torch.equal(merged[name], base[name])


def test_parameters_and_state_are_those_of_the_adapters(tiny_model_dir: Path) -> None:
    model = adapted(tiny_model_dir, targets=("query", "attention.output.dense"))
    names = [name for name, _ in model.body.named_parameters()]
    assert len(names) == 2 * 2 * 2 and all(".lora_" in name for name in names)
    assert sorted(model.body.state_dict()) == sorted(names)
    assert sum(parameter.numel() for parameter in model.body.parameters()) == 8 * 4 * 32
    assert not any("intermediate" in name or "layer.0.output" in name for name in names)


def test_adapters_come_back_from_their_state(tiny_model_dir: Path) -> None:
    model, again = adapted(tiny_model_dir), adapted(tiny_model_dir, seed=4)
    learn(model)
    assert np.abs(vectors(again) - vectors(model)).max() > 1e-2
    again.body.load_state_dict(model.body.state_dict())
    np.testing.assert_array_equal(vectors(again), vectors(model))
    with pytest.raises(ConfigError, match=r"Expected those of start\.lora"):
        adapted(tiny_model_dir, targets=("query",)).body.load_state_dict(model.body.state_dict())


def test_the_matrices_depend_on_the_seed_alone(tiny_model_dir: Path) -> None:
    one, same, other = (adapted(tiny_model_dir, seed=seed).body.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_what_cannot_be_adapted_is_told(
    tiny_model_dir: Path, static_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"'attention\.quary'. Expected ends of names such as encoder\."):
        adapted(tiny_model_dir, targets=("attention.quary",))
    with pytest.raises(ConfigError, match="no linear layer"):
        adapted(static_model_dir)
    with pytest.raises(ConfigError, match="rank is 0"):
        LoraSettings(rank=0)
    with pytest.raises(ConfigError, match=r"adapters leave new embeddings untrained"):
        StartConfig(model=str(tiny_model_dir), tokenizer=str(tiny_model_dir), lora=LoraSettings())
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ConfigError, match="extra `lora`"):
        adapted(tiny_model_dir)
