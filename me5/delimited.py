"""The rows of delimited text, whatever its quotation marks: a stray one spoils one row at most.

A quoted cell may go on over lines when the row that comes out is as wide as the others; else the quotation
mark that opens it is a sign like others, and its line is a row.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

DELIMITERS = ",;\t|"
START_CHARS = 1 << 16
"""Enough of a text to tell its delimiter."""
_LINES = 40
_LINE_END = re.compile(r"\r\n?|\n")
MAX_FIELD_CHARS = 16 << 20
MAX_CELL_LINES = 100_000
MAX_CELL_CHARS = 16 << 20


@dataclass(frozen=True)
class Row:
    """``number``: of the row, from 1; ``is_stray``: whether a quotation mark in it has no partner."""

    number: int
    cells: list[str]
    is_stray: bool = False


class _Lines:
    """Lines that can be given back."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._returned: list[str] = []

    def next(self) -> str | None:
        return self._returned.pop() if self._returned else next(self._lines, None)

    def give_back(self, lines: list[str]) -> None:
        self._returned += reversed(lines)


def iter_rows(lines: Iterable[str], delimiter: str, width: int) -> Iterator[Row]:
    """The rows of a table, empty ones left out.

    Args:
        lines: with their line ends.
        delimiter: between cells.
        width: of most rows; see ``width_of``.
    """
    csv.field_size_limit(MAX_FIELD_CHARS)
    source, number = _Lines(lines), 0
    while (line := source.next()) is not None:
        number += 1
        if not line.strip("\r\n"):
            continue
        if '"' not in line:
            yield Row(number, line.rstrip("\r\n").split(delimiter))
            continue
        cells = _parsed(line, delimiter) or _continued(line, source, delimiter, width)
        if cells is not None:
            yield Row(number, cells)
        else:
            yield Row(number, _unquoted(line, delimiter, width), is_stray=True)


def width_of(rows: Iterable[Row]) -> int:
    """The number of cells that most rows have."""
    widths = [len(row.cells) for row in rows]
    return max(set(widths), key=widths.count, default=1)


def delimiter_of(start: str, *, is_header: Callable[[list[str]], bool] | None = None) -> str:
    """The mark between the cells of a table.

    That is the one that a first line such as ``sep=;`` states; else the first under which the first line is
    a header; else the one that cuts the first lines into the same number (more than one) of cells most
    often: of several the tab, which stands in no sentence, then the one with most cells, then the first of
    ``DELIMITERS``. A comma where nothing cuts.

    Args:
        start: the beginning of the text; at most ``START_CHARS`` are looked at.
        is_header: whether cells are names of columns that are known.
    """
    lines = _LINE_END.split(start[:START_CHARS], _LINES)[:_LINES]
    first = lines[0].strip("\ufeff ")
    if (stated := stated_delimiter(first)) is not None:
        return stated
    if is_header is not None:
        for mark in DELIMITERS:
            if is_header(first.replace('"', "").split(mark)):
                return mark
    lines = lines[:-1] or lines  # the last one may be cut

    def evenness(mark: str) -> tuple[float, bool, int]:
        widths = [len(row.cells) for row in iter_rows((f"{line}\n" for line in lines), mark, 0)]
        usual = max(sorted(set(widths)), key=widths.count, default=1)
        return (widths.count(usual) / len(widths) if usual > 1 else 0.0, mark == "\t", usual)

    results = {mark: evenness(mark) for mark in DELIMITERS}
    best = max(DELIMITERS, key=lambda mark: results[mark])
    return best if results[best][0] else DELIMITERS[0]


def stated_delimiter(start: str) -> str | None:
    """The mark that a first line such as ``sep=;`` states; that line is no row."""
    line = _LINE_END.split(start, 1)[0].strip("\ufeff ")
    return line[4] if len(line) == 5 and line.lower().startswith("sep=") else None


def _parsed(text: str, delimiter: str) -> list[str] | None:
    """The cells of a row whose quotation marks are all in order."""
    *whole, last = text.split("\n")
    lines = [f"{line}\n" for line in whole] + ([last] if last else [])
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _continued(line: str, source: _Lines, delimiter: str, width: int) -> list[str] | None:
    """The cells of a row that goes on in the lines that follow; None, and no line taken, if it does not."""
    taken = [line]
    size, marks = len(line), line.count('"')
    while marks % 2 and len(taken) < MAX_CELL_LINES and size < MAX_CELL_CHARS:
        following = source.next()
        if following is None:
            break
        taken.append(following)
        size += len(following)
        marks += following.count('"')
        if following.count('"') and not marks % 2:
            cells = _parsed("".join(taken), delimiter)
            if cells is None:
                break
            if len(cells) == width or width <= 1:
                return cells
            break
    source.give_back(taken[1:])
    return None


def _unquoted(line: str, delimiter: str, width: int) -> list[str]:
    """The cells of a line whose quotation marks are not in order."""
    bare = line.rstrip("\r\n")
    for cells in _readings(bare, delimiter):
        if len(cells) == width:
            return cells
    return [cell.strip().removeprefix('"').removesuffix('"') for cell in bare.split(delimiter)]


def _readings(line: str, delimiter: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader([line], delimiter=delimiter)
    except csv.Error:
        return
