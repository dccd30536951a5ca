"""``app.py remove``: documents by path, folder, archive or id; exit code 0 only when all were there."""

import argparse
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexer.cli import common as cli
from indexer.cli import remove as cli_remove
from indexer.library.library import Library


@pytest.fixture
def remove(monkeypatch: pytest.MonkeyPatch, open_library: Callable[..., Library]) -> Callable[..., int]:
    """Runs the verb over the folder of ``open_library``."""
    monkeypatch.setattr(cli, "open_library", lambda args: open_library())

    def run(*words: str) -> int:
        parser = argparse.ArgumentParser()
        cli_remove.add_verb(parser.add_subparsers(required=True))
        return cli.run_safely(parser.parse_args(["remove", *words]))

    return run


@pytest.fixture
def added(open_library: Callable[..., Library], documents: Path, tmp_path: Path) -> Path:
    """The three documents, an archive with two, and an upload, in the collection ``library``."""
    with zipfile.ZipFile(documents / "papers.zip", "w") as archive:
        archive.writestr("one.txt", "The first paper.")
        archive.writestr("inner/two.txt", "The second paper.")
    upload = tmp_path / "upload.txt"
    upload.write_text("It was uploaded.", encoding="utf-8")
    with open_library() as library:
        library.add([documents])
        library.add([upload], keep_copies=True)
    return documents


def names(open_library: Callable[..., Library]) -> set[str]:
    with open_library() as library:
        return {Path(one.path).name for one in library.documents()}


ALL = {"harbour.txt", "turm.md", "long.txt", "one.txt", "two.txt", "upload.txt"}


@pytest.mark.parametrize(
    ("words", "gone"),
    [
        (["harbour.txt"], {"harbour.txt"}),
        (["sub"], {"long.txt"}),
        (["sub/", "turm.md"], {"long.txt", "turm.md"}),
        (["sub/../harbour.txt"], {"harbour.txt"}),
        (["papers.zip"], {"one.txt", "two.txt"}),
        (["papers.zip/inner"], {"two.txt"}),
        (["."], ALL - {"upload.txt"}),
        (["upload.txt"], {"upload.txt"}),
        (["harbour.txt", "harbour.txt"], {"harbour.txt"}),
    ],
)
@pytest.mark.parametrize("is_there", [True, False])
def test_what_is_named_is_removed(
    remove: Any, added: Path, open_library: Any, monkeypatch: Any, capsys: Any,
    words: list[str], gone: set[str], is_there: bool,
) -> None:  # fmt: skip
    if not is_there:
        added.rename(added.with_name("elsewhere"))
        added.mkdir()
    monkeypatch.chdir(added)
    assert remove(*words, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert {Path(path).name for path in answer["documents"]} == gone
    assert (answer["collection"], answer["removed"]) == ("library", len(gone))
    assert names(open_library) == ALL - gone


def test_a_document_is_named_by_its_full_path_or_id(remove: Any, added: Path, open_library: Any) -> None:
    with open_library() as library:
        (turm,) = [one for one in library.documents() if one.path.endswith("turm.md")]
    assert remove(turm.id) == 0
    assert remove(str(added / "harbour.txt")) == 0
    assert names(open_library) == ALL - {"turm.md", "harbour.txt"}


def test_paths_that_were_added_as_relative_are_named_as_they_are_shown(
    remove: Any, documents: Path, open_library: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(documents)
    with open_library() as library:
        library.add([Path("sub"), Path("turm.md")])
    monkeypatch.chdir(documents.parent)
    assert remove("sub") == 0
    assert names(open_library) == {"turm.md"}


@pytest.mark.parametrize("name", ["nothing.txt", "harbour", "", " ", "~nobody-of-that-name/x", "sub/long"])
def test_what_is_not_there_is_said_and_nothing_is_removed(
    remove: Any, added: Path, open_library: Any, monkeypatch: Any, capsys: Any, name: str
) -> None:
    monkeypatch.chdir(added)
    assert remove("harbour.txt", name) == 1
    error = capsys.readouterr().err
    assert repr(name) in error and "Nothing was done" in error and "harbour.txt" not in error
    assert names(open_library) == ALL


def test_another_collection_is_pointed_out(
    remove: Any, documents: Path, open_library: Any, capsys: Any
) -> None:
    with open_library() as library:
        library.add([documents], "papers")
        library.add([documents / "sub"])
    assert remove(str(documents / "turm.md")) == 1
    assert "--collection" in (error := capsys.readouterr().err) and "'papers'" in error
    assert remove(str(documents / "turm.md"), "--collection", "papers") == 0
    assert "1 removed: " in capsys.readouterr().out
    assert remove("turm.md", "--collection", "none") == 1
    assert "There is no collection named 'none'" in capsys.readouterr().err
