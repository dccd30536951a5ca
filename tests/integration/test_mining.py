"""Mining and filtering that are killed and started again give what one run gives."""

import json
import logging
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import app
from tests.support.mining_data import mining_values, pair_rows, write_rows
from trainer.config import build_config
from trainer.negatives import vector_cache
from trainer.negatives.mining import NegativesConfig, run_negatives

ROOT = Path(__file__).resolve().parents[2]

# Blocks are small, and the process kills itself before the n-th write of vectors or rankings.
CHILD = """
import os, signal, sys
from pathlib import Path
from trainer.negatives import vector_cache
from trainer.negatives.candidates import Blocks
from trainer.cli import run_train
vector_cache.BLOCK_TEXTS = 16
Blocks.within = classmethod(lambda cls, memory_mb: cls(16, 1024))
append, left = vector_cache.RowFile.append, [int(sys.argv[2])]
def counted(rows, values):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    append(rows, values)
vector_cache.RowFile.append = counted
import argparse
sys.exit(run_train(argparse.Namespace(recipe=Path(sys.argv[1]), overrides=[], threads=None, resume=True)))
"""


def run_child(recipe: Path, *, killed_before: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CHILD, str(recipe), str(killed_before)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def written(tmp_path: Path, name: str, values: dict[str, Any]) -> Path:
    path = tmp_path / f"{name}.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf8")
    return path


def test_a_killed_mining_gives_the_same_file(
    static_model_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = write_rows(tmp_path / "pairs.jsonl", pair_rows())
    options: dict[str, Any] = {"stage": "negatives", "relative_margin": 0.02}
    whole = mining_values(data, static_model_dir, tmp_path / "whole" / "groups.jsonl", **options)
    run_negatives(build_config(NegativesConfig, whole))
    expected = (tmp_path / "whole" / "groups.jsonl").read_bytes()
    out = tmp_path / "mined" / "groups.jsonl"
    recipe = written(tmp_path, "mined", mining_values(data, static_model_dir, out, **options))
    for killed_before in (3, 12):  # among the passages; between a ranking's numbers and its scores
        assert run_child(recipe, killed_before=killed_before).returncode == -signal.SIGKILL
        assert not out.exists()
    monkeypatch.setattr(vector_cache, "BLOCK_TEXTS", 16)
    with caplog.at_level(logging.INFO):
        assert app.main(["train", str(recipe)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert out.read_bytes() == expected
    assert "passage vectors: 0 to encode, 60 found on disk" in caplog.text
    assert "75 of 75 queries ranked" in caplog.text  # of 91, 16 were done


def test_the_verb_filters(static_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_rows(tmp_path / "pairs.jsonl", pair_rows())
    values = mining_values(data, static_model_dir, tmp_path / "kept", stage="filter")
    assert app.main(["train", str(written(tmp_path, "filter", values)), "top_k=59"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "kept")
    lines = (tmp_path / "kept" / "mine.jsonl").read_text(encoding="utf8").splitlines()
    kept, asked = [json.loads(line)["query"] for line in lines], [row["question"] for row in pair_rows()]
    assert kept == [query for query in asked if query in kept] and len(kept) > 80
