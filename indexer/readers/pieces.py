"""What a reader gives and gets: pieces of text, facts about the file, the file itself, its limits.

Readers run in a worker process that imports as little as possible, so nothing here needs numpy or any
other library. ``worker.py`` turns pieces into ``types.Block`` and facts into ``types.ReadInfo``.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from indexer.errors import ReadError

MEGABYTE = 1 << 20


DOUBLE_SUFFIXES = (".tar.gz", ".tar.bz2", ".tar.xz")


def suffix_of(name: str | Path) -> str:
    """The end of a file name that says what the file is, in small letters: ``.txt``, ``.tar.gz``."""
    name = Path(name).name.lower()
    return next((suffix for suffix in DOUBLE_SUFFIXES if name.endswith(suffix)), Path(name).suffix)


@dataclass(frozen=True)
class ReadLimits:
    """What one file may cost. A file over a limit fails with a ReadError that names the limit.

    ``timeout_s`` counts only the time the reader works, not the time its consumer takes, and grows by
    ``timeout_s_per_mb`` for each megabyte of the file. Archives: the archive limits also hold for the
    formats that are zip files inside (docx, xlsx, epub, ...).
    """

    timeout_s: float = 120.0
    timeout_s_per_mb: float = 0.5
    memory_mb: int = 1024
    max_file_mb: int = 2048
    max_text_mb: int = 2048
    max_archive_files: int = 10_000
    max_archive_mb: int = 2048
    max_archive_ratio: float = 200.0
    max_archive_depth: int = 2
    max_attachments: int = 50


@dataclass(frozen=True)
class Piece:
    """Some extracted text with its place. Pieces follow each other without anything in between."""

    text: str
    page: int | None = None
    section: str | None = None


@dataclass(frozen=True)
class Facts:
    """Something learned about the file; fields left empty say nothing."""

    title: str = ""
    encoding: str | None = None
    pages: int | None = None
    warning: str = ""


@dataclass(frozen=True)
class Source:
    """A file on disk, or one held in memory because it came out of an e-mail or an archive."""

    name: str
    path: Path | None = None
    data: bytes = b""
    limits: ReadLimits = field(default_factory=ReadLimits)
    depth: int = 0

    @property
    def suffix(self) -> str:
        return suffix_of(self.name)

    @property
    def size_bytes(self) -> int:
        return len(self.data) if self.path is None else self.path.stat().st_size

    def open(self) -> BinaryIO:
        return io.BytesIO(self.data) if self.path is None else self.path.open("rb")

    def head(self, size: int = 4096) -> bytes:
        with self.open() as stream:
            return stream.read(size)


Reading = Iterator[Piece | Facts]


def refusal(name: str, seen: str, expected: str, remedy: str) -> ReadError:
    """The error for a file that is not read, in the words that are shown beside it."""
    return ReadError(f"{name} {seen}; expected {expected}. {remedy}.")


SECTION_SEPARATOR = " › "


class Headings:
    """The path of headings that leads to the current place: levels above stay, deeper ones are dropped."""

    def __init__(self) -> None:
        self._path: list[tuple[int, str]] = []

    def enter(self, level: int, title: str) -> None:
        self._path = [entry for entry in self._path if entry[0] < level]
        self._path.append((level, " ".join(title.split())[:200]))

    @property
    def section(self) -> str | None:
        return SECTION_SEPARATOR.join(title for _, title in self._path if title) or None
