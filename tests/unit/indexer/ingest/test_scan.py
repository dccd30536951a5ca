"""Paths to files: what is taken, what is left out, and what is said about the rest."""

import os
import sys
from pathlib import Path

import pytest

from indexer.ingest.scan import scan


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text", encoding="utf-8")


def test_a_folder_is_walked_in_a_fixed_order(tmp_path: Path) -> None:
    make(tmp_path, "b.txt", "a.txt", "sub/c.md", "photo.jpg", ".hidden.txt", ".git/x.txt", "~$letter.docx")
    found = scan([tmp_path])
    assert [Path(file.path).relative_to(tmp_path).as_posix() for file in found.files] == [
        "a.txt",
        "b.txt",
        "sub/c.md",
    ]
    assert found.skipped == 1
    assert found.folders == [tmp_path]
    assert found.problems == []


def test_paths_stay_as_they_were_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "docs/a.txt")
    monkeypatch.chdir(tmp_path)
    (file,) = scan([Path("docs")]).files
    assert file.path == "docs/a.txt"
    assert file.source == tmp_path / "docs" / "a.txt"
    assert file.size_bytes == 4


def test_a_named_file_is_taken_whatever_it_is(tmp_path: Path) -> None:
    make(tmp_path, "photo.jpg", ".hidden.txt")
    found = scan([tmp_path / "photo.jpg", tmp_path / ".hidden.txt"])
    assert len(found.files) == 2


def test_a_file_named_twice_is_taken_once(tmp_path: Path) -> None:
    make(tmp_path, "docs/a.txt")
    found = scan([tmp_path, tmp_path / "docs" / "a.txt", tmp_path / "docs" / ".." / "docs" / "a.txt"])
    assert len(found.files) == 1


def test_what_is_missing_is_said_and_the_rest_goes_on(tmp_path: Path) -> None:
    make(tmp_path, "a.txt")
    found = scan([tmp_path / "nothing", tmp_path / "a.txt"])
    assert len(found.files) == 1
    ((path, reason),) = found.problems
    assert path.endswith("nothing")
    assert "does not exist" in reason


def test_the_data_folder_is_never_walked(tmp_path: Path) -> None:
    make(tmp_path, "a.txt", "data/files/ab/copy.txt")
    assert len(scan([tmp_path]).files) == 2
    assert len(scan([tmp_path], leave_out=[tmp_path / "data"]).files) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep file names in Unicode")
def test_a_name_that_is_no_text_is_reported(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    with open(raw, "w") as file:  # noqa: PTH123 - a bytes name
        file.write("x")
    found = scan([tmp_path])
    assert found.files == []
    assert "Rename" in found.problems[0][1]
    str(found.problems).encode()
