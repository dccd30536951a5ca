"""Files whose lines are in two encodings, as when texts from several sources were put together.

``mixed_codec("cp1252")`` is the name of a codec that reads each line as UTF-8 where it is that, else in the
other encoding. Such a codec works wherever Python takes the name of one; it only decodes.
"""

import codecs
from functools import partial

PREFIX = "utf_8_or_"
MAX_LINE_BYTES = 1 << 20
NEARLY = 4  # characters above ASCII for each broken one, in a line that is UTF-8 but for some bytes


def mixed_codec(other: str) -> str:
    """The name of the codec for lines in UTF-8 or in ``other``."""
    return PREFIX.replace("_", "-") + other


def decode_line(line: bytes, other: str, errors: str = "replace") -> str:
    """A line as UTF-8 where it is that but for a few bytes, else in the other encoding; without a mark."""
    line = line.removeprefix(codecs.BOM_UTF8)
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        text = line.decode("utf-8", errors="replace")
        broken = text.count("\ufffd")
        if sum(not char.isascii() for char in text) - broken >= NEARLY * broken:
            return text
        return line.decode(other, errors)


def _decode(data: bytes, errors: str, *, other: str) -> tuple[str, int]:
    raw = bytes(data)
    return "".join(decode_line(line, other, errors) for line in raw.splitlines(keepends=True)), len(raw)


class _Incremental(codecs.BufferedIncrementalDecoder):
    """Decodes up to the last line end, and the rest when more comes."""

    def __init__(self, errors: str = "strict", *, other: str) -> None:
        super().__init__(errors)
        self._other = other

    def _buffer_decode(self, data: bytes, errors: str, final: bool) -> tuple[str, int]:  # type: ignore[override]
        end = len(data)
        if not final:
            end = max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1
            if not end and len(data) > MAX_LINE_BYTES:
                end = data.rfind(b" ") + 1 or len(data)
        return _decode(data[:end], errors, other=self._other)


class _NoEncoder(codecs.IncrementalEncoder):
    """Stands where a text stream asks for an encoder, which it never uses for reading."""


def _refuse(text: str, errors: str = "strict") -> tuple[bytes, int]:
    raise UnicodeError("a codec for mixed lines only decodes")


def _find(name: str) -> codecs.CodecInfo | None:
    normal = name.lower().replace("-", "_")
    if not normal.startswith(PREFIX):
        return None
    other = codecs.lookup(normal.removeprefix(PREFIX)).name
    return codecs.CodecInfo(
        name=mixed_codec(other),
        encode=_refuse,
        decode=lambda data, errors="strict": _decode(data, errors, other=other),
        incrementalencoder=_NoEncoder,
        incrementaldecoder=partial(_Incremental, other=other),
    )


codecs.register(_find)
