"""Runs as processes: started, stopped, killed, deleted. The process is a small script instead of the trainer."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from trainer.errors import TrainingError
from trainer.run import launch
from trainer.run.records import Run, read_json, read_run

WAIT = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\nprint('up', flush=True)\nsignal.pause()"
FAIL = "import sys; print('error: The base model is missing.', file=sys.stderr); sys.exit(1)"
Start = Callable[..., Run]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a script as if it were a run; whatever is left of it ends with the test."""
    children: list[subprocess.Popen[Any]] = []
    popen = subprocess.Popen

    def starting(program: str, **options: Any) -> Run:
        def instead(command: list[str], **kwargs: Any) -> Any:
            assert command[1:4] == ["-m", "app", "train"]
            child = popen([sys.executable, "-c", program], **kwargs)
            children.append(child)
            return child

        monkeypatch.setattr(launch.subprocess, "Popen", instead)
        return launch.start_run(tmp_path / "run", {"stage": "contrastive", "optim": {"steps": 5}}, **options)

    yield starting
    for child in children:
        if child.poll() is None:
            child.kill()
        child.wait()


def until(folder: Path, done: Callable[[Run], bool]) -> Run:
    """The run once it is as wished; the test's own time limit ends a wait in vain."""
    while True:
        run = read_run(folder)
        if run is not None and done(run):
            return run


def test_a_run_is_a_polite_process_of_its_own_session(start: Start) -> None:
    run = start(WAIT)
    assert run.pid is not None and (run.state, run.phase) == ("running", "starting")
    process = psutil.Process(run.pid)
    assert process.nice() >= min(19, psutil.Process().nice())
    assert process.nice() >= launch.POLITE
    assert os.getsid(run.pid) == run.pid
    with pytest.raises(TrainingError, match="running already"):
        start(WAIT)


def test_stop_is_answered_and_told(start: Start) -> None:
    run = start(WAIT)
    until(run.folder, lambda _: "up" in (run.folder / "log.txt").read_text())
    launch.stop_run(run)
    assert "stop_asked_at" in read_json(run.folder / "launch.json")
    ended = until(run.folder, lambda now: not now.is_alive and now.exit_code is not None)
    assert (ended.state, ended.exit_code) == ("cancelled", 143)
    launch.stop_run(ended)  # nobody is there to be stopped


def test_a_killed_run_is_interrupted_and_may_start_again(start: Start) -> None:
    run = start(WAIT)
    launch.kill_run(run)
    ended = until(run.folder, lambda now: now.exit_code is not None)
    assert (ended.state, ended.exit_code) == ("interrupted", -signal.SIGKILL)
    assert start(WAIT, resume=True).is_alive
    assert read_json(run.folder / "launch.json")["resumed"] is True


def test_end_takes_children_along_and_spares_other_processes(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import signal; signal.pause()'])"
    )
    process, made = launch.spawn([sys.executable, "-c", program], tmp_path)
    own = psutil.Process(process.pid)
    while not (children := own.children()):
        pass
    launch.end(process.pid, created_at=made - 1000)  # the number of another process
    assert process.poll() is None
    launch.end(process.pid, created_at=made)
    assert process.wait() == -signal.SIGKILL
    while children[0].is_running() and children[0].status() != psutil.STATUS_ZOMBIE:
        pass


def test_a_failure_keeps_its_sentence(start: Start) -> None:
    run = start(FAIL)
    ended = until(run.folder, lambda now: now.exit_code is not None)
    assert (ended.state, ended.message) == ("failed", "The base model is missing.")


def test_only_runs_that_have_ended_are_deleted(start: Start) -> None:
    run = start(WAIT)
    with pytest.raises(TrainingError, match="Stop it"):
        launch.delete_run(run)
    launch.kill_run(run)
    launch.delete_run(until(run.folder, lambda now: not now.is_alive))
    assert not run.folder.exists()
