"""Files of many formats to blocks of text.

``worker.read_file`` is what others call: it reads a file in a child process that may die or take too
long without harm. Here is only the table of formats; a reader's module is imported when its format is met.
A reader is a function ``read(source: Source) -> Iterator[Piece | Facts]``.
"""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Protocol, cast

from indexer.readers.pieces import Facts, Piece, Reading, ReadLimits, Source, suffix_of

__all__ = [
    "ARCHIVE_SUFFIXES",
    "SUFFIXES",
    "Facts",
    "Piece",
    "ReadLimits",
    "Reading",
    "Source",
    "load_reader",
    "suffix_of",
]

SUFFIXES: Mapping[str, str] = MappingProxyType(
    {
        ".txt": "txt",
        ".text": "txt",
        ".log": "txt",
        ".md": "md",
        ".markdown": "md",
        ".html": "html",
        ".htm": "html",
        ".xhtml": "html",
        ".pdf": "pdf",
        ".docx": "docx",
        ".docm": "docx",
        ".pptx": "pptx",
        ".pptm": "pptx",
        ".xlsx": "xlsx",
        ".xlsm": "xlsx",
        ".csv": "csv",
        ".tsv": "tsv",
        ".json": "json",
        ".jsonl": "jsonl",
        ".ndjson": "jsonl",
        ".odt": "odt",
        ".epub": "epub",
        ".rtf": "rtf",
        ".srt": "srt",
        ".vtt": "vtt",
        ".ass": "ass",
        ".ssa": "ass",
        ".sub": "sub",
        ".sbv": "sbv",
        ".ttml": "ttml",
        ".dfxp": "ttml",
        ".itt": "ttml",
        ".eml": "eml",
        ".mht": "eml",
        ".mhtml": "eml",
        ".mbox": "mbox",
        ".ics": "ics",
        ".tmx": "tmx",
        ".xlf": "xliff",
        ".xliff": "xliff",
        ".po": "po",
        ".pot": "po",
        ".msg": "msg",
        ".zip": "zip",
        ".7z": "7z",
        ".tar": "tar",
        ".tar.gz": "tar",
        ".tgz": "tar",
        ".tar.bz2": "tar",
        ".tbz": "tar",
        ".tbz2": "tar",
        ".tar.xz": "tar",
        ".txz": "tar",
    }
)
"""By the end of a file's name, as ``suffix_of`` gives it."""
ARCHIVE_SUFFIXES = frozenset(suffix for suffix, kind in SUFFIXES.items() if kind in ("zip", "7z", "tar"))

_READERS = {
    "txt": "plain:read_text",
    "md": "plain:read_markdown",
    "html": "html:read",
    "pdf": "pdf:read",
    "docx": "docx:read",
    "pptx": "pptx:read",
    "xlsx": "xlsx:read",
    "csv": "tables:read",
    "tsv": "tables:read",
    "json": "records:read_json",
    "jsonl": "records:read_lines",
    "odt": "odt:read",
    "epub": "epub:read",
    "rtf": "rtf:read",
    "srt": "subtitles:read",
    "vtt": "subtitles:read",
    "ass": "subtitles:read_ass",
    "sub": "captions:read_sub",
    "sbv": "captions:read_sub",
    "ttml": "captions:read_ttml",
    "eml": "mail:read",
    "mbox": "mail:read",
    "ics": "invitations:read",
    "tmx": "translations:read_tmx",
    "xliff": "translations:read_xliff",
    "po": "translations:read_po",
    "msg": "outlook:read",
    "zip": "archive:read",
    "7z": "archive:read",
    "tar": "archive:read",
}


class Reader(Protocol):
    def __call__(self, source: Source) -> Reading: ...


def load_reader(file_type: str) -> Reader:
    """The function that reads ``file_type``, one of the values of SUFFIXES."""
    module, function = _READERS[file_type].split(":")
    return cast(Reader, getattr(import_module(f"{__name__}.{module}"), function))
