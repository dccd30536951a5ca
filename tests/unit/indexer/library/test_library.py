"""The library: the data folder as a whole, from uploads to a second opening."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexer.errors import CatalogError, CollectionError, QueryError, ReadError, StoreLockedError
from indexer.ingest.report import AddReport, summary
from indexer.library.library import Library
from indexer.types import Filters

OpenLibrary = Callable[..., Library]


def paths(library: Library, collection: str = "library") -> list[str]:
    return [document.path for document in library.documents(collection)]


def kept(library: Library) -> list[Path]:
    return sorted(path for path in library.files.root.rglob("*") if path.is_file())


def make_zip(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "/") + ".txt", text)
    return path


def test_a_second_opening_finds_everything(open_library: OpenLibrary, documents: Path) -> None:
    library = open_library()
    library.add([documents])
    before = library.documents(), library.collections()
    assert (open_library().documents(), open_library().collections()) == before


def test_context_and_passages(library: Library, documents: Path) -> None:
    library.add([documents])
    collection = library.catalog.collections.get("library")
    ids = [one for one, _ in library.catalog.chunks.iter_states(collection.id)]
    middle = next(one for one in library.chunks_by_id(ids) if one.chunk.ordinal == 5)
    around = library.context(middle.id, before=2, after=1)
    assert [one.chunk.ordinal for one in around] == [3, 4, 5, 6]
    assert library.chunk(middle.id) == middle
    with pytest.raises(CatalogError, match="Search again"):
        library.chunk("gone")


def test_languages_of_a_filter_are_codes_or_names(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    german, english = tmp_path / "de.txt", tmp_path / "en.txt"
    german.write_text("Die Bibliothek öffnet am Montag um neun Uhr, und sie schließt am Abend.")
    english.write_text("The library opens on Monday at nine, and it closes in the evening.")
    library.add([german, english])
    monkeypatch.setattr("indexer.search.search.search", lambda *_, where, **__: where.languages)

    def asked(*languages: str) -> Any:
        return library.search("library", where=Filters(languages=languages))

    assert asked("de") == asked("DE") == asked("de-AT") == asked("deutsch") == ("de",)
    assert asked("German", "en-GB") == ("de", "en")
    assert asked("fr") == ("fr",)
    assert asked() == ()
    with pytest.raises(QueryError, match=r"'xx'.*de \(German\), en \(English\)"):
        asked("xx")


def test_unknown_collections_are_named(library: Library) -> None:
    with pytest.raises(CollectionError, match="none yet"):
        library.documents("nowhere")


def test_a_model_that_is_gone_is_named_and_other_collections_work(
    open_library: OpenLibrary, documents: Path, fake_encoder_class: Any
) -> None:
    open_library().add([documents])
    other = open_library(encoder=fake_encoder_class("other"))
    assert len(other.documents()) == 3  # looking is allowed
    for work in (lambda: other.add([documents]), lambda: other.search("harbour")):
        with pytest.raises(
            CollectionError, match="made with the model 'fake', which cannot be opened: Unknown"
        ):
            work()
    with pytest.raises(CollectionError, match="Vectors of two models"):
        other.require_model("library")
    other.require_model("nowhere")
    other.add([documents], "second")
    assert {info.model for info in other.collections()} == {"fake", "other"}


def test_a_single_path_or_string_is_one_place_to_add_from(library: Library, documents: Path) -> None:
    assert library.add(str(documents)).added == 3  # not its letters, of which "/" would be the whole disk
    assert library.add(documents / "harbour.txt").unchanged == 1
    assert library.add([str(documents / "harbour.txt")], keep_copies=True).added == 1
    job = library.jobs.submit_add(str(documents), "papers")
    assert job.label == "documents"
    assert library.jobs.wait(job.id).state == "done"
    assert len(library.documents("papers")) == 3


def test_uploads_are_copied_and_keep_their_name(library: Library, documents: Path) -> None:
    library.add([documents / "harbour.txt"], keep_copies=True)
    (document,) = library.documents()
    assert (document.path, document.title) == ("harbour.txt", "harbour")
    copy = Path(document.stored_path)
    assert copy.is_relative_to(library.files.root)
    assert copy.read_bytes() == (documents / "harbour.txt").read_bytes()
    (documents / "harbour.txt").unlink()
    assert library.reindex([document.id]).failures == ()


def test_an_uploaded_folder_keeps_its_own_name(library: Library, documents: Path) -> None:
    library.add([documents], keep_copies=True)
    assert paths(library) == ["documents/harbour.txt", "documents/sub/long.txt", "documents/turm.md"]


def test_uploads_of_one_name_do_not_replace_each_other(library: Library, tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "readme.txt").write_text(f"Text number {number}.", encoding="utf-8")
    both = [tmp_path / "0" / "readme.txt", tmp_path / "1" / "readme.txt"]
    library.add(both, keep_copies=True)
    assert paths(library) == ["readme (2).txt", "readme.txt"]
    assert library.add(both, keep_copies=True).unchanged == 2


def test_a_new_version_of_an_upload_replaces_it_and_its_copy(library: Library, tmp_path: Path) -> None:
    upload = tmp_path / "report.txt"
    for text in ("First version.", "Second version."):
        upload.write_text(text, encoding="utf-8")
        library.add([upload], keep_copies=True)
    (document,) = library.documents()
    (copy,) = kept(library)
    assert copy == Path(document.stored_path)
    assert copy.read_text(encoding="utf-8") == "Second version."


def test_a_copy_lives_as_long_as_a_document_needs_it(library: Library, documents: Path) -> None:
    library.add([documents / "harbour.txt"], keep_copies=True)
    library.add([documents / "harbour.txt"], "second", keep_copies=True)
    library.remove([library.documents()[0].id])
    assert len(kept(library)) == 1
    library.remove([library.documents("second")[0].id])
    assert kept(library) == []
    assert (documents / "harbour.txt").exists()


def test_an_upload_that_is_not_there_is_refused(library: Library, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="did not arrive"):
        library.add([tmp_path / "nothing.txt"], keep_copies=True)


def test_members_of_an_archive_are_documents(library: Library, tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "papers.zip", a="First paper.", deep__b="Second paper.")
    report = library.add([archive], keep_copies=True)
    assert report.added == 2
    assert paths(library) == ["papers.zip/a.txt", "papers.zip/deep/b.txt"]
    assert library.documents()[0].title == "a"
    assert library.add([archive], keep_copies=True).unchanged == 2


def test_a_new_version_of_an_archive_replaces_its_members(library: Library, tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "papers.zip", a="First paper.", b="Second paper.")
    library.add([archive])
    make_zip(archive, a="First paper.", c="Third paper.")
    library.add([archive])
    assert [Path(path).name for path in paths(library)] == ["a.txt", "c.txt"]
    assert len(kept(library)) == 2


def test_a_broken_archive_is_listed_until_it_is_repaired(library: Library, tmp_path: Path) -> None:
    archive = tmp_path / "papers.zip"
    archive.write_bytes(b"no archive at all")
    report = library.add([tmp_path], prune=True)
    assert (len(report.failures), report.removed) == (1, 0)
    (document,) = library.documents()
    assert (document.state, document.file_type) == ("failed", "zip")
    make_zip(archive, a="First paper.")
    library.add([archive])
    assert [Path(path).name for path in paths(library)] == ["a.txt"]


def test_an_archive_that_is_gone_is_pruned_with_its_members(library: Library, documents: Path) -> None:
    make_zip(documents / "papers.zip", a="First paper.")
    library.add([documents])
    (documents / "papers.zip").unlink()
    assert library.add([documents], prune=True).removed == 1
    assert len(library.documents()) == 3


def test_the_same_relative_name_elsewhere_is_another_document(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "a.txt").write_text(f"Text of {place}.", encoding="utf-8")
        monkeypatch.chdir(tmp_path / place)
        library.add([Path("a.txt")])
    assert paths(library) == [(tmp_path / "two" / "a.txt").as_posix(), "a.txt"]
    assert library.add([tmp_path / "one" / "a.txt"]).unchanged == 1


def test_missing_points_are_made_again_at_opening(
    open_library: OpenLibrary, documents: Path, fake_store: Any
) -> None:
    library = open_library()
    library.add([documents])
    name = library.catalog.collections.get("library").store_name
    whole = dict(fake_store.points[name])
    for one in sorted(whole)[:5]:
        del fake_store.points[name][one]
    stranger = "00000000-0000-5000-8000-000000000000"
    fake_store.points[name][stranger] = next(iter(whole.values()))
    open_library()
    assert set(fake_store.points[name]) == set(whole)
    for one, point in whole.items():
        assert fake_store.points[name][one].payload == point.payload
        assert fake_store.points[name][one].dense == pytest.approx(point.dense)


def test_a_lost_store_is_rebuilt_from_the_catalog(
    open_library: OpenLibrary, documents: Path, fake_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = open_library()
    library.add([documents])
    name = library.catalog.collections.get("library").store_name
    ids = set(fake_store.points[name])
    fake_store.drop(name)
    monkeypatch.setattr("indexer.library.recovery.REPAIR_AT_OPENING", 3)
    reopened = open_library(resume_jobs=True)  # too many for the opening: a job does it
    (job,) = reopened.jobs.list()
    assert reopened.jobs.wait(job.id).state == "done"
    assert set(fake_store.points[name]) == ids


def test_an_interrupted_document_is_finished_at_opening(
    open_library: OpenLibrary, documents: Path, fake_encoder: Any
) -> None:
    library = open_library()

    def fail(texts: object) -> None:
        raise KeyboardInterrupt

    fake_encoder.before_encode = fail
    with pytest.raises(KeyboardInterrupt):
        library.add([documents])
    fake_encoder.before_encode = None
    assert library.catalog.documents.unfinished()
    reopened = open_library(resume_jobs=True)
    (job,) = reopened.jobs.list()
    assert job.label == "Finish 3 interrupted documents"
    assert reopened.jobs.wait(job.id).state == "done"
    assert {document.state for document in reopened.documents()} == {"indexed"}


def test_jobs_add_remove_and_reindex(library: Library, documents: Path) -> None:
    jobs = library.jobs
    added = jobs.wait(jobs.submit_add([documents], "papers").id)
    assert (added.state, added.message, added.label) == ("done", "3 added", "documents")
    ids = [document.id for document in library.documents("papers")]
    assert jobs.wait(jobs.submit_reindex(ids, "papers").id).message == "3 changed"
    assert jobs.wait(jobs.submit_remove(ids[:2], "papers").id).message == "2 removed"
    assert len(library.documents("papers")) == 1


def test_after_a_job_the_first_search_has_nothing_left_to_prepare(
    library: Library, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = library.jobs
    jobs.wait(jobs.submit_add([documents], "papers").id)

    def never(*_: Any) -> None:
        raise AssertionError("calibrated during a search")

    monkeypatch.setattr("indexer.search.calibration.calibrate", never)
    monkeypatch.setattr("indexer.search.calibration._load", never)
    result = library.search("river", collection="papers", mode="dense")
    assert result.hits or result.weak_hits


def test_warming_what_cannot_be_searched_does_nothing(
    open_library: OpenLibrary, documents: Path, fake_encoder_class: Any
) -> None:
    library = open_library()
    library.warm("nowhere")
    library.add([documents])
    open_library(encoder=fake_encoder_class("other")).warm()
    library.create_collection("empty")
    library.warm("empty")


def test_a_job_that_cannot_be_warmed_after_is_done_all_the_same(
    library: Library, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: str) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(library, "warm", fail)
    assert library.jobs.wait(library.jobs.submit_add([documents], "papers").id).state == "done"


def test_a_collection_is_deleted_by_a_job_that_can_run_again(library: Library, documents: Path) -> None:
    library.add([documents], "papers")
    for _ in range(2):
        assert library.jobs.wait(library.jobs.submit_drop("papers").id).message == "deleted"
        assert library.collections() == []


def test_an_upload_survives_until_its_job_runs(
    open_library: OpenLibrary, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = open_library()
    monkeypatch.setattr(library.jobs, "start", lambda: None)
    job = library.jobs.submit_add([documents / "harbour.txt"], keep_copies=True)
    (documents / "harbour.txt").unlink()
    assert all(finding.check != "files" or finding.level == "ok" for finding in library.doctor())
    library.close()
    reopened = open_library(resume_jobs=True)
    assert reopened.jobs.wait(job.id).state == "done"
    assert paths(reopened) == ["harbour.txt"]


def test_drop_forgets_a_collection(library: Library, documents: Path, fake_store: Any) -> None:
    library.add([documents], keep_copies=True)
    library.drop_collection("library")
    assert (library.collections(), fake_store.names(), kept(library)) == ([], [], [])


def test_two_owners_of_one_folder_are_refused(tmp_path: Path, fake_encoder: Any) -> None:
    options: dict[str, Any] = {"encoder": fake_encoder, "qdrant_url": ":memory:", "resume_jobs": False}
    with Library.open(tmp_path, **options), pytest.raises(StoreLockedError, match="in use by process"):
        Library.open(tmp_path, **options)
    Library.open(tmp_path, **options).close()


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (AddReport(), "nothing to do"),
        (AddReport(added=2, unchanged=1, failures=(("a", "b"),)), "2 added, 1 unchanged, 1 failed"),
    ],
)
def test_summaries(report: AddReport, words: str) -> None:
    assert summary(report) == words
