"""Several machines, each with a data folder of its own, over one catalog."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from indexer.catalog import Catalog
from indexer.catalog.claims import LEASE_S, ProcessRecord
from indexer.errors import StoreError
from indexer.library.host import host_id
from indexer.library.jobs import JobContext, JobRunner
from indexer.library.library import Library
from indexer.library.presence import Presence, owner_name
from indexer.library.recovery import TakeOver


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog.open(tmp_path / "shared.sqlite3")
    yield opened
    opened.close()


def test_a_machine_keeps_its_id_in_its_data_folder(tmp_path: Path) -> None:
    first, second = host_id(tmp_path / "a"), host_id(tmp_path / "b")
    assert first != second and len(first) == 36
    assert host_id(tmp_path / "a") == first
    (tmp_path / "a").rename(tmp_path / "moved")
    assert host_id(tmp_path / "moved") == first
    (tmp_path / "moved" / "host.id").write_text("")  # a crash while it was written
    assert len(host_id(tmp_path / "moved")) == 36
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        host_id(tmp_path / "file" / "data")


def runner_of(catalog: Catalog, host: str, done: list[tuple[str, str]]) -> JobRunner:
    def work(context: JobContext) -> str:
        done.append((host, str(context.params.get("n"))))
        return host

    return JobRunner(catalog, dict.fromkeys(("add", "reindex", "switch", "drop"), work), host=host)


def test_only_the_machine_with_the_files_runs_a_job_on_files(catalog: Catalog) -> None:
    done: list[tuple[str, str]] = []
    first, second = runner_of(catalog, "a" * 36, done), runner_of(catalog, "b" * 36, done)
    own = [first.submit(kind, {"n": kind}, "c", start=False) for kind in ("add", "reindex")]
    anyones = first.submit("switch", {"n": "switch"}, "c", start=False)
    second.start()
    assert second.wait(anyones.id, 20).message == "b" * 36
    assert [second.get(job.id).state for job in own] == ["queued", "queued"]
    first.start()
    assert [first.wait(job.id, 20).message for job in own] == ["a" * 36] * 2
    first.close()
    second.close()
    assert sorted(done) == [("a" * 36, "add"), ("a" * 36, "reindex"), ("b" * 36, "switch")]


def test_a_second_machine_takes_over_nothing_that_the_first_was_doing(catalog: Catalog) -> None:
    done: list[tuple[str, str]] = []
    first, second = (runner_of(catalog, host * 36, done) for host in "ab")
    job = first.submit("add", {"n": "add"}, "c", start=False)
    assert catalog.jobs.claim(f"{'a' * 36}|999999999|1.0", 5.0, "a" * 36) is not None  # long ago, and it died
    assert second.resume() == []
    assert second.get(job.id).state == "running"
    assert [back.id for back in first.resume()] == [job.id]
    assert first.wait(job.id, 20).state == "done"
    first.close()
    second.close()


def test_a_job_on_files_of_a_machine_that_does_not_answer_is_interrupted_until_that_is_back(
    catalog: Catalog,
) -> None:
    done: list[tuple[str, str]] = []
    first, second = (runner_of(catalog, host * 36, done) for host in "ab")
    job = first.submit("add", {"n": "add"}, "c", start=False)
    owner = f"{'a' * 36}|999999999|1.0"
    assert catalog.jobs.claim(owner, 5.0, "a" * 36) is not None
    takes_over = TakeOver(catalog, second, Presence(catalog, "b" * 36, is_shared=True), "b" * 36)
    catalog.claims.sign_of_life(ProcessRecord(owner, "a" * 36, "first", "all", time.time()))
    takes_over()
    assert second.get(job.id).state == "running"
    catalog.claims.sign_of_life(ProcessRecord(owner, "a" * 36, "first", "all", time.time() - LEASE_S - 1))
    takes_over()
    assert second.get(job.id).state == "interrupted"
    assert "goes on when that machine is back" in second.get(job.id).message
    assert [back.id for back in first.resume()] == [job.id]
    assert first.wait(job.id, 20).state == "done"
    first.close()
    second.close()


def test_processes_of_machines_of_one_name_are_told_apart(catalog: Catalog) -> None:
    """Containers often share a name, and the numbers of their processes."""
    other = owner_name("a" * 36)
    unknown = other.replace("|", "|9", 1)
    here, there = (Presence(catalog, host * 36, is_shared=True) for host in "ab")
    catalog.claims.sign_of_life(ProcessRecord(unknown, "a" * 36, "one name", "all", time.time()))
    assert not there.is_gone(unknown)
    assert here.is_gone(unknown) and not here.is_gone(other)


@pytest.fixture
def open_machine(
    tmp_path: Path, fake_encoder_class: Any, fake_store: Any
) -> Iterator[Callable[..., Library]]:
    """Open the data folder of a machine over the shared catalog and vector store."""
    opened: list[Library] = []

    def open_one(name: str) -> Library:
        library = Library.open(
            tmp_path / name,
            encoder=fake_encoder_class(),
            store=fake_store,
            database_url=f"sqlite:///{tmp_path / 'shared.sqlite3'}",
            reserve_bytes=0,
        )
        opened.append(library)
        return library

    yield open_one
    for library in opened:
        library.close()


def make_documents(folder: Path) -> Path:
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.txt").write_text(f"Document {number} about the harbour and the sea. " * 20)
    return folder


def interrupt(library: Library) -> None:
    """Leave the first document as an ingest does that was killed under way."""
    with library.catalog.database.write() as connection:
        connection.exec_driver_sql("UPDATE documents SET pending_hash = 'x' WHERE path LIKE '%0.txt'")


def test_opening_a_second_machine_leaves_documents_of_the_first_alone(
    open_machine: Callable[..., Library], tmp_path: Path
) -> None:
    first = open_machine("a")
    folder = make_documents(tmp_path / "documents")
    first.add([folder])
    interrupt(first)
    shutil.move(folder, tmp_path / "elsewhere")  # as the second machine sees it: it has no such files
    second = open_machine("b")
    assert second.jobs.list() == []
    assert len(second.catalog.documents.unfinished()) == 1
    shutil.move(tmp_path / "elsewhere", folder)
    again = open_machine("a")
    (job,) = again.jobs.list()
    assert again.jobs.wait(job.id, 60).state == "done"
    assert again.catalog.documents.unfinished() == []


def test_opening_a_second_machine_while_the_first_indexes_mends_nothing(
    open_machine: Callable[..., Library], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_machine("a")
    folder = make_documents(tmp_path / "documents")
    begun, go_on = threading.Event(), threading.Event()
    real = first.add

    def slowly(*arguments: Any, **options: Any) -> Any:
        report = real(*arguments, **options)
        interrupt(first)
        assert first.presence.claim([item.id for item in first.catalog.documents.unfinished()]) == set()
        begun.set()
        assert go_on.wait(60)
        return report

    monkeypatch.setattr(first, "add", slowly)
    job = first.jobs.submit_add([folder])
    assert begun.wait(60)
    compared: list[str] = []
    monkeypatch.setattr("indexer.library.recovery.drop_unknown", lambda *_: compared.append("compared"))
    second = open_machine("b")
    assert [one.id for one in second.jobs.list()] == [job.id] and second.jobs.get(job.id).state == "running"
    assert compared == []
    go_on.set()
    assert first.jobs.wait(job.id, 60).state == "done"


def test_a_job_that_another_process_has_by_now_is_not_taken_from_it(catalog: Catalog) -> None:
    runner = runner_of(catalog, "a" * 36, [])
    job = runner.submit("switch", {"n": "switch"}, "c", start=False)
    assert catalog.jobs.claim("first|1|1.0", 5.0) is not None
    catalog.jobs.requeue(job.id, "waits", owner="first|1|1.0", state="interrupted")
    catalog.jobs.requeue_gone(lambda owner: owner == "")  # at the start of a second one
    assert catalog.jobs.claim("second|2|2.0", 6.0) is not None
    catalog.jobs.requeue(job.id, "going on", owner=None)  # the first one learns that the store is back
    catalog.jobs.requeue(job.id, "closing", owner="first|1|1.0")
    assert catalog.jobs.infos()[0].state == "running"
    runner.close()
