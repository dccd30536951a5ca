"""Whole training runs: what they write, going on after a kill, several processes, and every kind of trouble."""

import errno
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
import yaml

from me5 import Role, load_encoder
from tests.support.runs import (
    at_step,
    killed_at,
    losses,
    metrics,
    signalled,
    state,
    train,
    train_in_two_processes,
    write_pairs,
)
from trainer.run.checkpoint import Checkpoints


@pytest.fixture
def recipe(tmp_path: Path, tiny_model_dir: Path) -> Path:
    """A run of a second: 12 steps of 16 pairs from two sources."""
    for name in ("one", "two"):
        write_pairs(tmp_path / f"{name}.tsv", 60)
    values = {
        "stage": "contrastive",
        "out": str(tmp_path / "run"),
        "start": {"shape": {"layers": 2, "hidden": 32, "heads": 4, "intermediate": 64}},
        "sources": [{"name": name, "path": str(tmp_path / f"{name}.tsv")} for name in ("one", "two")],
        "shuffle_rows": 24,
        "optim": {
            "batch_size": 16,
            "steps": 12,
            "learning_rate": 5e-3,
            "warmup_steps": 2,
            "temperature": 0.05,
        },
        "runtime": {"device": "cpu", "mini_batch_tokens": 128, "save_every": 4, "keep": 2},
    }
    values["start"]["tokenizer"] = str(tiny_model_dir)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf8")
    return path


def test_a_run_writes_its_folder_and_learns(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(recipe, "optim.steps=40") == 0
    run = recipe.parent / "run"
    assert capsys.readouterr().out.strip() == str(run / "model")
    assert [row["step"] for row in metrics(run)] == list(range(1, 41))
    assert {row["source"] for row in metrics(run)} == {"one", "two"}
    assert np.mean(losses(run)[-5:]) < 0.7 * np.mean(losses(run)[:5])
    names = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert names == ["step-000000036", "step-000000040"]
    assert yaml.safe_load((run / "config.yaml").read_text())["optim"]["steps"] == 40
    encoder = load_encoder(str(run / "model"), engine="torch", device="cpu")
    queries = encoder.encode(["river bread 7", "stone winter 8"], Role.QUERY)
    passages = encoder.encode(
        ["the bread and the river of 7 law", "the winter and the stone of 8 law"], Role.PASSAGE
    )
    scores = queries @ passages.T
    assert scores[0, 0] > scores[0, 1] and scores[1, 1] > scores[1, 0]
    assert "Pairs per batch | 16" in (run / "model" / "README.md").read_text()


def test_a_killed_run_goes_on_with_the_same_curve(recipe: Path) -> None:
    assert train(recipe) == 0
    expected = losses(recipe.parent / "run")
    killed = recipe.parent / "killed"
    assert killed_at(10, recipe, f"out={killed}") == -signal.SIGKILL
    assert len(losses(killed)) == 10 and not (killed / "model").exists()
    assert train(recipe, "--resume", f"out={killed}") == 0
    assert [row["step"] for row in metrics(killed)] == list(range(1, 13))
    np.testing.assert_allclose(losses(killed), expected, atol=1e-6)
    assert losses(killed)[8:] != losses(killed)[:4]


def test_two_processes_equal_one_with_the_joint_batch(recipe: Path) -> None:
    words = ["start.shape.dropout=0", "optim.steps=4", "optim.both_directions=true"]
    assert train(recipe, *words) == 0
    joint = recipe.parent / "joint"
    train_in_two_processes(recipe, f"out={joint}", "runtime.device=auto", *words)  # no accelerator: by gloo
    one, two = metrics(recipe.parent / "run"), metrics(joint)
    assert sum(row["tokens"] for row in two) < 0.7 * sum(row["tokens"] for row in one)  # each had its share
    for name in ("loss", "gradient_norm"):
        np.testing.assert_allclose([row[name] for row in two], [row[name] for row in one], rtol=1e-5)


def test_mini_batches_and_bf16_change_little(recipe: Path) -> None:
    words = ["start.shape.dropout=0", "optim.steps=3"]
    assert train(recipe, *words) == 0
    assert train(recipe, *words, f"out={recipe.parent / 'whole'}", "runtime.mini_batch_tokens=100000") == 0
    assert train(recipe, *words, f"out={recipe.parent / 'bf16'}", "runtime.precision=bf16") == 0
    expected = losses(recipe.parent / "run")
    np.testing.assert_allclose(losses(recipe.parent / "whole"), expected, rtol=1e-5)
    np.testing.assert_allclose(losses(recipe.parent / "bf16"), expected, rtol=0.05)
    assert losses(recipe.parent / "bf16") != expected


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sources.1.path=none.tsv", "none.tsv does not exist"),
        ("sources.1.query=ask", "no column 'ask'. Its columns: query, passage"),
        ("sources.1.path=/dev/null/x.tsv", "does not exist"),
        ("start={model: ./no-such-model}", "There is no model folder"),
        ("start={model: owner/no-such-model-here}", "no-such-model-here"),
        ("optim.batch_size=100", "a batch needs 100"),
        ("optim.learning_rate=fast", "learning_rate is 'fast'; expected a number"),
        ("stage=null", "expected one of contrastive"),
    ],
)
def test_trouble_is_told_before_the_first_step(
    recipe: Path,
    override: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert train(recipe, override) == 1
    assert message in capsys.readouterr().err
    assert not (recipe.parent / "run" / "checkpoints").exists()


def test_an_empty_source_is_told(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (recipe.parent / "two.tsv").write_text("query\tpassage\n\t\n", encoding="utf8")
    assert train(recipe) == 1
    assert "'two' has no row with text" in capsys.readouterr().err


def test_a_loss_that_is_not_finite_stops_the_run(
    recipe: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer.models import backbone

    embed = backbone.TextModel.embed
    calls = iter(range(10_000))
    monkeypatch.setattr(
        backbone.TextModel,
        "embed",
        lambda self, ids: embed(self, ids) * (float("nan") if next(calls) > 100 else 1.0),
    )
    assert train(recipe, "optim.steps=40") == 1
    assert "has loss nan" in capsys.readouterr().err
    run = recipe.parent / "run"
    newest = Checkpoints(run / "checkpoints", keep=2).newest()
    assert newest is not None and np.isfinite(losses(run)).all()
    monkeypatch.undo()
    assert train(recipe, "optim.steps=40", "--resume", "runtime.save_every=20") == 0
    assert len(metrics(run)) == 40


def test_memory_that_runs_out_is_told_with_a_remedy(
    recipe: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer.models import backbone

    embed = backbone.TextModel.embed
    calls = iter(range(10_000))

    def run_out(self: backbone.TextModel, ids: Any) -> torch.Tensor:
        if next(calls) > 100:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return embed(self, ids)

    with monkeypatch.context() as patch:
        patch.setattr(backbone.TextModel, "embed", run_out)
        assert train(recipe) == 1
    told = capsys.readouterr().err
    assert "Memory ran out in step" in told and "runtime.mini_batch_tokens=64" in told
    run = recipe.parent / "run"
    assert state(run)["state"] == "failed" and "Memory ran out" in state(run)["message"]
    assert Checkpoints(run / "checkpoints", keep=2).newest() is not None
    assert train(recipe, "--resume", "runtime.mini_batch_tokens=64") == 0
    assert len(metrics(run)) == 12


def test_a_full_disk_leaves_the_last_checkpoint_whole(
    recipe: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Checkpoints._write

    def fail_at_eight(self: Any, folder: Path, body: Any, optimiser: Any, position: Any) -> None:
        if position.step == 8:
            (folder / "weights.safetensors").write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, folder, body, optimiser, position)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "_write", fail_at_eight)
        assert train(recipe) == 1
    assert "No space left on device" in capsys.readouterr().err
    run = recipe.parent / "run"
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-000000004"]
    assert train(recipe, "--resume") == 0
    assert len(metrics(run)) == 12


def test_a_run_is_not_overwritten_and_not_resumed_with_another_recipe(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(recipe, "optim.steps=4") == 0
    assert train(recipe, "optim.steps=4") == 1
    assert "already holds a run" in capsys.readouterr().err
    assert train(recipe, "optim.steps=4", "--resume", "optim.temperature=0.1") == 1
    assert "optim.temperature is 0.1, not the 0.05" in capsys.readouterr().err
    assert train(recipe, "optim.steps=4", "--resume", "runtime.keep=1", "optim.learning_rate=0.001") == 0


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_signal_ends_the_step_and_leaves_a_checkpoint(
    recipe: Path,
    name: str,
    code: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = recipe.parent / "run"
    before = signal.getsignal(signal.Signals[name])
    with monkeypatch.context() as patch:
        at_step(5, lambda: signalled(signal.Signals[name]), patch)
        assert train(recipe) == code
    assert f"stopped by {name}; continue with --resume" in capsys.readouterr().err
    assert signal.getsignal(signal.Signals[name]) is before
    assert state(run) | {"state": "cancelled", "step": 6, "steps": 12, "pid": state(run)["pid"]} == state(run)
    assert [row["step"] for row in metrics(run)] == list(range(1, 7))
    newest = Checkpoints(run / "checkpoints", keep=2).newest()
    assert newest is not None and newest.name == "step-000000006" and not (run / "model").exists()
    assert train(recipe, "--resume") == 0
    assert train(recipe, f"out={recipe.parent / 'whole'}") == 0
    np.testing.assert_allclose(losses(run), losses(recipe.parent / "whole"), atol=1e-6)
    assert state(run)["state"] == "done"


def test_a_folder_in_use_is_refused(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(recipe, "optim.steps=4") == 0
    run = recipe.parent / "run"
    other = psutil.Process(os.getppid())
    values = state(run) | {"state": "running", "pid": other.pid, "updated_at": other.create_time() + 1}
    (run / "state.json").write_text(json.dumps(values), encoding="utf8")
    assert train(recipe, "optim.steps=4", "--resume") == 1
    assert f"in use by process {other.pid}" in capsys.readouterr().err
    values["updated_at"] = other.create_time() - 1  # its number was another's when the run ended
    (run / "state.json").write_text(json.dumps(values), encoding="utf8")
    assert train(recipe, "optim.steps=4", "--resume") == 0


def test_a_missing_tensorboard_is_told(
    recipe: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert train(recipe, "runtime.tensorboard=true") == 1
    assert "pip install tensorboard" in capsys.readouterr().err
    assert state(recipe.parent / "run")["state"] == "failed"


def test_tensorboard_gets_the_figures(recipe: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    assert train(recipe, "optim.steps=4", "runtime.tensorboard=true") == 0
    run = recipe.parent / "run"
    events = accumulator.EventAccumulator(str(run / "tensorboard")).Reload()
    written = [event.value for event in events.Scalars("loss")]
    np.testing.assert_allclose(written, losses(run), rtol=1e-6)
