"""XLIFF, the exchange format of translation jobs: written as 1.2 (OASIS, 1 February 2008), read also as 2.

A pair is a ``trans-unit``. An accepted one is approved and ``signed-off``; an open one is
``needs-review-translation``; a rejected one is ``needs-translation`` with a qualifier that says rejected.
Scores, flags, origins and meta are a ``context-group``, notes are notes. Reading takes ``source`` and
``target`` of the units of all files, not ``alt-trans``; units without a target are passed over. Other
attributes and contexts are meta. Of version 2 the segments of units are read: a final one is accepted, its
id, state and notes are meta. Inline elements and characters that XML cannot hold: ``markup``. Every
field is held.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from indexer.bitext.formats import markup
from indexer.bitext.formats.fields import language_of, none_if_nan, number_of, read_error
from indexer.bitext.formats.left_out import LeftOut, parsed
from indexer.bitext.formats.saving import replacing
from indexer.bitext.values import Pair, State

if TYPE_CHECKING:
    from lxml.etree import _Element

NAMESPACE = "urn:oasis:names:tc:xliff:document:1.2"
VERSIONS = ("1.0", "1.1", "1.2")
OURS = frozenset(
    {"x-score", "x-cosine", "x-flag", "sourcefile", "x-targetfile", "x-exact-source", "x-exact-target"}
)
OTHER = "x-meta:"
STATES: dict[State, dict[str, str]] = {
    "open": {"state": "needs-review-translation"},
    "accepted": {"state": "signed-off"},
    "rejected": {"state": "needs-translation", "state-qualifier": "rejected-inaccurate"},
}
_CONTEXT = re.compile(r"x-[!-~]+")

Meta = tuple[tuple[str, str], ...]


def read(path: Path, left_out: LeftOut | None = None) -> Iterator[Pair]:
    """The pairs of an XLIFF file of version 1 or 2.

    Raises:
        ReadError: it is damaged or of another version; says at which line and element.
    """
    return parsed(_units(path, left_out), lambda unit: _pairs(path, *unit), left_out)


def _units(path: Path, left_out: LeftOut | None) -> Iterator[tuple["_Element", tuple[str, str]]]:
    """Each unit with the languages of its sides."""
    languages = ("", "")
    for unit in markup.iter_units(path, "xliff", ("file",), ("trans-unit", "unit"), left_out):
        element = unit.element
        if element is None:
            continue
        if unit.name == "xliff":
            _check_version(path, element)
            languages = element.get("srcLang", ""), element.get("trgLang", "")
        elif unit.name == "file":
            languages = (
                element.get("source-language", languages[0]),
                element.get("target-language", languages[1]),
            )
        else:
            yield element, languages


def _pairs(path: Path, unit: "_Element", languages: tuple[str, str]) -> Iterator[Pair]:
    if markup.local(unit) == "unit":
        yield from _segments(path, unit, languages)
    elif (pair := _pair(path, unit, languages)) is not None:
        yield pair


def _segments(path: Path, unit: "_Element", languages: tuple[str, str]) -> Iterator[Pair]:
    """The pairs of a unit of version 2; its notes belong to each."""
    notes = [("note", note.text or "") for note in unit.iter() if markup.local(note) == "note"]
    for segment in unit.iter():
        if markup.local(segment) != "segment":
            continue
        parts = {markup.local(child): child for child in reversed(segment)}
        source, target = parts.get("source"), parts.get("target")
        if source is None:
            raise read_error(
                markup.place(path, segment), "has no <source>", "a source in each <segment>", "Add it"
            )
        if target is None:
            continue
        where = markup.place(path, segment)
        message = [("id", unit.get("id", "")), ("state", segment.get("state", ""))]
        yield Pair(
            source=markup.flat_text(source),
            target=markup.flat_text(target),
            source_language=language_of(source.get(markup.LANG) or languages[0], where),
            target_language=language_of(target.get(markup.LANG) or languages[1], where),
            state="accepted" if segment.get("state") == "final" else "open",
            meta=(*((key, value) for key, value in message if value), *notes),
        )


def write(path: Path, pairs: Iterable[Pair], source_language: str, target_language: str) -> int:
    """Write an XLIFF file and return how many pairs it has."""
    from lxml import etree

    languages = (source_language, target_language)
    about = {
        "original": path.name, "source-language": source_language, "target-language": target_language,
        "datatype": "plaintext",
    }  # fmt: skip
    count = 0
    with replacing(path) as (aside,), aside.open("wb") as file:
        with etree.xmlfile(file, encoding="utf-8") as xml:
            xml.write_declaration()
            with (
                xml.element("xliff", {"version": "1.2"}, nsmap={None: NAMESPACE}),
                xml.element("file", about),
                xml.element("body"),
            ):
                xml.write("\n")
                for count, pair in enumerate(pairs, start=1):
                    xml.write(_unit(pair, count, languages), pretty_print=True)
        file.write(b"\n")
    return count


def _check_version(path: Path, root: "_Element") -> None:
    version = root.get("version", "")
    if version not in VERSIONS and not version.startswith("2."):
        where = markup.place(path, root)
        raise read_error(where, f"is of version {version!r}", "1.2 or 2", "Export it as XLIFF 1.2, or as TMX")


def _pair(path: Path, unit: "_Element", languages: tuple[str, str]) -> Pair | None:
    where = markup.place(path, unit)
    parts = {markup.local(child): child for child in reversed(unit)}  # the first of each stays
    source, target = parts.get("source"), parts.get("target")
    if source is None:
        raise read_error(where, "has no <source>", "a source in each <trans-unit>", "Add it")
    if target is None:
        return None
    contexts = [
        (context.get("context-type", ""), context.text or "")
        for group in unit
        if markup.local(group) == "context-group"
        for context in group
        if markup.local(context) == "context"
    ]
    own: dict[str, str] = {}
    meta = []
    for key, value in contexts:
        if key in OURS and key not in own:
            own[key] = value
        elif key != "x-flag":
            meta.append((unquote(key.removeprefix(OTHER)) if key.startswith(OTHER) else key, value))
    state, message = _state(unit, target)
    notes = [("note", note.text or "") for note in unit if markup.local(note) == "note"]
    return Pair(
        source=markup.restored(markup.flat_text(source), own.get("x-exact-source")),
        target=markup.restored(markup.flat_text(target), own.get("x-exact-target")),
        score=number_of(own.get("x-score", ""), "score", where),
        source_language=language_of(source.get(markup.LANG) or languages[0], where),
        target_language=language_of(target.get(markup.LANG) or languages[1], where),
        cosine=number_of(own.get("x-cosine", ""), "cosine", where),
        flags=tuple(value for key, value in contexts if key == "x-flag"),
        state=state,
        source_origin=own.get("sourcefile", ""),
        target_origin=own.get("x-targetfile", ""),
        meta=(*message, *meta, *notes),
    )


def _state(unit: "_Element", target: "_Element") -> tuple[State, Meta]:
    """The state, and what else the attributes say; the numbers that ``write`` gives are not kept."""
    message = {"state": target.get("state", ""), "state-qualifier": target.get("state-qualifier", "")}
    if message["state-qualifier"].startswith("rejected"):
        state: State = "rejected"
    elif unit.get("approved") == "yes" or message["state"] in ("final", "signed-off"):
        state = "accepted"
    else:
        state = "open"
    meta = [(key, value) for key, value in message.items() if value and STATES[state].get(key) != value]
    skipped = {markup.SPACE, "approved"} | ({"id"} if unit.get("id", "").isdecimal() else set())
    meta += [(name, value) for name, value in unit.items() if name not in skipped]
    return state, tuple(meta)


def _unit(pair: Pair, number: int, languages: tuple[str, str]) -> "_Element":
    from lxml import etree

    # without the namespace: where it is written to, it is the default, which need not be said again
    unit = etree.Element("trans-unit", {"id": str(number), markup.SPACE: "preserve"})
    if pair.state == "accepted":
        unit.set("approved", "yes")
    own: list[tuple[str, str]] = []
    for name, text, language, usual in (
        ("source", pair.source, pair.source_language, languages[0]),
        ("target", pair.target, pair.target_language, languages[1]),
    ):
        side = etree.SubElement(unit, name)
        if language != usual:
            side.set(markup.LANG, language)
        if name == "target":
            side.attrib.update(STATES[pair.state])
        side.text = markup.fit(text)
        if (exactly := markup.exact(text)) is not None:
            own.append((f"x-exact-{name}", exactly))
    own += [
        (key, repr(value))
        for key, value in (("x-score", pair.score), ("x-cosine", pair.cosine))
        if none_if_nan(value) is not None
    ]
    own += [("x-flag", flag) for flag in pair.flags]
    own += [
        (key, value)
        for key, value in (("sourcefile", pair.source_origin), ("x-targetfile", pair.target_origin))
        if value
    ]
    notes = _last_notes(pair.meta)
    own += [(_context(key), value) for key, value in pair.meta[: len(pair.meta) - notes]]
    if own:
        group = etree.SubElement(unit, "context-group")
        for key, value in own:
            context = etree.SubElement(group, "context", {"context-type": key})
            context.text = markup.fit(value)
    for _, value in pair.meta[len(pair.meta) - notes :]:
        etree.SubElement(unit, "note").text = markup.fit(value)
    return unit


def _last_notes(meta: Meta) -> int:
    """How many notes end the meta: only they are read in the same place again."""
    notes = 0
    while notes < len(meta) and meta[-1 - notes][0] == "note":
        notes += 1
    return notes


def _context(key: str) -> str:
    """The type of a context: a word that begins with x-, as XLIFF wants of those that it does not list."""
    is_plain = _CONTEXT.fullmatch(key) and key not in OURS and not key.startswith(OTHER)
    return key if is_plain else OTHER + quote(key, safe="", errors="replace")
