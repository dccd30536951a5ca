"""Which character encoding a file is in, and its text as a stream.

In this order: a declared encoding that writes everything in ASCII; byte order mark; UTF-16/32 by the
pattern of zero bytes; ISO-2022 by its escapes; strict UTF-8; the charset the file declares, if it decodes;
the likeliest of the legacy encodings by letters and words of the languages written in it;
``charset_normalizer`` when none of them is plausible. Where some lines are UTF-8 and others are not, each
line is read by itself (``mixed_lines``).
"""

import codecs
import io
import unicodedata
from collections import Counter
from contextlib import suppress
from functools import cache
from typing import TextIO

from indexer.readers.charsets import SEVEN_BIT, declared_charset, declared_codec
from indexer.readers.letters import IDEOGRAPHS
from indexer.readers.likelihood import text_bits, unordered_bits
from indexer.readers.mixed_lines import mixed_codec
from indexer.readers.pieces import MEGABYTE, Source, refusal

__all__ = ["declared_charset", "decode", "detect", "detect_source", "open_text", "refuse_binary"]

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# candidates: bits of doubt (rarer encodings need more evidence) and the languages written in them
WEST, NORDIC = "en de fr es pt it nl", "sv da nb fi is"
CENTRAL, BALTIC = "pl cs sk hu hr ro sl", "lt lv et"
LEGACY: dict[str, tuple[float, str]] = {
    "cp1252": (0, f"{WEST} {NORDIC} ca"),
    "cp1251": (0, "ru uk be bg sr mk"),
    "gb18030": (1, "zh"),
    "cp932": (1, "ja"),
    "cp949": (1, "ko"),
    "big5hkscs": (2, "zh-Hant"),
    "cp1250": (3, CENTRAL),
    "cp1256": (3, "ar fa ur"),
    "cp1255": (3, "he"),
    "cp1253": (3, "el"),
    "cp1254": (3, "tr"),
    "cp874": (3, "th"),
    "euc_jp": (3, "ja"),
    "cp1257": (4, BALTIC),
    "cp1258": (4, "vi"),
    "koi8-r": (5, "ru"),
    "koi8-u": (6, "uk"),
    "iso8859-2": (6, CENTRAL),
    "iso8859-5": (6, "ru uk be bg sr mk"),
    "iso8859-6": (6, "ar"),
    "iso8859-7": (6, "el"),
    "cp866": (6, "ru uk be bg"),
    "cp850": (6, f"{WEST} {NORDIC} ca"),
    "cp437": (7, f"{WEST} {NORDIC}"),
    "iso8859-15": (8, f"{WEST} {NORDIC} et"),
    "cp852": (7, CENTRAL),
    "mac-roman": (8, f"{WEST} {NORDIC}"),
    "mac-cyrillic": (8, "ru uk bg"),
    "cp737": (8, "el"),
    "cp862": (8, "he"),
    "cp857": (8, "tr"),
    "cp775": (9, BALTIC),
    "iso8859-3": (9, "eo mt"),
    "iso8859-8": (9, "he"),
    "mac-latin2": (10, CENTRAL),
}
SAMPLE_BYTES = 4096
MIXED_BITS, CASE_BITS, CAPITAL_BITS, INSIDE_BITS = 6.0, 8.0, 2.0, 10.0
FINAL_BITS, FINALS = 2.0, frozenset("ςךםןףץ")
OPENERS, CLOSERS = frozenset("‘‚“„«‹"), frozenset("’”‘“»›")
WIDE_OPENERS, WIDE_CLOSERS = frozenset("〈《「『（"), frozenset("〉》」』）")
STARTERS = frozenset("‚„¡¿§©¶")  # stand before a word, not behind one
FINALISTS = 10  # read closely, after a glance at their letters
CLOSE_CHARS = 1000
PLAUSIBLE_BITS = 15.0  # per character above 127; real text has 4 to 10
JOINTS = frozenset("’–—·…\u00a0\u00ad\u200c\u200d、。，！？：；「」『』（）《》〈〉・ー　")
RARE = frozenset({"cp855", "cp1125", "johab", "cp860", "cp861", "cp863", "cp865", "mac-greek", "mac-turkish"})


def detect_source(source: Source, declared: str | None = None) -> str:
    """Name of the codec of a file, after looking at as much of it as needed.

    Raises:
        ReadError: the file holds binary data.
    """
    with source.open() as stream:
        head = stream.read(MEGABYTE)
        certain = _by_pattern(head)
        if certain and certain != "utf-8-sig":
            return certain
        refuse_binary(source.name, head)
        decoder = codecs.getincrementaldecoder("utf-8")()
        sample, part = b"", head
        while part:
            try:
                decoder.decode(part)
            except UnicodeDecodeError:
                # the damaged spot may be one in a file that is UTF-8 elsewhere
                return _legacy(sample + part, declared, is_marked=certain is not None)
            sample = part[-64:] if part.isascii() else (sample + part)[-MEGABYTE:]
            part = stream.read(MEGABYTE)
    return certain or "utf-8"


def detect(data: bytes, declared: str | None = None) -> str:
    """Name of the codec of ``data``; ``declared`` is believed when it decodes data that is not UTF-8."""
    if declared and data.isascii() and (codec := declared_codec(data, declared)) in SEVEN_BIT:
        return codec
    certain = _by_pattern(data)
    if certain and certain != "utf-8-sig":
        return certain
    with suppress(UnicodeDecodeError):
        data.decode("utf-8")
        return certain or "utf-8"
    return _legacy(data, declared, is_marked=certain is not None)


def decode(data: bytes, declared: str | None = None) -> tuple[str, str]:
    """Text with newlines as ``\\n`` and the codec it was read with; bytes that do not fit become U+FFFD."""
    codec = detect(data, declared)
    text = data.decode(codec, errors="replace").removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n"), codec


def open_text(source: Source, codec: str) -> TextIO:
    return io.TextIOWrapper(source.open(), encoding=codec, errors="replace", newline=None)


def refuse_binary(name: str, head: bytes) -> None:
    """Raise ReadError when ``head`` has more control characters than any text has."""
    controls = sum(head.count(byte) for byte in (*range(0, 7), *range(14, 27), *range(28, 32), 127))
    if controls > max(1, len(head) * 0.005):
        raise refusal(
            name,
            f"looks like binary data ({controls} control characters in its first {len(head)} bytes)",
            "text",
            "Give it the suffix of its real format, or leave it out",
        )


def _by_pattern(data: bytes) -> str | None:
    for mark, codec in MARKS:
        if data.startswith(mark):
            return codec
    head = data[: 1 << 14]
    if b"\x1b$B" in head or b"\x1b$@" in head or b"\x1b(J" in head:
        return "iso2022_jp_2"
    if b"\x1b$)C" in head and b"\x0e" in head:
        return "iso2022_kr"
    if b"\0" not in head[:1024] and head.count(b"\0") * 20 < len(head):
        return _without_zeros(head)
    for codec, width in (("utf-32-le", 4), ("utf-32-be", 4), ("utf-16-le", 2), ("utf-16-be", 2)):
        whole = head[: len(head) // width * width]
        with suppress(UnicodeDecodeError):
            text = codecs.getincrementaldecoder(codec)().decode(whole)
            if text and _is_texty(text):
                return codec
    return None


def _without_zeros(head: bytes) -> str | None:
    """UTF-16 of a script without spaces or newlines has no zero byte; UTF-8 and ASCII are ruled out first."""
    if len(head) < 8 or len(head) % 2 or head.isascii():
        return None
    for codec in ("utf-16-le", "utf-16-be"):
        with suppress(UnicodeDecodeError):
            codecs.getincrementaldecoder("utf-8")().decode(head)
            return None
        with suppress(UnicodeDecodeError):
            text = codecs.getincrementaldecoder(codec)().decode(head)
            common = _commonest()
            if sum(char in common for char in text) > 0.6 * len(text):
                return codec
    return None


@cache
def _commonest() -> frozenset[str]:
    return frozenset("".join(letters[:500] for letters in IDEOGRAPHS.values()) + "、。，！？「」")


def _is_texty(text: str) -> bool:
    """Few control, private or unassigned characters, and most letters from few blocks of 256."""
    strange = sum(
        unicodedata.category(char) in ("Cc", "Co", "Cn") and char not in "\t\n\r\f" for char in text
    )
    pages = {ord(char) >> 8 for char in text[:2000] if char.isalpha()}
    ideographic = sum(char >= "\u2e80" for char in text) > len(text) / 2
    common = _commonest()
    if ideographic and sum(char in common for char in text) < len(text) / 4:
        return False
    # accented letters and loose marks are a small part of any text, and a large one of numbers read as text
    accents = sum("\u0080" <= char <= "\u036f" for char in text)
    return strange * 50 <= len(text) and accents * 5 <= len(text) * 2 and (ideographic or len(pages) <= 6)


def _legacy(data: bytes, declared: str | None, *, is_marked: bool = False) -> str:
    """The codec of data that is not UTF-8, or not all of it. ``is_marked``: its first bytes say it is."""
    whole, broken = _by_line(data)
    if is_marked:
        return mixed_codec(_likeliest(broken)) if whole or not _nearly_utf8(data) else "utf-8-sig"
    if declared and (codec := declared_codec(data, declared)):
        return codec
    if _nearly_utf8(broken):
        return "utf-8"
    codec = _likeliest(broken)
    if whole and _close_bits(whole, "utf-8", codec) < _close_bits(whole, codec):
        return mixed_codec(codec)
    return _likeliest(data) if whole else codec


def _by_line(data: bytes) -> tuple[bytes, bytes]:
    """The lines that are UTF-8 and more than ASCII, and those that are not UTF-8."""
    whole, broken = [], []
    for line in data[-2 * MEGABYTE :].splitlines():
        if not line.isascii():
            try:
                line.decode("utf-8")
                whole.append(line)
            except UnicodeDecodeError:
                broken.append(line)
    return b"\n".join(whole)[:SAMPLE_BYTES], b"\n".join(broken)


def _likeliest(data: bytes) -> str:
    """The legacy encoding under which the data is the least surprising text."""
    sample = _telling_part(data)
    glances = sorted((doubt + _glance_bits(sample, codec), codec) for codec, (doubt, _) in LEGACY.items())
    _, codec = min((LEGACY[codec][0] + _close_bits(sample, codec), codec) for _, codec in glances[:FINALISTS])
    telling = Counter(char for char in sample.decode(codec, errors="replace").lower() if not char.isascii())
    plain_bits = min(unordered_bits(telling, language) for language in LEGACY[codec][1].split())
    if plain_bits > PLAUSIBLE_BITS * telling.total() and (other := _second_opinion(data)) in RARE:
        return other
    return codec


def _nearly_utf8(data: bytes) -> bool:
    """UTF-8 with a few broken bytes: many multi-byte characters for each replaced one."""
    text = data[:MEGABYTE].decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    return sum(not char.isascii() for char in text) - broken > 20 * broken


def _telling_part(data: bytes) -> bytes:
    """The lines with the most bytes above 127, at most SAMPLE_BYTES of them."""
    lines = data[:MEGABYTE].split(b"\n")
    lines = [line for line in lines if not line.isascii()]
    sample = b"\n".join(lines[:400])
    if len(sample) <= SAMPLE_BYTES:
        return sample
    first = next(at for at, byte in enumerate(sample) if byte > 127)
    return sample[max(0, min(first - 64, len(sample) - SAMPLE_BYTES)) :][:SAMPLE_BYTES]


def _read_as(sample: bytes, codec: str) -> str:
    """The text of a sample, which may end in the middle of a character only where it was cut."""
    is_cut = len(sample) >= SAMPLE_BYTES
    return codecs.getincrementaldecoder(codec)(errors="replace").decode(sample, final=not is_cut)


def _glance_bits(sample: bytes, codec: str) -> float:
    """Bits of surprise of ``sample`` read as ``codec``, by its letters in whatever order."""
    text = _read_as(sample, codec)
    counts = Counter(text.lower())
    return _shape_bits(text) + min(unordered_bits(counts, language) for language in LEGACY[codec][1].split())


def _close_bits(sample: bytes, codec: str, languages_of: str = "") -> float:
    """Bits of surprise of the start of ``sample`` read as ``codec``, by its words and pairs of letters.

    The languages are those written in ``codec``, or in the codec ``languages_of``.
    """
    text = _read_as(sample, codec)[:CLOSE_CHARS]
    lowered = text.lower()
    languages = LEGACY.get(languages_of or codec, (0.0, "en"))[1].split()
    return _shape_bits(text) + min(text_bits(lowered, language) for language in languages)


def _shape_bits(text: str) -> float:
    """Rare: a capital after a small letter in a word, a sign inside one, a letter of another script there."""
    bits, before, last = 0.0, " ", " "
    for char in text:
        if char.isupper() and not before.isupper():
            bits += CASE_BITS if before.islower() else CAPITAL_BITS
        if char.isalpha() and before.isalpha() and (char < "\u0250") != (before < "\u0250"):
            bits += MIXED_BITS
        if char.isalpha() and last.isalpha() and not before.isascii() and before not in JOINTS:
            bits += INSIDE_BITS * (not before.isalpha() and not unicodedata.combining(before))
        if before >= "\u2e80" and last.isalpha() and char.isalpha() and max(last, char) < "\u0250":
            bits += INSIDE_BITS  # an ideograph between Latin letters
        if before in FINALS:  # letters in the form that they have at the end of a word
            bits += INSIDE_BITS if char.isalpha() else -FINAL_BITS
        if char in STARTERS and before.isalpha():
            bits += INSIDE_BITS
        last, before = before, char
    signs = set(text)
    bits += INSIDE_BITS * (bool(signs & OPENERS and not signs & CLOSERS))
    bits += INSIDE_BITS * (bool(signs & WIDE_CLOSERS and not signs & WIDE_OPENERS))
    return bits - FINAL_BITS * (before in FINALS)


def _second_opinion(data: bytes) -> str | None:
    import charset_normalizer

    best = charset_normalizer.from_bytes(data[: 1 << 16]).best()
    return codecs.lookup(best.encoding).name if best else None
