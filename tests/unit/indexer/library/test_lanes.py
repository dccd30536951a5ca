"""Quick jobs beside long ones: what may run side by side, and what is left of it in the end."""

import itertools
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from indexer.catalog import Catalog
from indexer.ingest import pipeline
from indexer.ingest import read as reading
from indexer.library.lanes import BESIDE, LANES, lane_of, lane_of_files, must_wait
from indexer.library.library import Library
from indexer.library.write_lock import LongWork, WriteLock
from indexer.types import JobInfo

OWNER = "here|1|1.0"
LONG = ("add", "sample", "reindex", "repair", "switch")
QUICK = ("remove", "add", "reindex", "drop")


@pytest.fixture
def catalog(tmp_path: Path, empty_catalog: Path) -> Iterator[Catalog]:
    shutil.copy(empty_catalog, tmp_path / "c.sqlite3")
    opened = Catalog.open(tmp_path / "c.sqlite3")
    yield opened
    opened.close()


def waiting(
    catalog: Catalog, kind: str, collection: str = "c", *, lane: Any = None, at: float = 1.0, **values: Any
) -> JobInfo:
    return catalog.jobs.create(
        kind,
        collection=collection,
        label=kind,
        params={},
        created_at=at,
        lane=lane or lane_of(kind),
        **values,
    )


def claimed(
    catalog: Catalog, lane: Any, owner: str = OWNER, host: str | None = None, gone: Sequence[str] = ()
) -> Any:
    """What a worker of ``owner`` takes next."""

    def waits(job: Any, earlier: Any) -> bool:
        return must_wait(job, earlier, owner=owner, host=host, is_gone=gone.__contains__)

    found = catalog.jobs.claim(owner, 9.0, host, lane, waits)
    return None if found is None else found.info.kind


@pytest.mark.parametrize(("quick", "long"), list(itertools.product(QUICK, LONG)))
@pytest.mark.parametrize("is_running", [True, False])
def test_a_quick_job_starts_beside_what_the_table_names(
    catalog: Catalog, quick: str, long: str, is_running: bool
) -> None:
    waiting(catalog, long, lane="long")
    if is_running:
        assert claimed(catalog, "long") == long
    waiting(catalog, quick, lane="quick", at=2.0)
    assert claimed(catalog, "quick") == (quick if long in BESIDE[quick] else None)
    waiting(catalog, quick, "another", lane="quick", at=3.0)
    assert claimed(catalog, "quick") == quick  # nothing waits for another collection


@pytest.mark.parametrize("long", LONG)
def test_a_long_job_waits_for_all_that_was_asked_for_before(catalog: Catalog, long: str) -> None:
    first = waiting(catalog, "remove")
    waiting(catalog, long, lane="long", at=2.0)
    assert claimed(catalog, "long") is None
    assert claimed(catalog, "quick") == "remove" and claimed(catalog, "long") is None
    catalog.jobs.end(first.id, "done", "", 5.0)
    assert claimed(catalog, "long") == long


def test_a_deletion_is_not_overtaken(catalog: Catalog) -> None:
    waiting(catalog, "add", lane="long")
    assert claimed(catalog, "long") == "add"
    waiting(catalog, "drop", at=2.0)
    waiting(catalog, "add", lane="quick", at=3.0)
    assert claimed(catalog, "quick") is None


def test_jobs_of_no_collection_are_of_every_collection(catalog: Catalog) -> None:
    waiting(catalog, "reindex", "", lane="long")
    waiting(catalog, "drop", at=2.0)
    assert claimed(catalog, "quick") is None
    waiting(catalog, "remove", at=3.0)
    assert claimed(catalog, "quick") is None  # waits for the deletion


def test_processes_do_not_work_on_one_collection_together(catalog: Catalog) -> None:
    waiting(catalog, "add", lane="long")
    assert claimed(catalog, "long", owner="there|2|2.0") == "add"
    waiting(catalog, "remove", at=2.0)
    assert claimed(catalog, "quick") is None
    assert claimed(catalog, "quick", gone=["there|2|2.0"]) == "remove"


def test_processes_read_documents_into_one_collection_together(catalog: Catalog) -> None:
    waiting(catalog, "add", lane="long")
    assert claimed(catalog, "long", owner="there|2|2.0") == "add"
    waiting(catalog, "reindex", lane="long", at=2.0)
    assert claimed(catalog, "long") == "reindex"


def test_what_waits_for_another_machine_keeps_nobody_waiting(catalog: Catalog) -> None:
    waiting(catalog, "add", lane="long", host="b" * 36)
    waiting(catalog, "switch", at=2.0)
    assert claimed(catalog, "long", host="a" * 36) == "switch"


@pytest.mark.parametrize(
    ("files", "lane"),
    [
        ([("page.pdf", 300_000)], "quick"),
        ([("note.txt", 20_000)] * 3, "quick"),
        ([("book.txt", 900_000)], "long"),
        ([("scan.pdf", 90_000_000)], "long"),
        ([("all.zip", 10)], "long"),
        ([("note.txt", 10)] * 11, "long"),
        ([], "quick"),
    ],
)
def test_small_uploads_are_quick(files: list[tuple[str, int]], lane: str) -> None:
    assert lane_of_files([(Path(name), size) for name, size in files]) == lane


# -- the lock ------------------------------------------------------------------------------------------------


def test_short_work_comes_in_where_long_work_stands_still() -> None:
    lock, order = WriteLock(), []
    work = LongWork("c")

    def come(name: str, may_enter: Callable[[LongWork], bool]) -> threading.Thread:
        def run() -> None:
            with lock.beside(may_enter) as parked:
                order.append((name, parked is work))

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    with lock.long(work):
        lock.pause()  # nobody waits
        threads = [come("in", lambda one: True), come("out", lambda one: one.collection != "c")]
        deadline = time.monotonic() + 10
        while len(lock._waiting) < 2 and time.monotonic() < deadline:
            time.sleep(0.001)
        with lock:  # the holder may take it again; then it is no moment to let others in
            lock.pause()
            assert order == []
        lock.pause()
        assert order == [("in", True)]
        order.append(("long", True))
    for thread in threads:
        thread.join(10)
    assert order == [("in", True), ("long", True), ("out", False)]


# -- whole jobs ----------------------------------------------------------------------------------------------


class During:
    """Asks for a quick job while an ingest embeds, and lets the ingest go on when that one waits."""

    def __init__(self, library: Library, encoder: Any, ask: Callable[[], JobInfo], at: str) -> None:
        self.library, self.ask, self.at = library, ask, at
        self.job: JobInfo | None = None
        self.state_at_the_end = ""
        encoder.before_encode = self

    def __call__(self, texts: Sequence[str]) -> None:
        if threading.current_thread().name == "quick jobs":
            return
        if self.job is not None:
            self.state_at_the_end = self.library.jobs.get(self.job.id).state
        elif any(self.at in text for text in texts):
            self.job = self.ask()
            deadline = time.monotonic() + 20
            while not self.library.writing._waiting and time.monotonic() < deadline:
                time.sleep(0.001)


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose ingest takes many batches; the middle document takes several."""
    monkeypatch.setattr(pipeline, "BATCH_CHUNKS", 8)
    monkeypatch.setattr(reading, "GROUP_CHUNKS", 4)
    monkeypatch.setattr(Library, "warm", lambda *_: None)  # the store of these tests cannot search
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(12):
        words = " ".join(
            f"Page {page} of the logbook, ship{number}." for page in range(80 if number == 6 else 8)
        )
        (folder / f"{number:02}.txt").write_text(words, encoding="utf-8")
    return folder


def require_sound(library: Library) -> None:
    """Catalog and store hold the same passages, and the counters are right."""
    record = library.catalog.collections.get("library")
    states = dict(library.catalog.chunks.iter_states(record.id))
    assert sorted(library.store.iter_ids(record.store_name)) == sorted(states)
    assert set(states.values()) == {"indexed"}
    assert not library.catalog.documents.unfinished()
    assert library.catalog.counts.problems(record.id) == []


def names(library: Library) -> list[str]:
    return [Path(one.path).name for one in library.documents()]


def add_and(library: Library, encoder: Any, many: Path, ask: Callable[[], JobInfo], at: str) -> None:
    during = During(library, encoder, ask, at)
    job = library.jobs.submit_add([many], prune=True)
    assert library.jobs.wait(job.id).state == "done"
    assert during.job is not None and library.jobs.wait(during.job.id).state == "done"
    assert during.state_at_the_end == "done"  # while the ingest went on
    require_sound(library)


def test_a_removal_does_not_wait_for_the_ingest(library: Library, fake_encoder: Any, many: Path) -> None:
    library.add([many / "00.txt"])
    (found,) = library.documents()
    add_and(library, fake_encoder, many, lambda: library.jobs.submit_remove([found.id], "library"), "ship3")
    assert names(library) == [f"{number:02}.txt" for number in range(1, 12)]


@pytest.mark.parametrize("at", ["Page 0 of the logbook, ship6.", "Page 79 of the logbook, ship6."])
@pytest.mark.parametrize("is_changed", [False, True])
def test_a_document_is_removed_while_it_is_being_indexed(
    library: Library, fake_encoder: Any, many: Path, at: str, is_changed: bool
) -> None:
    if is_changed:  # a version of it is there already
        text = (many / "06.txt").read_text()
        (many / "06.txt").write_text("An older version.")
        library.add([many / "06.txt"])
        (many / "06.txt").write_text(text)

    def ask() -> JobInfo:
        record = next(one for one in library.documents() if one.path.endswith("06.txt"))
        return library.jobs.submit_remove([record.id], "library")

    add_and(library, fake_encoder, many, ask, at)
    assert names(library) == [f"{number:02}.txt" for number in range(12) if number != 6]


def test_a_removed_document_that_is_still_to_be_read_stays_away(
    library: Library, fake_encoder: Any, many: Path
) -> None:
    library.add([many / "11.txt"])
    (found,) = library.documents()
    (many / "11.txt").write_text("It has changed since, ship11.")
    add_and(library, fake_encoder, many, lambda: library.jobs.submit_remove([found.id], "library"), "ship2")
    assert names(library) == [f"{number:02}.txt" for number in range(11)]


def test_a_small_upload_does_not_wait_for_the_ingest(
    library: Library, fake_encoder: Any, many: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.txt"
    page.write_text("One page about lighthouses.")
    add_and(library, fake_encoder, many, lambda: library.jobs.submit_add([page], keep_copies=True), "ship3")
    assert len(names(library)) == 13 and "page.txt" in names(library)


def test_an_upload_replaces_what_a_larger_one_is_still_indexing(
    library: Library, fake_encoder: Any, many: Path, tmp_path: Path
) -> None:
    """Both bring a file of one name; the later one counts, whatever the larger one has read already."""
    newer = tmp_path / "06.txt"
    newer.write_text("The newer one is about lighthouses.")
    during = During(
        library,
        fake_encoder,
        lambda: library.jobs.submit_add([newer], keep_copies=True),
        "Page 0 of the logbook, ship6.",
    )
    job = library.jobs.submit_add(sorted(many.iterdir()), keep_copies=True)
    assert library.jobs.wait(job.id).state == "done" and during.job is not None
    assert library.jobs.wait(during.job.id).state == "done" and during.state_at_the_end == "done"
    require_sound(library)
    assert names(library) == [f"{number:02}.txt" for number in range(12)]
    record = next(one for one in library.documents() if one.path == "06.txt")
    assert Path(record.stored_path).read_text() == newer.read_text() and record.chunks == 1


def test_an_ingest_that_starts_late_leaves_later_removals_alone(library: Library, many: Path) -> None:
    library.add([many / "00.txt", many / "01.txt"])
    ids = [one.id for one in library.documents() if one.path.endswith("00.txt")]
    job = library.jobs.submit("add", {"paths": [str(many)], "prune": True}, "library", start=False)
    removal = library.jobs.submit_remove(ids, "library")
    library.jobs.wait(removal.id)
    assert library.jobs.wait(job.id).state == "done"
    assert names(library) == [f"{number:02}.txt" for number in range(1, 12)]
    library.jobs.wait(library.jobs.submit_add([many], prune=True).id)  # asked for after the removal
    assert len(names(library)) == 12


def test_there_is_a_worker_for_each_lane(library: Library) -> None:
    library.jobs.start()
    assert [thread.name for thread in library.jobs._threads] == [f"{lane} jobs" for lane in LANES]
