"""Workbooks read row by row: values as last calculated and as they are shown; damage is one kind of error.

Sheets are read as far as they go, whatever their dimension record says: some programs write wrong ones. Both
forms of Office Open XML, transitional and strict, are read.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING

from indexer.readers.container import (
    Container,
    attribute,
    core_title,
    iter_xml,
    local_name,
    main_part,
    open_container,
    parse_xml,
    relations,
)
from indexer.readers.date_format import day_of, serial_of
from indexer.readers.format_code import code_of, is_date_code
from indexer.readers.number_format import show_number, show_text
from indexer.readers.pieces import Source, refusal

if TYPE_CHECKING:
    from lxml.etree import _Element

MAIN = "xl/workbook.xml"
ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]+)$")
MAX_COLUMNS = 16_384
Value = str | int | float | bool | None


@dataclass(frozen=True)
class Sheet:
    """A sheet of a workbook, with the parts that belong to it as (kind, part)."""

    title: str
    part: str
    is_visible: bool
    related: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Cell:
    """A value and the code of its number format; ``is_uncalculated`` for a formula without a stored value."""

    value: Value = None
    code: str = "General"
    is_uncalculated: bool = False


@dataclass
class Workbook:
    """An open workbook."""

    source: Source
    archive: Container
    title: str = ""
    sheets: list[Sheet] = field(default_factory=list)
    since_1904: bool = False
    _strings: list[str] = field(default_factory=list)
    _codes: list[str] = field(default_factory=list)

    def rows(self, sheet: Sheet) -> Iterator[tuple[int, list[Cell]]]:
        """The rows of a sheet with their numbers, from 1; those that are not there are passed over."""
        number = 0
        for event, row in iter_xml(self.source, self.archive, sheet.part, ("row",)):
            if event != "end":
                continue
            number = int(row.get("r") or number + 1)
            cells: list[Cell] = []
            for element in row:
                if local_name(element) == "c":
                    column = _column(element.get("r")) or len(cells) + 1
                    cells.extend(Cell() for _ in range(min(column, MAX_COLUMNS) - 1 - len(cells)))
                    cells.append(self._cell(element))
            yield number, cells
            row.clear(keep_tail=True)
            parent = row.getparent()
            while parent is not None and row.getprevious() is not None:
                del parent[0]

    def shown(self, cell: Cell) -> str:
        """A cell as a spreadsheet program shows it."""
        if cell.value is None:
            return ""
        if isinstance(cell.value, bool):
            return "TRUE" if cell.value else "FALSE"
        if isinstance(cell.value, str):
            return show_text(unescaped(cell.value), cell.code).replace("\r\n", "\n").strip()
        return show_number(cell.value, cell.code, since_1904=self.since_1904)

    def moment(self, cell: Cell) -> datetime | None:
        """The date and time of a cell that holds one."""
        if isinstance(cell.value, (str, bool)) or cell.value is None or not is_date_code(cell.code):
            return None
        try:
            return day_of(cell.value, since_1904=self.since_1904)
        except ValueError:
            return None

    def _cell(self, element: "_Element") -> Cell:
        kind = element.get("t") or "n"
        style = int(element.get("s") or 0)
        code = self._codes[style] if style < len(self._codes) else "General"
        if kind == "inlineStr":
            inline = element.find("{*}is")
            return Cell(_rich_text(inline) if inline is not None else None, code)
        stored = element.find("{*}v")
        text = (stored.text or "") if stored is not None else ""
        if stored is None or (not text.strip() and kind == "n"):
            return Cell(None, code, element.find("{*}f") is not None)
        if kind == "s":
            return Cell(self._strings[int(text)], code)
        if kind == "b":
            return Cell(text.strip() in ("1", "true"), code)
        if kind == "d" and (serial := serial_of(text, since_1904=self.since_1904)) is not None:
            return Cell(serial, code if is_date_code(code) else "yyyy-mm-dd h:mm:ss")
        if kind in ("str", "e", "d") or not text.strip():
            return Cell(text or None, code)
        return Cell(_number(text), code)


def unescaped(text: str) -> str:
    """Characters that XML cannot hold are written as their number."""
    return ESCAPED.sub(lambda result: chr(int(result[1], 16)), text)


@contextmanager
def open_workbook(source: Source) -> Iterator[Workbook]:
    """The workbook. Damage that shows only in its rows counts too.

    Raises:
        ReadError: it is damaged, declares XML entities, needs a password, or breaks a limit.
    """
    with open_container(source) as archive:
        main = main_part(source, archive, MAIN)
        related = relations(source, archive, main)
        by_kind = {kind: part for kind, part in related.values() if archive.has(part)}
        try:
            book = Workbook(source, archive, title=core_title(source, archive, "docProps/core.xml"))
            if part := by_kind.get("sharedStrings"):
                book._strings.extend(_shared_strings(source, archive, part))
            if part := by_kind.get("styles"):
                book._codes.extend(_codes(parse_xml(source, archive, part)))
            root = parse_xml(source, archive, main)
            for settings in root.iter("{*}workbookPr"):
                book.since_1904 = (settings.get("date1904") or "").lower() in ("1", "true", "on")
            book.sheets.extend(_sheets(source, archive, root, related))
            yield book
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise refusal(
                source.name,
                f"is a damaged workbook ({type(error).__name__}: {error})",
                "a whole one",
                "Save it again",
            ) from error


def _sheets(
    source: Source, archive: Container, root: "_Element", related: dict[str, tuple[str, str]]
) -> Iterator[Sheet]:
    for element in root.iter("{*}sheet"):
        relation = next((str(v) for k, v in element.attrib.items() if str(k).endswith("}id")), "")
        kind, part = related.get(relation, ("", ""))
        if kind not in ("worksheet", "chartsheet") or not archive.has(part):
            continue
        yield Sheet(
            title=attribute(element, "name") or "",
            part=part,
            is_visible=(attribute(element, "state") or "visible") == "visible",
            related=tuple(relations(source, archive, part).values()),
        )


def _shared_strings(source: Source, archive: Container, part: str) -> Iterator[str]:
    for event, element in iter_xml(source, archive, part, ("si",)):
        if event == "end":
            yield _rich_text(element)
            element.clear(keep_tail=True)
            parent = element.getparent()
            while parent is not None and element.getprevious() is not None:
                del parent[0]


def _rich_text(element: "_Element") -> str:
    """The text of a string without the readings that Japanese programs keep beside it."""
    parts = []
    for child in element:
        name = local_name(child)
        if name == "t":
            parts.append(child.text or "")
        elif name == "r":
            parts.extend(item.text or "" for item in child.iter("{*}t"))
    return "".join(parts)


def _codes(root: "_Element") -> list[str]:
    """The code of the number format of each cell style."""
    custom = {
        int(item.get("numFmtId") or 0): item.get("formatCode") or ""
        for formats in root.iterchildren("{*}numFmts")
        for item in formats
    }
    return [
        code_of(int(item.get("numFmtId") or 0), custom)
        for styles in root.iterchildren("{*}cellXfs")
        for item in styles.iterchildren("{*}xf")
    ]


def _column(reference: str | None) -> int | None:
    match = REFERENCE.match(reference or "")
    if match is None:
        return None
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - 64
    return column


def _number(text: str) -> int | float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text!r} is not a number")
    return int(text) if text.strip().lstrip("-").isdecimal() else value
