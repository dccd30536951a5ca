"""What run folders say: states against the processes there are, curves that grow and are taken back."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from trainer.run.records import (
    MetricsFollower,
    is_alive,
    list_runs,
    log_tail,
    read_evaluations,
    read_json,
    read_run,
    seconds_left,
    to_seconds,
    write_json,
)


def write_run(folder: Path, **files: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"stage": "contrastive", "optim": {"steps": 10}}))
    for name, values in files.items():
        (folder / f"{name}.json").write_text(json.dumps(values))
    return folder


def own_process() -> dict[str, Any]:
    return {"pid": os.getpid(), "process_created_at": psutil.Process().create_time(), "started_at": 5.0}


@pytest.fixture(scope="module")
def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def state_of(folder: Path) -> str:
    run = read_run(folder)
    assert run is not None
    return f"{run.state} {run.phase}".strip()


def test_a_living_process_starts_runs_and_stops(tmp_path: Path) -> None:
    launch = own_process()
    assert state_of(write_run(tmp_path / "a", launch=launch)) == "running starting"
    said = {"pid": os.getpid(), "state": "running", "step": 3, "steps": 10}
    assert state_of(write_run(tmp_path / "b", launch=launch, state=said)) == "running"
    asked = launch | {"stop_asked_at": 6.0}
    assert state_of(write_run(tmp_path / "c", launch=asked, state=said)) == "running stopping"
    assert state_of(write_run(tmp_path / "d", launch=launch, state=said | {"state": "done"})) == "done"


@pytest.mark.parametrize(
    ("word", "state"), [("stopped", "cancelled"), ("cancelled", "cancelled"), ("failed", "failed")]
)
def test_words_of_earlier_versions_are_understood(tmp_path: Path, gone: int, word: str, state: str) -> None:
    said = {"pid": gone, "state": word, "step": 3, "steps": 10}
    assert state_of(write_run(tmp_path / "page", launch={"pid": gone}, state=said)) == state
    assert state_of(write_run(tmp_path / "terminal", state=said)) == state


def test_what_an_earlier_start_has_said_does_not_count(tmp_path: Path, gone: int) -> None:
    said = {"pid": gone, "state": "stopped"}
    assert state_of(write_run(tmp_path / "a", launch=own_process(), state=said)) == "running starting"


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (None, "interrupted"),
        (-9, "interrupted"),
        (143, "cancelled"),
        (130, "cancelled"),
        (1, "failed"),
        (0, "interrupted"),
    ],
)
def test_a_process_that_has_gone(tmp_path: Path, gone: int, code: int | None, state: str) -> None:
    folder = write_run(
        tmp_path / "run",
        launch={"pid": gone, "process_created_at": 1.0, "exit_code": code},
        state={"pid": gone, "state": "running", "step": 4, "steps": 10},
    )
    (folder / "log.txt").write_text("INFO step 4\nerror: The disk is full.\n")
    run = read_run(folder)
    assert run is not None and run.state == state and run.can_resume and not run.is_alive
    assert run.message == ("The disk is full." if state == "failed" else "")
    assert (run.step, run.steps) == (4, 10)


def test_a_model_without_a_word_counts_only_after_success(tmp_path: Path, gone: int) -> None:
    for code, state in ((0, "done"), (1, "failed")):
        folder = write_run(tmp_path / state, launch={"pid": gone, "exit_code": code})
        (folder / "model").mkdir()
        (folder / "model" / "config.json").write_text("{}")
        run = read_run(folder)
        assert run is not None and run.state == state and (run.model is not None) == (state == "done")


def test_runs_of_the_terminal_are_told_by_their_own_word(tmp_path: Path, gone: int) -> None:
    said = {"pid": gone, "state": "running", "started_at": 1.0}
    assert state_of(write_run(tmp_path / "a", state=said)) == "interrupted"
    now = psutil.Process().create_time() + 1
    assert (
        state_of(write_run(tmp_path / "b", state={"pid": os.getpid(), "state": "running", "started_at": now}))
        == "running"
    )


def test_a_number_that_was_given_again_is_another_process() -> None:
    made = psutil.Process().create_time()
    assert is_alive(os.getpid(), created_at=made)
    assert not is_alive(os.getpid(), created_at=made - 1000)
    assert not is_alive(os.getpid(), before=made - 1000)
    assert not is_alive(None) and not is_alive("1")


def test_the_list_has_the_newest_first_and_only_runs(tmp_path: Path, gone: int) -> None:
    for name, started in (("old", 10.0), ("new", 20.0)):
        write_run(tmp_path / name, launch={"pid": gone, "started_at": started})
    (tmp_path / ".drafts").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("x")
    assert [run.name for run in list_runs(tmp_path)] == ["new", "old"]
    assert list_runs(tmp_path / "missing") == []


def rows(*steps: int, loss: float = 1.0) -> str:
    return "".join(json.dumps({"step": step, "loss": loss, "seconds": 2.0}) + "\n" for step in steps)


def test_a_follower_reads_what_is_added_and_waits_for_half_lines(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    follower = MetricsFollower(path)
    assert follower.look() == []
    path.write_text(rows(1, 2) + '{"step": 3, "lo')
    assert [row["step"] for row in follower.look()] == [1, 2]
    path.write_text(rows(1, 2, 3))
    assert [row["step"] for row in follower.look()] == [1, 2, 3]


def test_a_follower_sees_that_lines_were_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(rows(1, 2, 3, 4))
    follower = MetricsFollower(path)
    follower.look()
    path.write_text(rows(1, 2, loss=2.0))
    assert [row["loss"] for row in follower.look()] == [2.0, 2.0]


def test_a_follower_starts_anew_where_steps_repeat(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(rows(1, 2, 3))
    follower = MetricsFollower(path)
    follower.look()
    path.write_text(rows(1, 2, 2, 3))
    assert [row["step"] for row in follower.look()] == [1, 2, 3]


def test_evaluations_of_a_step_measured_twice_count_once(tmp_path: Path) -> None:
    line = {"step": 0, "task": "t", "kind": "bitext", "metric": "F1", "language": "de", "value": 0.5}
    lines = [line, line | {"value": 0.6, "low": 0.4, "high": 0.8}, {"step": 1}, line | {"step": 5}]
    (tmp_path / "evaluations.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n{half")
    first, last = read_evaluations(tmp_path)
    assert (first.value, first.low, last.step, last.low) == (0.6, 0.4, 5, 0.5)


def test_time_left_is_that_of_the_last_steps(tmp_path: Path) -> None:
    said = {"pid": os.getpid(), "state": "running", "step": 4, "steps": 10}
    run = read_run(write_run(tmp_path / "run", launch=own_process(), state=said))
    assert run is not None
    paces = [{"seconds": 100.0}] * 5 + [{"seconds": 2.0}] * 20
    assert seconds_left(run, paces) == 12.0
    assert seconds_left(run, []) is None


def test_objects_are_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "launch.json"
    for number in (1, 2):
        write_json(path, {"n": number, "name": "ميناء"})
        assert read_json(path) == {"n": number, "name": "ميناء"}
    assert list(tmp_path.iterdir()) == [path]
    path.write_text('{"n": 1')
    assert read_json(path) == {} == read_json(tmp_path / "missing")


def test_times_and_logs(tmp_path: Path) -> None:
    assert to_seconds("2026-11-21T09:00:00+00:00") == to_seconds(1795251600) == 1795251600.0
    assert to_seconds(None) is None
    (tmp_path / "log.txt").write_text("".join(f"line {n}\n" for n in range(9000)), encoding="utf8")
    assert log_tail(tmp_path, 2) == ["line 8998", "line 8999"]
    assert log_tail(tmp_path / "missing") == []
