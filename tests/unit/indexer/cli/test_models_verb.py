"""``app.py models``: the table of the page, and everything of one model."""

import json
from pathlib import Path

import pytest

import app
from me5.known_models import MODELS
from me5.model_table import text_line


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = app.main(["models", *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_list_is_made_of_the_rows_of_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--data", tmp_path)
    lines = out.splitlines()
    assert code == 0 and lines[0] == text_line()
    assert [line for line in lines if line in map(text_line, MODELS.values())] == [
        text_line(spec) for spec in MODELS.values()
    ]
    found = {row["name"]: row for row in json.loads(run(capsys, "--data", tmp_path, "--json")[1])}
    assert found["qwen3-0.6b"]["min_dimension"] == 32 and found["bge-m3"]["raw_scores"]["miracl"] == 69.6
    assert found["labse"]["opened_here"] is False and found["small"]["non_commercial"] is False


def test_one_model_is_shown(tmp_path: Path, tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "--data", tmp_path, "--register", tiny_model_dir, "mine")
    for name in ("mine", tiny_model_dir):
        code, out, _ = run(capsys, "--data", tmp_path, "--show", name)
        assert code == 0 and "before queries" in out and "[stored as 'query']" in out
    facts = json.loads(run(capsys, "--data", tmp_path, "--show", "mine", "--json")[1])
    assert {"label", "value", "source"} == set(facts[0])
    code, _, error = run(capsys, "--data", tmp_path, "--show", "nothing")
    assert code == 1 and "Unknown model" in error
