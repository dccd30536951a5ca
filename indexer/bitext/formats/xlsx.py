"""XLSX for review in a spreadsheet: a header, one pair per row, texts as texts.

Every text is stored as a text, so that one that begins with ``=`` is no formula, and comes back the same.
Characters that XML cannot hold, and carriage returns, are written as ``_x0007_``, as Office Open XML does
(ST_Xstring); a text that looks so already gets ``_x005F_`` for its first sign. Read is the first visible
sheet (``table`` says which columns); of formulas the values as last calculated. A cell holds 32,767
characters and a sheet 1,048,576 rows: what is longer is refused. Every field of a pair is held.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from indexer.bitext.formats.fields import COLUMNS, quote
from indexer.bitext.formats.left_out import LeftOut
from indexer.bitext.formats.lines import unreadable
from indexer.bitext.formats.saving import replacing
from indexer.bitext.formats.table import Cell, cells_of, pairs_of
from indexer.bitext.values import Pair
from indexer.errors import ExportError
from indexer.readers.pieces import Source
from indexer.readers.workbook import Cell as SheetCell
from indexer.readers.workbook import Sheet, Workbook, open_workbook, unescaped

MAX_CELL = 32_767
MAX_ROWS = 1_048_576
WIDE, NARROW = 60, 14  # characters, of the columns of sentences and of the others
_UNFIT = re.compile(
    "[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}[_\x00-\x08\x0b-\x1f\ufffe\uffff])"
)  # an escaped sign begins with "_" too


def read(path: Path, left_out: LeftOut | None = None) -> Iterator[Pair]:
    """The pairs of the first visible sheet of a workbook."""
    return pairs_of(path.name, _rows(path), left_out=left_out)


def write(path: Path, pairs: Iterable[Pair], source_language: str, target_language: str) -> int:
    """Write a workbook and return how many pairs it has."""
    from openpyxl import Workbook
    from openpyxl.utils import get_column_letter

    count = 0
    with replacing(path) as (aside,):
        book = Workbook(write_only=True)
        sheet = book.create_sheet("pairs")
        sheet.freeze_panes = "A2"
        for place, name in enumerate(COLUMNS, start=1):
            width = WIDE if name in ("source", "target") else NARROW
            sheet.column_dimensions[get_column_letter(place)].width = width
        try:
            sheet.append(list(COLUMNS))
            for pair in pairs:
                count += 1
                if count >= MAX_ROWS:
                    raise ExportError(
                        f"A sheet holds {MAX_ROWS - 1:,} pairs and there are more; expected fewer. "
                        "Write TSV or TMX."
                    )
                sheet.append([_cell(sheet, cell, count) for cell in cells_of(pair)])
            book.save(aside)
        finally:
            if not sheet.closed:
                sheet.close()
            if Path(sheet._writer.out).exists():  # half a sheet, in the folder for temporary files
                sheet._writer.cleanup()
    return count


def _cell(sheet: Any, value: Cell, number: int) -> Any:
    from openpyxl.cell import WriteOnlyCell

    if value is None:
        return None
    if not isinstance(value, str):
        cell = WriteOnlyCell(sheet, repr(value))
        cell.data_type = "n"  # a number with all its digits; openpyxl would write 16 of 17
        return cell
    text = _UNFIT.sub(lambda result: f"_x{ord(result[0]):04X}_", value)
    if len(text.encode("utf-16-le")) > 2 * MAX_CELL:
        raise ExportError(
            f"Pair {number} has a text of {len(value):,} characters ({quote(value)}); expected at most "
            f"{MAX_CELL:,}, which a cell of XLSX holds. Write TSV or TMX."
        )
    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"  # a text that begins with "=" stays a text
    return cell


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        with open_workbook(Source(path.name, path)) as book:
            visible = [sheet for sheet in book.sheets if sheet.is_visible]
            for sheet in visible[:1]:
                yield from _filled(book, sheet)
    except OSError as error:
        raise unreadable(path, error) from error


def _filled(book: Workbook, sheet: Sheet) -> Iterator[tuple[int, list[str]]]:
    for number, row in book.rows(sheet):
        yield number, [_text(book, cell) for cell in row]


def _text(book: Workbook, cell: SheetCell) -> str:
    if cell.value is None:
        return ""
    if isinstance(cell.value, str):
        return unescaped(cell.value)
    moment = book.moment(cell)
    return moment.isoformat(sep=" ") if moment is not None else str(cell.value)
