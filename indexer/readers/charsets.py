"""The names of encodings that files state, and the codecs that they mean."""

import codecs
import re
from contextlib import suppress

SEVEN_BIT = frozenset({"hz", "iso2022_jp", "iso2022_jp_2", "iso2022_jp_ext", "iso2022_kr", "utf-7"})
"""Encodings that write everything in ASCII."""
_DECLARED = re.compile(rb"""(?:charset\s*=\s*["']?|encoding\s*=\s*["'])\s*([A-Za-z0-9._:-]{2,40})""")
_LABELS = {
    "windows-31j": "cp932", "ms-kanji": "cp932", "windows-874": "cp874", "unicode-1-1-utf-7": "utf-7",
    "x-mac-cyrillic": "mac-cyrillic", "x-mac-roman": "mac-roman", "x-mac-ce": "mac-latin2",
    "x-mac-greek": "mac-greek", "x-mac-turkish": "mac-turkish", "dos-720": "cp720", "dos-862": "cp862",
    "utf8mb4": "utf-8", "windows-949": "cp949", "windows-936": "gbk", "windows-950": "big5",
}  # fmt: skip
_READ_AS = {
    "iso8859-1": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949",
    "iso8859-9": "cp1254", "tis-620": "cp874", "big5": "big5hkscs",
}  # fmt: skip
"""Browsers read these as their Windows supersets."""


def declared_charset(head: bytes) -> str | None:
    """The charset named in an HTML meta element or an XML declaration."""
    match = _DECLARED.search(head[:4096])
    return match[1].decode("ascii") if match else None


def codec_named(label: str) -> str:
    """The codec that a label means, also one that only browsers and mail programs know.

    Raises:
        LookupError: there is none.
    """
    label = label.strip().strip("\"'").lower().replace("_", "-")
    label = re.sub(r"^x-(?!mac)|(?<=iso-8859-[68])-[ie]$", "", label)
    return codecs.lookup(_LABELS.get(label, label)).name


def declared_codec(data: bytes, declared: str) -> str | None:
    """The codec that is declared, if it says something and decodes the data.

    ASCII says nothing about bytes that are not, and UTF would have been recognised before.
    """
    with suppress(LookupError, ValueError):
        codec = codec_named(declared)
        codec = _READ_AS.get(codec, codec)
        if codec == "ascii" or codec.startswith(("utf-16", "utf-32", "utf-8")):
            return None
        codecs.getincrementaldecoder(codec)().decode(data)
        return codec
    return None
