"""The terminal while the app runs: answered by the app, as by an open data folder."""

import argparse
import json
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from indexer.cli import asking, running
from indexer.cli import common as cli
from indexer.cli import documents as cli_documents
from indexer.cli import models as cli_models
from indexer.cli import remove as cli_remove
from indexer.cli import similar as cli_similar
from indexer.cli import watch as cli_watch
from indexer.errors import Cancelled, StoreLockedError
from indexer.library.library import Library
from indexer.store.qdrant import QdrantStore
from ui import jobs_verb

STORES = (None, None)


@pytest.fixture
def app(
    open_library: Callable[..., Library], documents: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Library]:
    """An app with three documents that answers the terminal, which stands in their folder."""
    library = open_library(store=QdrantStore(":memory:"))
    library.add([documents])
    monkeypatch.chdir(documents)
    with running.listening(library, STORES):
        yield library


@pytest.fixture
def terminal(app: Library, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run a verb while the app has the folder."""

    def locked(args: argparse.Namespace, **_: Any) -> Any:
        raise StoreLockedError("The data folder is in use by process 7.")

    def run(*words: str) -> int:
        monkeypatch.setattr(cli, "open_library", locked)
        parser = argparse.ArgumentParser()
        verbs = parser.add_subparsers(required=True)
        cli_documents.add_verbs(verbs)
        cli_remove.add_verb(verbs)
        cli_similar.add_verb(verbs)
        cli_watch.add_verb(verbs)
        jobs_verb.add_verb(verbs)
        return cli.run_safely(parser.parse_args([*words, "--data", str(app.data_dir)]))

    return run


def direct(library: Library, monkeypatch: pytest.MonkeyPatch, capsys: Any, *words: str) -> tuple[int, str]:
    """What a verb prints where the folder is free."""

    class Open:
        def __enter__(self) -> Library:
            return library

        def __exit__(self, *_: object) -> None:
            """The fixture closes it."""

    monkeypatch.setattr(cli, "open_library", lambda args: Open())
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers(required=True)
    cli_documents.add_verbs(verbs)
    cli_similar.add_verb(verbs)
    code = cli.run_safely(parser.parse_args([*words, "--data", str(library.data_dir)]))
    return code, capsys.readouterr().out


def without_time(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if "took_ms" not in line)


@pytest.mark.parametrize(
    "words",
    [
        ["search", "the harbour of 1894", "--json"],
        ["search", "the harbour of 1894"],
        ["search", "Turm", "--mode", "lexical", "--language", "de", "--top-k", "1", "--json"],
        ["search", "nothing of that kind 東京", "--json"],
        ["similar", "harbour.txt", "--json"],
        ["similar", "harbour.txt", "--at", "3", "--other-languages"],
    ],
)
def test_search_answers_as_ever(
    app: Library, terminal: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any, words: list[str]
) -> None:
    assert terminal(*words) == 0
    asked = capsys.readouterr().out
    code, opened = direct(app, monkeypatch, capsys, *words)
    assert code == 0 and without_time(asked) == without_time(opened) and len(asked) > 20


def test_what_is_like_a_document(app: Library, terminal: Any, capsys: Any) -> None:
    assert terminal("similar", "harbour.txt", "--json") == 0
    hits = json.loads(capsys.readouterr().out)["hits"]
    assert {Path(hit["document"]).name for hit in hits} == {"turm.md", "long.txt"}
    assert terminal("similar", "harbour.txt", "--other-languages") == 0
    out = capsys.readouterr().out
    assert "turm.md" in out and "long.txt" not in out
    assert terminal("similar", "sub/long.txt", "--other-languages", "--top-k", "1", "--json") == 0
    assert [hit["language"] for hit in json.loads(capsys.readouterr().out)["hits"]] == ["de"]


def test_what_cannot_be_found_has_nothing_like_it(terminal: Any, capsys: Any) -> None:
    assert terminal("similar", "nothing.txt") == 1
    assert "no document 'nothing.txt'" in capsys.readouterr().err
    assert terminal("similar", "harbour.txt", "--at", "9999") == 1
    assert "no passage with character 9999; expected one of 1" in capsys.readouterr().err
    assert terminal("similar", "sub/long.txt#0") == 1
    assert "no passage number 0" in capsys.readouterr().err
    assert terminal("similar", "sub/long.txt#2", "--json") == 0


def test_the_app_watches_what_the_terminal_names(
    app: Library, terminal: Any, tmp_path: Path, capsys: Any
) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    assert terminal("watch", str(folder)) == 0
    assert f"{folder} -> library: watched" in capsys.readouterr().out
    assert [item.path for item in app.watching.folders()] == [str(folder)]
    assert terminal("watch", "--list", "--json") == 0
    (known,) = json.loads(capsys.readouterr().out)
    assert (known["path"], known["paused"], known["looked_at"]) == (str(folder), False, None)
    assert terminal("watch", str(tmp_path / "nowhere")) == 1
    assert "is not a folder" in capsys.readouterr().err
    assert terminal("watch", "--stop", str(folder)) == 0
    assert "No folder is watched" in capsys.readouterr().out and app.watching.folders() == []


def test_add_indexes_in_the_app_and_reports_as_ever(
    app: Library, terminal: Any, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "new.txt").write_text("A lighthouse stands on the cliff.")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    monkeypatch.chdir(tmp_path)  # the app has another folder of its own
    assert terminal("add", "more", "--json") == 1  # one file cannot be read
    report = json.loads(capsys.readouterr().out)
    assert (report["added"], len(report["failures"])) == (1, 1)
    assert report["failures"][0]["document"].endswith("broken.pdf") and report["seconds"] >= 0
    assert str(folder / "new.txt") in [document.path for document in app.documents()]
    (folder / "broken.pdf").unlink()
    assert terminal("add", "more") == 0
    assert "1 unchanged" in capsys.readouterr().out


def test_errors_of_the_app_are_errors_here(terminal: Any, capsys: Any) -> None:
    assert terminal("search", "x", "--collection", "nowhere", "--json") == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and "nowhere" in err
    assert terminal("search", "x", "--model", "small") == 1
    assert "asked for was 'small'" in capsys.readouterr().err
    assert terminal("add", "/no/such/place") == 1
    assert "nothing at" in capsys.readouterr().err


def test_what_went_wrong_unexpectedly_stays_in_the_log_of_the_app(
    app: Library,
    terminal: Any,
    capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("hidden-7")

    monkeypatch.setattr(app, "search", broken)
    assert terminal("search", "x") == 1
    assert "hidden-7" not in capsys.readouterr().err and "hidden-7" in caplog.text


def test_the_note_is_for_its_user_alone_and_goes_with_the_app(library: Library) -> None:
    note = library.data_dir / running.FILE
    with running.listening(library, STORES):
        said = json.loads(note.read_text())
        assert said["pid"] == os.getpid() and len(said["token"]) > 30
        if sys.platform != "win32":
            assert stat.S_IMODE(note.stat().st_mode) == 0o600
    assert not note.exists()


def test_nobody_without_the_token_is_answered(app: Library) -> None:
    said = json.loads((app.data_dir / running.FILE).read_text())
    url = f"http://127.0.0.1:{said['port']}/"
    request = {"do": "collections"}
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": said["token"]}):
        assert httpx.post(url, json=request, headers=headers).status_code == 403
    own = {"Authorization": f"Bearer {said['token']}"}
    assert httpx.post(url, json=request, headers=own).json()["result"][0]["name"] == "library"
    assert httpx.get(url, headers=own).status_code == 501
    assert httpx.post(url, content=b"x" * (2 << 20), headers=own).status_code == 413


@pytest.mark.parametrize(
    "words", [["--database-url", "sqlite:///other"], ["--qdrant-url", "http://other:6333"]]
)
def test_an_app_with_other_stores_is_not_asked(terminal: Any, capsys: Any, words: list[str]) -> None:
    assert terminal("search", "harbour", *words) == 1
    assert "in use by process 7" in capsys.readouterr().err


@pytest.mark.parametrize("note", ["", "{}", "[]", '{"port": 1, "token": "t", "stores": "x"}'])
def test_a_note_that_is_left_over_changes_nothing(
    app: Library, terminal: Any, capsys: Any, note: str
) -> None:
    (app.data_dir / running.FILE).write_text(note)
    assert terminal("search", "harbour") == 1
    assert "in use by process 7" in capsys.readouterr().err


def test_an_app_that_has_ended_is_not_waited_for(library: Library) -> None:
    note = library.data_dir / running.FILE
    with running.listening(library, STORES):
        left = note.read_text()
    note.write_text(left)

    def locked() -> Any:
        raise StoreLockedError("in use")

    with pytest.raises(StoreLockedError, match="in use"):
        asking.open_or_ask(locked, library.data_dir, stores=STORES, model=None, neutral=True)


def test_steps_arrive_and_an_interrupt_in_the_terminal_stops_the_work_in_the_app(
    app: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "STEP_EVERY_S", 0.0)
    stopped = threading.Event()

    def add(*_: Any, progress: Any, cancel: Any, **__: Any) -> Any:
        try:
            while True:
                progress(1, 9, "bytes", "x" * 10_000)
                cancel.check()
        except Cancelled:
            stopped.set()
            assert cancel.keeps_partial
            raise

    monkeypatch.setattr(app, "add", add)
    said = json.loads((app.data_dir / running.FILE).read_text())
    asked = asking.RunningLibrary(said["port"], said["token"], None, neutral=True)
    steps: list[Any] = []

    def interrupt(*step: Any) -> None:
        steps.append(step)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asked.add([Path("x")], "library", progress=interrupt)
    assert steps == [(1, 9, "bytes", "x" * 10_000)]
    assert stopped.wait(20)


def shown(library: Library) -> set[str]:
    return {Path(one.path).name for one in library.documents()}


def test_remove_takes_documents_out_in_the_app(
    app: Library, terminal: Any, documents: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    before = shown(app)
    monkeypatch.chdir(documents / "sub")  # the app has another folder of its own
    assert terminal("remove", "long.txt", "../turm.md", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["collection"], answer["removed"]) == ("library", 2)
    assert [Path(path).name for path in answer["documents"]] == ["long.txt", "turm.md"]
    assert shown(app) == before - {"long.txt", "turm.md"}
    assert (documents / "turm.md").exists()


def test_what_the_app_cannot_remove_is_said_and_nothing_goes(
    app: Library, terminal: Any, documents: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    before = shown(app)
    monkeypatch.chdir(documents)
    app.add([documents / "sub"], "papers")
    assert terminal("remove", "turm.md", "nothing.txt") == 1
    assert "'nothing.txt'" in (error := capsys.readouterr().err) and "Nothing was done" in error
    assert terminal("remove", "turm.md", "--collection", "papers") == 1
    assert "Found in 'library'" in capsys.readouterr().err
    assert terminal("remove", "turm.md", "--collection", "nowhere") == 1
    assert "nowhere" in capsys.readouterr().err
    assert shown(app) == before


def test_jobs_of_the_app_are_listed_and_cancelled(app: Library, terminal: Any, capsys: Any) -> None:
    waiting = app.jobs.submit("reindex", {"documents": []}, "library", "Index all again", start=False)
    assert terminal("jobs", "--json") == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["job"], listed["state"], listed["label"]) == (waiting.id, "queued", "Index all again")
    assert terminal("jobs", "--cancel", waiting.id[:8]) == 0
    assert "cancelled  Index all again" in capsys.readouterr().out
    assert app.jobs.get(waiting.id).state == "cancelled"
    assert terminal("jobs", "--cancel", "nothing") == 1
    assert "No job with the id 'nothing'" in capsys.readouterr().err


def test_doctor_asks_the_app_and_repairs_only_what_is_its_own(
    app: Library, terminal: Any, capsys: Any
) -> None:
    code = terminal("doctor", "--json")
    asked = json.loads(capsys.readouterr().out)
    assert [one["check"] for one in asked] == [one.check for one in app.doctor()]
    assert code == (1 if any(one["level"] == "error" for one in asked) else 0)
    assert any(str(os.getpid()) in one["message"] for one in asked if one["check"] == "lock")
    assert terminal("doctor", "--repair") == 1
    assert "in use by process 7" in capsys.readouterr().err


def test_models_are_listed_while_the_app_runs(
    app: Library, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def locked(*_: Any, **__: Any) -> Any:
        raise StoreLockedError("The data folder is in use by process 7.")

    monkeypatch.setattr(Library, "open", locked)
    parser = argparse.ArgumentParser()
    cli_models.add_verbs(parser.add_subparsers(required=True))
    assert cli.run_safely(parser.parse_args(["models", "--json", "--data", str(app.data_dir)])) == 0
    assert "builtin" in capsys.readouterr().out


def test_an_app_that_does_not_know_a_request_says_so(app: Library) -> None:
    said = json.loads((app.data_dir / running.FILE).read_text())
    url, own = f"http://127.0.0.1:{said['port']}/", {"Authorization": f"Bearer {said['token']}"}
    for request in ({"do": "later"}, {}):
        answer = httpx.post(url, json=request, headers=own).json()
        assert answer["kind"] == "QueryError" and "another version" in answer["error"]
