"""The text of Word paragraphs as it is shown: no deleted, moved-away or hidden text, readings or field codes.

What stands beside (text boxes) or elsewhere (diagrams, charts, embedded objects) is reported, not mixed in.
"""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from indexer.readers.container import attribute, local_name
from indexer.readers.docx_styles import Numbering, Styles, child_value, is_on, outline_level, switch
from indexer.readers.flow import row_lines
from indexer.readers.symbols import symbol, symbol_of

if TYPE_CHECKING:
    from lxml.etree import _Element

SPECIAL = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "‑"}
NOT_SHOWN = """pPr rPr del moveFrom delText instrText delInstrText rt rubyPr sdtPr sdtEndPr tblPr tblGrid trPr
    tcPr docPr cNvGraphicFramePr annotationRef footnoteRef endnoteRef separator continuationSeparator
    lastRenderedPageBreak softHyphen fldChar oMathParaPr ctrlPr"""
SKIPPED = frozenset(NOT_SHOWN.split())
NOTES = {"footnoteReference": "footnotes", "endnoteReference": "endnotes", "commentReference": "comments"}
PRIVATE = re.compile("[\uf020-\uf0ff]")  # characters of symbol fonts
Line = tuple[str, int | None]


@dataclass
class Beside:
    """What a document refers to: relation ids of diagrams and charts, notes by their part's section."""

    diagrams: list[str] = field(default_factory=list)
    charts: list[str] = field(default_factory=list)
    objects: int = 0
    deleted_notes: dict[str, set[str]] = field(default_factory=dict)


class Text:
    """Lines of paragraphs and tables of one document, in which automatic numbers are counted."""

    def __init__(self, styles: Styles, numbering: Numbering) -> None:
        self.beside = Beside()
        self._styles, self._numbering = styles, numbering
        self._unfinished = ""  # text of paragraphs whose end was deleted

    def lines(self, unit: "_Element") -> list[Line]:
        """The lines of a paragraph or of a table row, each with its level when it is a heading."""
        return self._row(unit) if local_name(unit) == "tr" else self._paragraph(unit)

    def rest(self) -> list[Line]:
        """Text that was to go on in a paragraph that does not come."""
        text, self._unfinished = self._unfinished, ""
        return [(text, None)] if text.strip() else []

    def _row(self, row: "_Element") -> list[Line]:
        properties = row.find("{*}trPr")
        if properties is not None and (properties.find("{*}del") is not None or switch(properties, "hidden")):
            return []
        before = self.rest()
        cells = [
            self.all_lines(cell) for cell in row.iterchildren("{*}tc", "{*}sdt", "{*}customXml", "{*}ins")
        ]
        if any(level is not None for cell in cells for _, level in cell):
            return before + [line for cell in cells for line in cell]
        return before + [(line, None) for line in row_lines([[text for text, _ in cell] for cell in cells])]

    def all_lines(self, element: "_Element") -> list[Line]:
        """The lines of all paragraphs and tables inside an element."""
        return [line for unit in outermost(element) for line in self.lines(unit)] + self.rest()

    def _paragraph(self, paragraph: "_Element") -> list[Line]:
        properties = paragraph.find("{*}pPr")
        mark = properties.find("{*}rPr") if properties is not None else None
        style_id = (
            child_value(properties, "pStyle") if properties is not None else None
        ) or self._styles.default
        is_hidden = self._styles.is_hidden(style_id)
        text, boxes = self._shown(paragraph, is_hidden)
        text, self._unfinished = self._unfinished + text, ""
        if mark is not None and any(mark.find(f"{{*}}{name}") is not None for name in ("del", "moveFrom")):
            self._unfinished = text  # it goes on in the next paragraph
            return boxes
        if is_hidden or (not text.strip() and mark is not None and switch(mark, "vanish")):
            return [(text, None), *boxes] if text.strip() else boxes
        label = self._numbering.label(properties, style_id)
        level = outline_level(properties) if properties is not None else None
        level = self._styles.level(style_id) if level is None else level
        return [((label + text) if text.strip() else text, level), *boxes]

    def _shown(self, paragraph: "_Element", is_hidden: bool) -> tuple[str, list[Line]]:
        """Text of a paragraph and the lines of the text boxes anchored in it."""
        from lxml import etree

        parts: list[str] = []
        boxes: list[Line] = []
        walker = etree.iterwalk(paragraph, events=("start",))
        for _, element in walker:
            name = local_name(element)
            if name == "t":
                parts.append(element.text or "")
            elif name in SPECIAL:
                parts.append(SPECIAL[name])
            elif name == "sym":
                parts.append(symbol(attribute(element, "font") or "", attribute(element, "char") or ""))
            elif name == "AlternateContent":
                drop_alternatives(element)
            elif name == "txbxContent":
                unfinished, self._unfinished = self._unfinished, ""
                boxes += self.all_lines(element)
                self._unfinished = unfinished
                walker.skip_subtree()
            elif name == "r":
                text = self._run(element, is_hidden)
                if text is not None:
                    parts.append(text)
                    walker.skip_subtree()
            elif name in SKIPPED or (name == "sdt" and is_placeholder(element)):
                if name == "fldChar":
                    parts.append(_chosen(element))
                elif name in ("del", "moveFrom"):
                    self._forget_notes(element)
                walker.skip_subtree()
            else:
                self._note_reference(element, name)
        return "".join(parts), boxes

    def _run(self, run: "_Element", is_hidden: bool) -> str | None:
        """The text of a run that holds nothing but text, as nearly all do; nothing of a hidden one."""
        parts: list[str] = []
        is_plain = True
        for child in run:
            name = local_name(child)
            if name == "rPr":
                is_hidden = self._run_is_hidden(child, is_hidden)
            elif name == "t":
                parts.append(child.text or "")
            elif name in SPECIAL:
                parts.append(SPECIAL[name])
            else:
                is_plain = False
        if is_hidden:
            return ""
        text = "".join(parts) if is_plain else None
        return PRIVATE.sub(lambda char: symbol_of(_font(run), ord(char[0])), text) if text else text

    def _run_is_hidden(self, properties: "_Element", by_paragraph: bool) -> bool:
        style = False
        for child in properties:
            name = local_name(child)
            if name == "vanish":
                return is_on(attribute(child, "val"))
            if name == "rStyle":
                style = self._styles.is_hidden(attribute(child, "val") or "")
        return by_paragraph != style  # hidden by its own style and by the paragraph's: twice is not at all

    def _note_reference(self, element: "_Element", name: str) -> None:
        if name == "relIds":
            self.beside.diagrams.append(attribute(element, "dm") or "")
        elif name == "chart":
            self.beside.charts.append(attribute(element, "id") or "")
        elif name in ("OLEObject", "control", "contentPart"):
            self.beside.objects += 1

    def _forget_notes(self, deleted: "_Element") -> None:
        for element in deleted.iter(*(f"{{*}}{name}" for name in NOTES)):
            section = NOTES[local_name(element)]
            self.beside.deleted_notes.setdefault(section, set()).add(attribute(element, "id") or "")


def _font(run: "_Element") -> str:
    fonts = run.find("{*}rPr/{*}rFonts")
    return (attribute(fonts, "ascii") or attribute(fonts, "hAnsi") or "") if fonts is not None else ""


def outermost(element: "_Element") -> "list[_Element]":
    """The paragraphs and table rows inside an element that are in no other one; deleted ones are left out."""
    from lxml import etree

    results = []
    walker = etree.iterwalk(element, events=("start",))
    for _, inner in walker:
        name = local_name(inner)
        if name in ("p", "tr") and inner is not element:
            results.append(inner)
            walker.skip_subtree()
        elif name == "AlternateContent":
            drop_alternatives(inner)
        elif name in SKIPPED or (name == "sdt" and is_placeholder(inner)):
            walker.skip_subtree()
    return results


def drop_alternatives(element: "_Element") -> None:
    """Leave one copy of content that is there for newer and for older programs: the first with text."""
    branches = list(element)
    best = next(
        (
            branch
            for branch in branches
            if next(branch.iter("{*}t", "{*}sym", "{*}relIds", "{*}chart"), None) is not None
        ),
        None,
    )
    for branch in branches:
        if branch is not (branches[0] if best is None else best):
            element.remove(branch)


def is_placeholder(control: "_Element") -> bool:
    """Whether a content control shows only what it asks for."""
    shown = control.find("{*}sdtPr/{*}showingPlcHdr")
    return shown is not None and is_on(attribute(shown, "val"))


def _chosen(field_mark: "_Element") -> str:
    """The chosen entry of an old form's list; its text stands nowhere else."""
    choices = field_mark.find("{*}ffData/{*}ddList")
    if choices is None:
        return ""
    entries = [attribute(item, "val") or "" for item in choices.iter("{*}listEntry")]
    chosen = child_value(choices, "result") or child_value(choices, "default") or "0"
    return entries[int(chosen)] if chosen.isdecimal() and int(chosen) < len(entries) else ""
