"""Pipes, sockets, devices, loops of links, files that block, change or vanish: named, never waited for."""

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from indexer.errors import Cancelled, ReadError
from indexer.ingest import add as adding
from indexer.ingest.report import AddReport
from indexer.ingest.scan import open_regular, scan
from indexer.library import blobs
from indexer.library.library import Library
from indexer.progress import CancelToken

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and links of POSIX")


def in_time(work: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What ``work`` returns or raises; it must do so in time."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again below
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert outcome, "it hangs"
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


@pytest.fixture
def odd(documents: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The three documents among a pipe, a socket, a link to a device, a loop of links and a broken one."""
    os.mkfifo(documents / "pipe.txt")
    (documents / "device.txt").symlink_to("/dev/zero")
    (documents / "loop.txt").symlink_to(documents / "loop.txt")
    (documents / "broken.txt").symlink_to(documents / "nowhere.txt")
    (documents / "round").symlink_to(documents)
    monkeypatch.chdir(documents)  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.txt")
        yield documents


REASONS = {
    "pipe.txt": "a named pipe, not a regular file",
    "socket.txt": "a socket, not a regular file",
    "device.txt": "a device, not a regular file",
    "loop.txt": "symbolic links",
    "broken.txt": "No such file",
}


def reasons(report: AddReport) -> dict[str, str]:
    return {Path(path).name: reason for path, reason in report.failures}


def test_only_regular_files_are_read_and_the_others_are_named(library: Library, odd: Path) -> None:
    report = in_time(lambda: library.add([odd], prune=True))
    assert report.added == 3
    found = reasons(report)
    assert found.keys() == REASONS.keys()
    assert all(reason in found[name] for name, reason in REASONS.items())


@pytest.mark.parametrize("name", REASONS)
def test_the_same_when_they_are_named_themselves(library: Library, odd: Path, name: str) -> None:
    assert REASONS[name] in reasons(in_time(lambda: library.add([odd / name])))[name]
    with pytest.raises(ReadError, match="did not arrive"):
        in_time(lambda: library.add([odd / name], keep_copies=True))


def test_a_pipe_called_an_archive_is_no_archive(library: Library, documents: Path) -> None:
    os.mkfifo(documents / "papers.zip")
    assert "papers.zip" in reasons(in_time(lambda: library.add([documents])))


def replaced_after_the_scan(monkeypatch: pytest.MonkeyPatch, change: Callable[[], None]) -> None:
    """``change`` happens between the scan and the first look into a file."""

    def scan_and_change(*given: Any, **options: Any) -> Any:
        found = scan(*given, **options)
        change()
        return found

    monkeypatch.setattr(adding, "scan", scan_and_change)


def test_a_file_that_becomes_a_pipe_is_not_waited_for(
    library: Library, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = documents / "harbour.txt"
    replaced_after_the_scan(monkeypatch, lambda: (path.unlink(), os.mkfifo(path)))  # type: ignore[func-returns-value]
    report = in_time(lambda: library.add([documents]))
    assert (report.added, list(reasons(report))) == (2, ["harbour.txt"])
    assert "named pipe" in reasons(report)["harbour.txt"]


def test_a_file_that_vanishes_is_named(
    library: Library, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced_after_the_scan(monkeypatch, (documents / "harbour.txt").unlink)
    report = in_time(lambda: library.add([documents]))
    assert (report.added, list(reasons(report))) == (2, ["harbour.txt"])


def test_an_upload_that_vanishes_is_named(
    library: Library, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced_after_the_scan(monkeypatch, lambda: (documents / "harbour.txt").unlink(missing_ok=True))
    with pytest.raises(ReadError, match="did not arrive"):
        library.add([documents / "harbour.txt"], keep_copies=True)
    assert not [path for path in library.files.root.rglob("*") if path.is_file()]


class Blocked:
    """A file whose reads do not return before it is told so."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()

    def __enter__(self) -> "Blocked":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, size: int) -> bytes:
        self.goes_on.wait()
        return b""


@pytest.fixture
def blocked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Blocked]:
    """Makes reads of ``harbour.txt`` block."""
    file = Blocked()
    monkeypatch.setattr(
        blobs, "open_regular", lambda path: file if path.name == "harbour.txt" else open_regular(path)
    )
    yield file
    file.goes_on.set()


def test_a_file_that_does_not_answer_is_given_up(
    library: Library, documents: Path, monkeypatch: pytest.MonkeyPatch, blocked: Blocked
) -> None:
    monkeypatch.setattr(blobs, "SILENT_S", 0.5)
    report = in_time(lambda: library.add([documents]))
    assert report.added == 2 and "has not answered" in reasons(report)["harbour.txt"]


def test_a_file_that_does_not_answer_can_be_cancelled(
    library: Library, documents: Path, blocked: Blocked
) -> None:
    cancel = CancelToken()
    threading.Timer(0.5, cancel.cancel).start()
    with pytest.raises(Cancelled):
        in_time(lambda: library.add([documents], cancel=cancel))


def test_a_copy_lies_under_the_hash_of_what_was_copied(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "growing.txt"
    path.write_text("It grows.", encoding="utf-8")
    hash_file = blobs.hash_file

    def hash_and_grow(one: Path, **options: Any) -> str:
        digest = hash_file(one, **options)
        path.write_text("It grows. And grows.", encoding="utf-8")
        return digest

    monkeypatch.setattr(blobs, "hash_file", hash_and_grow)
    library.add([path], keep_copies=True)
    (copy,) = [one for one in library.files.root.rglob("*") if one.is_file()]
    assert copy.stem == hash_file(copy) and copy.read_text(encoding="utf-8").endswith("And grows.")


@pytest.mark.parametrize("name", ["x" * 300 + ".txt", "~nobody-of-that-name/x.txt"])
def test_names_that_cannot_be_are_missing(name: str) -> None:
    found = scan([Path(name)])
    assert found.files == [] and "does not exist" in found.problems[0][1]
