"""Which character encoding a file is in, and its text as a stream.

In this order: byte order mark; UTF-16/32 by the pattern of zero bytes; ISO-2022-JP by its escapes;
strict UTF-8; the charset the file declares, if it decodes; the likeliest of the legacy encodings by the
letter frequencies of the languages written in it; ``charset_normalizer`` when none of them is plausible.
"""

import codecs
import io
import math
import re
import unicodedata
from contextlib import suppress
from functools import cache
from typing import TextIO

from indexer.readers.letters import ALPHABETS, IDEOGRAPHS
from indexer.readers.pieces import MEGABYTE, Source, refusal

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# candidates: bits of doubt (rarer encodings need more evidence) and the languages written in them
LEGACY: dict[str, tuple[float, str]] = {
    "cp1252": (0, "en de fr es pt it nl sv da nb fi is"),
    "cp1251": (0, "ru uk be bg sr"),
    "gb18030": (1, "zh"),
    "cp932": (1, "ja"),
    "cp949": (1, "ko"),
    "big5hkscs": (2, "zh-Hant"),
    "cp1250": (3, "pl cs sk hu hr ro sl"),
    "cp1256": (3, "ar fa ur"),
    "cp1255": (3, "he"),
    "cp1253": (3, "el"),
    "cp1254": (3, "tr"),
    "cp874": (3, "th"),
    "euc_jp": (3, "ja"),
    "cp1257": (4, "lt lv et"),
    "cp1258": (4, "vi"),
    "koi8-r": (5, "ru"),
    "koi8-u": (6, "uk"),
    "iso8859-2": (6, "pl cs sk hu hr ro sl"),
    "iso8859-5": (6, "ru uk be bg sr"),
    "iso8859-6": (6, "ar"),
    "iso8859-7": (6, "el"),
    "cp866": (8, "ru"),
    "iso8859-15": (8, "fr fi et"),
    "mac-roman": (9, "fr es pt it de"),
}
SAMPLE_BYTES = 4096
UNKNOWN_LETTER_BITS, STRANGE_BITS, MARK_BITS, MIXED_BITS = 17.0, 30.0, 7.0, 6.0
PLAUSIBLE_BITS = 15.0  # per character above 127; real text has 4 to 10
RARE = frozenset(
    {"cp437", "cp850", "cp852", "cp855", "cp1125", "iso2022_kr", "hz", "johab", "mac-latin2", "mac-cyrillic"}
)
SEVEN_BIT = frozenset({"hz", "iso2022_jp", "iso2022_jp_2", "iso2022_jp_ext", "iso2022_kr", "utf-7"})
DECLARED = re.compile(rb"""(?:charset\s*=\s*["']?|encoding\s*=\s*["'])\s*([A-Za-z0-9._:-]{2,40})""")


def detect_source(source: Source, declared: str | None = None) -> str:
    """Name of the codec of a file, after looking at as much of it as needed.

    Raises:
        ReadError: the file holds binary data.
    """
    with source.open() as stream:
        head = stream.read(MEGABYTE)
        if certain := _by_pattern(head):
            return certain
        refuse_binary(source.name, head)
        decoder = codecs.getincrementaldecoder("utf-8")()
        sample, part = b"", head
        while part:
            try:
                decoder.decode(part)
            except UnicodeDecodeError:
                # the damaged spot may be one in a file that is UTF-8 elsewhere
                return _legacy(sample + part, declared)
            sample = part[-64:] if part.isascii() else (sample + part)[-MEGABYTE:]
            part = stream.read(MEGABYTE)
    return "utf-8"


def detect(data: bytes, declared: str | None = None) -> str:
    """Name of the codec of ``data``; ``declared`` is believed when it decodes data that is not UTF-8."""
    if declared and data.isascii() and (codec := _declared_codec(data, declared)) in SEVEN_BIT:
        return codec
    if certain := _by_pattern(data):
        return certain
    with suppress(UnicodeDecodeError):
        data.decode("utf-8")
        return "utf-8"
    return _legacy(data, declared)


def decode(data: bytes, declared: str | None = None) -> tuple[str, str]:
    """Text with newlines as ``\\n`` and the codec it was read with; bytes that do not fit become U+FFFD."""
    codec = detect(data, declared)
    return data.decode(codec, errors="replace").replace("\r\n", "\n").replace("\r", "\n"), codec


def open_text(source: Source, codec: str) -> TextIO:
    return io.TextIOWrapper(source.open(), encoding=codec, errors="replace", newline=None)


def declared_charset(head: bytes) -> str | None:
    """The charset named in an HTML meta element or an XML declaration."""
    found = DECLARED.search(head[:4096])
    return found[1].decode("ascii") if found else None


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


def _legacy(data: bytes, declared: str | None) -> str:
    if declared and (codec := _declared_codec(data, declared)):
        return codec
    if _nearly_utf8(data):
        return "utf-8"
    sample = _telling_part(data)
    _, codec = min((doubt + _bits_of(sample, codec), codec) for codec, (doubt, _) in LEGACY.items())
    telling = [char for char in sample.decode(codec, errors="replace").lower() if not char.isascii()]
    plain_bits = min(_surprise("".join(telling), language) for language in LEGACY[codec][1].split())
    if plain_bits > PLAUSIBLE_BITS * len(telling) and (other := _second_opinion(data)) in RARE:
        return other
    return codec


def _declared_codec(data: bytes, declared: str) -> str | None:
    with suppress(LookupError, UnicodeDecodeError):
        codec = _codec_named(declared)
        # browsers read these labels as their Windows supersets
        codec = {
            "iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030",
            "shift_jis": "cp932", "euc_kr": "cp949", "iso8859-9": "cp1254", "tis-620": "cp874",
            "big5": "big5hkscs",
        }.get(codec, codec)  # fmt: skip
        if codec.startswith(("utf-16", "utf-32", "utf-8")):
            return None  # would have been recognised before
        codecs.getincrementaldecoder(codec)().decode(data)
        return codec
    return None


def _codec_named(label: str) -> str:
    """The codec that a label means, also one that only browsers and mail programs know.

    Raises:
        LookupError: there is none.
    """
    label = label.strip().strip("\"'").lower().replace("_", "-")
    label = re.sub(r"^x-(?!mac)|(?<=iso-8859-[68])-[ie]$", "", label)
    other = {
        "windows-31j": "cp932", "ms-kanji": "cp932", "windows-874": "cp874", "unicode-1-1-utf-7": "utf-7",
        "x-mac-cyrillic": "mac-cyrillic", "x-mac-roman": "mac-roman", "x-mac-ce": "mac-latin2",
        "x-mac-greek": "mac-greek", "x-mac-turkish": "mac-turkish", "dos-720": "cp720", "dos-862": "cp862",
        "utf8mb4": "utf-8", "windows-949": "cp949", "windows-936": "gbk", "windows-950": "big5",
    }  # fmt: skip
    return codecs.lookup(other.get(label, label)).name


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


def _bits_of(sample: bytes, codec: str) -> float:
    """Bits of surprise of ``sample`` read as ``codec``, under the best of the languages written in it."""
    text = codecs.getincrementaldecoder(codec)(errors="replace").decode(sample)
    shape, lowered = _shape_bits(text), text.lower()
    return shape + min(_surprise(lowered, language) for language in LEGACY[codec][1].split())


def _surprise(text: str, language: str) -> float:
    table = _bits(language)
    return sum(table[char] if char in table else _other_bits(char) for char in text)


@cache
def _bits(language: str) -> dict[str, float]:
    """Bits of each character of a language: a table for alphabets, Zipf's law by rank for ideographs."""
    if language in ALPHABETS:
        pairs = ALPHABETS[language]
        table = {char: (ord(bits) - 48) / 2 for char, bits in zip(pairs[::2], pairs[1::2], strict=True)}
    else:
        table = {char: 5.0 + math.log2(1 + rank / 8) for rank, char in enumerate(IDEOGRAPHS[language])}
        table |= dict.fromkeys("、。，！？：；「」『』（）《》〈〉・ー　", 6.0)
    foreign = (
        11.0 if table.get("e", 99) < 6 else 4.5
    )  # a letter the language hardly uses, or English in between
    return dict.fromkeys("abcdefghijklmnopqrstuvwxyz", foreign) | table


@cache
def _other_bits(char: str) -> float:
    if char.isascii():
        return 0.0 if char.isprintable() or char in "\t\n\r" else STRANGE_BITS
    if char in "“”„‘’‚–—…«»‹›•·°§©®™№€£\u00a0\u200c\u200d\u200e\u200f،؛؟¡¿ºª":
        return MARK_BITS
    category = unicodedata.category(char)
    if category in ("Cc", "Cn", "Co", "Cs"):
        return STRANGE_BITS
    return UNKNOWN_LETTER_BITS if category[0] == "L" else UNKNOWN_LETTER_BITS + 2


def _shape_bits(text: str) -> float:
    """Rare: a capital after a small letter in a word, a letter of another script next to a Latin one."""
    bits, before = 0.0, " "
    for char in text:
        if char.isupper() and not before.isupper():
            bits += 8.0 if before.islower() else 2.0
        if char.isalpha() and before.isalpha() and (char < "\u0250") != (before < "\u0250"):
            bits += MIXED_BITS
        before = char
    return bits


def _second_opinion(data: bytes) -> str | None:
    import charset_normalizer

    best = charset_normalizer.from_bytes(data[: 1 << 16]).best()
    return codecs.lookup(best.encoding).name if best else None
