"""CSV and TSV, streamed: one piece per row, each value with the name of its column."""

import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import TextIO

from indexer.readers import encoding
from indexer.readers.pieces import Facts, Piece, Reading, Source
from me5.delimited import START_CHARS, Row, delimiter_of, iter_rows, stated_delimiter, width_of

TITLE_NAMES = frozenset({"title", "name", "heading"})
TEXT_NAMES = frozenset({"text", "content", "body", "passage"})
BARE_NAMES = (frozenset({"title", "heading"}), TEXT_NAMES)
"""Columns that say themselves what they are: they come first, without their name."""
SAMPLE_ROWS = 100
MAX_NAME_CHARS = 60
MAX_SHOWN = 5
MIN_SENTENCE_WORDS = 3
_KINDS = (
    ("year", re.compile(r"(?:19|20)\d\d")),
    ("number", re.compile(r"[-+]?[\d.,\s]*\d[\d.,\s]*%?")),
    ("date", re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}.*")),
    ("address", re.compile(r"\S*(?:://|\S@\w)\S*")),
    ("sentence", re.compile(r".*[.!?。！？]", re.DOTALL)),
)


def read(source: Source) -> Reading:
    codec = encoding.detect_source(source)
    yield Facts(encoding=codec)
    with encoding.open_text(source, codec) as stream:
        start = stream.read(START_CHARS)
        delimiter = "\t" if source.suffix == ".tsv" else delimiter_of(start)
        lines = _lines(start, stream)
        if stated_delimiter(start) is not None:
            next(lines)
        sample = (f"{line}\n" for line in start.split("\n")[:SAMPLE_ROWS])
        width = width_of(iter_rows(sample, delimiter, 0))
        yield from _pieces(iter_rows(lines, delimiter, width), width, is_named=source.suffix != ".tsv")


def _pieces(rows: Iterator[Row], width: int, *, is_named: bool) -> Reading:
    first = list(islice(rows, SAMPLE_ROWS))
    place = header_place([row.cells for row in first], width, is_named=is_named)
    header: list[str] | None = None
    stray: list[int] = []
    for position, row in enumerate(chain(first, rows)):
        if row.is_stray:
            stray.append(row.number)
        if position == place:
            header = [" ".join(cell.split()) for cell in row.cells]
        elif text := labelled(row.cells, header):
            yield Piece(text, section=f"row {row.number}")
    if stray:
        shown = ", ".join(map(str, stray[:MAX_SHOWN])) + (", …" if len(stray) > MAX_SHOWN else "")
        yield Facts(
            warning=f"a quotation mark without a partner stands in row {shown}; the row was read as it is"
        )


def header_place(rows: Sequence[Sequence[str]], width: int, *, is_named: bool) -> int | None:
    """Which of the first rows names the columns; None if none does.

    That is the first row that is as wide as most, if it looks like names and its names are not values below.
    ``is_named``: whether it is taken for names where it might as well be values.
    """
    for place, cells in enumerate(rows):
        filled = [cell.strip() for cell in cells if cell.strip()]
        if len(filled) < 0.6 * max(width, 1) or (width > 1 and len(filled) < 2):
            continue
        body = rows[place + 1 :]
        if not body or not _may_be_names(cells, filled, body):
            return None
        return place if is_named or len(filled) > 2 or _differ(cells, body) else None
    return None


def _may_be_names(cells: Sequence[str], filled: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    lowered = {name.lower() for name in filled}
    if lowered & (TITLE_NAMES | TEXT_NAMES) and len(lowered) == len(filled):
        return True
    if len(filled) < 2 or len(lowered) < len(filled):
        return False
    if not all(
        _could_name(cell.strip(), _values(body, place)) for place, cell in enumerate(cells) if cell.strip()
    ):
        return False
    return not any(
        cell.strip() and place < len(row) and row[place].strip() == cell.strip()
        for row in body
        for place, cell in enumerate(cells)
    )


def _could_name(name: str, values: Sequence[str]) -> bool:
    """Whether a cell may be the name of the column that has these values: a year or question may."""
    kind = _kind(name)
    if len(name) > MAX_NAME_CHARS or "\n" in name:
        return False
    return not kind or (kind in ("year", "sentence") and not any(_kind(value) == kind for value in values))


def _differ(names: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Whether a column holds other things than its name: numbers, addresses, or much longer texts."""
    for place, name in enumerate(names):
        values = _values(body, place)
        is_longer = sum(map(len, values)) > 3 * len(name.strip()) * len(values)
        if values and (is_longer or (not _kind(name.strip()) and all(map(_kind, values)))):
            return True
    return bool({name.strip().lower() for name in names} & (TITLE_NAMES | TEXT_NAMES))


def _values(body: Sequence[Sequence[str]], place: int) -> list[str]:
    return [row[place].strip() for row in body if place < len(row) and row[place].strip()]


def _kind(cell: str) -> str:
    """What a cell is that is no name: a number, a date, an address, a sentence; nothing for other words."""
    kind = next((kind for kind, pattern in _KINDS if pattern.fullmatch(cell)), "")
    return "" if kind == "sentence" and len(cell.split()) < MIN_SENTENCE_WORDS else kind


def labelled(cells: Sequence[str], names: Sequence[str] | None) -> str:
    """The text of a row, ending in a newline: a line ``name: value`` for each filled cell.

    Titles and texts come first, without their names. Without names the cells stand side by side.
    """
    filled = [(place, cell.strip()) for place, cell in enumerate(cells) if cell.strip()]
    if not filled:
        return ""
    if names is None:
        return " | ".join(cell for _, cell in filled) + "\n"
    lines: tuple[list[str], list[str], list[str]] = ([], [], [])
    for place, cell in filled:
        name = names[place] if place < len(names) else ""
        rank = next((rank for rank, bare in enumerate(BARE_NAMES) if name.lower() in bare), 2)
        lines[rank].append(f"{name}: {cell}\n" if name and rank == 2 else f"{cell}\n")
    return "".join(chain(*lines))


def _lines(start: str, stream: TextIO) -> Iterator[str]:
    """The lines of what was already read and of the rest; csv refuses NUL."""
    *whole, last = start.split("\n")
    for line in whole:
        yield (line + "\n").replace("\0", "")
    yield (last + stream.readline()).replace("\0", "")
    for line in stream:
        yield line.replace("\0", "")
