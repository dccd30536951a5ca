"""CSV and TSV, streamed: one piece per row, title and text columns recognised by their names."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import TextIO

from indexer.readers import encoding
from indexer.readers.pieces import Facts, Piece, Reading, Source, refusal

TITLE_NAMES = frozenset({"title", "name", "heading"})
TEXT_NAMES = frozenset({"text", "content", "body", "passage"})
MAX_FIELD_CHARS = 16 << 20
DELIMITERS = ",;\t|"


def read(source: Source) -> Reading:
    """Columns without a known name are joined; a row of numbers only is kept as it is."""
    codec = encoding.detect_source(source)
    yield Facts(encoding=codec)
    csv.field_size_limit(MAX_FIELD_CHARS)
    with encoding.open_text(source, codec) as stream:
        start = stream.read(1 << 16)
        delimiter = "\t" if source.suffix == ".tsv" else delimiter_of(start)
        header: list[str] | None = None
        rows = csv.reader(_lines(start, stream), delimiter=delimiter)
        try:
            for number, cells in enumerate(rows, start=1):
                if text := row_text(cells, header):
                    yield Piece(text, section=f"row {number}")
                header = cells if header is None else header
        except csv.Error as error:
            raise refusal(
                source.name,
                f"is not a table from row {rows.line_num} on ({error})",
                "rows of quoted or plain cells",
                "Check its quotation marks, or rename it to .txt",
            ) from error


def row_text(cells: Sequence[str], header: Sequence[str] | None) -> str:
    """The text of a row, ending in a newline: named title and text columns, else all cells.

    The header row itself (``header`` None) gives nothing when it names a text or title column.
    """
    names = [name.strip().lower() for name in (cells if header is None else header)]
    chosen = [i for i, name in enumerate(names) if name in TITLE_NAMES]
    texts = [i for i, name in enumerate(names) if name in TEXT_NAMES]
    if header is None:
        if texts or chosen:
            return ""
    elif texts:
        picked = [cells[i].strip() for i in (*chosen, *texts) if i < len(cells)]
        return "".join(part + "\n" for part in picked if part)
    filled = [cell.strip() for cell in cells if cell.strip()]
    return " | ".join(filled) + "\n" if filled else ""


def delimiter_of(start: str) -> str:
    """The mark that cuts the first lines into the same number (more than one) of cells most often."""
    lines = start.split("\n")[:40]
    lines = lines[:-1] or lines

    def evenness(mark: str) -> tuple[float, int]:
        widths = [len(row) for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=mark) if row]
        usual = max(set(widths), key=widths.count, default=1)
        return (widths.count(usual) / len(widths) if usual > 1 else 0.0, usual)

    try:
        return max(DELIMITERS, key=evenness)
    except csv.Error:
        return ","


def _lines(start: str, stream: TextIO) -> Iterator[str]:
    """The lines of what was already read and of the rest; csv refuses NUL."""
    *whole, last = start.split("\n")
    for line in whole:
        yield (line + "\n").replace("\0", "")
    yield (last + stream.readline()).replace("\0", "")
    for line in stream:
        yield line.replace("\0", "")
