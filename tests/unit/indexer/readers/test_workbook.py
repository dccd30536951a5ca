"""Workbooks: rows as far as they go, damage as one kind of error, for documents and for pairs alike."""

import io
import zipfile
from pathlib import Path

import openpyxl
import pytest

from indexer.bitext.formats import read_pairs
from indexer.errors import ReadError
from indexer.readers import Piece, Source
from indexer.readers.workbook import open_workbook
from indexer.readers.xlsx import read

ROWS = [("source", "target"), ("Der Hafen ist alt.", "The harbour is old."), ("الجسر طويل.", "桥很长。")]


def workbook(sheet_change: tuple[bytes, bytes] = (b"", b"")) -> bytes:
    """A workbook in which something of its sheet was replaced."""
    book, made, changed = openpyxl.Workbook(), io.BytesIO(), io.BytesIO()
    for row in ROWS:
        book.active.append(row)  # type: ignore[union-attr]
    book.save(made)
    with zipfile.ZipFile(made) as before, zipfile.ZipFile(changed, "w") as after:
        for name in before.namelist():
            data = before.read(name)
            if name == "xl/worksheets/sheet1.xml" and sheet_change[0]:
                assert sheet_change[0] in data
                data = data.replace(*sheet_change)
            after.writestr(name, data)
    return changed.getvalue()


@pytest.mark.parametrize("said", [b"A1", b"A1:A1", b"A1:B2", b"A1:XFD1048576"])
def test_a_wrong_dimension_record_hides_no_row(tmp_path: Path, said: bytes) -> None:
    data = workbook((b'<dimension ref="A1:B3"', b'<dimension ref="' + said + b'"'))
    pieces = [item for item in read(Source("a.xlsx", data=data)) if isinstance(item, Piece)]
    assert len(pieces) == 2 and "Der Hafen ist alt." in pieces[0].text and "桥很长。" in pieces[1].text
    (tmp_path / "a.xlsx").write_bytes(data)
    assert [(one.source, one.target) for one in read_pairs(tmp_path / "a.xlsx")] == ROWS[1:]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((b"</row>", b"</rov>"), "has damaged XML"),
        ((b'<row r="2"', b'<row r="two"'), "is a damaged workbook"),
        ((b"<worksheet", b'<!DOCTYPE x [<!ENTITY a "ha">]><worksheet'), "entities|damaged workbook"),
    ],
)
def test_damage_in_the_rows_is_a_read_error(tmp_path: Path, change: tuple[bytes, bytes], words: str) -> None:
    data = workbook(change)
    with pytest.raises(ReadError, match=rf"a\.xlsx.*({words})"):
        list(read(Source("a.xlsx", data=data)))
    (tmp_path / "a.xlsx").write_bytes(data)
    with pytest.raises(ReadError, match=rf"a\.xlsx.*({words})"):
        list(read_pairs(tmp_path / "a.xlsx"))


def test_the_file_is_closed_when_the_reader_is_left_early() -> None:
    with open_workbook(Source("a.xlsx", data=workbook())) as book:
        archive = book.archive
    assert archive.fp is None
