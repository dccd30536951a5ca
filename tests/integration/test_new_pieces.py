"""A run that adds a language: new pieces, learned in the run, in a model that all else of the library takes."""

import json
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from me5 import load_encoder
from tests.support.runs import killed_at, losses, rows_of, state, train
from trainer.models.vocabulary import open_tokenizer
from trainer.run.folder import RunFolder

SYLLABLES = ("qua", "zho", "xim", "vup", "wej", "kry", "fod", "gub")
WORDS = ("harbour", "library", "river", "bread", "winter", "school", "stone", "letter")


def new_language(words: list[str]) -> str:
    """Words that no vocabulary knows; each stands for one of ours."""
    return " ".join(SYLLABLES[WORDS.index(word)] * 3 for word in words)


@pytest.fixture
def recipe(tmp_path: Path, tiny_model_dir: Path) -> Path:
    """A run of a second: 6 steps of 16 pairs, measured before and after."""
    draw = random.Random(3)
    lines = []
    for number in range(120):
        words = draw.sample(WORDS, 4)
        lines.append(f"{new_language(words)} {number}\t{' '.join(words)} {number}")
    (tmp_path / "pairs.tsv").write_text("query\tpassage\n" + "\n".join(lines[20:]) + "\n", encoding="utf8")
    (tmp_path / "held-out.tsv").write_text("\n".join(lines[:20]) + "\n", encoding="utf8")
    values: dict[str, Any] = {
        "stage": "contrastive",
        "out": str(tmp_path / "run"),
        "start": {"model": str(tiny_model_dir), "new_pieces": 24},
        "sources": [{"name": "pairs", "path": str(tmp_path / "pairs.tsv"), "passage_role": "query"}],
        "optim": {"batch_size": 16, "steps": 6, "warmup_steps": 1, "learning_rate": 1e-3},
        "runtime": {"device": "cpu", "save_every": 2},
        "evaluate": {"tasks": [str(tmp_path / "held-out.tsv")]},
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf8")
    return path


def test_the_model_reads_the_new_language_in_fewer_tokens(recipe: Path, tiny_model_dir: Path) -> None:
    assert train(recipe) == 0
    run = recipe.parent / "run"
    report = json.loads((run / "tokenizer" / "report.json").read_text())
    assert report["pieces"] == 24 and report["tokens_after"] < 0.7 * report["tokens_before"]
    old, new = (load_encoder(str(folder)) for folder in (tiny_model_dir, run / "model"))
    foreign, known = new_language(list(WORDS)), "the bread of the library"
    assert new.count_tokens([foreign])[0] < 0.8 * old.count_tokens([foreign])[0]
    assert new.count_tokens([known])[0] == old.count_tokens([known])[0]
    numbers_before, numbers_after = (
        open_tokenizer(folder / "tokenizer.json").get_vocab() for folder in (tiny_model_dir, run / "model")
    )
    assert numbers_before.items() <= numbers_after.items() and len(numbers_after) == len(numbers_before) + 24
    assert new.encode([foreign]).shape == old.encode([foreign]).shape
    card = (run / "model" / "README.md").read_text()
    assert "more pieces in its vocabulary" in card and "up to 24, learned from the queries" in card


def test_before_is_the_model_without_the_pieces(recipe: Path) -> None:
    assert train(recipe) == 0
    assert train(recipe, "start.new_pieces=0", "optim.steps=1", f"out={recipe.parent / 'plain'}") == 0
    before, plain = (
        [row for row in rows_of(recipe.parent / name / "evaluations.jsonl") if row["step"] == 0]
        for name in ("run", "plain")
    )
    assert before == plain and before
    assert losses(recipe.parent / "run")[0] != losses(recipe.parent / "plain")[0]


def test_a_killed_run_keeps_its_pieces_and_its_curve(recipe: Path) -> None:
    assert train(recipe) == 0
    killed = recipe.parent / "killed"
    assert killed_at(3, recipe, f"out={killed}") == -signal.SIGKILL
    learned = (killed / "tokenizer" / "tokenizer.json").stat()
    assert train(recipe, "--resume", f"out={killed}") == 0
    np.testing.assert_allclose(losses(killed), losses(recipe.parent / "run"), atol=1e-6)
    assert (killed / "tokenizer" / "tokenizer.json").stat().st_mtime_ns == learned.st_mtime_ns


def test_a_run_says_what_it_does_outside_its_steps(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(RunFolder, "set_status", lambda run, words: told.append(words))
    assert train(recipe) == 0
    assert told == [
        "Learning up to 24 new pieces of words",
        "Loading the model",
        "Measuring the model before the first step",
        "Measuring the model",
        "Writing the model",
    ]
    assert state(recipe.parent / "run")["state"] == "done"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["start.new_pieces=-1"], "start.new_pieces is -1; expected at least 0"),
        (
            ["start.tokenizer=somewhere"],
            "start.new_pieces is 24; expected 0 unless the run starts from a model",
        ),
        (["start.lora={rank: 4}"], "none where the vocabulary is new"),
    ],
)
def test_what_does_not_go_together_is_refused(
    recipe: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(recipe, *words) == 1
    assert message in capsys.readouterr().err


def test_a_vocabulary_of_another_kind_is_refused(
    recipe: Path, tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = recipe.parent / "wordpiece"
    shutil.copytree(tiny_model_dir, base)
    tokenizer = json.loads((base / "tokenizer.json").read_text())
    tokenizer["model"] = {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": tokenizer["model"]["vocab"],
    }
    (base / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert train(recipe, f"start.model={base}") == 1
    assert "has a WordPiece tokenizer. Expected BPE or Unigram. Set it to 0" in capsys.readouterr().err
    assert state(recipe.parent / "run")["state"] == "failed"
