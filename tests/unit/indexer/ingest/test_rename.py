"""Renamed files: found by their new names, as if indexed anew, and embedded no more than that takes."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.catalog import DocumentRecord
from indexer.ingest import plan
from indexer.library.library import Library
from indexer.search.lexical import sparse_query
from indexer.types import Point
from me5.prefixes import Role

TITLED = "Tea garden\n\nThe tea is brewed twice. It takes a quarter of an hour.\n"


def points(library: Library) -> dict[tuple[str, int], Point]:
    """The points by path and start of their passages."""
    collection = library.catalog.collections.get("library")
    found = library.store.fetch_points(
        collection.store_name, list(library.store.iter_ids(collection.store_name))
    )
    infos = library.chunks_by_id([point.id for point in found])
    return {(info.document, info.chunk.start): point for info, point in zip(infos, found, strict=True)}


def lexical_hits(library: Library, words: str) -> list[str]:
    """Names of the documents that share a feature with the words, best first."""
    query = sparse_query(words)
    weights = dict(zip(query.indices.tolist(), query.values.tolist(), strict=True))
    scores: dict[str, float] = {}
    for (path, _), point in points(library).items():
        features = zip(point.sparse.indices.tolist(), point.sparse.values.tolist(), strict=True)
        score = sum(weights.get(feature, 0.0) * value for feature, value in features)
        if score:
            scores[Path(path).name] = max(score, scores.get(Path(path).name, 0.0))
    return sorted(scores, key=lambda name: -scores[name])


def assert_as_if_new(library: Library, folder: Path, fresh: Library) -> None:
    """The points are those that a first indexing of the folder would have made."""
    fresh.add([folder], "fresh")
    collection = fresh.catalog.collections.get("fresh")
    ids = list(fresh.store.iter_ids(collection.store_name))
    anew = {
        (info.document, info.chunk.start): point
        for info, point in zip(
            fresh.chunks_by_id(ids), fresh.store.fetch_points(collection.store_name, ids), strict=True
        )
    }
    known = points(library)
    assert known.keys() == anew.keys()
    for place, point in known.items():
        np.testing.assert_allclose(point.dense, anew[place].dense, atol=1e-6, err_msg=str(place))
        np.testing.assert_array_equal(point.sparse.indices, anew[place].sparse.indices, err_msg=str(place))
        np.testing.assert_allclose(point.sparse.values, anew[place].sparse.values, rtol=1e-6)
        assert point.payload["folders"] == anew[place].payload["folders"]


@pytest.fixture
def titled(documents: Path) -> Path:
    (documents / "cay-bahcesi.txt").write_text(TITLED, encoding="utf-8")
    return documents


def test_a_renamed_file_is_as_if_indexed_anew(library: Library, titled: Path) -> None:
    library.add([titled])
    (titled / "harbour.txt").rename(titled / "quay walls.txt")
    (titled / "cay-bahcesi.txt").rename(titled / "sub" / "samovar.txt")
    (titled / "sub" / "long.txt").rename(titled / "long.txt")
    assert library.add([titled], prune=True).renamed == 3
    assert_as_if_new(library, titled, library)


def test_the_new_name_is_found_and_the_old_one_is_not(
    library: Library, titled: Path, fake_encoder: Any
) -> None:
    (titled / "zeppelin.txt").write_text("It was built in 1894.", encoding="utf-8")
    library.add([titled])
    assert lexical_hits(library, "zeppelin") == ["zeppelin.txt"]
    (titled / "zeppelin.txt").rename(titled / "balloon.txt")
    library.add([titled], prune=True)
    assert lexical_hits(library, "balloon") == ["balloon.txt"]
    assert lexical_hits(library, "zeppelin") == []
    name = library.catalog.collections.get("library").store_name
    (vector,) = fake_encoder.encode(["balloon"], Role.QUERY)
    best = library.store.query(name, dense=vector, limit=1)
    assert library.chunks_by_id([best[0].id])[0].document.endswith("balloon.txt")


def test_a_renaming_embeds_only_what_was_called_by_its_file(
    library: Library, titled: Path, fake_encoder: Any
) -> None:
    library.add([titled])
    seen = fake_encoder.texts_seen
    (titled / "cay-bahcesi.txt").rename(titled / "samovar.txt")  # has a title of its own
    (titled / "sub").rename(titled / "below")
    assert library.add([titled], prune=True).renamed == 2
    assert fake_encoder.texts_seen == seen
    (titled / "harbour.txt").rename(titled / "port.txt")
    assert library.add([titled], prune=True).renamed == 1
    (harbour,) = [one for one in library.documents() if one.path.endswith("port.txt")]
    assert fake_encoder.texts_seen - seen == harbour.chunks


@pytest.mark.parametrize("words", ["cay bahcesi", "cay-bahcesi", "cay-bahcesi.txt", "BAHCESI"])
def test_a_file_with_a_title_is_found_by_its_name(library: Library, titled: Path, words: str) -> None:
    library.add([titled])
    assert lexical_hits(library, words)[:1] == ["cay-bahcesi.txt"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Minutes_2041-final.txt", "minutes 2041"),
        ("AnnualReport2041.txt", "annual report 2041"),
        ("ПротоколСобрания.txt", "протокол собрания"),
        ("会议记录.txt", "会议记录"),
        ("AnnualReport2041.txt", "AnnualReport2041"),
        ("scan0007.txt", "scan 0007"),
    ],
)
def test_names_are_found_in_words_or_as_they_are(
    library: Library, documents: Path, name: str, words: str
) -> None:
    (documents / name).write_text(TITLED, encoding="utf-8")
    library.add([documents])
    assert lexical_hits(library, words)[:1] == [name]


def test_an_interrupted_renaming_is_done_again(
    open_library: Callable[..., Library], titled: Path, fake_store: Any
) -> None:
    library = open_library()
    library.add([titled])
    (titled / "harbour.txt").rename(titled / "port.txt")

    def fail(change: str) -> None:
        raise KeyboardInterrupt

    fake_store.before_change = fail
    with pytest.raises(KeyboardInterrupt):
        library.add([titled], prune=True)
    fake_store.before_change = None
    library = open_library()
    assert library.add([titled], prune=True).renamed == 1
    assert_as_if_new(library, titled, library)


def test_many_renamed_files_are_embedded_together(
    library: Library, tmp_path: Path, fake_encoder: Any
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number:02}.txt").write_text(f"It says {number}.", encoding="utf-8")
    library.add([folder])
    for path in folder.glob("*.txt"):
        path.rename(folder / f"page {path.name}")
    sizes: list[int] = []
    fake_encoder.before_encode = lambda texts: sizes.append(len(texts))
    assert library.add([folder], prune=True).renamed == 20
    assert sizes == [20]


def test_a_new_file_may_take_the_name_that_a_renamed_one_left(library: Library, documents: Path) -> None:
    library.add([documents])
    (documents / "harbour.txt").rename(documents / "a.txt")  # before the new one, in order
    (documents / "harbour.txt").write_text("Something new.", encoding="utf-8")
    report = library.add([documents], prune=True)
    assert (report.changed, report.added) == (1, 1)
    assert_as_if_new(library, documents, library)


def test_a_renamed_file_that_cannot_be_read_keeps_its_passages(
    library: Library, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from indexer.errors import ReadError
    from indexer.ingest import read

    library.add([documents])
    (documents / "harbour.txt").rename(documents / "port.txt")

    def refuse(*_: Any, **__: Any) -> None:
        raise ReadError("port.txt took too long. Try again.")

    monkeypatch.setattr(read, "read_file", refuse)
    report = library.add([documents], prune=True)
    assert (report.renamed, report.failures) == (1, ())
    assert lexical_hits(library, "port") == ["port.txt"]


def test_a_renamed_added_folder_keeps_its_documents(
    library: Library, titled: Path, fake_encoder: Any
) -> None:
    with zipfile.ZipFile(titled / "papers.zip", "w") as archive:
        archive.writestr("inner/one.txt", "The first paper.")
    library.add([titled])
    before = {Path(one.path).name: one.id for one in library.documents()}
    seen = fake_encoder.texts_seen
    moved = titled.rename(titled.with_name("moved"))
    report = library.add([moved], prune=True)
    assert (report.renamed, report.added, report.removed) == (5, 0, 0)
    assert {Path(one.path).name: one.id for one in library.documents()} == before
    assert fake_encoder.texts_seen == seen
    assert_as_if_new(library, moved, library)


def test_files_moved_to_another_added_folder_are_followed(library: Library, documents: Path) -> None:
    other = documents.with_name("other")
    other.mkdir()
    library.add([documents, other])
    (documents / "sub" / "long.txt").rename(other / "longer.txt")
    report = library.add([other])  # without pruning, as on the page
    assert (report.renamed, report.added) == (1, 0)
    assert len(library.documents()) == 3


def test_a_copy_is_another_document(library: Library, documents: Path) -> None:
    library.add([documents])
    shutil.copytree(documents, documents.with_name("copy"))
    report = library.add([documents.with_name("copy")], prune=True)
    assert (report.renamed, report.added, len(library.documents())) == (0, 3, 6)


def test_an_upload_takes_nothing_over(library: Library, documents: Path, tmp_path: Path) -> None:
    library.add([documents])
    upload = shutil.move(documents / "harbour.txt", tmp_path / "sent.txt")
    assert library.add([upload], keep_copies=True).added == 1
    assert len(library.documents()) == 4


def test_same_content_goes_to_the_same_name_first(library: Library, tmp_path: Path) -> None:
    folder = tmp_path / "before"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.txt").write_text("All say the same.", encoding="utf-8")
    library.add([folder])
    ids = {Path(one.path).name: one.id for one in library.documents()}
    folder.rename(tmp_path / "after")
    (tmp_path / "after" / "d.txt").write_text("All say the same.", encoding="utf-8")
    report = library.add([tmp_path / "after"], prune=True)
    assert (report.renamed, report.added) == (3, 1)
    after = {Path(one.path).name: one.id for one in library.documents()}
    assert {name: after[name] for name in ids} == ids


def test_the_work_per_renamed_file_does_not_grow(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = 0
    is_complete = plan._is_complete

    def count(record: DocumentRecord) -> bool:
        nonlocal looked_at
        looked_at += 1
        return is_complete(record)

    monkeypatch.setattr(plan, "_is_complete", count)
    for shared in (True, False):
        folder = tmp_path / f"before {shared}"
        folder.mkdir()
        for number in range(60):
            (folder / f"{number}.txt").write_text(f"It says {0 if shared else number}.", encoding="utf-8")
        library.add([folder])
        folder.rename(tmp_path / f"after {shared}")
        looked_at = 0
        assert library.add([tmp_path / f"after {shared}"], prune=True).renamed == 60
        assert looked_at <= 3 * 60


def test_unreadable_files_of_a_moved_folder_are_listed_once(library: Library, documents: Path) -> None:
    (documents / "broken.docx").write_bytes(b"this is no zip file")
    (documents / "sub" / "empty.txt").write_bytes(b"")
    library.add([documents])
    moved = documents.rename(documents.with_name("moved"))
    for prune in (False, True):
        report = library.add([moved], prune=prune)
        assert (report.added, report.removed, len(report.failures)) == (0, 0, 2)
        failed = [one.path for one in library.documents() if one.state == "failed"]
        assert failed == [(moved / "broken.docx").as_posix(), (moved / "sub" / "empty.txt").as_posix()]
    (moved / "sub" / "empty.txt").write_text("Now it says something.", encoding="utf-8")
    assert library.add([moved]).added == 1
    assert len(library.documents()) == 5
