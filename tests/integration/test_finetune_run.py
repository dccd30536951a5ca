"""Whole runs of stage 2: learning, going on after a kill, several processes, trouble."""

import signal
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.support.runs import (
    killed_at,
    losses,
    metrics,
    state,
    train,
    train_in_two_processes,
    write_groups,
)
from trainer.run.checkpoint import Checkpoints


@pytest.fixture
def recipe(tmp_path: Path, tiny_model_dir: Path) -> Path:
    """A run of a second: 12 steps of 8 groups, of which some have no teacher scores."""
    write_groups(tmp_path / "scored.jsonl", 40)
    write_groups(tmp_path / "plain.jsonl", 20, is_scored=False, seed=6)
    values = {
        "stage": "finetune",
        "out": str(tmp_path / "run"),
        "start": {
            "shape": {"layers": 2, "hidden": 32, "heads": 4, "intermediate": 64},
            "tokenizer": str(tiny_model_dir),
        },
        "sources": [
            {"name": "scored", "path": str(tmp_path / "scored.jsonl")},
            {"name": "plain", "path": str(tmp_path / "plain.jsonl"), "passage_role": "query", "volume": 12},
        ],
        "optim": {
            "batch_size": 8,
            "steps": 12,
            "learning_rate": 5e-3,
            "group_size": 3,
            "temperature": 0.05,
            "max_tokens": 32,
        },
        "runtime": {"device": "cpu", "mini_batch_tokens": 256, "save_every": 4, "keep": 2},
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf8")
    return path


def test_a_run_learns_from_the_teacher(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["optim.steps=null", "optim.epochs=6", "sources.1.volume=16"]
    assert train(recipe, *words) == 0
    run = recipe.parent / "run"
    assert capsys.readouterr().out.strip() == str(run / "model")
    rows = metrics(run)
    assert len(rows) == 6 * 56 // 8
    for name in ("loss", "kl", "contrastive"):
        assert np.mean([row[name] for row in rows[-5:]]) < 0.8 * np.mean([row[name] for row in rows[:5]])
    for row in rows:
        assert row["loss"] == pytest.approx(row["kl"] + 0.2 * row["contrastive"])
        assert row["pairs"] == 8 and row["source"] in ("mixed", "scored")
    assert state(run)["state"] == "done" and state(run)["step"] == state(run)["steps"] == len(rows)
    card = (run / "model" / "README.md").read_text()
    assert "Query groups per batch | 8" in card and "| plain | plain.jsonl | – | 16 |" in card


def test_a_killed_run_goes_on_with_the_same_curve(recipe: Path) -> None:
    assert train(recipe) == 0
    killed = recipe.parent / "killed"
    assert killed_at(10, recipe, f"out={killed}") == -signal.SIGKILL
    assert len(metrics(killed)) == 10 and state(killed)["state"] == "running"
    assert train(recipe, "--resume", f"out={killed}") == 0
    assert [row["step"] for row in metrics(killed)] == list(range(1, 13))
    np.testing.assert_allclose(losses(killed), losses(recipe.parent / "run"), atol=1e-6)
    assert state(killed)["state"] == "done"


def test_two_processes_equal_one_with_the_joint_batch(recipe: Path) -> None:
    words = ["start.shape.dropout=0", "optim.steps=4"]
    assert train(recipe, *words) == 0
    joint = recipe.parent / "joint"
    train_in_two_processes(recipe, f"out={joint}", *words)
    one, two = metrics(recipe.parent / "run"), metrics(joint)
    assert sum(row["tokens"] for row in two) < 0.7 * sum(row["tokens"] for row in one)  # each had its share
    for name in ("loss", "kl", "contrastive", "gradient_norm"):
        np.testing.assert_allclose([row[name] for row in two], [row[name] for row in one], rtol=1e-5)


def test_mini_batches_change_nothing(recipe: Path) -> None:
    words = ["start.shape.dropout=0", "optim.steps=3"]
    assert train(recipe, *words) == 0
    assert train(recipe, *words, f"out={recipe.parent / 'whole'}", "runtime.mini_batch_tokens=100000") == 0
    np.testing.assert_allclose(losses(recipe.parent / "whole"), losses(recipe.parent / "run"), rtol=1e-5)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sources.1.path=none.jsonl", "none.jsonl does not exist"),
        ("start={model: ./no-such-model}", "There is no model folder"),
        ("optim.batch_size=100", "a batch needs 100"),
        ("optim.warmup_steps=13", "optim.warmup_steps is 13 and the run has 12 steps"),
        ("optim.group_size=0", "optim.group_size is 0"),
        ("sources.0.volume=0", "source 'scored': volume is 0"),
        ("sources.0.passage_role=doc", "query or passage"),
    ],
)
def test_trouble_is_told_before_the_first_step(
    recipe: Path, override: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(recipe, override) == 1
    assert message in capsys.readouterr().err
    assert not (recipe.parent / "run" / "checkpoints").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n", "has no query groups"),
        (
            '{"question": "q", "positives": [{"text": "p"}]}\n',
            "line 1 is not a query group (KeyError: 'query')",
        ),
        ('{"query": "q", "positives": [{"text": "p"}], "scores": [1, 2]}\n', "2 scores for 1 passages"),
    ],
)
def test_a_file_that_holds_no_groups_is_told(
    recipe: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (recipe.parent / "plain.jsonl").write_text(text, encoding="utf8")
    assert train(recipe) == 1
    assert message in capsys.readouterr().err
    assert message in state(recipe.parent / "run")["message"]
    assert state(recipe.parent / "run")["state"] == "failed"


def test_a_loss_that_is_not_finite_leaves_the_last_checkpoint(
    recipe: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer.stages import finetune as finetuning

    group_loss = finetuning.group_loss
    calls = iter(range(100))
    with monkeypatch.context() as patch:
        patch.setattr(
            finetuning,
            "group_loss",
            lambda query, *rest, **options: group_loss(
                query * (float("nan") if next(calls) == 9 else 1.0), *rest, **options
            ),
        )
        assert train(recipe) == 1
    assert "Step 10 has loss nan" in capsys.readouterr().err
    run = recipe.parent / "run"
    newest = Checkpoints(run / "checkpoints", keep=2).newest()
    assert newest is not None and newest.name == "step-000000008"
    assert train(recipe, "--resume", "optim.learning_rate=1e-4") == 0
    assert np.isfinite(losses(run)).all() and len(losses(run)) == 12
