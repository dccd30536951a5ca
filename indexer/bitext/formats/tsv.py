"""TSV for programs: a header, then source, target, score and the rest, one pair per line.

Cells stand without quotation marks; line breaks and tabs in them are character references (``lines``).
Nothing is done about formulas, which would change sentences: for a spreadsheet write CSV or XLSX. Read are
tables with or without a header (``table``); every field of a pair is held.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from indexer.bitext.formats.fields import COLUMNS
from indexer.bitext.formats.left_out import LeftOut
from indexer.bitext.formats.lines import as_given, iter_lines, on_one_line
from indexer.bitext.formats.saving import replacing
from indexer.bitext.formats.table import Cell, cells_of, pairs_of
from indexer.bitext.values import Pair


def read(path: Path, left_out: LeftOut | None = None) -> Iterator[Pair]:
    """The pairs of a TSV file."""
    rows = (
        (number, [as_given(cell) for cell in line.split("\t")])
        for number, line in iter_lines(path)
        if line.strip()
    )
    return pairs_of(path.name, rows, left_out=left_out)


def write(path: Path, pairs: Iterable[Pair], source_language: str, target_language: str) -> int:
    """Write a TSV file and return how many pairs it has."""
    count = 0
    with replacing(path) as (aside,), aside.open("w", encoding="utf-8", newline="\n") as file:
        file.write("\t".join(COLUMNS) + "\n")
        for pair in pairs:
            file.write("\t".join(map(_text, cells_of(pair))) + "\n")
            count += 1
    return count


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    return on_one_line(cell) if isinstance(cell, str) else repr(cell)
