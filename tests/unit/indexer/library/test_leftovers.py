"""What gathers on the disk: uploads of jobs that ended, damaged vectors, logs, the cache of the machine."""

import os
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexer.errors import Cancelled, ReadError
from indexer.library import leftovers
from indexer.library.doctor import Finding
from indexer.library.library import Library
from indexer.progress import CancelToken
from me5 import atomic

OpenLibrary = Callable[..., Library]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ME5_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def copies(library: Library) -> set[str]:
    """Texts of the copies that the library keeps."""
    return {path.read_text(encoding="utf-8") for path in library.files.root.rglob("*") if path.is_file()}


@pytest.fixture
def uploads(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.txt" for number in range(3)]
    for path in paths:
        path.write_text(f"Upload {path.stem}.", encoding="utf-8")
    return paths


def occupied(library: Library) -> None:
    """Keep the worker busy, so that other jobs wait."""
    library.jobs._is_closing = True


def test_a_waiting_upload_that_is_cancelled_leaves_nothing(library: Library, uploads: list[Path]) -> None:
    occupied(library)
    job = library.jobs.submit_add(uploads, keep_copies=True)
    assert len(copies(library)) == 3
    library.jobs.cancel(job.id)
    assert library.jobs.get(job.id).state == "cancelled" and copies(library) == set()
    library.jobs.cancel(job.id)  # again changes nothing


def test_copies_that_others_need_stay(library: Library, uploads: list[Path]) -> None:
    library.add(uploads[:1], keep_copies=True)
    occupied(library)
    job = library.jobs.submit_add(uploads, keep_copies=True)
    library.jobs.submit_add(uploads[1:2], "papers", keep_copies=True)
    library.jobs.cancel(job.id)
    assert copies(library) == {"Upload 0.", "Upload 1."}


@pytest.mark.parametrize("state", ["cancelled", "failed"])
def test_a_running_upload_that_stops_keeps_what_it_finished(
    library: Library, uploads: list[Path], fake_encoder: Any, state: str
) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def wait(texts: Any) -> None:
        reached.set()
        go_on.wait(30)
        if state == "failed":
            raise ReadError("The model has died. Start again.")

    library.add(uploads[:1], keep_copies=True)
    fake_encoder.before_encode = wait
    job = library.jobs.submit_add(uploads, keep_copies=True)
    assert reached.wait(30)
    if state == "cancelled":
        library.jobs.cancel(job.id)
    go_on.set()
    assert library.jobs.wait(job.id).state == state
    needed = {Path(one.stored_path).read_text(encoding="utf-8") for one in library.documents()}
    assert copies(library) == needed and "Upload 0." in needed


def test_an_interrupted_upload_is_kept_for_the_next_start(
    open_library: OpenLibrary, uploads: list[Path]
) -> None:
    library = open_library()
    occupied(library)
    job = library.jobs.submit_add(uploads, keep_copies=True)
    library.close()
    library = open_library(resume_jobs=True)
    assert library.jobs.wait(job.id).state == "done"
    assert len(copies(library)) == len(library.documents()) == 3


def test_a_cancelled_upload_of_a_process_that_died_goes_at_the_next_start(
    open_library: OpenLibrary, uploads: list[Path]
) -> None:
    library = open_library()
    occupied(library)
    job = library.jobs.submit_add(uploads, keep_copies=True)
    assert library.catalog.jobs.claim(f"{library.host}|1|0.0", 0.0, library.host) is not None
    library.catalog.jobs.cancel(job.id, 0.0)
    library.close()
    library = open_library(resume_jobs=True)
    assert library.jobs.get(job.id).state == "cancelled" and copies(library) == set()


def test_an_uploaded_archive_goes_and_its_members_stay(library: Library, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "papers.zip", "w") as archive:
        archive.writestr("one.txt", "The first paper.")
    job = library.jobs.submit_add([tmp_path / "papers.zip"], keep_copies=True)
    assert library.jobs.wait(job.id).state == "done"
    assert copies(library) == {"The first paper."}


def test_uploads_that_go_on_with_the_fast_model_are_kept(library: Library, uploads: list[Path]) -> None:
    occupied(library)
    job = library.jobs.submit_add(uploads, keep_copies=True)
    library.jobs._is_closing = False
    jobs = library.fast_first(job.id)
    assert library.jobs.wait(jobs[1].id).message == "3 added"
    assert len(copies(library)) == 3


def test_a_cancelled_call_leaves_no_copies(library: Library, uploads: list[Path]) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        library.add(uploads, keep_copies=True, cancel=cancel)
    assert copies(library) == set()


def test_an_upload_that_is_not_whole_leaves_no_copies(library: Library, uploads: list[Path]) -> None:
    library.add(uploads[:1], keep_copies=True)
    with pytest.raises(ReadError):
        library.jobs.submit_add([*uploads, uploads[0].with_name("nothing.txt")], keep_copies=True)
    assert copies(library) == {"Upload 0."}


def put(folder: Path, *names: str) -> None:
    """Files, each a minute younger than the one before."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).write_bytes(b"x" * 1000)
        os.utime(folder / name, (1e9 + 60 * number, 1e9 + 60 * number))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def findings(library: Library, check: str, *, repair: bool = False) -> list[Finding]:
    return [one for one in library.doctor(repair=repair) if one.check == check]


def test_the_last_few_damaged_vectors_and_logs_are_kept(open_library: OpenLibrary, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for number in range(5):
        put(data / "vectors" / f"a.damaged-{number}", "manifest.json")
        os.utime(data / "vectors" / f"a.damaged-{number}", (1e9 + number, 1e9 + number))
    put(data / "vectors" / "a", "manifest.json")
    put(data / "logs", *[f"vectors-{number}.log" for number in range(10, 25)])
    open_library()
    assert names(data / "vectors") == ["a", "a.damaged-2", "a.damaged-3", "a.damaged-4"]
    assert names(data / "logs") == [f"vectors-{number}.log" for number in range(15, 25)]


def test_doctor_lists_damaged_vectors_and_deletes_them_on_request(library: Library) -> None:
    put(library.data_dir / "vectors" / "a.damaged-1", "manifest.json", "points")
    (finding,) = findings(library, "damaged")
    assert finding.is_problem and "1 (0.0 MB)" in finding.message and "--repair" in finding.advice
    (finding,) = findings(library, "damaged", repair=True)
    assert finding.repaired and names(library.data_dir / "vectors") == []
    assert findings(library, "damaged") == []


def test_doctor_lists_logs_and_the_cache_and_keeps_its_last_few(library: Library, cache: Path) -> None:
    put(library.data_dir / "logs", "vectors.log")
    put(cache / "models", "one", "two", "three", "four")
    broken, new = (atomic.name_aside(cache / "tokenizers" / name) for name in ("broken", "new"))
    put(cache / "tokenizers", "t.json", broken.name)
    new.write_bytes(b"under way")
    (logs,) = findings(library, "logs")
    models, tokenizers = findings(library, "cache")
    assert (
        str(cache / "models") in models.message and ": 4 (" in models.message and "--repair" in models.advice
    )
    assert ": 2 (" in tokenizers.message and tokenizers.advice == ""
    assert not any(one.is_problem for one in (logs, models, tokenizers))
    assert len(names(cache / "models")) == 4
    models, _ = findings(library, "cache", repair=True)
    assert ": 3 (" in models.message and models.advice == ""
    assert names(cache / "models") == ["four", "three", "two"]
    assert names(cache / "tokenizers") == [broken.name, new.name, "t.json"]


def test_what_a_kill_left_half_written_goes_at_the_next_start(
    open_library: OpenLibrary, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    open_library().close()
    left = [
        atomic.name_aside(path)
        for path in (data / "app.json", data / "models" / "m", data / "files" / "unfinished")
    ]
    registering = atomic.name_aside(data / "models" / "n")
    for path in (*left, registering):
        path.mkdir(parents=True)
        (path / "half").write_text("of it")
    for path in (left[1], left[1] / "half"):
        os.utime(path, (1e9, 1e9))
    (data / ".note.part").write_text("of the user")
    open_library()
    assert not any(path.exists() for path in left)
    assert registering.exists() and (data / ".note.part").exists()


def test_what_cannot_be_deleted_is_no_failure(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    put(library.data_dir / "vectors" / "a.damaged-1", "points")

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(leftovers, "delete", refuse)
    (finding,) = findings(library, "damaged", repair=True)
    assert finding.is_problem
