"""CSV for spreadsheets: UTF-8 with a mark, which Excel asks for, quoted where needed.

A text that a spreadsheet would run as a formula (it begins with ``=``, ``+``, ``-``, ``@``, a tab or a line
break) gets an apostrophe in front, and one more if it has apostrophes there already. Reading takes one away
again, only under the header that is written here: other files are read as they are. Every field is held.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from indexer.bitext.formats.fields import COLUMNS
from indexer.bitext.formats.left_out import LeftOut
from indexer.bitext.formats.lines import codec_of, line_end, unreadable
from indexer.bitext.formats.packing import UNREADABLE, open_lines
from indexer.bitext.formats.saving import replacing
from indexer.bitext.formats.table import cells_of, names_sides, pairs_of
from indexer.bitext.values import Pair
from me5.delimited import START_CHARS, delimiter_of, iter_rows, stated_delimiter, width_of

_SAMPLE_LINES = 100
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # the last four are their wide forms


def read(path: Path, left_out: LeftOut | None = None) -> Iterator[Pair]:
    """The pairs of a CSV file, whatever its separator: comma, semicolon, tab or bar."""
    codec = codec_of(path)
    try:
        with open_lines(path, codec, "") as file:
            start = file.read(START_CHARS)
    except UNREADABLE as error:
        raise unreadable(path, error) from error
    delimiter = delimiter_of(start, is_header=names_sides)
    rows = _rows(path, codec, delimiter, start)
    return pairs_of(path.name, rows, restore=_bare, decimal_comma=delimiter == ";", left_out=left_out)


def write(path: Path, pairs: Iterable[Pair], source_language: str, target_language: str) -> int:
    """Write a CSV file and return how many pairs it has."""
    count = 0
    with replacing(path) as (aside,), aside.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for pair in pairs:
            writer.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in cells_of(pair)])
            count += 1
    return count


def harmless(text: str) -> str:
    """The text as no spreadsheet runs it."""
    return f"'{text}" if _FORMULA.match(text) else text


def _bare(text: str) -> str:
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _rows(path: Path, codec: str, delimiter: str, start: str) -> Iterator[tuple[int, list[str]]]:
    sample = (f"{line}\n" for line in start.split("\n")[:_SAMPLE_LINES])
    width = width_of(iter_rows(sample, delimiter, 0))
    try:
        with open_lines(path, codec, line_end(start)) as file:
            if stated_delimiter(start) is not None:
                file.readline()
            for row in iter_rows(file, delimiter, width):
                yield row.number, row.cells
    except UNREADABLE as error:
        raise unreadable(path, error) from error
