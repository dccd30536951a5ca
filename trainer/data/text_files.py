"""Text files that people bring, in whatever encoding they are.

Which encoding a file is in is found by whoever starts the trainer (``find_codecs_with``); by itself the
trainer knows byte order marks and UTF-8. Libraries that read UTF-8 only are given a copy.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

FindCodec = Callable[[Path], str]

MARKS = ((b"\xff\xfe\0\0", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
UTF8 = ("utf-8", "utf-8-sig", "ascii")
COPY_CHARS = 1 << 20
_finders: list[FindCodec] = []
_copies: dict[tuple[Path, int], Path] = {}


def find_codecs_with(find: FindCodec) -> None:
    """Let ``find`` say the codec of files from now on."""
    _finders[:] = [find]


def codec_of(path: Path) -> str:
    """The codec of a text file; ``utf-8-sig`` for UTF-8 with a mark or without.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        head = stream.read(4)
    marked = next((codec for mark, codec in MARKS if head.startswith(mark)), None)
    if marked is None and _finders:
        result = _finders[0](path)
        return "utf-8-sig" if result in UTF8 else result
    return marked or "utf-8-sig"


def open_text(path: Path) -> TextIO:
    """The text of a file, line ends as they are; where nobody finds codecs, only UTF is read.

    Raises:
        OSError: the file cannot be read.
    """
    errors = "replace" if _finders else "strict"
    return path.open(encoding=codec_of(path), errors=errors, newline="")


def in_utf8(path: Path) -> Path:
    """The file itself where it is UTF-8, else a copy that is, which lasts as long as the program.

    Raises:
        OSError: the file cannot be read, or the copy not be written.
    """
    if codec_of(path) == "utf-8-sig":
        return path
    key = (path.resolve(), path.stat().st_mtime_ns)
    if key not in _copies:
        folder = Path(tempfile.mkdtemp(prefix="me5-utf8-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        copy = folder / path.name
        with (
            open_text(path) as stream,
            copy.open("w", encoding="utf-8", newline="") as target,
        ):
            while part := stream.read(COPY_CHARS):
                target.write(part.removeprefix("\ufeff"))
        _copies[key] = copy
    return _copies[key]
