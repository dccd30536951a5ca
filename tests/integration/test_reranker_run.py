"""Whole runs of the cross-encoder and of the teacher: files, equalities, resumes, and every kind of trouble."""

import errno
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.conftest import write_model_dir
from tests.support.rerankers import build_groups, write_reranker_dir
from tests.support.runs import (
    ROOT,
    at_step,
    environment,
    killed_at,
    losses,
    rows_of,
    signalled,
    train,
    train_in_two_processes,
)
from trainer.data.groups import read_groups, write_groups
from trainer.stages.reranker.model import open_reranker


@pytest.fixture
def recipe(tmp_path: Path, tiny_model_dir: Path) -> Path:
    """A run of a second: 12 steps of 8 groups, from an encoder."""
    write_groups(tmp_path / "groups.jsonl", build_groups(60, negatives=3))
    values = {
        "stage": "reranker",
        "out": str(tmp_path / "run"),
        "start": {"model": str(tiny_model_dir)},
        "groups": [str(tmp_path / "groups.jsonl")],
        "held_out_one_in": 6,
        "optim": {"batch_size": 8, "steps": 12, "learning_rate": 1e-3, "group_size": 4, "max_tokens": 64},
        "runtime": {"device": "cpu", "mini_batch_tokens": 512, "save_every": 4, "keep": 2},
    }
    return write_recipe(tmp_path / "recipe.yaml", values)


@pytest.fixture
def scoring(tmp_path: Path) -> Path:
    """A recipe that scores 60 groups of 4 passages."""
    write_groups(tmp_path / "groups.jsonl", build_groups(60, negatives=3))
    values = {
        "stage": "teacher",
        "groups": str(tmp_path / "groups.jsonl"),
        "out": str(tmp_path / "scored.jsonl"),
        "model": str(write_reranker_dir(tmp_path / "reranker")),
        "device": "cpu",
    }
    return write_recipe(tmp_path / "teacher.yaml", values)


def write_recipe(path: Path, values: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(values), encoding="utf8")
    return path


def test_a_run_learns_and_writes_an_ordinary_cross_encoder(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["optim.steps=30", "optim.learning_rate=1e-2", "optim.r_drop=0.5", "optim.hardest=3"]
    assert train(recipe, *words, "evaluate.every=15") == 0
    run = recipe.parent / "run"
    assert capsys.readouterr().out.strip() == str(run / "model")
    rows = rows_of(run / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(1, 31))
    assert np.mean(losses(run)[-5:]) < 0.7 * np.mean(losses(run)[:5])
    assert {"accuracy", "cross_entropy", "r_drop", "tokens", "pairs", "pairs_per_s"} <= set(rows[0])
    figures = {
        (row["step"], row["metric"], row["language"]): row for row in rows_of(run / "evaluations.jsonl")
    }
    assert {step for step, _, _ in figures} == {0, 15, 30}
    assert {language for _, _, language in figures} == {"mean", "de", "en"}
    before, after = (figures[step, "MRR@10", "mean"] for step in (0, 30))
    assert after["value"] > before["value"] + 0.1 and after["low"] <= after["value"] <= after["high"]
    assert json.loads((run / "state.json").read_text())["state"] == "done"
    assert "`" in (run / "model" / "README.md").read_text()

    from sentence_transformers import CrossEncoder
    from torch import nn

    queries, passages = ["water 7", "water 7"], ["they say the river is old", "they say the law is old"]
    scores = open_reranker(str(run / "model"), device="cpu").score(queries, passages)
    reference = CrossEncoder(str(run / "model"), activation_fn=nn.Identity(), device="cpu")
    expected = reference.predict(list(zip(queries, passages, strict=True)))
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert scores[0] > scores[1]
    assert reference.max_length == 64


def test_a_killed_run_goes_on_with_the_same_curve(recipe: Path) -> None:
    words = ["optim.r_drop=1", "evaluate.every=5"]
    assert train(recipe, *words) == 0
    expected = recipe.parent / "run"
    killed = recipe.parent / "killed"
    assert killed_at(10, recipe, f"out={killed}", *words) == -signal.SIGKILL
    assert len(losses(killed)) == 10 and not (killed / "model").exists()
    assert train(recipe, "--resume", f"out={killed}", *words) == 0
    assert [row["step"] for row in rows_of(killed / "metrics.jsonl")] == list(range(1, 13))
    np.testing.assert_allclose(losses(killed), losses(expected), atol=1e-6)
    assert losses(killed)[8:] != losses(killed)[:4]
    assert rows_of(killed / "evaluations.jsonl") == rows_of(expected / "evaluations.jsonl")


def test_a_signal_stops_the_run_after_its_step(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        at_step(5, lambda: signalled(signal.SIGTERM), patch)
        assert train(recipe) == 128 + signal.SIGTERM
    run = recipe.parent / "run"
    state = json.loads((run / "state.json").read_text())
    assert (state["state"], state["step"]) == ("cancelled", 6)
    assert (run / "checkpoints" / "step-000000006").is_dir() and not (run / "model").exists()
    assert train(recipe, "--resume") == 0
    assert len(losses(run)) == 12


def test_a_disk_that_is_full_at_the_end_costs_no_step(
    recipe: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer.stages.reranker.model import CrossEncoder

    def fail(self: CrossEncoder, folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(CrossEncoder, "save", fail)
        assert train(recipe, "optim.steps=2") == 1
    assert "The model cannot be written" in capsys.readouterr().err
    assert train(recipe, "optim.steps=2", "--resume") == 0
    run = recipe.parent / "run"
    assert (run / "model" / "model.safetensors").is_file() and len(losses(run)) == 2


def test_two_processes_equal_one_with_the_joint_batch(recipe: Path) -> None:
    plain = write_model_dir(recipe.parent / "plain", "bert")
    config = json.loads((plain / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (plain / "config.json").write_text(json.dumps(config))
    words = [f"start.model={plain}", "optim.steps=4", "optim.batch_size=7"]
    assert train(recipe, *words) == 0
    joint = recipe.parent / "joint"
    train_in_two_processes(recipe, f"out={joint}", *words)
    one, two = rows_of(recipe.parent / "run" / "metrics.jsonl"), rows_of(joint / "metrics.jsonl")
    assert sum(row["tokens"] for row in two) < 0.7 * sum(row["tokens"] for row in one)  # each had its share
    for name in ("loss", "gradient_norm", "accuracy"):
        np.testing.assert_allclose([row[name] for row in two], [row[name] for row in one], rtol=1e-5)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("groups=[none.jsonl]", "none.jsonl does not exist"),
        ("start.model=./no-such-model", "There is no model folder"),
        ("start.model=fast", "has no layers"),
        ("optim.warmup_steps=13", "the run has 12 steps"),
        ("optim.group_size=1", "group_size is 1"),
        ("optim.speed=1", "Unknown name 'speed'"),
    ],
)
def test_trouble_is_told_before_the_first_step(
    recipe: Path, override: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(recipe, override) == 1
    assert message in capsys.readouterr().err
    assert not (recipe.parent / "run" / "checkpoints").exists()


def test_groups_without_negatives_are_told(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_groups(recipe.parent / "groups.jsonl", build_groups(5, negatives=0))
    assert train(recipe) == 1
    assert "None of the 5 groups can be trained on: 5 have no negative" in capsys.readouterr().err


def test_a_loss_that_is_not_finite_stops_the_run(
    recipe: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer.stages.reranker.model import CrossEncoder

    score = CrossEncoder.score
    calls = iter(range(10_000))
    with monkeypatch.context() as patch:
        patch.setattr(
            CrossEncoder,
            "score",
            lambda self, pairs: score(self, pairs) * (float("nan") if next(calls) > 40 else 1.0),
        )
        assert train(recipe) == 1
    assert "has loss nan" in capsys.readouterr().err
    run = recipe.parent / "run"
    assert np.isfinite(losses(run)).all() and len(losses(run)) < 12
    assert json.loads((run / "state.json").read_text())["state"] == "failed"
    assert train(recipe, "--resume") == 0
    assert len(losses(run)) == 12


def test_other_groups_are_not_resumed_with(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(recipe, "optim.steps=4") == 0
    write_groups(recipe.parent / "groups.jsonl", build_groups(30, negatives=3))
    assert train(recipe, "optim.steps=4", "--resume") == 1
    assert "Expected the same files for --resume" in capsys.readouterr().err


def test_groups_get_the_scores_of_the_cross_encoder(
    scoring: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(scoring) == 0
    target = scoring.parent / "scored.jsonl"
    assert capsys.readouterr().out.strip() == str(target)
    before, after = (list(read_groups(scoring.parent / name)) for name in ("groups.jsonl", "scored.jsonl"))
    assert [group.query for group in after] == [group.query for group in before]
    reranker = open_reranker(str(scoring.parent / "reranker"), device="cpu")
    for group in after[:5]:
        expected = reranker.score(
            [group.query] * 4,
            [passage.text for passage in group.passages],
            [passage.title for passage in group.passages],
        )
        np.testing.assert_allclose(group.scores, expected, atol=1e-5)


def test_a_killed_teacher_goes_on_where_it_was(scoring: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainer.stages.reranker import teacher

    code = (
        "import os, signal, app\n"
        "from trainer.stages.reranker import score_cache, teacher\n"
        "teacher.WINDOW_GROUPS = 20\n"
        "add, calls = score_cache.ScoreCache.add, iter(range(99))\n"
        "def die(cache, scores):\n"
        "    if next(calls) == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    add(cache, scores)\n"
        "score_cache.ScoreCache.add = die\n"
        f"app.main(['train', {str(scoring)!r}, '--threads', '1'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment(), check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (scoring.parent / "scored.jsonl").exists()
    scored: list[int] = []
    score = teacher.Reranker.score

    def count(self: Any, queries: Any, passages: Any, titles: Any = None, **options: Any) -> Any:
        scored.append(len(queries))
        return score(self, queries, passages, titles, **options)

    monkeypatch.setattr(teacher.Reranker, "score", count)
    assert train(scoring) == 0
    assert sum(scored) == 80  # the last twenty groups: forty were done
    first = list(read_groups(scoring.parent / "scored.jsonl"))
    (scoring.parent / "scored.jsonl").unlink()
    assert train(scoring) == 0
    assert sum(scored) == 80 and list(read_groups(scoring.parent / "scored.jsonl")) == first
    assert train(scoring, "max_tokens=20") == 0  # another contract: everything is scored anew
    assert sum(scored) == 80 + 240


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("groups=none.jsonl", "none.jsonl does not exist"),
        ("model=fast", "so its scores would be random"),
        ("max_tokens=2", "max_tokens is 2"),
        ("out={groups}", "the file of the groups itself"),
        ("cache={groups}", "is not a score cache"),
        ("out=/dev/null/scored.jsonl", "cannot be used"),
    ],
)
def test_trouble_of_the_teacher_is_told(
    scoring: Path, override: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    groups = scoring.parent / "groups.jsonl"
    content = groups.read_bytes()
    assert train(scoring, override.format(groups=groups)) == 1
    assert message in capsys.readouterr().err
    assert groups.read_bytes() == content and not (scoring.parent / "scored.jsonl").exists()


def test_an_empty_file_of_groups_is_told(scoring: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (scoring.parent / "groups.jsonl").write_text("\n", encoding="utf8")
    assert train(scoring) == 1
    assert "has no query groups" in capsys.readouterr().err
