"""Work in processes of its own among the jobs: recorded, listed, cancelled, found again."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from indexer.catalog import Catalog
from indexer.errors import JobError
from indexer.library import children
from indexer.library.jobs import JobRunner
from indexer.types import JobInfo
from trainer.run.records import read_json, write_json
from ui.services import child_runs
from ui.services import evaluation as evaluating
from ui.services import parallel as mining
from ui.services.jobs import find_job, follow_runs, job_json


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(children, "LOOK_EVERY_S", 0.0)
    catalog = Catalog.open(tmp_path / "catalog.sqlite3")
    jobs = JobRunner(catalog, {}, host="h" * 36)
    yield SimpleNamespace(data_dir=tmp_path, catalog=catalog, jobs=jobs, model="builtin", models=list)
    jobs.close()
    catalog.close()


def own_process() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "process_created_at": psutil.Process().create_time(),
        "started_at": time.time(),
    }


def start_mining(data: Path, name: str = "20300101-000000", at: float | None = None) -> Path:
    folder = data / "bitexts" / name
    request = mining.Request(
        "Two letters", "source.jsonl", "target.jsonl", "builtin", created_at=at or time.time()
    )
    folder.mkdir(parents=True)
    write_json(folder / "request.json", asdict(request))
    write_json(folder / "result.json", {"state": "running", **own_process()})
    write_json(folder / "progress.json", {"phase": "encoding", "share": 0.5})
    return folder


def start_evaluation(data: Path) -> Path:
    folder = data / "evaluations" / "20300101-000001"
    folder.mkdir(parents=True)
    request = evaluating.Request(("small",), ("sts",), created_at=time.time())
    write_json(folder / "request.json", asdict(request))
    write_json(folder / "result.json", {"state": "running", "current": 0, **own_process()})
    return folder


def start_training(data: Path) -> Path:
    folder = data / "runs" / "harbour"
    folder.mkdir(parents=True)
    write_json(folder / "about.json", {"title": "Harbour letters"})
    write_json(folder / "launch.json", own_process())
    write_json(folder / "state.json", {"state": "running", "pid": os.getpid(), "step": 3, "steps": 10})
    return folder


def only(library: Any) -> JobInfo:
    (job,) = library.jobs.list()
    return job


def test_all_three_are_jobs(library: Any, tmp_path: Path) -> None:
    follow_runs(library)
    for start in (start_mining, start_evaluation, start_training):
        start(tmp_path)
    found = {job.kind: job for job in library.jobs.list()}
    assert {job.label for job in found.values()} == {"Two letters", "Evaluate small", "Train Harbour letters"}
    assert {job.state for job in found.values()} == {"running"}
    parallel, training = found["parallel"], found["train"]
    assert (parallel.done, parallel.total, parallel.message) == (500, 1000, "encoding")
    assert (training.done, training.total, training.unit) == (3, 10, "steps")
    assert job_json(training)["run"] == "harbour" and library.jobs.get(training.id) == training
    owner = library.catalog.jobs.find(training.id)
    assert owner is not None and owner.lane == "child"


@pytest.mark.parametrize("state", ["done", "failed", "cancelled"])
def test_how_a_run_ended_is_recorded_and_a_resumed_one_runs_again(
    library: Any, tmp_path: Path, state: str
) -> None:
    folder = start_mining(tmp_path)
    follow_runs(library)
    running = only(library)
    write_json(folder / "result.json", {"state": state, "message": "So it was.", "finished_at": time.time()})
    ended = only(library)
    assert (ended.id, ended.state, ended.message) == (running.id, state, "So it was.")
    assert ended.finished_at is not None
    write_json(folder / "result.json", {"state": "running", **own_process()})
    again = only(library)
    assert (again.id, again.state, again.finished_at) == (running.id, "running", None)


def test_a_run_whose_process_is_gone_is_interrupted(library: Any, tmp_path: Path) -> None:
    folder = start_mining(tmp_path)
    follow_runs(library)
    write_json(folder / "result.json", {"state": "running", **own_process(), "process_created_at": 5.0})
    write_json(folder / "request.json", read_json(folder / "request.json") | {"created_at": 5.0})
    assert only(library).state == "interrupted"


def test_runs_that_ended_before_the_start_are_not_recorded(library: Any, tmp_path: Path) -> None:
    folder = start_mining(tmp_path, at=5.0)
    write_json(folder / "result.json", {"state": "done", "finished_at": 9.0})
    follow_runs(library)
    assert library.jobs.list() == []


def test_a_deleted_folder_ends_its_job(library: Any, tmp_path: Path) -> None:
    folder = start_mining(tmp_path)
    follow_runs(library)
    assert only(library).state == "running"
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    assert only(library).state == "cancelled"


def test_runs_of_their_own_keep_no_job_of_the_library_waiting(library: Any, tmp_path: Path) -> None:
    start_training(tmp_path)
    follow_runs(library)
    library.catalog.jobs.create(
        "drop", collection="c", label="x", params={}, created_at=time.time() + 9, lane="quick"
    )
    from indexer.library.lanes import must_wait

    def waits(job: Any, earlier: Any) -> bool:
        return must_wait(job, earlier, owner="o", host=None, now=time.time())

    claimed = library.catalog.jobs.claim("o", time.time(), None, "quick", waits)
    assert claimed is not None and claimed.info.kind == "drop"
    assert library.catalog.jobs.requeue_gone(lambda owner: owner != "o") == []


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
@pytest.mark.parametrize("module", ["ui.evaluating_job", "ui.mining_job"])
def test_a_cancelled_process_writes_down_that_it_was(library: Any, tmp_path: Path, module: str) -> None:
    """Asked through the list of jobs, as page, terminal and API do."""
    if module == "ui.evaluating_job":
        folder, words = start_evaluation(tmp_path), ()
    else:
        folder, words = start_mining(tmp_path), ("builtin",)
        os.mkfifo(folder / "source.jsonl")  # reading it never ends
    (folder / "result.json").unlink()
    (folder / "progress.json").unlink(missing_ok=True)
    follow_runs(library)
    child_runs.start(folder, module, *words)
    report = folder / ("result.json" if not words else "progress.json")
    until(lambda: ("runs" if not words else "phase") in read_json(report))
    job = only(library)
    assert job.state == "running"
    library.jobs.cancel(job.id)
    ended = library.jobs.get(job.id)
    assert ended.state == "cancelled"
    said = read_json(folder / "result.json")
    assert said["message"] == "The run was cancelled. Finished work is saved."
    assert not psutil.pid_exists(said["pid"]) or psutil.Process(said["pid"]).status() == psutil.STATUS_ZOMBIE
    library.jobs.cancel(job.id)  # a second time changes nothing


def test_a_job_is_found_by_the_start_of_its_id(library: Any, tmp_path: Path) -> None:
    start_mining(tmp_path)
    start_evaluation(tmp_path)
    follow_runs(library)
    jobs = library.jobs.list()
    assert find_job(jobs, jobs[0].id[:8]) == jobs[0]
    for word in ("", "x", "No"):
        with pytest.raises(JobError, match=r"app\.py jobs"):
            find_job(jobs, word)
