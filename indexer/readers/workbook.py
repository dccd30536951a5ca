"""Opening a workbook for reading: checked before it is unpacked, and every kind of damage told as one error.

Sheets are read row by row as far as they go, whatever their dimension record says: some programs write
wrong ones.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

from indexer.readers.container import open_container
from indexer.readers.pieces import Source, refusal

if TYPE_CHECKING:
    from openpyxl import Workbook


@contextmanager
def open_workbook(source: Source) -> Iterator["Workbook"]:
    """The workbook, with values as last calculated. Damage that shows only in its rows counts too.

    Raises:
        ReadError: it is damaged, declares XML entities, needs a password, or breaks a limit.
    """
    import openpyxl
    from defusedxml.common import DefusedXmlException
    from lxml.etree import XMLSyntaxError

    with open_container(source):
        pass  # checked before openpyxl unpacks anything
    try:
        with source.open() as stream:
            book = openpyxl.load_workbook(stream, read_only=True, data_only=True, keep_links=False)
            try:
                yield book
            finally:
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


def rows_of(sheet: Any) -> Iterator[tuple[int, tuple[object, ...]]]:
    """The rows of a sheet with their numbers, from 1."""
    sheet.reset_dimensions()
    return enumerate(sheet.iter_rows(values_only=True), start=1)
