"""What word processors' formats share: lines to pieces cut at headings, table rows on one line."""

import io
import re
from collections.abc import Iterable, Iterator, Sequence

from indexer.readers.pieces import Facts, Headings, Piece, Reading
from indexer.readers.plain import BLOCK_CHARS, iter_blocks

BREAKS = re.compile(r"[\t\n]+")
MAX_ROW_CHARS = 1000
"""A longer table row is a layout, not a row: its paragraphs stay apart."""


class Flow:
    """Lines of a document to pieces. The first heading is the title where none was stated."""

    def __init__(self, title: str = "") -> None:
        self._title = title
        self._headings = Headings()
        self._buffer = io.StringIO()

    def add(self, line: str, level: int | None = None) -> Reading:
        """The pieces that are complete once ``line`` is there; ``level`` says that it is a heading."""
        if level is not None and line.strip():
            yield from self.flush()
            self._headings.enter(level, line)
            if not self._title:
                self._title = line.strip()
                yield Facts(title=self._title)
        elif self._buffer.tell() > BLOCK_CHARS:
            yield from self.flush()
        self._buffer.write(line + "\n")

    def flush(self) -> Iterator[Piece]:
        """What has not been given yet."""
        if self._buffer.tell():
            yield Piece(self._buffer.getvalue(), section=self._headings.section)
            self._buffer = io.StringIO()


def row_lines(cells: Sequence[Sequence[str]]) -> list[str]:
    """A table row as one line, cells apart by tabs; long cells of several paragraphs as they are."""
    filled = [[line.strip() for line in cell if line.strip()] for cell in cells]
    if sum(len(line) for cell in filled for line in cell) > MAX_ROW_CHARS and any(
        len(cell) > 1 for cell in filled
    ):
        return [line for cell in filled for line in cell]
    row = "\t".join(BREAKS.sub(" ", " ".join(cell)) for cell in filled).strip("\t")
    return [row] if row else []


def aside(lines: Iterable[str], section: str, page: int | None = None) -> Iterator[Piece]:
    """Text that stands beside the main one (notes, headers, comments), each line once, no blank ones."""
    text = "".join(f"{line.strip()}\n" for line in dict.fromkeys(lines) if line.strip())
    return (Piece(part, page=page, section=section) for part in iter_blocks(text))
