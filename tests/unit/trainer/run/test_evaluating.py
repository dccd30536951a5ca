"""Measuring leaves the model and its random numbers as they were."""

from pathlib import Path

import numpy as np
import pytest
import torch

from me5 import Role, load_encoder
from trainer.errors import ConfigError
from trainer.models.backbone import TextModel, build_model
from trainer.models.start import StartConfig
from trainer.run.evaluating import Evaluations, GivenUp, TrainedEncoder, undisturbed
from trainer.run.settings import EvaluateConfig

TEXTS = ["the river", "a longer text about the city and the river and the sea " * 4, "", "Die Bibliothek"]


@pytest.fixture
def model(tiny_model_dir: Path) -> TextModel:
    model = build_model(StartConfig(model=str(tiny_model_dir), dropout=0.5), max_tokens=12, seed=1)
    model.body.train()
    return model


def test_vectors_are_those_of_the_saved_model(model: TextModel, tmp_path: Path) -> None:
    model.save(tmp_path / "saved")
    saved = load_encoder(str(tmp_path / "saved"), engine="torch", device="cpu")
    with undisturbed(model):
        ours = TrainedEncoder(model)
        for role in Role:
            np.testing.assert_allclose(ours.encode(TEXTS, role), saved.encode(TEXTS, role), atol=1e-6)
        titles = ["t", "", "u", ""]
        np.testing.assert_allclose(
            ours.encode(TEXTS, Role.PASSAGE, titles=titles),
            saved.encode(TEXTS, Role.PASSAGE, titles=titles),
            atol=1e-6,
        )
    assert ours.encode([]).shape[0] == 0


def test_mode_graph_and_random_numbers_come_back(model: TextModel) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with undisturbed(model):
        assert not model.body.training and not torch.is_grad_enabled()
        torch.rand(100)
    assert model.body.training and torch.is_grad_enabled()
    torch.testing.assert_close(torch.rand(3), expected)


def test_a_wish_to_stop_ends_a_measurement(model: TextModel) -> None:
    asked = iter([False, True])
    encoder = TrainedEncoder(model, should_stop=lambda: next(asked))
    with undisturbed(model):
        assert len(encoder.encode(["one"])) == 1
        with pytest.raises(GivenUp):
            encoder.encode(["two"])


def test_without_a_block_nothing_is_looked_up() -> None:
    assert Evaluations(None)._tasks == []
    with pytest.raises(ConfigError, match="no file or folder nowhere"):
        Evaluations(EvaluateConfig(tasks=("nowhere",)))
