"""Pairs of sentences as files: TMX, XLIFF, TSV, JSON lines, CSV, XLSX and Moses.

The suffix of the path says which; any other path is the prefix of two Moses files. Reading streams. Writing
goes to a file aside, which takes the place of the old one only when it is complete. What is written and
read again is the same, as far as the format has a place for it; each module says what it holds and how.

In every format: half of a surrogate pair, which is no character, becomes U+FFFD; numbers that are not
finite count as not said; language tags come out in their usual spelling (``zh-Hant-TW``).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from indexer.bitext.formats import csv, jsonl, moses, tmx, tsv, xliff, xlsx
from indexer.bitext.formats.fields import prepared
from indexer.bitext.formats.left_out import LeftOut, with_both_sides
from indexer.bitext.values import Pair
from indexer.errors import ExportError, QueryError, ReadError
from indexer.text.language.tags import language_tag


@dataclass(frozen=True)
class Format:
    """How pairs are written in one way. ``keeps_scores`` is False where only the sentences are held."""

    name: str
    title: str
    suffixes: tuple[str, ...]
    read: Callable[[Path, LeftOut | None], Iterator[Pair]]
    write: Callable[[Path, Iterable[Pair], str, str], int]
    keeps_scores: bool = True


FORMATS: Mapping[str, Format] = {
    form.name: form
    for form in (
        Format("tmx", "TMX 1.4b", (".tmx",), tmx.read, tmx.write),
        Format("xliff", "XLIFF", (".xlf", ".xliff"), xliff.read, xliff.write),
        Format("tsv", "TSV", (".tsv",), tsv.read, tsv.write),
        Format("jsonl", "JSON lines", (".jsonl",), jsonl.read, jsonl.write),
        Format("csv", "CSV", (".csv",), csv.read, csv.write),
        Format("xlsx", "XLSX", (".xlsx",), xlsx.read, xlsx.write),
        Format("moses", "Moses", (".moses",), moses.read, moses.write, keeps_scores=False),
    )
}
_SUFFIXES = {suffix: form for form in FORMATS.values() for suffix in form.suffixes}
_NOT_OURS = frozenset(
    {
        ".bz2", ".doc", ".docx", ".gz", ".htm", ".html", ".json", ".md", ".ods", ".odt", ".parquet", ".pdf",
        ".sdltm", ".sdlxliff", ".txt", ".xls", ".xml", ".xz", ".zip", ".zst",
    }
)  # fmt: skip
"""Suffixes of other formats: taking them for the prefix of Moses files would surprise."""


def format_of(path: str | Path, format: str | None = None) -> Format:
    """The format that a path stands for, or the one of that name.

    Raises:
        QueryError: the name or the suffix is that of no format known here.
    """
    if format is not None:
        if format not in FORMATS:
            raise QueryError(
                f"Unknown format of pairs {format!r}; expected {', '.join(FORMATS)}. Choose one."
            )
        return FORMATS[format]
    suffix = Path(path).suffix.lower()
    if suffix in _NOT_OURS:
        raise QueryError(
            f"{Path(path).name} ends in {suffix}, which is not a format of pairs; expected "
            f"{', '.join(_SUFFIXES)}, or the prefix of two Moses files. Give it one of these endings."
        )
    return _SUFFIXES.get(suffix, FORMATS["moses"])


def read_pairs(
    path: str | Path, *, format: str | None = None, left_out: LeftOut | None = None
) -> Iterator[Pair]:
    """The pairs of a file, one after the other; trouble in the middle shows when it is reached.

    Args:
        path: the file; for Moses the prefix, or the file of the source side.
        format: a key of ``FORMATS``; None goes by the suffix.
        left_out: counts units that are damaged or have an empty side, and they are passed over; without it
            the former are errors, and the latter pairs.

    Raises:
        ReadError: it is missing or damaged; says at which line, row or element.
        QueryError: it is in no format known here.
    """
    path = Path(path)
    form = format_of(path, format)
    if form.name != "moses" and not path.is_file():
        seen = "is a folder" if path.is_dir() else "does not exist"
        raise ReadError(f"{path} {seen}; expected a file of pairs. Check the path.")
    pairs = form.read(path, left_out)
    return pairs if left_out is None else with_both_sides(pairs, left_out)


def write_pairs(
    path: str | Path,
    pairs: Iterable[Pair],
    *,
    format: str | None = None,
    source_language: str,
    target_language: str,
) -> int:
    """Write pairs and return how many; an existing file is replaced, at once and only by a complete one.

    Args:
        path: the file; for Moses the prefix, to which the languages are added. Its folder is made.
        pairs: read once.
        format: a key of ``FORMATS``; None goes by the suffix.
        source_language: of the file, and of the pairs that do not say theirs.
        target_language: likewise.

    Raises:
        ExportError: the format cannot hold a pair, or the place cannot be written to.
        DiskFullError: the disk is full; the old file is as it was.
        QueryError: the path is in no format known here.
    """
    path = Path(path)
    form = format_of(path, format)
    languages = []
    for language in (source_language, target_language):
        if (tag := language_tag(language)) is None:
            raise ExportError(
                f"{language!r} is not a language tag; expected one such as en or zh-Hant. Name the language."
            )
        languages.append(tag)
    source, target = languages
    return form.write(path, prepared(pairs, source, target), source, target)
