"""The home of the vectors is known: opened where they are, refused elsewhere, moved and moved back."""

import json
from pathlib import Path
from typing import Any

import pytest

import app
from indexer.catalog import Catalog
from indexer.errors import StoreError
from indexer.library import opening
from indexer.library.home import EMBEDDED, choose_home, record_home, recorded_home
from indexer.library.library import Library
from indexer.library.moving import move_vectors
from indexer.store.qdrant import QdrantStore
from tests.support.fake_encoder import FakeEncoder

SERVER = "http://127.0.0.1:6399"
WORDS = (
    "boats",
    "bees",
    "bread",
    "rivers",
    "houses",
    "winter",
    "gardens",
    "engines",
    "music",
    "salt",
    "law",
    "ice",
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> QdrantStore:
    """A server that outlives the library: qdrant-client's memory in place of the network."""
    store = QdrantStore(":memory:")
    monkeypatch.setattr(store, "close", lambda: None)

    def open_store(data_dir: Path, *, qdrant_url: str | None = None, **options: Any) -> Any:
        from indexer.store.edge.store import EdgeStore

        if qdrant_url is not None:
            return store
        return EdgeStore(data_dir, reserve_bytes=0, lock=options["lock"])

    monkeypatch.setattr(opening, "open_store", open_store)
    monkeypatch.setattr("indexer.store.open_store", open_store)
    return store


def opened(folder: Path, url: str | None = None) -> Library:
    return Library.open(folder, qdrant_url=url, encoder=FakeEncoder(), reserve_bytes=0, resume_jobs=False)


@pytest.fixture
def filled(tmp_path: Path, server: QdrantStore) -> Path:
    folder = tmp_path / "data"
    documents = tmp_path / "documents"
    documents.mkdir()
    for number, word in enumerate(WORDS):  # scores that differ: equal ones may come in any order
        beside = " and ".join(WORDS[: number + 1])
        (documents / f"{word}.txt").write_text(f"A text about {word} tells of {beside}. " * (1 + number % 3))
    with opened(folder) as library:
        assert library.add(documents).added == 12
    return folder


def test_a_new_library_is_where_it_was_first_opened(tmp_path: Path, server: QdrantStore) -> None:
    with opened(tmp_path / "a", SERVER) as library:
        assert recorded_home(library.catalog) == SERVER and library.store is server
    with opened(tmp_path / "a") as library:  # without the option
        assert library.store is server
    with opened(tmp_path / "a", "127.0.0.1:6399") as library:  # in other words
        assert library.store is server


def test_another_home_is_refused_with_the_two_ways_out(filled: Path, server: QdrantStore) -> None:
    with pytest.raises(
        StoreError, match=r"in the data folder, not at http://127.0.0.1:6399.*Leave.*move --to"
    ):
        opened(filled, SERVER)
    with opened(filled) as library:
        assert library.search("boats").hits


def test_a_password_is_not_recorded(tmp_path: Path) -> None:
    catalog = Catalog.open(tmp_path / "c.sqlite3")
    record_home(catalog, "https://me:secret@host:6333,other")
    assert recorded_home(catalog) == "https://host:6333,http://other:6333"
    assert choose_home(catalog, "https://me:secret@host:6333") == "https://me:secret@host:6333"
    catalog.close()


def test_vectors_are_moved_without_embedding_and_back(
    filled: Path, server: QdrantStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with opened(filled) as library:
        before = [hit.chunk_id for hit in library.search("bees and bread").hits]
        points = sum(library.store.count(name) for name in library.store.names())
    with monkeypatch.context() as patch:
        patch.setattr(FakeEncoder, "encode", None)  # nothing is embedded again
        options = ["--data", str(filled), "--json"]
        assert app.main(["move", "--to", SERVER, *options]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert answer == {"from": EMBEDDED, "to": SERVER, "sets": 1, "points": points}
        assert app.main(["move", "--to", SERVER, *options]) == 1
        assert "already" in capsys.readouterr().err
        assert app.main(["move", "--discard-old", *options]) == 0
        assert json.loads(capsys.readouterr().out) == {"discarded": 1, "home": EMBEDDED}
        assert app.main(["move", "--discard-old", *options]) == 1
        assert app.main(["move", "--to", "embedded", *options]) == 0
        assert json.loads(capsys.readouterr().out)["points"] == points
    with opened(filled) as library:
        after = library.search("bees and bread").hits
        assert [hit.chunk_id for hit in after] == before != []


def test_an_interrupted_move_is_made_again_with_what_has_gone_since(
    filled: Path, server: QdrantStore
) -> None:
    with opened(filled) as library:

        class StopError(Exception):
            pass

        def stop(*_: Any) -> None:
            raise StopError

        with pytest.raises(StopError):
            move_vectors(library.catalog, library.store, server, on_progress=stop)
        (name,) = server.names()
        assert server.count(name) > 0 and recorded_home(library.catalog) == EMBEDDED
        library.remove([library.documents()[0].id])
        moved = move_vectors(library.catalog, library.store, server)
        assert moved.points == server.count(name) == library.store.count(name)


def test_a_copy_that_finds_other_neighbours_is_not_used(
    filled: Path, server: QdrantStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "query", lambda *_, **__: [])
    with opened(filled) as library, pytest.raises(StoreError, match="finds 0% of the nearest"):
        move_vectors(library.catalog, library.store, server)


def test_vectors_in_the_folder_of_one_machine_are_not_looked_for_on_another(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'shared.sqlite3'}"

    def machine(name: str) -> Library:
        return Library.open(
            tmp_path / name, database_url=database, encoder=FakeEncoder(), reserve_bytes=0, resume_jobs=False
        )

    machine("a").close()
    with pytest.raises(StoreError, match="in the data folder of another machine"):
        machine("b")
    machine("a").close()
