"""The home of the vectors is known: opened where they are, refused elsewhere, moved and moved back."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import app
from indexer.catalog import Catalog
from indexer.errors import Cancelled, StoreError
from indexer.library import opening
from indexer.library.home import EMBEDDED, choose_home, record_home, recorded_home
from indexer.library.library import Library
from indexer.progress import CancelToken
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
        stopped = CancelToken()
        with pytest.raises(Cancelled):
            library.vectors.move(SERVER, progress=lambda *_: stopped.cancel(), cancel=stopped)
        (name,) = server.names()
        former = library.store
        assert server.count(name) > 0 and recorded_home(library.catalog) == EMBEDDED
        library.remove([library.documents()[0].id])
        moved = library.vectors.move(SERVER)
        assert moved.points == server.count(name) == former.count(name)
        assert library.store is server and library.search("boats").hits


def test_what_changes_while_vectors_are_copied_goes_along(filled: Path, server: QdrantStore) -> None:
    """Added, removed, renamed (the same point with another path) and a collection deleted, between the steps."""
    documents = filled.parent / "documents"
    with opened(filled) as library:
        library.add(documents / "ice.txt", "short-lived")
        seen: list[int] = []

        def change(done: int, total: int, unit: str, message: str) -> None:
            seen.append(done)
            if len(seen) > 1:
                return
            (documents / "new.txt").write_text("Something new about lighthouses. " * 3)
            (documents / "salt.txt").rename(documents / "pepper.txt")
            (documents / "law.txt").unlink()
            library.add(documents, prune=True)
            library.drop_collection("short-lived")

        former = library.store
        library.vectors.move(SERVER, progress=change)
        assert len(seen) > 1 and library.store is server
        (name,) = server.names()
        ids = list(former.iter_ids(name))
        assert list(server.iter_ids(name)) == ids
        for one, other in zip(former.fetch_points(name, ids), server.fetch_points(name, ids), strict=True):
            assert dict(one.payload) == dict(other.payload)
            np.testing.assert_allclose(one.dense, other.dense, atol=1e-6)
        assert library.search("lighthouses").hits[0].document.endswith("new.txt")
        assert [item for item in library.doctor() if item.level == "error"] == []


def test_vectors_go_back_and_forth_while_the_library_is_open(filled: Path, server: QdrantStore) -> None:
    with opened(filled) as library:
        embedded = library.store
        for _ in range(2):
            library.vectors.move(SERVER)
            assert library.vectors.discard_former() == 1  # nothing is left in the folder
            library.vectors.move(None)
            assert library.store is embedded and library.search("boats").hits
            assert library.vectors.discard_former() == 1 and server.names() == []


def test_a_move_is_a_job_that_the_next_start_goes_on_with(filled: Path, server: QdrantStore) -> None:
    with opened(filled) as library:
        job = library.vectors.submit_move(library.jobs, "127.0.0.1:6399")
        assert library.jobs.wait(job.id, 60).message.endswith("points moved")
        assert job.label == f"Move the vectors to {SERVER}" and library.store is server
        assert library.search("boats").hits
        with pytest.raises(StoreError, match="already"):
            library.vectors.submit_move(library.jobs, SERVER)
        with pytest.raises(StoreError, match=r"Leave name and password out.*QDRANT_API_KEY"):
            library.vectors.submit_move(library.jobs, "http://me:secret@other:6333")
        assert library.vectors.discard_former() == 1
        with pytest.raises(StoreError, match="No move has left a copy"):
            library.vectors.discard_former()
    with opened(filled) as library:
        assert library.store is server


def test_a_new_home_that_does_not_answer_ends_the_move_and_nothing_waits_for_it(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as library:
        job = library.jobs.wait(library.vectors.submit_move(library.jobs, "127.0.0.1:9").id, 60)
        assert (
            job.state == "failed"
            and "does not answer" in job.message
            and "stay where they are" in job.message
        )
        assert recorded_home(library.catalog) == EMBEDDED


def test_a_copy_that_finds_other_neighbours_is_not_used(
    filled: Path, server: QdrantStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(filled) as library:
        former = library.store
        with monkeypatch.context() as patch, pytest.raises(StoreError, match="finds 0% of the nearest"):
            patch.setattr(server, "query", lambda *_, **__: [])
            library.vectors.move(SERVER)
        assert library.store is former and recorded_home(library.catalog) == EMBEDDED


def test_a_copy_whose_points_read_otherwise_is_not_used(
    filled: Path, server: QdrantStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    upsert = server.upsert
    with opened(filled) as library, pytest.raises(StoreError, match="differ from those written"):
        forgetful = lambda name, points: upsert(name, [replace(point, payload={}) for point in points])  # noqa: E731
        monkeypatch.setattr(server, "upsert", forgetful)
        library.vectors.move(SERVER)


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
