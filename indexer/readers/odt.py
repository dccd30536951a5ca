"""OpenDocument text: paragraphs and headings in order; tracked deletions and comments are left out."""

import io
from typing import TYPE_CHECKING

from indexer.readers.container import attribute, core_title, iter_xml, local_name, open_container, parse_xml
from indexer.readers.pieces import Facts, Headings, Piece, Reading, Source, refusal
from indexer.readers.plain import BLOCK_CHARS

if TYPE_CHECKING:
    from lxml.etree import _Element

SKIPPED = ("tracked-changes", "annotation", "note-citation")


def read(source: Source) -> Reading:
    with open_container(source) as archive:
        if "META-INF/manifest.xml" in archive.namelist():
            manifest = parse_xml(source, archive, "META-INF/manifest.xml")
            if next(manifest.iter("{*}encryption-data"), None) is not None:
                raise refusal(
                    source.name,
                    "is encrypted",
                    "a document without a password",
                    "Remove the password and add it again",
                )
        title = core_title(source, archive, "meta.xml")
        yield Facts(title=title)
        headings, buffer, skipped = Headings(), io.StringIO(), 0
        for event, element in iter_xml(source, archive, "content.xml", ("p", "h", *SKIPPED)):
            name = local_name(element)
            if name in SKIPPED:
                skipped += 1 if event == "start" else -1
                if event == "end":
                    element.clear(keep_tail=True)
                continue
            if event == "start" or skipped:
                continue
            text = _text(element)
            if name == "h" and text.strip():
                if buffer.tell():
                    yield Piece(buffer.getvalue(), section=headings.section)
                    buffer = io.StringIO()
                headings.enter(int(attribute(element, "outline-level") or 1), text)
                if not title:
                    title = text.strip()
                    yield Facts(title=title)
            elif buffer.tell() > BLOCK_CHARS:
                yield Piece(buffer.getvalue(), section=headings.section)
                buffer = io.StringIO()
            buffer.write(text + "\n")
            element.clear(keep_tail=True)
        if buffer.tell():
            yield Piece(buffer.getvalue(), section=headings.section)


def _text(paragraph: "_Element") -> str:
    """White space of ODF: runs collapse, ``s``, ``tab`` and ``line-break`` are what the writer typed."""
    parts = [paragraph.text or ""]
    for element in paragraph.iterdescendants():
        name = local_name(element)
        if name == "s":
            parts.append(" " * min(int(attribute(element, "c") or 1), 1000))
        elif name in ("tab", "line-break"):
            parts.append("\t" if name == "tab" else "\n")
        elif name not in SKIPPED:
            parts.append(element.text or "")
        parts.append(element.tail or "")
    return "".join(parts)
