"""Word documents: paragraphs in order with their automatic numbers, sections by heading, then what is beside.

Headers, footers, notes, comments, diagrams and charts follow the text, each once, in sections of their names.
Left out: deleted and moved-away text, hidden text, ruby readings, placeholders. Said: embedded objects, parts
that cannot be read.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from indexer.readers.container import (
    Container,
    attribute,
    core_title,
    iter_xml,
    local_name,
    main_part,
    open_container,
    parse_xml,
    relations,
)
from indexer.readers.docx_styles import Numbering, Styles
from indexer.readers.docx_text import Text, is_placeholder
from indexer.readers.drawings import read_parts
from indexer.readers.embedded import read_chunk
from indexer.readers.flow import Flow, aside
from indexer.readers.pieces import Facts, Reading, Source

if TYPE_CHECKING:
    from lxml.etree import _Element

MAIN = "word/document.xml"
UNITS = ("p", "tr")
LEFT_OUT = ("del", "moveFrom", "Fallback")  # around whole paragraphs
ASIDES = {
    "header": "headers",
    "footer": "footers",
    "footnotes": "footnotes",
    "endnotes": "endnotes",
    "comments": "comments",
}
SEPARATORS = ("separator", "continuationSeparator", "continuationNotice")
Related = dict[str, tuple[str, str]]


def read(source: Source) -> Reading:
    with open_container(source) as archive:
        title = core_title(source, archive, "docProps/core.xml")
        yield Facts(title=title)
        main = main_part(source, archive, MAIN)
        related = relations(source, archive, main) | _unrelated(archive, main)
        styles = Styles(_part(source, archive, related, "styles"))
        text = Text(styles, Numbering(_part(source, archive, related, "numbering"), styles))
        flow = Flow(title)
        for element in _units(source, archive, main):
            if local_name(element) == "altChunk":
                yield from flow.flush()
                yield from read_chunk(source, archive, _target(related, attribute(element, "id")))
                continue
            for line, level in text.lines(element):
                yield from flow.add(line, level)
        for line, level in text.rest():
            yield from flow.add(line, level)
        yield from flow.flush()
        yield from _asides(source, archive, related, text)


def _unrelated(archive: Container, main: str) -> Related:
    """The usual parts beside the main one, for packages that name no relations."""
    folder = main.rpartition("/")[0]
    kinds = ("styles", "numbering", "footnotes", "endnotes", "comments")
    names = {kind: f"{folder}/{kind}.xml" for kind in kinds}
    return {f"\0{kind}": (kind, name) for kind, name in names.items() if archive.has(name)}


def _part(source: Source, archive: Container, related: Related, kind: str) -> "_Element | None":
    for result, target in related.values():
        if result == kind and archive.has(target):
            return parse_xml(source, archive, target)
    return None


def _target(related: Related, relation: str | None) -> str | None:
    return related.get(relation or "", ("", None))[1]


def _units(source: Source, archive: Container, member: str) -> Iterator["_Element"]:
    """The outermost paragraphs, table rows and inserted documents of a part; each is freed after use."""
    depth = left_out = 0
    for event, element in iter_xml(source, archive, member, (*UNITS, *LEFT_OUT, "altChunk")):
        name = local_name(element)
        step = 1 if event == "start" else -1
        if name == "altChunk":
            if event == "end" and not (depth or left_out):
                yield element
        elif name not in UNITS:
            parent = element.getparent()
            if not depth and parent is not None and local_name(parent) != "trPr":
                left_out += step
        else:
            depth += step
            if event == "end" and not depth:
                if not left_out and not any(
                    is_placeholder(iterancestor) for iterancestor in element.iterancestors("{*}sdt")
                ):
                    yield element
                _free(element)


def _free(element: "_Element") -> None:
    """Without this a long document stays in memory."""
    element.clear(keep_tail=True)
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _asides(source: Source, archive: Container, related: Related, text: Text) -> Reading:
    results: dict[str, list[str]] = {section: [] for section in ASIDES.values()}
    parts = dict.fromkeys(
        (target, ASIDES[kind]) for kind, target in related.values() if kind in ASIDES and archive.has(target)
    )
    objects: list[tuple[str, str | None]] = [
        ("diagram", _target(related, diagram)) for diagram in text.beside.diagrams
    ]
    objects += [("chart", _target(related, chart)) for chart in text.beside.charts]
    for part, section in parts:
        text.beside.diagrams, text.beside.charts = [], []
        own = relations(source, archive, part)
        left_out = text.beside.deleted_notes.get(section, set())
        for note in parse_xml(source, archive, part):
            if attribute(note, "type") in SEPARATORS or (attribute(note, "id") or "-") in left_out:
                continue
            lines = text.lines(note) + text.rest() if local_name(note) in UNITS else text.all_lines(note)
            results[section] += [line for line, _ in lines]
        objects += [("diagram", _target(own, diagram)) for diagram in text.beside.diagrams]
        objects += [("chart", _target(own, chart)) for chart in text.beside.charts]
    for section, those in results.items():
        yield from aside(those, section)
    words, warnings = read_parts(source, archive, objects)
    yield from aside(words, "diagrams")
    if text.beside.objects:
        warnings.append(f"{text.beside.objects} embedded objects were not read")
    for warning in warnings:
        yield Facts(warning=warning)
