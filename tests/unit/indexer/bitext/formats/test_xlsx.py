"""XLSX: texts stay texts, limits of sheets, workbooks of others."""

import tempfile
import zipfile
from pathlib import Path

import openpyxl
import pytest

from indexer.bitext.formats import read_pairs, write_pairs, xlsx
from indexer.bitext.values import Pair
from indexer.errors import ExportError, ReadError


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", '=HYPERLINK("http://x")', "{=1}"])
def test_a_formula_is_a_text_and_comes_back(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pairs.xlsx"
    write_pairs(path, [Pair(text, "b", 1.5, source_origin=text)], source_language="en", target_language="fr")
    cells = openpyxl.load_workbook(path)["pairs"][2]
    assert [(cell.data_type, cell.value) for cell in cells[:3]] == [("s", text), ("s", "b"), ("n", 1.5)]
    assert "<f>" not in zipfile.ZipFile(path).read("xl/worksheets/sheet1.xml").decode()
    pair = next(read_pairs(path))
    assert (pair.source, pair.source_origin) == (text, text)


def test_control_characters_are_written_as_office_does(tmp_path: Path) -> None:
    path = tmp_path / "pairs.xlsx"
    write_pairs(path, [Pair("a\x07_x0041_", "b")], source_language="en", target_language="fr")
    assert "a_x0007__x005F_x0041_" in zipfile.ZipFile(path).read("xl/worksheets/sheet1.xml").decode()


def test_what_a_sheet_cannot_hold_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    path = tmp_path / "pairs.xlsx"
    path.write_text("old")
    fits = Pair("a" * 32_767, "b")
    with pytest.raises(ExportError, match=r"Pair 2 has a text of 16,384 characters .*TSV or TMX"):
        write_pairs(path, [fits, Pair("😀" * 16_384, "b")], source_language="en", target_language="fr")
    monkeypatch.setattr(xlsx, "MAX_ROWS", 3)
    with pytest.raises(ExportError, match="A sheet holds 2 pairs"):
        write_pairs(path, [fits] * 3, source_language="en", target_language="fr")
    assert path.read_text() == "old"
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["pairs.xlsx", "temporary"]


def test_workbooks_of_others(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["Target", "Source", "Score", "No."])  # type: ignore[union-attr]
    book.active.append(["b", 5, 0.5, 3])  # type: ignore[union-attr]
    book.active.append([None, None])  # type: ignore[union-attr]
    book.active.append(["d", "c"])  # type: ignore[union-attr]
    hidden = book.create_sheet("hidden", 0)
    hidden.append(["x", "y"])
    hidden.sheet_state = "hidden"
    book.save(tmp_path / "p.xlsx")
    got = list(read_pairs(tmp_path / "p.xlsx"))
    assert [(p.source, p.target) for p in got] == [("5", "b"), ("c", "d")]
    assert (got[0].score, got[0].meta) == (0.5, (("No.", "3"),))


def test_damage(tmp_path: Path) -> None:
    path = tmp_path / "p.xlsx"
    path.write_bytes(b"no zip")
    with pytest.raises(ReadError):
        list(read_pairs(path))
    book = openpyxl.Workbook()
    book.active.append(["source", "target", "score"])  # type: ignore[union-attr]
    book.active.append(["a", "b", "high"])  # type: ignore[union-attr]
    book.save(path)
    with pytest.raises(ReadError, match=r"p.xlsx, row 2 has the score 'high'"):
        list(read_pairs(path))
