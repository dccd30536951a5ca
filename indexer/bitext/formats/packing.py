"""Files that are packed with gzip, xz or bzip2, as collections of corpora give them: ``corpus.de.gz``."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, TextIO, cast

from indexer.readers.pieces import Source

OPENERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
)
UNREADABLE = (OSError, EOFError, lzma.LZMAError, zlib.error)
"""What opening and reading such a file may raise."""


def packing_of(path: Path) -> str:
    """The suffix that says how a file is packed, or nothing."""
    suffix = path.suffix.lower()
    return suffix if suffix in OPENERS else ""


def bare(path: Path) -> Path:
    """The path without that suffix."""
    return path.with_suffix("") if packing_of(path) else path


def open_bytes(path: Path) -> BinaryIO:
    """The bytes of a file, unpacked."""
    return cast(BinaryIO, OPENERS.get(packing_of(path), open)(path, "rb"))


def open_lines(path: Path, codec: str, newline: str) -> TextIO:
    """The text of a file, unpacked; what does not fit the codec becomes U+FFFD."""
    return io.TextIOWrapper(open_bytes(path), encoding=codec, errors="replace", newline=newline)


class PackedSource(Source):
    """A file that is unpacked while it is read, under the name that it has without its packing."""

    @classmethod
    def of(cls, path: Path) -> "PackedSource":
        return cls(bare(path).name, path)

    def open(self) -> BinaryIO:
        assert self.path is not None
        return open_bytes(self.path)
