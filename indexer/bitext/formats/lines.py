"""Files of lines, as TSV, JSON lines and Moses are: their encoding, their lines, and what a line cannot hold.

A line break or a tab inside a sentence would end its line or cell. It is written as a character reference,
as Moses tools do with signs of theirs: ``&#10;`` for a newline, ``&#13;`` for a carriage return, ``&#9;`` for
a tab, ``&#65279;`` for a byte order mark. A text that holds such a reference already gets ``&amp;`` for its
first sign, and one more ``amp;`` where it has that too, so that nothing is confused on the way back. All
other texts, ``&`` in them included, stand as they are.
"""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from indexer.bitext.formats.fields import read_error
from indexer.bitext.formats.packing import UNREADABLE, PackedSource, open_bytes, open_lines
from indexer.errors import ReadError
from indexer.readers.encoding import MARKS, detect_source

MAX_LINE_CHARS = 16 << 20
_BREAK = re.compile("[\t\n\r\ufeff]")
_REFERENCE = re.compile(r"&((?:amp;)*)#(9|10|13|65279);")
_BLOCK = 1 << 20


def on_one_line(text: str) -> str:
    """The text without line breaks and tabs; ``as_given`` is the reverse."""
    if "&" in text:
        text = _REFERENCE.sub(r"&amp;\1#\2;", text)
    return _BREAK.sub(lambda result: f"&#{ord(result[0])};", text)


def as_given(text: str) -> str:
    """The text that ``on_one_line`` was given."""
    if "&" not in text:
        return text
    return _REFERENCE.sub(
        lambda result: f"&{result[1][4:]}#{result[2]};" if result[1] else chr(int(result[2])), text
    )


def iter_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file with their numbers from 1, without line ends. Only a newline ends a line.

    Raises:
        ReadError: a line is too long.
    """
    codec, number = codec_of(path), 0
    try:
        with open_lines(path, codec, "\n") as file:
            while line := file.readline(MAX_LINE_CHARS):
                number += 1
                if len(line) >= MAX_LINE_CHARS:
                    raise read_error(
                        f"{path.name}, line {number}",
                        f"has over {MAX_LINE_CHARS >> 20} million characters",
                        "one pair of sentences per line",
                        "Cut it into sentences",
                    )
                yield number, line.removesuffix("\n").removesuffix("\r")
    except UNREADABLE as error:
        raise unreadable(path, error) from error


def line_end(start: str) -> str:
    """What ends the lines of a file that begins so: a lone carriage return only where nothing else does."""
    return "\r" if "\r" in start and "\n" not in start else "\n"


def codec_of(path: Path) -> str:
    """The codec of a text file: that of its mark, else UTF-8, else the likeliest of the older ones.

    Raises:
        ReadError: it is no text.
    """
    try:
        with open_bytes(path) as file:
            head = part = file.read(_BLOCK)
            mark = next((codec for mark, codec in MARKS if head.startswith(mark)), "utf-8")
            if mark not in ("utf-8", "utf-8-sig"):
                return mark
            decoder = codecs.getincrementaldecoder("utf-8")()
            try:
                while part:
                    decoder.decode(part)
                    part = file.read(_BLOCK)
            except UnicodeDecodeError:
                return detect_source(PackedSource.of(path))
    except UNREADABLE as error:
        raise unreadable(path, error) from error
    return detect_source(PackedSource.of(path)) if _has_zeros(head) else mark


def unreadable(path: Path, error: Exception) -> ReadError:
    """The error for a file that the system does not give out, or that cannot be unpacked."""
    reason = getattr(error, "strerror", None) or error
    return ReadError(f"{path} cannot be read ({reason}); expected a file of pairs. Check the path.")


def _has_zeros(head: bytes) -> bool:
    """Every second byte zero more often than not, as in UTF-16 of Latin letters without a mark."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    return len(head) >= 32 and max(even, odd) * 4 > len(head) and min(even, odd) == 0
