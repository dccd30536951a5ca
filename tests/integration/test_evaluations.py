"""Evaluations during a run: what they write, when, and that the run is the same with them."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from me5 import load_encoder
from tests.support.runs import WORDS, at_step, losses, rows_of, train, write_pairs
from trainer.evaluation.models import EncoderModel
from trainer.evaluation.running import Options, find_tasks, run_task

LANGUAGES = ("de", "fr")


@pytest.fixture
def recipe(tmp_path: Path, tiny_model_dir: Path) -> Path:
    """Eight steps with dropout, and a retrieval task in two languages."""
    write_pairs(tmp_path / "pairs.tsv", 60)
    generator = np.random.default_rng(4)
    rows = ["query,document,grade,language"]
    for language in LANGUAGES:
        for number in range(12):
            first, second = generator.choice(WORDS, size=2, replace=False)
            rows.append(f"{first} {second} {number},the {second} and the {first} of {number},1,{language}")
    (tmp_path / "judged.csv").write_text("\n".join(rows) + "\n", encoding="utf8")
    values = {
        "stage": "contrastive",
        "out": str(tmp_path / "run"),
        "start": {
            "shape": {"layers": 2, "hidden": 32, "heads": 4, "intermediate": 64},
            "tokenizer": str(tiny_model_dir),
        },
        "sources": [{"name": "one", "path": str(tmp_path / "pairs.tsv")}],
        "shuffle_rows": 24,
        "optim": {"batch_size": 8, "steps": 8, "learning_rate": 5e-3, "warmup_steps": 1, "max_tokens": 12},
        "runtime": {"device": "cpu", "save_every": 3},
        "evaluate": {"tasks": [str(tmp_path / "judged.csv")], "every": 3},
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf8")
    return path


def steps(run: Path) -> list[int]:
    return list(dict.fromkeys(row["step"] for row in rows_of(run / "evaluations.jsonl")))


def test_a_run_is_measured_before_on_the_way_and_after(recipe: Path) -> None:
    assert train(recipe) == 0
    run = recipe.parent / "run"
    rows = rows_of(run / "evaluations.jsonl")
    assert steps(run) == [0, 3, 6, 8]
    assert {row["language"] for row in rows} == {"mean", *LANGUAGES}
    assert {row["metric"] for row in rows} >= {"nDCG@10", "MRR@10"}
    first = rows[0]
    assert (first["task"], first["kind"], first["language"]) == ("judged", "retrieval", "mean")
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows)


def test_the_last_figures_are_those_of_the_saved_model(recipe: Path) -> None:
    assert train(recipe) == 0
    run = recipe.parent / "run"
    told = {
        (row["language"], row["metric"]): row["value"]
        for row in rows_of(run / "evaluations.jsonl")
        if row["step"] == 8
    }
    model = EncoderModel("saved", load_encoder(str(run / "model"), engine="torch", device="cpu"))
    (task,) = find_tasks(str(recipe.parent / "judged.csv"), Options()) or []
    report = run_task(task, model, None, Options(resamples=10))
    assert len(report.rows) == len(LANGUAGES)
    for row in report.rows:
        for metric, score in row.scores.items():
            assert told[row.language, metric] == pytest.approx(score.first.value, abs=1e-9)


def test_evaluations_do_not_change_the_curve(recipe: Path) -> None:
    assert train(recipe) == 0
    assert train(recipe, "evaluate=null", f"out={recipe.parent / 'without'}") == 0
    assert losses(recipe.parent / "run") == losses(recipe.parent / "without")
    assert not (recipe.parent / "without" / "evaluations.jsonl").exists()


def test_a_resumed_run_has_every_evaluation_once(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert train(recipe) == 0
    killed = recipe.parent / "killed"

    def die() -> None:
        raise SystemExit

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        at_step(7, die, patch)
        train(recipe, f"out={killed}")
    assert steps(killed) == [0, 3, 6] and not (killed / "model").exists()
    with (killed / "evaluations.jsonl").open("a") as stream:
        stream.write('{"step": 7, "task": "jud')  # a crash has cut the last line
    assert train(recipe, "--resume", f"out={killed}") == 0
    assert steps(killed) == [0, 3, 6, 8]
    expected = rows_of(recipe.parent / "run" / "evaluations.jsonl")
    assert rows_of(killed / "evaluations.jsonl") == expected
    np.testing.assert_allclose(losses(killed), losses(recipe.parent / "run"), atol=1e-6)


def test_languages_and_items_can_be_limited(recipe: Path) -> None:
    assert train(recipe, "evaluate.every=0", "evaluate.languages=[fr]", "evaluate.max_items=5") == 0
    run = recipe.parent / "run"
    assert steps(run) == [0, 8]
    assert {row["language"] for row in rows_of(run / "evaluations.jsonl")} == {"mean", "fr"}


def test_a_missing_task_is_told_before_the_first_step(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(recipe, "evaluate.tasks=[none.csv]") == 1
    assert "no file or folder none.csv" in capsys.readouterr().err
    assert not (recipe.parent / "run" / "metrics.jsonl").exists()
