"""The script of examples/chain, from three files to measured models, at toy size."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.runs import ROOT, WORDS, environment, rows_of, write_pairs

SIZES = {
    "VOCAB": "400",
    "STEPS_1": "6",
    "BATCH_1": "16",
    "WARMUP_1": "1",
    "QUERIES": "60",
    "BATCH_2": "8",
    "EPOCHS_2": "1",
    "HELD_OUT": "5",
}


def write_data(folder: Path) -> None:
    folder.mkdir()
    write_pairs(folder / "parallel.tsv", 80)
    generator = np.random.default_rng(7)
    titles, questions = [], []
    for number in range(120):
        first, second, third = generator.choice(WORDS, size=3, replace=False)
        text = f"the {first} and the {second} of house {number} near the {third}"
        titles.append({"query": f"{first} {second} {number}", "passage": text})
        row = {"question": f"where is the {first} {number}?", "passage": text, "title": first}
        questions.append(row | {"lang": ("de", "fr")[number % 2]})
    for name, rows in (("titles", titles), ("questions", questions)):
        lines = "\n".join(json.dumps(row) for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf8")


def chain(data: Path, work: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(ROOT / "examples" / "chain" / "chain.sh"), str(data), str(work)],
        cwd=data.parent,
        env=environment() | SIZES | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(3_600)  # ten processes, on a machine that does other things too
def test_three_files_become_measured_models(tmp_path: Path) -> None:
    write_data(tmp_path / "data with spaces")
    work = tmp_path / "work"
    done = chain(tmp_path / "data with spaces", work)
    assert done.returncode == 0, done.stderr[-4_000:]
    for run, steps in (("stage1", 6), ("reranker", None), ("stage2", None)):
        metrics = rows_of(work / run / "metrics.jsonl")
        assert np.isfinite([row["loss"] for row in metrics]).all()
        assert (work / run / "model" / "model.safetensors").is_file()
        assert steps is None or metrics[-1]["step"] == steps
    held_out = {row["text"] for row in rows_of(work / "task" / "queries.jsonl")}
    trained = {row["query"] for row in rows_of(work / "groups" / "scored.jsonl")}
    assert held_out and trained and not held_out & trained
    assert all(
        len(row["scores"]) == 1 + len(row["negatives"]) for row in rows_of(work / "groups" / "scored.jsonl")
    )
    assert "nDCG@10" in done.stdout


def test_it_says_how_it_is_used() -> None:
    done = subprocess.run(
        ["sh", str(ROOT / "examples" / "chain" / "chain.sh")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "DATA WORK" in done.stderr
