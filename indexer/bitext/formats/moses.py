"""Moses: two files with as many lines, one sentence per line, that differ in their language suffix.

``pairs`` is written as ``pairs.en`` and ``pairs.fr``, or as ``pairs.src`` and ``pairs.trg`` where the
languages are the same or not known. Only sentences are held; line breaks and tabs in them are character
references (``lines``). Reading takes the prefix or the file of the source side. Given the prefix, the side
that is named first in it (``news.fr-en``) is the source, else that whose suffix is first in the alphabet.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path

from indexer.bitext.formats.fields import read_error
from indexer.bitext.formats.left_out import LeftOut
from indexer.bitext.formats.lines import as_given, iter_lines, on_one_line
from indexer.bitext.formats.packing import bare
from indexer.bitext.formats.saving import replacing
from indexer.bitext.values import UNKNOWN_LANGUAGE, Pair
from indexer.errors import ReadError
from indexer.text.language.names import is_language
from indexer.text.language.tags import language_tag

__all__ = ["files_of", "is_side", "prefixes_in", "read", "write"]

UNKNOWN_SUFFIXES = ("src", "trg")
_SUFFIX = re.compile(r"(?:[a-z]{2,3})(?:[-_][A-Za-z0-9]{2,8})*", re.ASCII)
_OTHER_FILES = frozenset(
    {
        "bak", "bz2", "csv", "doc", "gz", "htm", "ids", "log", "md", "odt", "old", "pdf", "py", "rtf", "sh",
        "srt", "tmp", "tmx", "tsv", "txt", "vtt", "xlf", "xls", "xml", "xz", "yml", "zip",
    }
)  # fmt: skip
_DIRECTION = re.compile(r"([A-Za-z_]+)-([A-Za-z_]+)$")


def read(path: Path, left_out: LeftOut | None = None) -> Iterator[Pair]:
    """The pairs of two Moses files; ``path`` is their prefix or the file of the source side.

    Raises:
        ReadError: there are not two such files, or their lines do not match, which no count makes good.
    """
    source, target = files_of(path)
    return _pairs(source, target)


def write(path: Path, pairs: Iterable[Pair], source_language: str, target_language: str) -> int:
    """Write two Moses files and return how many pairs they have."""
    source, target = _suffixes(source_language, target_language)
    paths = (path.with_name(f"{path.name}.{source}"), path.with_name(f"{path.name}.{target}"))
    count = 0
    with (
        replacing(*paths) as asides,
        asides[0].open("w", encoding="utf-8", newline="\n") as sources,
        asides[1].open("w", encoding="utf-8", newline="\n") as targets,
    ):
        for pair in pairs:
            sources.write(on_one_line(pair.source) + "\n")
            targets.write(on_one_line(pair.target) + "\n")
            count += 1
    return count


def files_of(path: Path) -> tuple[Path, Path]:
    """The files of the source and of the target side, packed or not.

    Of more than two, those are meant that the prefix names (``news.fr-en``).

    Raises:
        ReadError: there are not exactly two.
    """
    is_one_side = path.is_file() and is_side(path)
    prefix = bare(path).with_name(bare(path).stem) if is_one_side else path
    known: dict[str, Path] = {}
    for other in sorted(path.parent.iterdir() if path.parent.is_dir() else (), reverse=True):
        suffix = bare(other).name.removeprefix(f"{prefix.name}.")
        if other.name.startswith(f"{prefix.name}.") and _is_suffix(suffix) and other.is_file():
            known[suffix] = other  # what is not packed comes last
    result = sorted(known.values())
    direction = _direction(prefix.name)
    if len(result) > 2:
        result = [other for other in result if _tag(other) in direction]
    if len(result) != 2:
        names = ", ".join(other.name for other in sorted(known.values()))
        seen = f"{len(known)} such files ({names})" if known else "no such file"
        raise ReadError(
            f"{path} stands for {seen}; expected two, such as {prefix.name}.en and {prefix.name}.fr. "
            "Give a file of pairs, or the prefix of two files whose suffixes are languages."
        )
    first, second = result
    swapped = second == path if is_one_side else direction == (_tag(second), _tag(first))
    return (second, first) if swapped else (first, second)


def prefixes_in(folder: Path) -> list[Path]:
    """The prefixes of files in a folder that are named by different languages; ``files_of`` looks closer."""
    sides: dict[str, set[str]] = {}
    for file in folder.iterdir():
        name = bare(file)
        if is_side(file) and is_language(name.suffix[1:]) and not name.name.startswith("."):
            sides.setdefault(name.stem, set()).add(name.suffix)
    return [folder / stem for stem, suffixes in sorted(sides.items()) if len(suffixes) > 1]


def is_side(path: Path) -> bool:
    """Whether a file is named as one side of two: ``news.de``, ``news.de.gz``."""
    return _is_suffix(bare(path).suffix[1:])


def _pairs(source: Path, target: Path) -> Iterator[Pair]:
    languages = _tag(source), _tag(target)
    sides = zip_longest(iter_lines(source), iter_lines(target))
    for first, second in sides:
        if first is None or second is None:
            if not (first or second or (0, ""))[1].strip():
                continue  # empty lines at the end of one
            longer, shorter = (source, target) if second is None else (target, source)
            number = (first or second or (0, ""))[0]
            raise read_error(
                f"{longer.name}, line {number}",
                f"has no partner in {shorter.name}",
                "files with as many lines",
                "Check that the two belong together",
            )
        yield Pair(
            as_given(first[1]),
            as_given(second[1]),
            source_language=languages[0],
            target_language=languages[1],
        )


def _suffixes(source_language: str, target_language: str) -> tuple[str, str]:
    tags = (source_language, target_language)
    is_clear = source_language != target_language and UNKNOWN_LANGUAGE not in tags
    return tags if is_clear and all(map(_is_suffix, tags)) else UNKNOWN_SUFFIXES


def _is_suffix(suffix: str) -> bool:
    return bool(_SUFFIX.fullmatch(suffix)) and suffix not in _OTHER_FILES


def _tag(path: Path) -> str:
    suffix = bare(path).suffix[1:]
    return UNKNOWN_LANGUAGE if suffix in UNKNOWN_SUFFIXES else language_tag(suffix) or UNKNOWN_LANGUAGE


def _direction(name: str) -> tuple[str | None, str | None]:
    match = _DIRECTION.search(name)
    return (language_tag(match[1]), language_tag(match[2])) if match else (None, None)
