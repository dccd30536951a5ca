"""CSV for spreadsheets: UTF-8 with a mark, which Excel asks for, quoted where needed.

A text that a spreadsheet would run as a formula (it begins with ``=``, ``+``, ``-``, ``@``, a tab or a line
break) gets an apostrophe in front, and one more if it has apostrophes there already. Reading takes one away
again, only under the header that is written here: other files are read as they are. Every field is held.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from indexer.bitext.formats.fields import COLUMNS, bad
from indexer.bitext.formats.lines import MAX_LINE_CHARS, codec_of, unreadable
from indexer.bitext.formats.saving import replacing
from indexer.bitext.formats.table import cells_of, names_sides, pairs_of
from indexer.bitext.values import Pair
from indexer.readers.tables import DELIMITERS, delimiter_of

_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # the last four are their wide forms


def read(path: Path) -> Iterator[Pair]:
    """The pairs of a CSV file, whatever its separator: comma, semicolon, tab or bar."""
    codec = codec_of(path)
    with path.open(encoding=codec, errors="replace", newline="") as file:
        delimiter = _delimiter(file.read(1 << 16))
    return pairs_of(path.name, _rows(path, codec, delimiter), restore=_bare, decimal_comma=delimiter == ";")


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


def _rows(path: Path, codec: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(MAX_LINE_CHARS)
    number = 0
    try:
        with path.open(encoding=codec, newline="") as file:
            for number, cells in enumerate(csv.reader(_short(file), delimiter=delimiter), start=1):
                yield number, cells
    except (csv.Error, UnicodeDecodeError) as error:
        raise bad(
            f"{path.name}, row {number + 1}",
            f"is no row of a table ({error})",
            "plain or quoted cells",
            "Check its quotation marks and its encoding",
        ) from error
    except OSError as error:
        raise unreadable(path, error) from error


def _short(file: TextIO) -> Iterator[str]:
    while line := file.readline(MAX_LINE_CHARS):
        if len(line) >= MAX_LINE_CHARS:
            raise csv.Error(f"a line has over {MAX_LINE_CHARS >> 20} million characters")
        yield line


def _delimiter(start: str) -> str:
    """The separator under which the first row is a header, else that which cuts the rows most evenly."""
    first = start.partition("\n")[0]
    for mark in DELIMITERS:
        if names_sides(first.strip().replace('"', "").split(mark)):
            return mark
    return delimiter_of(start)
