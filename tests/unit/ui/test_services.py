"""What the page may do with a library."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from indexer.errors import CollectionError, IndexerError, ReadError, StoreError
from indexer.ingest.report import KEPT
from indexer.library.encoders import KnownModel
from indexer.library.library import Library
from indexer.library.watching import WatchedFolder
from indexer.types import Filters
from me5.registry import MODELS
from tests.support.fake_encoder import FakeEncoder
from tests.support.fake_store import FakeStore
from ui.filters import SearchFilters, to_filters
from ui.questions import SAMPLES, read_queries, read_sample_questions
from ui.services import home, watching
from ui.services.access import Access, NotOfferedError
from ui.services.library import Services
from ui.services.models import where_texts_go


def test_filters_become_the_restriction_of_the_library() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    filters = to_filters("dense", ["de"], None, ["/a"], "week", document_id="d1")
    assert filters.where(now) == Filters(
        languages=("de",), folders=("/a",), documents=("d1",), added_after=now - timedelta(days=7)
    )
    assert SearchFilters().where() == Filters()


def test_unknown_modes_are_refused_and_top_k_is_bounded() -> None:
    with pytest.raises(IndexerError, match="hybrid, dense or lexical"):
        to_filters("magic")
    assert to_filters(top_k=10_000).top_k == 100


def test_the_default_collection_is_offered_before_it_exists(services: Services, fake_library: Any) -> None:
    fake_library.names = ["zoo"]
    assert services.collection_names() == ["library", "zoo"]
    assert services.documents("nowhere") == []


@pytest.mark.parametrize("name", ["", "   ", "../up", "a/b", "x" * 200, "<b>"])
def test_bad_collection_names_are_refused(services: Services, name: str) -> None:
    with pytest.raises(CollectionError, match="Choose another name"):
        services.create_collection(name)


def test_collections_are_created_once(services: Services) -> None:
    assert services.create_collection("  Hafen  архив ") == "Hafen архив"
    with pytest.raises(CollectionError, match="already"):
        services.create_collection("Hafen архив")


def test_a_collection_gets_the_model_that_was_chosen(services: Services, fake_library: Any) -> None:
    services.create_collection("usual")
    services.create_collection("other", "fast", neutral=False)
    assert fake_library.created == [("usual", None, None), ("other", "fast", False)]


def test_models_to_choose_say_what_they_cost(
    services: Services, fake_library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = replace(MODELS["base"], name="harbour")
    fake_library.registered = [
        KnownModel("base", MODELS["base"]),  # would have to be fetched
        KnownModel("harbour", spec, Path("/models/harbour")),
        KnownModel("broken", None, Path("/models/broken"), "no weights"),
    ]
    monkeypatch.setattr("ui.services.models.is_on_disk", lambda spec: False)
    fake_library.model = "builtin"
    choices = services.model_choices()
    assert [one.name for one in choices] == ["builtin", "fast", "harbour"]
    assert [one.is_shipped for one in choices] == [True, True, False]
    assert "90 times as fast" in choices[1].words and "12 layers" in choices[2].words
    monkeypatch.setattr("ui.services.models.is_on_disk", lambda spec: True)
    fake_library.model = "/my/model"
    assert [one.name for one in services.model_choices()] == [
        "/my/model",
        "builtin",
        "fast",
        "small",
        "harbour",
    ]


def test_the_first_page_says_whether_texts_leave_the_machine(fake_library: Any) -> None:
    fake_library.model = "builtin"
    assert where_texts_go(fake_library) == "They stay on this machine."
    fake_library.model = "openai:some-model"
    assert "openai:some-model: it leaves this machine" in where_texts_go(fake_library)


def test_only_a_switch_can_be_undone(services: Services, make_job: Any) -> None:
    assert services.undo_of(make_job(kind="switch", state="done")) == "fake before"
    for job in (None, make_job(state="done"), make_job(kind="switch", state="failed")):
        assert services.undo_of(job) is None
    assert services.undo_of(make_job(kind="switch", state="done", collection="deleted")) is None


def test_a_collection_is_deleted_by_a_job_and_only_if_there_is_one(
    services: Services, fake_library: Any
) -> None:
    services.drop_collection("library")
    with pytest.raises(CollectionError, match="no collection called 'nowhere'"):
        services.drop_collection("nowhere")
    assert fake_library.jobs.dropped == ["library"]


def test_changes_of_documents_wait_in_line_as_jobs(services: Services, fake_library: Any) -> None:
    assert services.remove(["d1"], "library").kind == "remove"
    assert services.reindex(["d2"], "library").kind == "reindex"
    assert (fake_library.jobs.removed, fake_library.jobs.reindexed) == (["d1"], ["d2"])


def test_uploads_are_copied_and_server_paths_are_not(
    services: Services, fake_library: Any, tmp_path: Path
) -> None:
    services.add_uploads([tmp_path / "a.txt"], "library")
    services.add_server_path(f' "{tmp_path}" ', "library")
    (_, _, uploaded), (paths, _, local) = fake_library.jobs.submitted
    assert uploaded == {"keep_copies": True}
    assert paths == [tmp_path.resolve()] and not local.get("keep_copies")


def test_server_paths_need_a_loopback_page(services: Services, tmp_path: Path) -> None:
    services.is_private = False
    with pytest.raises(NotOfferedError, match="open to others"):
        services.add_server_path(str(tmp_path), "library")


@pytest.mark.parametrize("path", ["", "/no/such/place", "/" + "x" * 300, "~nobody-of-that-name/x", "a\0b"])
def test_missing_server_paths_are_named(services: Services, path: str) -> None:
    with pytest.raises(ReadError, match="There is nothing at"):
        services.add_server_path(path, "library")


def test_no_upload_is_an_error(services: Services) -> None:
    with pytest.raises(ReadError, match="No file arrived"):
        services.add_uploads([], "library")


def test_jobs_come_from_the_library_and_can_be_hidden(
    services: Services, fake_library: Any, make_job: Any
) -> None:
    now = datetime.now(UTC)
    fake_library.jobs.jobs = [
        make_job(id="old", state="done", finished_at=now - timedelta(hours=5)),
        make_job(id="new", state="done", finished_at=now.replace(tzinfo=None)),
        make_job(id="run"),
    ]
    assert [job.id for job in services.running_jobs()] == ["run"]
    finished = services.latest_finished()
    assert finished is not None and finished.id == "new"
    services.dismissed_jobs.add("new")
    assert services.latest_finished() is None  # the older one does not come back


def test_questions_from_text_and_csv(tmp_path: Path) -> None:
    text = tmp_path / "q.txt"
    text.write_text("\ufeffWo ist der Hafen?\n\n 港はどこですか \n", encoding="utf-8")
    assert read_queries(text) == ["Wo ist der Hafen?", "港はどこですか"]
    table = tmp_path / "q.csv"
    table.write_text('id;Query\n1;"Where; really?"\n2;Wo?\n', encoding="utf-8")
    assert read_queries(table) == ["Where; really?", "Wo?"]
    table.write_text("Where?\nWo?\n", encoding="utf-8")
    assert read_queries(table) == ["Where?", "Wo?"]
    table.write_text("sep=|\nid|question\n1|Where, and when; exactly?\n", encoding="utf-8")
    assert read_queries(table) == ["Where, and when; exactly?"]
    table.write_text('query\nWhere, and when?\n"Wo, und ""wann""?"\n', encoding="utf-8")
    assert read_queries(table) == ["Where, and when?", 'Wo, und "wann"?']
    table.write_text('id,query\r\n1,"Where?\n' + "x" * 200_000 + "\n2,Wo?\r\n", encoding="utf-8")
    assert read_queries(table)[-1] == "Wo?"  # a stray quotation mark and a long line spoil one row
    wide = tmp_path / "q16.txt"
    wide.write_text("Où ?", encoding="utf-16")
    assert read_queries(wide) == ["Où ?"]


def test_bad_question_files_are_explained(tmp_path: Path) -> None:
    empty, binary, long = tmp_path / "e.txt", tmp_path / "b.txt", tmp_path / "l.txt"
    empty.write_text("\n\n")
    binary.write_bytes(b"\x80\x81\x82\xff")
    long.write_text("a\n" * 2001)
    for path, words in ((empty, "no question"), (binary, "UTF-8"), (long, "at most 2000")):
        with pytest.raises(ReadError, match=words):
            read_queries(path)


def test_many_questions_are_asked_in_order(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "q.txt"
    path.write_text("bees\neverything\n")
    results = list(services.run_queries(path, "library", SearchFilters()))
    assert [(r.query, len(r.hits)) for r in results] == [("bees", 1), ("everything", 4)]


def test_page_images_are_for_pdfs_only(services: Services) -> None:
    assert services.page_png("c1") is None


def test_exports_of_earlier_sessions_are_dropped(services: Services) -> None:
    path = services.export_documents(services.documents("library"))
    assert path.read_text(encoding="utf-8-sig").startswith("title,document")
    services.clean_temporary()
    assert not path.exists()


def test_uploads_are_dropped_once_the_library_has_them_and_other_files_are_not(
    services: Services, tmp_path: Path
) -> None:
    upload, mine = services.uploads / "a" / "a.txt", tmp_path / "mine.txt"
    upload.parent.mkdir(parents=True)
    for path in (upload, mine):
        path.write_text("text")
    services.add_uploads([upload, mine], "library")
    assert mine.exists() and not upload.exists()


def test_sample_questions_are_offered_while_their_documents_can_be_found(
    services: Services, fake_library: Any
) -> None:
    others = fake_library.documents("library")
    assert services.sample_questions(others) == []
    samples = read_sample_questions()
    documents = [replace(others[0], stored_path=str(SAMPLES / one.document)) for one in samples]
    assert services.sample_questions([*others, *documents]) == list(samples)
    documents[2:] = [replace(document, chunks=0) for document in documents[2:]]
    assert services.sample_questions(documents) == list(samples[:2])


def test_a_folder_added_again_is_brought_up_to_date(
    services: Services, fake_library: Any, tmp_path: Path
) -> None:
    services.add_server_path(str(tmp_path), "library")
    assert fake_library.jobs.submitted[-1][2] == {"prune": True}


def test_lost_documents_are_removed_only_when_a_person_says_so(
    services: Services, fake_library: Any, make_job: Any
) -> None:
    fake_library.lost_documents = lambda job_id, collection: ["d1", "d2"]
    done = make_job(id="job0", state="done", message=f"1 added, 2 {KEPT}")
    fake_library.jobs.jobs = [done]
    assert services.lost_by(done) == 2 and fake_library.jobs.removed == []
    for other in (None, replace(done, state="running"), replace(done, message="1 added")):
        assert services.lost_by(other) == 0
    fake_library.lost_documents = lambda job_id, collection: ["d2"]  # one file is back
    services.remove_lost("job0")
    assert fake_library.jobs.removed == ["d2"]


def test_an_upload_that_is_refused_does_not_stay(
    services: Services, fake_library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = services.uploads / "a.txt"
    path.parent.mkdir(parents=True)
    path.write_text("It arrived.", encoding="utf-8")

    def refuse(*_: Any, **__: Any) -> None:
        raise ReadError("a.txt did not arrive.")

    monkeypatch.setattr(fake_library.jobs, "submit_add", refuse)
    with pytest.raises(ReadError):
        services.add_uploads([path], "library")
    assert not path.exists()


def test_the_owner_of_the_page_moves_the_vectors_and_a_visitor_does_not(tmp_path: Path) -> None:
    store, encoder = cast(Any, FakeStore()), cast(Any, FakeEncoder())
    with Library.open(tmp_path / "data", encoder=encoder, store=store, reserve_bytes=0) as library:
        assert home.look(library) == home.Home("in the data folder", is_embedded=True)
        visitor, owner = (
            Services(library, tmp_path / "data", is_private=own).access for own in (False, True)
        )
        for refused in (
            lambda: home.move(library, visitor, "127.0.0.1:6399"),
            lambda: home.delete_copy(library, visitor),
        ):
            with pytest.raises(NotOfferedError, match="whoever runs the app"):
                refused()
        with pytest.raises(StoreError, match="Type the address"):
            home.move(library, owner, "  ")
        with pytest.raises(StoreError, match="already"):
            home.move(library, owner, None)
        with pytest.raises(StoreError, match="No move has left a copy"):
            home.delete_copy(library, owner)
        assert library.jobs.list() == []


def test_the_owner_of_the_page_watches_folders_and_a_visitor_does_not(tmp_path: Path) -> None:
    done: list[Any] = []
    library: Any = SimpleNamespace(
        watching=SimpleNamespace(
            folders=lambda: [WatchedFolder("/a", "library")],
            add=lambda *values: done.append(("add", *values)),
            remove=lambda path: done.append(("remove", path)),
            pause=lambda path, is_paused: done.append(("pause", path, is_paused)),
        )
    )
    owner, visitor = (Access(tmp_path, "builtin", is_private) for is_private in (True, False))
    watching.add(library, owner, ' "/a" ', "library")
    for action in ("pause", "resume", "remove", "explode"):
        watching.change(library, owner, "/a", action)
    assert done == [("add", "/a", "library"), ("pause", "/a", True), ("pause", "/a", False), ("remove", "/a")]
    assert len(watching.folders(library, owner)) == 1 and watching.folders(library, visitor) == []
    for attempt in (
        lambda: watching.add(library, visitor, "/a", "library"),
        lambda: watching.change(library, visitor, "/a", "remove"),
    ):
        with pytest.raises(NotOfferedError):
            attempt()
    with pytest.raises(ReadError, match="Type the path"):
        watching.add(library, owner, " ", "library")
    assert len(done) == 4
