"""Workbooks: one piece per row, values as last calculated; sheets that hold only numbers give little text."""

from datetime import date, datetime, time
from xml.etree.ElementTree import ParseError

from indexer.readers.container import open_container
from indexer.readers.pieces import Facts, Piece, Reading, Source, refusal
from indexer.readers.tables import row_text


def read(source: Source) -> Reading:
    import openpyxl
    from defusedxml.common import DefusedXmlException
    from lxml.etree import XMLSyntaxError

    with open_container(source):
        pass  # checked before openpyxl unpacks anything
    try:
        with source.open() as stream:
            book = openpyxl.load_workbook(stream, read_only=True, data_only=True, keep_links=False)
            yield Facts(title=" ".join((book.properties.title or "").split()), pages=len(book.worksheets))
            for page, sheet in enumerate(book.worksheets, start=1):
                if sheet.sheet_state != "visible":
                    continue
                header: list[str] | None = None
                for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):
                    cells = [_shown(value) for value in values]
                    if not any(cells):
                        continue
                    text = row_text(cells, header)
                    header = cells if header is None else header
                    if text:
                        yield Piece(text, page=page, section=f"{sheet.title} row {number}")
            book.close()
    except DefusedXmlException as error:
        raise refusal(
            source.name,
            "declares XML entities, as entity-expansion attacks do",
            "none in this format",
            "Save it again from the program that made it",
        ) from error
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, XMLSyntaxError, ParseError) as error:
        raise refusal(
            source.name,
            f"is a damaged workbook ({type(error).__name__}: {error})",
            "a whole one",
            "Save it again",
        ) from error


def _shown(value: object) -> str:
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, (datetime, date, time)):
        return value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat()
    return str(value).replace("\r\n", "\n").strip()
