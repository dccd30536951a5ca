"""Stage 1 with a memory bank, a curriculum and nested vectors: whole runs, resumed runs, what is saved."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import app
from me5 import Role, load_encoder

ROOT = Path(__file__).resolve().parents[2]
STEPS = 8
OPTIONS = {
    "bank": ["optim.bank_batches=3"],
    "all": [
        "optim.bank_batches=2",
        "optim.curriculum={first: 0.3, last: 1.0}",
        "optim.matryoshka=[8]",
        "optim.both_directions=true",
    ],
}


@pytest.fixture
def recipe(tmp_path: Path, tiny_model_dir: Path) -> Path:
    rows = [f"river {n} bread {n % 7}\tthe bread {n % 7} by the river {n}" for n in range(60)]
    (tmp_path / "pairs.tsv").write_text("\n".join(["query\tpassage", *rows]) + "\n", encoding="utf8")
    shape = {"layers": 1, "hidden": 32, "heads": 4, "intermediate": 64, "dropout": 0.1}
    values = {
        "stage": "contrastive",
        "out": str(tmp_path / "plain"),
        "start": {"shape": shape, "tokenizer": str(tiny_model_dir)},
        "sources": [{"name": "one", "path": str(tmp_path / "pairs.tsv")}],
        "optim": {
            "batch_size": 12,
            "steps": STEPS,
            "learning_rate": 5e-3,
            "warmup_steps": 2,
            "temperature": 0.05,
        },
        "runtime": {"device": "cpu", "mini_batch_tokens": 128, "save_every": 3, "keep": 4},
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf8")
    return path


def train(recipe: Path, *words: str) -> int:
    return app.main(["train", str(recipe), "--threads", "1", *words])


def metrics(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def losses(run: Path) -> list[float]:
    return [row["loss"] for row in metrics(run)]


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_changes_the_curve_and_a_resumed_run_has_the_same(recipe: Path, name: str) -> None:
    assert train(recipe) == 0
    whole, halves = recipe.parent / "whole", recipe.parent / "halves"
    assert train(recipe, *OPTIONS[name], f"out={whole}") == 0
    assert losses(whole) != losses(recipe.parent / "plain")
    assert train(recipe, *OPTIONS[name], f"out={halves}") == 0
    for step in (6, 8):  # as after a kill between the steps 3 and 6
        for path in (halves / "checkpoints" / f"step-{step:09d}").iterdir():
            path.unlink()
        (halves / "checkpoints" / f"step-{step:09d}").rmdir()
    assert train(recipe, *OPTIONS[name], f"out={halves}", "--resume") == 0
    np.testing.assert_allclose(losses(halves), losses(whole), atol=1e-6)


def test_two_processes_equal_one_with_every_option(recipe: Path) -> None:
    words = ["start.shape.dropout=0", *OPTIONS["all"]]
    assert train(recipe, *words) == 0
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    launch += ["--master-addr", "127.0.0.1", "--master-port", str(port)]
    joint = recipe.parent / "joint"
    command = [*launch, "app.py", "train", str(recipe), "--threads", "1", f"out={joint}", *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    one, two = metrics(recipe.parent / "plain"), metrics(joint)
    for figure in ("loss", "loss_8", "loss_32", "gradient_norm"):
        np.testing.assert_allclose([row[figure] for row in two], [row[figure] for row in one], rtol=1e-4)


def test_a_bank_adds_negatives_from_the_second_batch_on(recipe: Path) -> None:
    assert train(recipe, "start.shape.dropout=0") == 0
    banked = recipe.parent / "banked"
    assert train(recipe, "start.shape.dropout=0", "optim.bank_batches=1", f"out={banked}") == 0
    plain = losses(recipe.parent / "plain")
    assert losses(banked)[0] == plain[0]
    assert losses(banked)[1] > plain[1]


def test_the_limits_of_a_curriculum_are_plain_training(recipe: Path) -> None:
    assert train(recipe) == 0
    full = recipe.parent / "full"
    assert train(recipe, "optim.curriculum={first: 1.0, last: 1.0}", f"out={full}") == 0
    assert losses(full) == losses(recipe.parent / "plain")
    falling = recipe.parent / "falling"
    assert train(recipe, "optim.curriculum={first: 1.0, last: 0.3}", f"out={falling}") == 0
    shares = [row["hardest_share"] for row in metrics(falling)]
    assert shares == pytest.approx(np.linspace(1.0, 0.3, STEPS))
    assert losses(falling)[0] == losses(full)[0]


def test_nested_vectors_are_told_in_the_model_and_learn_at_every_length(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(recipe, "optim.matryoshka=[4, 16]", "optim.steps=30", "optim.batch_size=30") == 0
    run = recipe.parent / "plain"
    rows = metrics(run)
    assert rows[0]["loss"] == pytest.approx(np.mean([rows[0][f"loss_{n}"] for n in (4, 16, 32)]))
    for length in (4, 16, 32):
        assert rows[-1][f"loss_{length}"] < rows[0][f"loss_{length}"]
    assert json.loads((run / "model/config.json").read_text())["matryoshka_dimensions"] == [4, 16, 32]
    assert "Vectors may be cut to | 4, 16 dimensions" in (run / "model/README.md").read_text()
    assert load_encoder(str(run / "model"), engine="torch", device="cpu").encode(["a"], Role.QUERY).size == 32
    assert train(recipe, "optim.matryoshka=[64]", f"out={recipe.parent / 'long'}") == 1
    assert "lengths below the 32 dimensions" in capsys.readouterr().err
