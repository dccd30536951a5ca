"""Training runs of a second: recipes, how they are started, and what they have written."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import app

ROOT = Path(__file__).resolve().parents[2]
WORDS = ("river", "city", "law", "bread", "music", "stone", "winter", "school", "engine", "harbour", "letter")


def train(recipe: Path, *words: str) -> int:
    return app.main(["train", str(recipe), "--threads", "1", *words])


def metrics(run: Path) -> list[dict[str, Any]]:
    return rows_of(run / "metrics.jsonl")


def losses(run: Path) -> list[float]:
    return [row["loss"] for row in metrics(run)]


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]


def state(run: Path) -> dict[str, Any]:
    return json.loads((run / "state.json").read_text(encoding="utf8"))


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def killed_at(step: int, recipe: Path, *words: str) -> int:
    """The exit code of a run, in a process of its own, that dies when it begins the step after ``step``."""
    code = (
        "import app, os, signal\n"
        "from tests.support.runs import at_step\n"
        f"at_step({step}, lambda: os.kill(os.getpid(), signal.SIGKILL))\n"
        f"app.main(['train', {str(recipe)!r}, '--threads', '1', *{list(words)!r}])\n"
    )
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment(), check=False).returncode


def signalled(number: signal.Signals) -> None:
    """What the handler of a signal does. No real one: a process with every library of the tests loaded has a
    stack for signals that is too small for its registers; real ones reach processes of their own."""
    handler = signal.getsignal(number)
    assert callable(handler)
    handler(number, None)


def at_step(step: int, action: Callable[[], object], patch: pytest.MonkeyPatch | None = None) -> None:
    """Do something when a run begins the step after ``step``."""
    from trainer.run import loop

    set_rate = loop.set_learning_rate

    def act_and_set(training: loop.Training) -> float:
        if training.step == step:
            action()
        return set_rate(training)

    (patch or pytest.MonkeyPatch()).setattr(loop, "set_learning_rate", act_and_set)


def train_in_two_processes(recipe: Path, *words: str) -> None:
    """By the command of the guide."""
    guide = (ROOT / "docs" / "training.md").read_text(encoding="utf8")
    [command] = re.findall(r"^accelerate launch .*$", guide, re.MULTILINE)
    command = [str(recipe) if word == "RECIPE.yaml" else word for word in shlex.split(command)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*command, "--threads", "1", *words],
        cwd=ROOT,
        env=environment() | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def write_pairs(path: Path, count: int) -> None:
    """Pairs that share two of their words, so that there is something to learn."""
    generator = np.random.default_rng(3)
    rows = ["query\tpassage"]
    for number in range(count):
        first, second, third = generator.choice(WORDS, size=3, replace=False)
        rows.append(f"{first} {second} {number}\tthe {second} and the {first} of {number} {third}")
    path.write_text("\n".join(rows) + "\n", encoding="utf8")


def write_groups(path: Path, count: int, *, is_scored: bool = True, seed: int = 5) -> None:
    """Groups whose positive has two words of the query; the teacher counts shared words."""
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        first, second, *others = generator.choice(WORDS, size=6, replace=False)
        group: dict[str, Any] = {
            "query": f"{first} {second} {number}",
            "positives": [{"text": f"the {second} and the {first}", "title": f"{number}"}],
            "negatives": [
                {"text": f"the {first} and the {others[0]} of {number}"},
                {"text": f"the {others[1]} and the {others[2]} of {number}"},
                {"text": f"the {others[3]} of {number + 1}"},
            ],
        }
        if is_scored:
            group["scores"] = [6.0, 2.0, -1.0, -3.0]
        rows.append(json.dumps(group))
    path.write_text("\n".join(rows) + "\n", encoding="utf8")
