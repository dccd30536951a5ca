"""OpenDocument text: paragraphs in order with their automatic numbers, table rows on one line, then the rest.

Left out: tracked deletions, hidden text, ruby readings, descriptions of pictures. Said: embedded objects.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from indexer.readers.container import (
    Container,
    attribute,
    core_title,
    iter_xml,
    local_name,
    open_container,
    parse_xml,
)
from indexer.readers.flow import Flow, aside, row_lines
from indexer.readers.odt_numbers import Numbers
from indexer.readers.pieces import Facts, Reading, Source, refusal

if TYPE_CHECKING:
    from lxml.etree import _Element

BLOCKS = ("p", "h")
UNITS = (*BLOCKS, "table-row")
CONTEXT = ("tracked-changes", "section", "style", "list-style", "list", "list-item")
NOT_SHOWN = """note-citation ruby-text tracked-changes title desc event-listeners creator date
    sender-initials number hidden-text script binary-data placeholder"""
SKIPPED = frozenset(NOT_SHOWN.split())
FIELDS = frozenset(("creator", "date", "title"))
OBJECTS = frozenset(("object", "object-ole", "plugin", "applet", "floating-frame"))
ASIDES = {"footnote": "footnotes", "endnote": "endnotes", "annotation": "comments"}
SPACES = re.compile(r"[ \t\r\n]+")


def read(source: Source) -> Reading:
    with open_container(source) as archive:
        _refuse_encrypted(source, archive)
        title = core_title(source, archive, "meta.xml")
        yield Facts(title=title)
        flow, text = Flow(title), _styled_text(source, archive)
        for element in _units(source, archive, text):
            for line, level in text.lines(element):
                yield from flow.add(line, level)
        yield from flow.flush()
        margins = _margins(source, archive, text)
        for section, lines in (margins | text.asides).items():
            yield from aside(lines, section)
        if text.objects:
            yield Facts(warning=f"{text.objects} embedded objects were not read")


def _refuse_encrypted(source: Source, archive: Container) -> None:
    if not archive.has("META-INF/manifest.xml"):
        return
    manifest = parse_xml(source, archive, "META-INF/manifest.xml")
    if next(manifest.iter("{*}encryption-data"), None) is not None:
        raise refusal(
            source.name,
            "is encrypted",
            "a document without a password",
            "Remove the password and add it again",
        )


def _units(source: Source, archive: Container, text: "_Text") -> Iterator["_Element"]:
    """The outermost paragraphs, headings and table rows, one after the other; each is freed after use."""
    depth = skipped = 0
    hidden: list[bool] = []
    for event, element in iter_xml(source, archive, "content.xml", (*UNITS, *CONTEXT)):
        name = local_name(element)
        if name == "tracked-changes":
            skipped += 1 if event == "start" else -1
        elif name == "section":
            if event == "start":
                hidden.append(attribute(element, "display") == "none")
            else:
                hidden.pop()
        elif name in UNITS:
            depth += 1 if event == "start" else -1
            if event == "end" and not depth:
                if not skipped and not any(hidden):
                    yield element
                element.clear(keep_tail=True)
        elif name in ("style", "list-style"):
            if event == "end":
                text.learn(element)
        elif name in ("list", "list-item") and not (depth or skipped):
            text.list_event(name, element, begins=event == "start")


class _Text:
    """Text of paragraphs by the rules of ODF; what stands beside is gathered in ``asides``."""

    def __init__(self) -> None:
        self.asides: dict[str, list[str]] = {}
        self.objects = 0
        self._hidden: set[str] = set()
        self._numbers = Numbers()

    def learn(self, style: "_Element") -> None:
        """Remember whether the text of a style is shown, and how it is numbered."""
        self._numbers.learn(style)
        properties = style.find("{*}text-properties")
        if properties is not None and attribute(properties, "display") == "none":
            self._hidden.add(attribute(style, "name") or "")

    def list_event(self, name: str, element: "_Element", *, begins: bool) -> None:
        """Follow the lists around the paragraphs."""
        if name == "list-item":
            if begins:
                self._numbers.begin_item(element)
        elif begins:
            self._numbers.begin_list(element)
        else:
            self._numbers.end_list()

    def lines(self, unit: "_Element") -> list[tuple[str, int | None]]:
        """The lines of a paragraph, heading or table row, with the level of a heading."""
        if local_name(unit) != "table-row":
            label = self._numbers.label(unit)
            (text, level), *boxes = self._paragraph(unit) or [("", None)]
            return [((label + text) if text.strip() else text, level), *boxes] if text or boxes else []
        cells = [
            [line for line, _ in self._blocks(cell)] for cell in unit if local_name(cell) == "table-cell"
        ]
        return [(line, None) for line in row_lines(cells)]

    def _blocks(self, element: "_Element") -> list[tuple[str, int | None]]:
        """The lines of the outermost paragraphs inside an element."""
        from lxml import etree

        results: list[tuple[str, int | None]] = []
        walker = etree.iterwalk(element, events=("start",))
        for _, inner in walker:
            name = local_name(inner)
            if name in BLOCKS and inner is not element:
                results += self._paragraph(inner)
                walker.skip_subtree()
            elif _is_skipped(inner, name) or (name == "section" and attribute(inner, "display") == "none"):
                walker.skip_subtree()
        return results

    def _paragraph(self, paragraph: "_Element") -> list[tuple[str, int | None]]:
        """Its text, then the paragraphs of the text boxes anchored in it."""
        from lxml import etree

        if attribute(paragraph, "style-name") in self._hidden:
            return []
        parts: list[str] = []
        boxes: list[tuple[str, int | None]] = []
        walker = etree.iterwalk(paragraph, events=("start", "end"))
        for event, element in walker:
            name = local_name(element)
            if event == "end":
                if element is not paragraph:
                    _append(parts, element.tail)
                continue
            if name in BLOCKS and element is not paragraph:
                boxes += self._paragraph(element)
            elif section := ASIDES.get(attribute(element, "note-class") or name):
                self.asides.setdefault(section, []).extend(line for line, _ in self._blocks(element))
            elif name == "s":
                parts.append("\0" * min(_count(element), 1000))
            elif name in ("tab", "line-break"):
                parts.append("\t" if name == "tab" else "\n")
            elif name in OBJECTS:
                self.objects += 1
            elif not (
                _is_skipped(element, name)
                or not name
                or (name == "span" and attribute(element, "style-name") in self._hidden)
            ):
                _append(parts, element.text)
                continue
            walker.skip_subtree()
        level = _level(paragraph) if local_name(paragraph) == "h" else None
        return [("".join(parts).replace("\0", " ").strip(" "), level), *boxes]


def _append(parts: list[str], text: str | None) -> None:
    """White space of ODF: runs collapse, also over the borders of elements; none stands at the start."""
    if not text:
        return
    text = SPACES.sub(" ", text.replace("\0", "\ufffd"))
    if text[0] == " " and (not parts or parts[-1].endswith((" ", "\n"))):
        text = text[1:]
    parts.append(text)


def _count(element: "_Element") -> int:
    value = attribute(element, "c") or "1"
    return int(value) if value.isdecimal() else 1


def _level(heading: "_Element") -> int:
    value = attribute(heading, "outline-level") or "1"
    return int(value) if value.isdecimal() else 1


def _styled_text(source: Source, archive: Container) -> _Text:
    """A reader of paragraphs that knows the common styles; those of the text come on the way."""
    text = _Text()
    if archive.has("styles.xml"):
        names = ("style", "list-style", "outline-style")
        for style in parse_xml(source, archive, "styles.xml").iter(*(f"{{*}}{name}" for name in names)):
            text.learn(style)
    return text


def _margins(source: Source, archive: Container, text: _Text) -> dict[str, list[str]]:
    """Headers and footers of the page styles."""
    results: dict[str, list[str]] = {}
    if archive.has("styles.xml"):
        for page in parse_xml(source, archive, "styles.xml").iter("{*}master-page"):
            for element in page:
                name = local_name(element)
                if name.startswith(("header", "footer")) and attribute(element, "display") != "false":
                    lines = [line for line, _ in text._blocks(element)]
                    results.setdefault(f"{name[:6]}s", []).extend(lines)
    return results


def _is_skipped(element: "_Element", name: str) -> bool:
    """Whether an element is not shown. Fields have the names of what is said about comments and pictures."""
    return name in SKIPPED and not (name in FIELDS and ":xmlns:text:" in str(element.tag))
