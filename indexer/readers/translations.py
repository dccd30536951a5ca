"""Files of translations as documents: TMX, XLIFF 1 and 2, gettext catalogues (po, pot).

One piece per unit, each language on a line of its own. Inline codes go, the words that they mark stay.
"""

import re
from collections.abc import Iterator

from indexer.readers import encoding
from indexer.readers.container import local_name
from indexer.readers.pieces import Facts, Piece, Reading, Source, refusal
from indexer.readers.xml_units import Unit, flat_text, iter_units, open_units, words_of

_SPACES = re.compile(r"\s+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ENTRY = re.compile(r"(msgctxt|msgid|msgid_plural|msgstr(?:\[\d+\])?)\s*(\".*)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_SIGNS = {"n": "\n", "t": "\t", "r": "", "a": "", "b": "", "f": "", "v": ""}


def read_tmx(source: Source) -> Reading:
    yield from _read(source, "tmx", ("header",), ("tu",), ("seg", "note"))


def read_xliff(source: Source) -> Reading:
    yield from _read(source, "xliff", ("file",), ("trans-unit", "unit"), ("source", "target", "note"))


def _read(
    source: Source, root: str, heads: tuple[str, ...], names: tuple[str, ...], texts: tuple[str, ...]
) -> Reading:
    number, damaged, lines, is_empty = 0, 0, "", True
    with open_units(source) as stream:
        yield Facts(encoding=stream.encoding)
        for unit in iter_units(stream, source.name, root, heads, names):
            if unit.is_head:
                continue
            damaged += bool(unit.problem)
            lines = "".join(f"{line}\n" for line in _lines(unit, texts))
            number += 1
            if lines:
                is_empty = False
                yield Piece(lines, section=f"unit {number}")
    if is_empty:
        raise refusal(source.name, "holds no text in its units", f"units of <{names[0]}>", "Export it again")
    if damaged:
        counted = "1 unit is" if damaged == 1 else f"{damaged} units are"
        yield Facts(warning=f"{counted} damaged, and read as far as possible")


def _lines(unit: Unit, texts: tuple[str, ...]) -> Iterator[str]:
    element = words_of(unit)
    if element is None:
        return
    seen = set()
    for part in element.iter():
        is_other = any(local_name(above) == "alt-trans" for above in part.iterancestors())
        if local_name(part) not in texts or is_other:
            continue
        words = _SPACES.sub(" ", flat_text(part)).strip()
        if words and words not in seen:
            seen.add(words)
            yield words


def read_po(source: Source) -> Reading:
    """A catalogue of messages: what is said, its translation, and the notes for translators."""
    with source.open() as stream:
        data = stream.read()
    match = re.search(rb"charset=([\w.:-]+)", data[:8192])
    text, codec = encoding.decode(data, match[1].decode() if match else None)
    yield Facts(encoding=codec)
    number = 0
    for number, entry in enumerate(_entries(text), start=1):
        yield Piece("".join(f"{line}\n" for line in entry), section=f"message {number}")
    if not number:
        raise refusal(source.name, "has no messages", 'lines such as msgid "…"', "Rename it to .txt")


def _entries(text: str) -> Iterator[list[str]]:
    """The texts of each message that says something; the header and what is out of use are left out."""
    notes: list[str] = []
    fields: dict[str, str] = {}
    last = ""
    for line in map(str.strip, text.splitlines()):
        match = _ENTRY.fullmatch(line)
        begins = line.startswith("#") or (match is not None and match[1] in ("msgctxt", "msgid"))
        if begins and any(name.startswith("msgstr") for name in fields):
            yield from _entry(fields, notes)
            notes, fields = [], {}
        if line.startswith(("# ", "#.")) and (note := line[2:].strip()):
            notes.append(note)
        elif match:
            last = match[1]
            fields[last] = _unquoted(match[2])
        elif line.startswith('"') and last in fields:
            fields[last] += _unquoted(line)
    yield from _entry(fields, notes)


def _entry(fields: dict[str, str], notes: list[str]) -> Iterator[list[str]]:
    if not fields.get("msgid"):
        return
    ordered = (
        "msgid",
        "msgid_plural",
        *sorted(name for name in fields if name.startswith("msgstr")),
        "msgctxt",
    )
    texts = [" ".join(fields.get(name, "").split()) for name in ordered]
    yield list(dict.fromkeys(filter(None, [*texts, *notes])))


def _unquoted(text: str) -> str:
    """What stands in quotation marks, its escapes as the signs that they mean."""
    return "".join(
        _ESCAPE.sub(lambda mark: _SIGNS.get(mark[1], mark[1]), part) for part in _QUOTED.findall(text)
    )
