"""The doctor: every trouble is found, explained with what to do, and repaired when asked."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from indexer.library.doctor import Finding
from indexer.library.library import Library


def problems(library: Library, check: str, *, repair: bool = False) -> list[Finding]:
    return [one for one in library.doctor(repair=repair) if one.check == check and one.level != "ok"]


def test_a_sound_folder_has_only_good_findings(library: Library, documents: Path) -> None:
    library.add([documents])
    findings = library.doctor()
    assert {finding.check for finding in findings} >= {"disk", "lock", "catalog", "vectors", "files"}
    assert [finding for finding in findings if finding.is_problem] == []


def test_points_that_differ_are_found_and_repaired(
    library: Library, documents: Path, fake_store: Any
) -> None:
    library.add([documents])
    (points,) = fake_store.points.values()
    whole = set(points)
    for one in sorted(whole)[:2]:
        del points[one]
    (finding,) = problems(library, "vectors")
    assert finding.level == "error"
    assert "2 passages have no vectors" in finding.message
    assert "--repair" in finding.advice
    (repaired,) = problems(library, "vectors", repair=True)
    assert repaired.repaired and not repaired.is_problem
    assert set(points) == whole
    assert problems(library, "vectors") == []


def test_unknown_points_are_a_warning(library: Library, documents: Path, fake_store: Any) -> None:
    library.add([documents])
    (points,) = fake_store.points.values()
    points["00000000-0000-5000-8000-000000000000"] = next(iter(points.values()))
    (finding,) = problems(library, "vectors")
    assert finding.level == "warn"
    problems(library, "vectors", repair=True)
    assert "00000000-0000-5000-8000-000000000000" not in points


def test_wrong_counters_are_counted_again(library: Library, documents: Path) -> None:
    library.add([documents])
    right = library.collections()
    with library.catalog.database.write() as connection:
        connection.execute(text("UPDATE collections SET row_count = row_count + 5, document_count = 0"))
    (finding,) = problems(library, "counts")
    assert "document_count: 0 instead of 3" in finding.message and "--repair" in finding.advice
    (repaired,) = problems(library, "counts", repair=True)
    assert repaired.repaired and library.collections() == right
    assert problems(library, "counts") == []


def test_failed_documents_are_listed_with_their_reason(library: Library, documents: Path) -> None:
    for number in range(7):
        (documents / f"empty{number}.txt").write_bytes(b"")
    library.add([documents])
    found = problems(library, "documents")
    assert len(found) == 6
    assert "empty0.txt" in found[0].message
    assert "2 more" in found[-1].message


def test_copies_without_a_document_are_deleted_on_request(library: Library, documents: Path) -> None:
    library.add([documents / "harbour.txt"], keep_copies=True)
    orphan = library.files.root / "ab" / "abcdef.pdf"
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"x" * 1000)
    (finding,) = problems(library, "files")
    assert "no document: 1 (" in finding.message
    assert orphan.exists()
    problems(library, "files", repair=True)
    assert not orphan.exists()
    assert Path(library.documents()[0].stored_path).exists()


def test_a_full_disk_is_an_error(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "reserve_bytes", 10**18)
    (finding,) = problems(library, "disk")
    assert finding.level == "error"
    assert "Free some disk space" in finding.advice


def test_a_collection_of_another_model_is_a_warning(
    library: Library, documents: Path, open_library: Any, fake_encoder_class: Any
) -> None:
    library.add([documents])
    other = open_library(encoder=fake_encoder_class("other"))
    (finding,) = problems(other, "model")
    assert "--model fake" in finding.advice


def test_an_interrupted_document_is_a_warning(library: Library, documents: Path, fake_encoder: Any) -> None:
    def fail(texts: object) -> None:
        raise KeyboardInterrupt

    fake_encoder.before_encode = fail
    with pytest.raises(KeyboardInterrupt):
        library.add([documents / "harbour.txt"])
    (finding,) = problems(library, "documents")
    assert "not finished" in finding.message


def test_a_damaged_catalog_is_an_error(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library.catalog.database, "integrity_problems", lambda: ["row 7 missing from index"])
    (finding,) = problems(library, "catalog")
    assert finding.level == "error"
    assert "row 7" in finding.message and "backup" in finding.advice
