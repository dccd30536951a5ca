"""Workbooks: one piece per row, values as last calculated; sheets that hold only numbers give little text."""

from datetime import date, datetime, time

from indexer.readers.pieces import Facts, Piece, Reading, Source
from indexer.readers.tables import row_text
from indexer.readers.workbook import open_workbook, rows_of


def read(source: Source) -> Reading:
    with open_workbook(source) as book:
        yield Facts(title=" ".join((book.properties.title or "").split()), pages=len(book.worksheets))
        for page, sheet in enumerate(book.worksheets, start=1):
            if sheet.sheet_state != "visible":
                continue
            header: list[str] | None = None
            for number, values in rows_of(sheet):
                cells = [_shown(value) for value in values]
                if not any(cells):
                    continue
                text = row_text(cells, header)
                header = cells if header is None else header
                if text:
                    yield Piece(text, page=page, section=f"{sheet.title} row {number}")


def _shown(value: object) -> str:
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, (datetime, date, time)):
        return value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat()
    return str(value).replace("\r\n", "\n").strip()
