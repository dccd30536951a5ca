"""Word documents: paragraphs in order, sections by heading, notes at the end.

Text marked as deleted is left out, text boxes are read once (their fallback copy is skipped).
"""

import io
import zipfile
from typing import TYPE_CHECKING

from indexer.readers.container import attribute, core_title, iter_xml, local_name, open_container, parse_xml
from indexer.readers.pieces import Facts, Headings, Piece, Reading, Source
from indexer.readers.plain import BLOCK_CHARS

if TYPE_CHECKING:
    from lxml.etree import _Element

SPECIAL = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "‑"}
NOTES = (("word/footnotes.xml", "footnotes"), ("word/endnotes.xml", "endnotes"))


def read(source: Source) -> Reading:
    with open_container(source) as archive:
        title = core_title(source, archive, "docProps/core.xml")
        yield Facts(title=title)
        levels = _heading_levels(source, archive)
        headings, buffer = Headings(), io.StringIO()
        for text, level in _paragraphs(source, archive, "word/document.xml", levels):
            if level is not None and text.strip():
                if buffer.tell():
                    yield Piece(buffer.getvalue(), section=headings.section)
                    buffer = io.StringIO()
                headings.enter(level, text)
                if not title:
                    title = text.strip()
                    yield Facts(title=title)
            elif buffer.tell() > BLOCK_CHARS:
                yield Piece(buffer.getvalue(), section=headings.section)
                buffer = io.StringIO()
            buffer.write(text + "\n")
        if buffer.tell():
            yield Piece(buffer.getvalue(), section=headings.section)
        for member, section in NOTES:
            if member in archive.namelist():
                for text, _ in _paragraphs(source, archive, member, {}):
                    if text.strip():
                        yield Piece(text + "\n", section=section)


def _paragraphs(source: Source, archive: zipfile.ZipFile, member: str, levels: dict[str, int]):  # type: ignore[no-untyped-def]
    fallback = 0
    for event, element in iter_xml(source, archive, member, ("p", "Fallback")):
        if local_name(element) == "Fallback":
            fallback += 1 if event == "start" else -1
        elif event == "end":
            if not fallback:
                yield _text(element), _level(element, levels)
            element.clear(keep_tail=True)
            # earlier siblings are done with; without this a long document stays in memory
            parent = element.getparent()
            while parent is not None and element.getprevious() is not None:
                del parent[0]


def _text(paragraph: "_Element") -> str:
    parts = []
    for element in paragraph.iter("{*}t", "{*}tab", "{*}br", "{*}cr", "{*}noBreakHyphen"):
        name = local_name(element)
        if name == "t":
            parts.append(element.text or "")
        elif name != "tab" or local_name(element.getparent()) == "r":  # w:tab also defines tab stops
            parts.append(SPECIAL[name])
    return "".join(parts)


def _level(paragraph: "_Element", levels: dict[str, int]) -> int | None:
    properties = paragraph.find("{*}pPr")
    if properties is None:
        return None
    style, outline = properties.find("{*}pStyle"), properties.find("{*}outlineLvl")
    if outline is not None and (attribute(outline, "val") or "9") < "9":
        return int(attribute(outline, "val") or 0) + 1
    return levels.get(attribute(style, "val") or "") if style is not None else None


def _heading_levels(source: Source, archive: zipfile.ZipFile) -> dict[str, int]:
    """Style id -> heading level; ids are localised, names of the built-in styles are not."""
    levels = {f"Heading{n}": n for n in range(1, 10)} | {"Title": 0}
    if "word/styles.xml" not in archive.namelist():
        return levels
    for style in parse_xml(source, archive, "word/styles.xml").iter("{*}style"):
        style_id, name = attribute(style, "styleId") or "", style.find("{*}name")
        outline = style.find("{*}pPr/{*}outlineLvl")
        words = ((attribute(name, "val") if name is not None else None) or "").lower().split()
        if len(words) == 2 and words[0] == "heading" and words[1].isdigit():
            levels[style_id] = int(words[1])
        elif words == ["title"]:
            levels[style_id] = 0
        elif outline is not None and (attribute(outline, "val") or "9").isdigit():
            level = int(attribute(outline, "val") or 9)
            if level < 9:
                levels[style_id] = level + 1
    return levels
