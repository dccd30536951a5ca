"""Work in processes of its own: started, ended, found again. The process is a small module of the test."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from trainer.run.records import read_json, write_json
from ui.services import child_runs

PROGRAM = """
import subprocess, sys
from pathlib import Path
folder, word = Path(sys.argv[1]), sys.argv[2]
if word == "wait":
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    (folder / "child").write_text(str(child.pid))
    child.wait()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Of a run whose module can be imported; what is left of it ends with the test."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "small_work.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"))
    folder = child_runs.new_folder(tmp_path / "work")
    yield folder
    child_runs.cancel(folder)


def state(folder: Path) -> str:
    return child_runs.look_at(folder, 0.0)[1]


def family(folder: Path) -> list[psutil.Process]:
    """The process and its child, once there is one; the test's own time limit ends a wait in vain."""
    while not (folder / "child").is_file() or not (folder / "child").read_text():
        time.sleep(0.01)
    numbers = (read_json(folder / "result.json")["pid"], int((folder / "child").read_text()))
    return [psutil.Process(number) for number in numbers]


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_cancel_ends_everything_that_was_started(folder: Path) -> None:
    child_runs.start(folder, "small_work", "wait")
    found = family(folder)
    assert state(folder) == "running"
    child_runs.cancel(folder)
    assert state(folder) == "cancelled" and read_json(folder / "result.json")["finished_at"]
    while not all(map(is_gone, found)):
        time.sleep(0.01)
    child_runs.cancel(folder)  # a second time changes nothing


def test_a_process_that_ends_without_a_word_broke_off_and_leaves_no_zombie(folder: Path) -> None:
    child_runs.start(folder, "small_work", "end")
    pid = read_json(folder / "result.json")["pid"]
    while state(folder) == "running":
        time.sleep(0.01)
    assert state(folder) == "interrupted"
    while psutil.pid_exists(pid):
        time.sleep(0.01)


def test_what_the_process_has_said_before_the_page_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json(folder / "result.json", {"state": "cancelled"})
    spawn = child_runs.launch.spawn

    def slow(command: list[str], place: Path) -> object:
        write_json(folder / "result.json", {"state": "done"})
        return spawn([sys.executable, "-c", ""], place)

    monkeypatch.setattr(child_runs.launch, "spawn", slow)
    child_runs.start(folder, "small_work", "end")
    assert state(folder) == "done"


def test_states_without_a_process(tmp_path: Path) -> None:
    own = {"pid": os.getpid(), "process_created_at": psutil.Process().create_time()}
    running = {"state": "running", **own}
    assert child_runs.look_at(tmp_path, time.time()) == ({}, "running")  # just asked for
    assert child_runs.look_at(tmp_path, 0.0) == ({}, "interrupted")
    for said, state in (
        (running, "running"),
        (running | {"process_created_at": 1.0}, "interrupted"),
        ({"state": "running", "pid": "x"}, "interrupted"),
    ):
        write_json(tmp_path / "result.json", said)
        assert child_runs.look_at(tmp_path, 0.0) == (said, state)


def test_a_process_that_ends_well_while_it_is_looked_at_did_not_break_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: object, **__: object) -> bool:
        write_json(tmp_path / "result.json", {"state": "done"})
        return False

    monkeypatch.setattr(child_runs, "is_alive", end)
    write_json(tmp_path / "result.json", {"state": "running", "pid": 1})
    assert child_runs.look_at(tmp_path, 0.0) == ({"state": "done"}, "done")


def test_folders_have_names_of_their_own_and_the_newest_comes_first(tmp_path: Path) -> None:
    first = child_runs.new_folder(tmp_path / "runs")
    again = [child_runs.new_folder(tmp_path / "runs", {f"{first.name}a"}) for _ in range(2)]
    assert len({first, *again}) == 3 and f"{first.name}a" not in {place.name for place in again}
    for place in (first, again[0]):
        write_json(place / "request.json", {})
    assert child_runs.folders(tmp_path / "runs") == sorted([first, again[0]], reverse=True)
    assert child_runs.folders(tmp_path / "missing") == []
    assert child_runs.is_name(first.name) and not child_runs.is_name("../x") and not child_runs.is_name("")


def test_time_left_follows_the_pace() -> None:
    assert child_runs.seconds_left(0.25, 100.0, 110.0) == pytest.approx(30.0)
    for share, begun in ((None, 1.0), (0.01, 1.0), (0.5, None)):
        assert child_runs.seconds_left(share, begun, 5.0) is None
