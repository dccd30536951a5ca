"""An assistant at the library: asked through the client of the protocol's own package."""

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

import app as entry
from indexer.cli import asking, running
from indexer.cli.mcp_tools import Desk, build_server
from indexer.errors import CollectionError
from indexer.library.library import Library
from indexer.store.qdrant import QdrantStore

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def filled(open_library: Callable[..., Library], documents: Path) -> Library:
    library = open_library(store=QdrantStore(":memory:"))
    library.add([documents])
    return library


@pytest.fixture(params=["opened", "asked"])
def desk(request: pytest.FixtureRequest, filled: Library) -> Iterator[Desk]:
    """The library itself, and the app that has it."""
    if request.param == "opened":
        yield Desk(lambda: nullcontext(filled))
        return
    with running.listening(filled, (None, None)):
        note = json.loads((filled.data_dir / running.FILE).read_text())
        yield Desk(lambda: asking.RunningLibrary(note["port"], note["token"], None, neutral=True))


def call(desk: Desk, tool: str, may_write: bool = False, **arguments: Any) -> Any:
    """What a tool gives, or the words of its error."""

    async def ask() -> Any:
        from mcp import Client

        async with Client(build_server(desk, may_write=may_write)) as client:
            answer = await client.call_tool(tool, arguments)
            words = "".join(getattr(part, "text", "") for part in answer.content)
            if answer.is_error:
                return words
            values = answer.structured_content or json.loads(words)
            return values.get("result", values)

    return asyncio.run(ask())


def test_a_question_is_answered_with_passages_that_can_be_read_on_from(desk: Desk) -> None:
    found = call(desk, "search", question="When was the harbour built?")
    first = found["passages"][0]
    assert first["title"] == "harbour" and first["language"] == "English" and "1894" in first["text"]
    around = call(desk, "read", passage=first["passage"])
    assert [item["text"] for item in around] == [first["text"]]
    (only,) = call(desk, "search", question="Turm", languages=["German"])["passages"]
    assert only["document"].endswith("turm.md")


def test_what_is_like_a_passage_and_what_is_parallel_to_a_sentence(desk: Desk) -> None:
    first = call(desk, "search", question="harbour")["passages"][0]
    near = call(desk, "similar", passage=first["passage"], in_other_languages=True)
    assert [item["document"].rpartition("/")[2] for item in near["passages"]] == ["turm.md"]
    assert "confidence" not in near["passages"][0] and "cannot be told" in near["note"]
    (pair,) = call(desk, "parallel", sentence="The tower is old.", languages=["de"])
    assert pair["sentence"] in ("Der Turm", "Der Turm steht am Fluss.", "Er ist alt.") and "cosine" in pair


def test_what_is_there(desk: Desk) -> None:
    (collection,) = call(desk, "collections")
    assert (collection["name"], collection["documents"]) == ("library", 3)
    assert {"en", "de"} <= set(collection["languages"])
    titles = [item["title"] for item in call(desk, "documents", limit=2)]
    assert len(titles) == 2 and titles == sorted(titles, key=str.casefold)
    (found,) = call(desk, "documents", words="sub long")
    assert found["document"].endswith("sub/long.txt") and found["languages"] == ["en"]


def test_what_goes_wrong_is_said_in_a_sentence(desk: Desk) -> None:
    assert "nowhere" in call(desk, "search", question="x", collection="nowhere")
    assert "has no words" in call(desk, "search", question=" ")
    assert "Search again" in call(desk, "read", passage="00000000-0000-0000-0000-000000000000")
    assert call(desk, "search", question="harbour", top_k=1)["passages"]  # and the next one is answered


def test_only_with_leave_is_anything_written(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "new.txt").write_text("A lighthouse stands on the cliff.")
    arguments = {"paths": [str(tmp_path / "new.txt")]}
    assert "add" in call(desk, "add", **arguments) and len(call(desk, "documents")) == 3
    report = call(desk, "add", may_write=True, **arguments)
    assert (report["added"], report["failures"]) == (1, {})
    assert len(call(desk, "documents")) == 4
    assert "nothing at" in call(desk, "add", may_write=True, paths=["/no/such/place"])


def test_tools_say_whether_they_write(filled: Library) -> None:
    async def listed() -> dict[str, bool]:
        from mcp import Client

        async with Client(build_server(Desk(lambda: nullcontext(filled)), may_write=True)) as client:
            tools = (await client.list_tools()).tools
            return {tool.name: bool(tool.annotations and tool.annotations.read_only_hint) for tool in tools}

    assert asyncio.run(listed()) == {
        "search": True, "read": True, "similar": True, "parallel": True, "collections": True,
        "documents": True, "add": False,
    }  # fmt: skip


def test_a_library_that_nobody_asks_is_let_go_of() -> None:
    closed, opened = threading.Event(), []

    @contextmanager
    def open_it() -> Iterator[str]:
        opened.append(1)
        yield "library"
        closed.set()

    desk = Desk(open_it, idle_s=0.05)
    with desk.library():
        assert not closed.wait(0.2)  # while it is asked it stays
    assert closed.wait(10)
    for _ in range(2):
        with desk.library():
            pass
    desk.close()
    assert len(opened) == 2


def test_a_library_that_failed_is_opened_anew() -> None:
    opened = []

    def open_it() -> AbstractContextManager[str]:
        opened.append(1)
        return nullcontext("library")

    desk = Desk(open_it)
    with pytest.raises(CollectionError), desk.library():
        raise CollectionError("gone")
    with desk.library():
        pass
    desk.close()
    assert len(opened) == 2


def test_without_the_package_the_way_to_it_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "indexer.cli.mcp_tools", None)
    assert entry.main(["mcp", "--data", str(tmp_path)]) == 1
    assert "pip install -c constraints.txt '.[mcp]'" in capsys.readouterr().err


def test_over_standard_input(tmp_path: Path, documents: Path) -> None:
    """As an assistant starts it: a process of its own, and nothing but the protocol on its output."""
    data = tmp_path / "data"
    assert entry.main(["add", str(documents), "--data", str(data), "--model", "fast"]) == 0

    async def ask() -> Any:
        from mcp import Client, StdioServerParameters, stdio_client

        program = StdioServerParameters(
            command=sys.executable,
            args=[str(ROOT / "app.py"), "mcp", "--data", str(data)],
            env=dict(os.environ),
        )
        async with Client(stdio_client(program)) as client:
            answer = await client.call_tool("search", {"question": "Wann wurde der Hafen gebaut?"})
            assert not answer.is_error
            return answer.structured_content

    found = asyncio.run(ask())
    assert "harbour" in {item["title"] for item in found["passages"]}
