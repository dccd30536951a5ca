"""Ingest: idempotent, resumable, one bad file is not all, and progress adds up."""

import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from indexer.errors import Cancelled, StoreError
from indexer.ingest import pipeline
from indexer.ingest import read as reading
from indexer.ingest.report import summary
from indexer.library.library import Library
from indexer.progress import CancelToken
from indexer.types import DocumentInfo

OpenLibrary = Callable[..., Library]


def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "BATCH_CHUNKS", 8)
    monkeypatch.setattr(reading, "GROUP_CHUNKS", 4)


def by_name(library: Library) -> dict[str, DocumentInfo]:
    return {Path(document.path).name: document for document in library.documents()}


def passages(library: Library) -> set[tuple[str, int, int, str]]:
    """What is searchable; the points must be those of the passages."""
    collection = library.catalog.collections.get("library")
    states = dict(library.catalog.chunks.iter_states(collection.id))
    assert list(library.store.iter_ids(collection.store_name)) == sorted(states)
    assert set(states.values()) <= {"indexed"}
    found = library.chunks_by_id(list(states))
    return {(Path(one.document).name, one.chunk.start, one.chunk.end, one.chunk.text) for one in found}


def test_passages_cover_the_document(library: Library, documents: Path) -> None:
    report = library.add([documents])
    assert (report.added, report.failures) == (3, ())
    text = (documents / "sub" / "long.txt").read_text(encoding="utf-8")
    found = sorted((start, end, text) for name, start, end, text in passages(library) if name == "long.txt")
    assert "".join(part for _, _, part in found) == text
    assert all(text[start:end] == part for start, end, part in found)
    assert report.chunks == len(passages(library))


def test_indexing_twice_is_indexing_once(library: Library, documents: Path, fake_encoder: Any) -> None:
    library.add([documents])
    before, seen = passages(library), fake_encoder.texts_seen
    report = library.add([documents])
    assert (report.added, report.changed, report.unchanged, report.chunks) == (0, 0, 3, 0)
    assert passages(library) == before
    assert fake_encoder.texts_seen == seen


def test_a_touched_file_with_the_same_content_is_unchanged(library: Library, documents: Path) -> None:
    library.add([documents])
    path = documents / "harbour.txt"
    path.write_bytes(path.read_bytes())
    assert library.add([documents]).unchanged == 3


def test_a_changed_file_is_replaced(library: Library, documents: Path) -> None:
    library.add([documents])
    (documents / "harbour.txt").write_text("The harbour was filled in.", encoding="utf-8")
    report = library.add([documents])
    assert (report.changed, report.unchanged) == (1, 2)
    texts = {text for name, _, _, text in passages(library) if name == "harbour.txt"}
    assert texts == {"The harbour was filled in."}


def test_new_passages_are_there_before_the_old_ones_go(
    library: Library, documents: Path, fake_store: Any
) -> None:
    library.add([documents])
    (documents / "harbour.txt").write_text("The harbour was filled in.", encoding="utf-8")
    changes: list[str] = []
    fake_store.before_change = changes.append
    library.add([documents])
    assert changes.index("upsert") < changes.index("delete")


def test_payload_serves_the_filters(library: Library, documents: Path, fake_store: Any) -> None:
    library.add([documents])
    collection = library.catalog.collections.get("library")
    (document,) = [one for one in library.documents() if one.path.endswith("turm.md")]
    (point,) = [
        one
        for one in fake_store.points[collection.store_name].values()
        if one.payload["document_id"] == document.id
    ]
    assert point.payload["language"] == "de"
    assert point.payload["file_type"] == "md"
    assert documents.as_posix() in point.payload["folders"]
    assert point.payload["added_at"] == pytest.approx(document.added_at.timestamp())


def test_prune_removes_what_is_gone(library: Library, documents: Path) -> None:
    library.add([documents])
    (documents / "harbour.txt").unlink()
    assert library.add([documents]).removed == 0
    assert library.add([documents], prune=True).removed == 1
    assert set(by_name(library)) == {"turm.md", "long.txt"}
    assert {name for name, *_ in passages(library)} == {"turm.md", "long.txt"}


def test_prune_keeps_documents_of_other_folders(library: Library, documents: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("Another place.", encoding="utf-8")
    library.add([documents, other])
    library.add([documents / "sub"], prune=True)
    assert len(library.documents()) == 4


def test_a_folder_that_cannot_be_found_prunes_nothing(library: Library, documents: Path) -> None:
    library.add([documents])
    documents.rename(documents.with_name("unplugged"))
    report = library.add([documents], prune=True)
    assert (report.removed, len(report.failures)) == (0, 1)
    assert len(library.documents()) == 3


def test_a_renamed_file_stays_the_same_document(library: Library, documents: Path, fake_store: Any) -> None:
    library.add([documents])
    before = by_name(library)["harbour.txt"]
    (documents / "quay").mkdir()
    (documents / "harbour.txt").rename(documents / "quay" / "port.txt")
    report = library.add([documents], prune=True)
    assert (report.renamed, report.added, report.removed) == (1, 0, 0)
    after = by_name(library)["port.txt"]
    assert (after.id, after.title) == (before.id, "port")
    collection = library.catalog.collections.get("library")
    folders = [
        point.payload["folders"][0]
        for point in fake_store.points[collection.store_name].values()
        if point.payload["document_id"] == after.id
    ]
    assert set(folders) == {(documents / "quay").as_posix()}
    (documents / "harbour.txt").write_text("Something new.", encoding="utf-8")
    assert library.add([documents], prune=True).added == 1  # the old name is free for another document
    assert len({document.id for document in library.documents()}) == 4


def test_a_title_from_the_content_outlives_a_renaming(library: Library, documents: Path) -> None:
    text = "Tea garden\n\nThe tea is brewed twice. It takes a quarter of an hour.\n"
    for name in ("cay-bahcesi.txt", "Tea garden.txt"):  # the second is called as its title is
        (documents / name).write_text(text + name, encoding="utf-8")
    page = "<title>Pier</title><p>Ships moor here.</p>"
    (documents / "Pier.html").write_text(page, encoding="utf-8")
    library.add([documents])
    assert by_name(library)["cay-bahcesi.txt"].title == "Tea garden"
    (documents / "cay-bahcesi.txt").rename(documents / "a.txt")
    (documents / "Tea garden.txt").rename(documents / "b.txt")
    (documents / "Pier.html").rename(documents / "c.html")
    (documents / "harbour.txt").rename(documents / "port.txt")
    assert library.add([documents], prune=True).renamed == 4
    found = by_name(library)
    assert [found[name].title for name in ("a.txt", "b.txt", "c.html", "port.txt")] == [
        "Tea garden", "Tea garden", "Pier", "port",
    ]  # fmt: skip


def test_a_title_follows_its_file(library: Library, documents: Path) -> None:
    path = documents / "harbour.txt"
    for text, title in (
        ("The old harbour\n\nIt was built in 1894.\n", "The old harbour"),
        ("The new harbour\n\nIt was built in 1994.\n", "The new harbour"),
        ("It was built in 1994.\n", "harbour"),
    ):
        path.write_text(text, encoding="utf-8")
        library.add([documents])
        assert by_name(library)["harbour.txt"].title == title
    (documents / "harbour.log").write_text("Server started\n\nIt was built in 1994.\n", encoding="utf-8")
    library.add([documents])
    assert by_name(library)["harbour.log"].title == "harbour"


def test_one_bad_file_is_recorded_and_the_rest_goes_on(library: Library, documents: Path) -> None:
    (documents / "broken.docx").write_bytes(b"this is no zip file")
    (documents / "empty.txt").write_bytes(b"")
    (documents / "blank.txt").write_text(" \n \n", encoding="utf-8")
    report = library.add([documents])
    assert report.added == 3
    assert {Path(path).name for path, _ in report.failures} == {"broken.docx", "empty.txt", "blank.txt"}
    failed = by_name(library)["broken.docx"]
    assert failed.state == "failed"
    assert failed.error and "broken.docx" in failed.error
    (documents / "empty.txt").write_text("Now it says something.", encoding="utf-8")
    assert library.add([documents]).added == 1
    assert by_name(library)["empty.txt"].state == "indexed"


def test_a_file_that_breaks_keeps_its_last_good_passages(library: Library, documents: Path) -> None:
    library.add([documents])
    before = passages(library)
    (documents / "harbour.txt").write_bytes(b"")
    report = library.add([documents])
    assert len(report.failures) == 1
    assert passages(library) == before
    assert by_name(library)["harbour.txt"].state == "failed"


def test_reindex_reads_again_and_changes_nothing(
    library: Library, documents: Path, fake_encoder: Any
) -> None:
    library.add([documents])
    before, seen = passages(library), fake_encoder.texts_seen
    report = library.reindex([by_name(library)["long.txt"].id])
    assert report.changed == 1
    assert fake_encoder.texts_seen > seen
    assert passages(library) == before


def test_reindex_of_a_file_that_broke_keeps_everything(library: Library, documents: Path) -> None:
    library.add([documents])
    before = passages(library)
    (documents / "sub" / "long.txt").unlink()
    report = library.reindex([by_name(library)["long.txt"].id])
    assert "Put it back" in report.failures[0][1]
    assert passages(library) == before


def fail_at(number: int) -> Callable[[Any], None]:
    calls = 0

    def count(_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == number:
            raise StoreError("the store has died")

    return count


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_dying_store_is_resumed(
    open_library: OpenLibrary,
    documents: Path,
    fake_store: Any,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    small_batches(monkeypatch)
    library = open_library()
    fake_store.before_change = fail_at(number)
    with pytest.raises(StoreError):
        library.add([documents])
    fake_store.before_change = None
    library = open_library()
    library.add([documents])
    interrupted = passages(library)
    library.remove([document.id for document in library.documents()])
    library.add([documents])
    assert passages(library) == interrupted
    assert not library.catalog.documents.unfinished()


def test_a_resumed_document_is_not_encoded_twice(
    open_library: OpenLibrary,
    documents: Path,
    fake_store: Any,
    fake_encoder: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small_batches(monkeypatch)
    library = open_library()
    fake_store.before_change = fail_at(2)
    long = documents / "sub" / "long.txt"
    with pytest.raises(StoreError):
        library.add([long])
    fake_store.before_change = None
    seen = fake_encoder.texts_seen
    done, _ = library.catalog.chunks.states(library.catalog.collections.get("library").id)
    assert done > 0
    library.add([long])
    assert fake_encoder.texts_seen - seen == len(passages(library)) - done


def test_an_interrupted_pass_over_other_content_is_cleared(
    library: Library, documents: Path, fake_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_batches(monkeypatch)
    long = documents / "sub" / "long.txt"
    fake_store.before_change = fail_at(2)
    with pytest.raises(StoreError):
        library.add([long])
    fake_store.before_change = None
    long.write_text("Quite another text. It is short.", encoding="utf-8")
    library.add([long])
    assert {text for *_, text in passages(library)} == {"Quite another text. It is short."}


def test_cancelling_undoes_what_is_under_way_and_keeps_the_rest(
    library: Library, documents: Path, fake_encoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_batches(monkeypatch)
    library.add([documents / "harbour.txt"])
    before = passages(library)
    cancel = CancelToken()
    fake_encoder.before_encode = lambda texts: cancel.cancel()
    with pytest.raises(Cancelled):
        library.add([documents / "sub" / "long.txt"], cancel=cancel)
    assert passages(library) == before
    assert set(by_name(library)) == {"harbour.txt"}
    fake_encoder.before_encode = None
    assert library.add([documents]).added == 2


def test_progress_grows_to_the_total(
    library: Library, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_batches(monkeypatch)
    told: list[tuple[int, int, str, str]] = []
    library.add([documents], progress=lambda *state: told.append(state))
    total = sum(path.stat().st_size for path in documents.rglob("*.*"))
    assert [done for done, *_ in told] == sorted(done for done, *_ in told)
    assert len({done for done, *_ in told}) > 3
    assert told[-1][:3] == (total, total, "bytes")


def test_batches_go_across_documents(
    library: Library, tmp_path: Path, fake_encoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number:02}.txt").write_text(f"Document {number} is short.", encoding="utf-8")
    monkeypatch.setattr(pipeline, "BATCH_CHUNKS", 10)
    sizes: list[int] = []

    def look(texts: Sequence[str]) -> None:
        sizes.append(len(texts))

    fake_encoder.before_encode = look
    library.add([folder])
    assert sizes == [10, 10, 10]


def test_lone_surrogates_do_not_stop_a_file(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_text('{"text": "before \\ud800 after, and some more words"}', encoding="utf-8")
    library.add([path])
    (document,) = library.documents()
    assert document.state == "indexed"


def test_reading_waits_for_the_model(
    library: Library, tmp_path: Path, fake_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_batches(monkeypatch)
    path = tmp_path / "long.txt"
    path.write_text(
        " ".join(f"Sentence number {n} is not long at all." for n in range(3000)), encoding="utf-8"
    )
    read, ahead = 0, []
    prepare = reading.prepare

    def count(*given: Any) -> reading.Group:
        nonlocal read
        group = prepare(*given)
        read += len(group.records)
        return group

    def compare(change: str) -> None:
        ahead.append(read - sum(len(points) for points in fake_store.points.values()))

    monkeypatch.setattr(reading, "prepare", count)
    fake_store.before_change = compare
    report = library.add([path])
    assert report.chunks > 500
    assert max(ahead) <= (8 + 4) * 4 + 8  # the queue, what is handed over, and the batch


def change_unseen(path: Path, text: str) -> None:
    """Change a file and keep its size and time, as ``cp -p`` does."""
    before = path.stat()
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def test_checking_finds_what_size_and_time_do_not_tell(
    library: Library, documents: Path, fake_encoder: Any
) -> None:
    with zipfile.ZipFile(documents / "papers.zip", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("one.txt", "The first paper.")
    library.add([documents])
    text = (documents / "harbour.txt").read_text(encoding="utf-8")
    change_unseen(documents / "harbour.txt", text.replace("1894", "1994"))
    assert library.add([documents]).unchanged == 4
    seen = fake_encoder.texts_seen
    report = library.add([documents], check=True)
    assert (report.changed, report.unchanged, report.added) == (1, 3, 0)
    assert fake_encoder.texts_seen - seen == report.chunks
    assert any("1994" in text for *_, text in passages(library))
    assert library.add([documents], check=True).unchanged == 4


def test_documents_with_warnings_are_counted(library: Library, documents: Path) -> None:
    lines = '{"text": "A first record."}\nno record\n{"text": "A second record."}\n'
    (documents / "records.jsonl").write_text(lines, encoding="utf-8")
    report = library.add([documents])
    assert (report.added, report.warned) == (4, 1)
    assert "1 with warnings" in summary(report)
    assert [name for name, one in by_name(library).items() if one.warnings] == ["records.jsonl"]
    (warning,) = by_name(library)["records.jsonl"].warnings
    assert "not JSON" in warning
    assert library.add([documents]).warned == 0  # nothing was read


def test_unchanged_documents_are_not_written_again(
    library: Library, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.add([documents])
    written: list[str] = []
    original = library.catalog.documents.put

    def put(records: Any) -> None:
        written.extend(record.path for record in records)
        original(records)

    monkeypatch.setattr(library.catalog.documents, "put", put)
    assert library.add([documents]).unchanged == 3
    assert written == []
    touched = documents / "harbour.txt"
    os.utime(touched, ns=(1, 1))
    assert library.add([documents]).unchanged == 3
    assert written == [str(touched)]  # so that the next look at it is quick again
