"""Jobs: queued, run one after the other, cancelled, resumed, remembered."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from indexer.catalog import Catalog
from indexer.errors import Cancelled, CatalogError, JobError, ReadError, StoreAwayError
from indexer.library import jobs
from indexer.library.jobs import Handler, JobContext, JobRunner
from indexer.library.presence import owner_name
from indexer.progress import CancelToken, TimeLeft, waiting

MakeRunner = Callable[..., JobRunner]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog.open(tmp_path / "catalog.sqlite3")
    yield opened
    opened.close()


@pytest.fixture
def make_runner(catalog: Catalog) -> Iterator[MakeRunner]:
    runners: list[JobRunner] = []

    def make(handler: Handler, **options: Any) -> JobRunner:
        runner = JobRunner(catalog, {"work": handler}, **options)
        runners.append(runner)
        return runner

    yield make
    for runner in runners:
        runner.close()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


class Gate:
    """Work that says when it has begun and goes on until it is cancelled or let through."""

    def __init__(self) -> None:
        self.begun, self.opened = threading.Event(), threading.Event()
        self.runs = 0

    def __call__(self, context: JobContext) -> str:
        self.runs += 1
        context.progress(1, 4, "files", "a.txt")
        self.begun.set()
        while not self.opened.wait(0.01):
            context.progress(2, 4, "files", "b.txt")
            context.cancel.check()
        return "4 files"


def test_a_job_runs_and_says_what_it_did(make_runner: MakeRunner) -> None:
    seen: list[Any] = []

    def work(context: JobContext) -> str:
        seen.append((dict(context.params), context.collection))
        context.progress(3, 4, "files", "x")
        context.progress(4, 4, "files", "y")
        return "all read"

    runner = make_runner(work)
    job = runner.wait(runner.submit("work", {"n": [1]}, "library", "Read files").id)
    assert (job.state, job.message, job.label) == ("done", "all read", "Read files")
    assert (job.done, job.total, job.unit) == (4, 4, "files")
    assert job.started_at and job.finished_at and job.seconds_left is None
    assert seen == [({"n": [1]}, "library")]


def test_jobs_run_in_the_order_they_came(make_runner: MakeRunner) -> None:
    order: list[int] = []
    runner = make_runner(lambda context: str(order.append(context.params["n"])))
    jobs = [runner.submit("work", {"n": number}, "c", start=False) for number in range(5)]
    runner.start()
    runner.wait(jobs[-1].id)
    assert order == [0, 1, 2, 3, 4]
    assert [job.id for job in runner.list()] == [job.id for job in reversed(jobs)]


def test_failures_are_told_in_words(make_runner: MakeRunner) -> None:
    def work(context: JobContext) -> str:
        raise ReadError("The file is encrypted.") if context.params["known"] else KeyError("oops")

    runner = make_runner(work)
    known = runner.wait(runner.submit("work", {"known": True}, "c").id)
    unknown = runner.wait(runner.submit("work", {"known": False}, "c").id)
    assert (known.state, known.message) == ("failed", "The file is encrypted.")
    assert unknown.state == "failed"
    assert "KeyError" in unknown.message and "Traceback" not in unknown.message


def refusing(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, name: str, times: int, *, after: bool = False
) -> None:
    """Let a query on jobs fail so many times; ``after`` it has done its work, as a lost answer."""
    real, left = getattr(catalog.jobs, name), [times]

    def refuse(*args: Any, **options: Any) -> Any:
        if left[0] <= 0:
            return real(*args, **options)
        left[0] -= 1
        if after:
            real(*args, **options)
        raise CatalogError("The catalog refused: database is locked.")

    monkeypatch.setattr(catalog.jobs, name, refuse)
    monkeypatch.setattr(jobs, "RETRY_S", 0.01)
    monkeypatch.setattr(jobs, "MAX_RETRY_S", 0.05)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", ["claim", "end", "report", "find", "requeue_gone"])
def test_a_catalog_that_refuses_for_a_while_stops_no_job(
    catalog: Catalog, make_runner: MakeRunner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    name: str, after: bool,
) -> None:  # fmt: skip
    done: list[int] = []

    def work(context: JobContext) -> str:
        context.progress(1, 2, "files", "x")
        done.append(context.params["n"])
        return "worked"

    runner = make_runner(work)
    waiting = [runner.submit("work", {"n": number}, "c", start=False) for number in range(2)]
    refusing(catalog, monkeypatch, name, 3, after=after)
    if name in ("find", "requeue_gone"):  # the worker asks for these after another refusal
        real = catalog.jobs.claim
        failed: list[bool] = []

        def claim(*args: Any) -> Any:
            record = real(*args)
            if not failed:
                failed.append(True)
                raise CatalogError("The catalog refused: disk I/O error.")
            return record

        monkeypatch.setattr(catalog.jobs, "claim", claim)
    runner.start()
    deadline = time.monotonic() + 20
    while len(set(done)) < 2 or runner._current:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert [runner.wait(job.id, 10).state for job in waiting] == ["done", "done"]
    assert "refused" in caplog.text and caplog.text.count("Progress cannot") <= 3


def test_a_job_cancelled_while_the_catalog_refuses_ends_cancelled(
    catalog: Catalog, make_runner: MakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    runner = make_runner(gate)
    job = runner.submit("work", {}, "c")
    assert gate.begun.wait(10)
    refusing(catalog, monkeypatch, "end", 2)
    runner.cancel(job.id)
    assert runner.wait(job.id, 10).state == "cancelled"
    after = runner.submit("work", {}, "c")
    gate.opened.set()
    assert runner.wait(after.id, 10).state == "done"


def test_closing_does_not_wait_for_a_catalog_that_refuses(
    catalog: Catalog, make_runner: MakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = make_runner(lambda context: "worked")
    refusing(catalog, monkeypatch, "end", 10**6)
    monkeypatch.setattr(jobs, "RETRY_S", 60.0)
    monkeypatch.setattr(jobs, "MAX_RETRY_S", 60.0)
    job = runner.submit("work", {}, "c")
    while runner.get(job.id).state != "running":
        time.sleep(0.01)
    closing = threading.Thread(target=runner.close)
    closing.start()
    closing.join(10)
    assert not closing.is_alive()
    assert catalog.jobs.find(job.id).info.state == "running"  # type: ignore[union-attr] - the next process finds it


def test_a_running_job_is_cancelled(make_runner: MakeRunner) -> None:
    gate = Gate()
    runner = make_runner(gate)
    job = runner.submit("work", {}, "c")
    assert gate.begun.wait(10)
    assert runner.get(job.id).state == "running"
    runner.cancel(job.id)
    assert runner.wait(job.id).state == "cancelled"


def test_a_waiting_job_is_cancelled_without_running(make_runner: MakeRunner) -> None:
    gate = Gate()
    runner = make_runner(gate)
    first, second = runner.submit("work", {}, "c"), runner.submit("work", {}, "c")
    assert gate.begun.wait(10)
    runner.cancel(second.id)
    assert runner.get(second.id).state == "cancelled"
    gate.opened.set()
    assert runner.wait(first.id).state == "done"
    assert gate.runs == 1


def test_a_cancellation_from_another_process_is_noticed(make_runner: MakeRunner, catalog: Catalog) -> None:
    gate = Gate()
    seconds = iter(range(100_000))
    runner = make_runner(gate, clock=lambda: float(next(seconds)))
    job = runner.submit("work", {}, "c")
    assert gate.begun.wait(10)
    catalog.jobs.cancel(job.id, 1.0)
    assert runner.wait(job.id).state == "cancelled"


def test_closing_puts_a_running_job_back(make_runner: MakeRunner) -> None:
    gate = Gate()
    runner = make_runner(gate)
    job = runner.submit("work", {}, "c")
    assert gate.begun.wait(10)
    runner.close()
    assert runner.get(job.id).state == "queued"
    gate.opened.set()
    later = make_runner(gate)
    later.resume()
    assert later.wait(job.id).state == "done"
    assert gate.runs == 2


def test_a_job_of_a_dead_process_is_resumed(make_runner: MakeRunner, catalog: Catalog) -> None:
    runner = make_runner(lambda context: "again")
    dead = runner.submit("work", {}, "c", start=False)
    host, _, _ = owner_name().split("|")
    assert catalog.jobs.claim(f"{host}|999999999|1.0", 5.0) is not None
    alive = runner.submit("work", {}, "c", start=False)
    assert catalog.jobs.claim(owner_name(), 6.0) is not None
    back = runner.resume()
    assert [job.id for job in back] == [dead.id]
    assert runner.wait(dead.id).state == "done"
    assert runner.get(alive.id).state == "running"


def test_work_that_the_vector_store_interrupts_goes_on_when_that_answers(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "AWAY_S", 0.05)
    is_there, runs, messages = threading.Event(), [], []

    def work(context: JobContext) -> str:
        runs.append(context.params["n"])
        if not is_there.is_set():
            waiting.get()("waiting for the Qdrant server at x")
            messages.append(runner.list()[-1].message)
            raise StoreAwayError("The Qdrant server at x does not answer.")
        return "finished"

    runner = JobRunner(catalog, {"work": work}, is_store_there=is_there.is_set)
    first, second, third = (runner.submit("work", {"n": n}, f"c{n}") for n in range(3))
    wait_until(lambda: runner.get(first.id).state == "interrupted")
    time.sleep(0.3)
    assert "goes on by itself" in runner.get(first.id).message
    assert messages == ["waiting for the Qdrant server at x"]
    assert [runner.get(job.id).state for job in (second, third)] == ["queued", "queued"]  # nothing is tried
    runner.cancel(second.id)
    is_there.set()
    assert runner.wait(third.id, 20).message == "finished"
    assert runner.wait(first.id, 20).message == "finished"
    assert runner.get(second.id).state == "cancelled"
    assert runs == [0, 0, 2]
    runner.close()


def test_work_that_waits_for_the_vector_store_can_be_cancelled_and_survives_a_restart(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "AWAY_S", 0.05)

    def away(context: JobContext) -> str:
        raise StoreAwayError("The Qdrant server at x does not answer.")

    runner = JobRunner(catalog, {"work": away}, is_store_there=lambda: False)
    kept = runner.submit("work", {}, "kept")
    wait_until(lambda: runner.get(kept.id).state == "interrupted")
    runner.close()
    later = JobRunner(catalog, {"work": lambda context: "finished"})
    assert [job.id for job in later.resume()] == [kept.id]
    assert later.wait(kept.id, 20).state == "done"
    later.close()
    other = JobRunner(catalog, {"work": away}, is_store_there=lambda: False)
    given_up = other.submit("work", {}, "given up")
    wait_until(lambda: other.get(given_up.id).state == "interrupted")
    other.cancel(given_up.id)
    assert other.get(given_up.id).state == "cancelled"
    other.close()


def test_unknown_kinds_and_ids_are_refused(make_runner: MakeRunner) -> None:
    runner = make_runner(lambda context: "")
    with pytest.raises(JobError, match="Known kinds: work"):
        runner.submit("wrok", {}, "c")
    with pytest.raises(JobError, match="no job 'x'"):
        runner.get("x")


def test_only_the_newest_ended_jobs_are_kept(catalog: Catalog) -> None:
    for number in range(210):
        job = catalog.jobs.create("work", collection="c", label="", params={}, created_at=float(number))
        catalog.jobs.end(job.id, "done", "", 1.0)
    kept = catalog.jobs.infos()
    assert len(kept) == 201  # 200 and the one that was queued when the last cut was made
    assert kept[0].created_at > kept[-1].created_at


def test_seconds_left_follow_the_rate() -> None:
    left = TimeLeft()
    assert left.seconds(0, 1000, now=0.0) is None
    assert left.seconds(100, 1000, now=10.0) == pytest.approx(90.0)
    assert left.seconds(100, 1000, now=15.0) == pytest.approx(85.0)
    faster = left.seconds(500, 1000, now=25.0)
    assert faster is not None and 500 / 40 < faster < 50.0  # between the new rate and the old one
    assert left.seconds(1000, 1000, now=30.0) == 0.0


def test_a_token_stops_only_when_asked() -> None:
    token = CancelToken()
    token.check()
    token.cancel()
    with pytest.raises(Cancelled):
        token.check()
