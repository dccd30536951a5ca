"""HTML: what a reader of the page would see, block elements on lines of their own, headings as sections.

What the page is about comes first, menus, footers and notices follow in a section of their own. Hidden
elements (``page_styles``) and the readings of ruby are left out; of pictures the alternative text is read.
What stands for browsers without scripts or frames is read only where there is nothing else.
"""

import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from indexer.readers import encoding
from indexer.readers.page_parts import PageParts
from indexer.readers.page_styles import PageStyles
from indexer.readers.pieces import Facts, Headings, Piece, Reading, Source
from indexer.readers.plain import BLOCK_CHARS
from indexer.readers.stated_title import real_title
from me5.storable import storable

if TYPE_CHECKING:
    from lxml.etree import _Element

DROPPED = """script style template head iframe object embed canvas audio video select datalist rp rt rtc
    annotation annotation-xml noscript noframes"""
BLOCKS = """address article aside blockquote body caption center dd details dialog dir div dl dt fieldset
    figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr html legend li main menu nav ol optgroup
    option p pre section summary table tbody tfoot thead tr ul"""
DROPPED_TAGS, BLOCK_TAGS = frozenset(DROPPED.split()), frozenset(BLOCKS.split())
BOX_TAGS = frozenset(
    {"button", "textarea", "meter", "output", "progress"}
)  # apart from the words beside them
FALLBACK_TAGS = frozenset({"noscript", "noframes"})
FRAME_SECTION = "menus and footers"
HEADING = re.compile(r"h[1-6]$")
SPACES = re.compile(r"[ \t\n\r\f]+")
TAG = re.compile(r"<[^<>]*>")
RUBY_END = re.compile(  # end tags that may be left out, which the parser does not know
    r"<(rt|rp|rb)\b([^<>]*)>([^<]*)(?=<(?:rt|rp|rb|rtc|/ruby|/rtc)\b)", re.IGNORECASE
)
FILE_NAME = re.compile(r"\S+\.(?:jpe?g|png|gif|svg|webp|avif|bmp)", re.IGNORECASE)

Line = tuple[str, int | None]
"""A visible line; with its level when it is a heading."""


def read(source: Source) -> Reading:
    with source.open() as stream:
        data = stream.read()
    text, codec = encoding.decode(data, encoding.declared_charset(data))
    yield Facts(encoding=codec)
    yield from read_markup(text, Headings())


def read_markup(text: str, headings: Headings) -> Reading:
    """The pieces of one HTML document; ``headings`` may already hold the place it has in a book."""
    root, is_cut = _parsed(text)
    if root is None:
        return
    if is_cut:
        yield Facts(warning="the page is nested too deeply: what stands deepest in it was not read")
    titles = ("".join(map(str, element.itertext())) for element in root.iter("title"))
    title = real_title(next(titles, "")) if root.find("head/title") is not None else ""
    yield Facts(title=title)
    for frame in root.iter("frame"):
        yield Facts(
            warning=f"the frame {frame.get('src')!r} was not read: it is a file of its own, add it too"
        )
    page = _Page(root)
    has_text = False
    for lines in (page.main_lines(), page.other_lines()):
        for item in _pieces(lines, headings):
            if isinstance(item, Piece):
                has_text = True
                yield item
            elif not title:
                title = item
                yield Facts(title=title)
        headings = Headings() if has_text else headings
    for lines in page.frames():
        around = Headings()
        if has_text:
            around.enter(0, FRAME_SECTION)
        yield from (item for item in _pieces(lines, around) if isinstance(item, Piece))


def _parsed(text: str) -> tuple["_Element | None", bool]:
    """The tree of a page, and whether the parser gave up before its end."""
    from lxml import etree

    parser = etree.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=True
    )
    text = RUBY_END.sub(r"<\1\2>\3</\1>", text) if "<rt" in text.lower() else text
    try:
        root = etree.fromstring(storable(text).encode() or b" ", parser)
    except etree.XMLSyntaxError as error:
        if "unknown error" in str(error):  # how libxml2 says that it got no memory
            raise MemoryError from error
        raise
    return root, any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log)


def _pieces(lines: Iterator[Line], headings: Headings) -> Iterator[Piece | str]:
    """Lines as pieces that end before a heading; each heading also as a text, for a title."""
    buffer = io.StringIO()
    for line, level in lines:
        if buffer.tell() and (level is not None or buffer.tell() > BLOCK_CHARS):
            yield Piece(buffer.getvalue(), section=headings.section)
            buffer = io.StringIO()
        if level is not None:
            headings.enter(level, line)
            yield line
        buffer.write(line + "\n")
    if buffer.tell():
        yield Piece(buffer.getvalue(), section=headings.section)


class _Page:
    """The visible lines of a page, in the order in which they are worth reading."""

    def __init__(self, root: "_Element") -> None:
        self._root = root
        self._styles = PageStyles(root)
        self._parts = PageParts(root)
        self._dropped = DROPPED_TAGS
        self._ignores_styles = False
        if next(self._lines(root, set()), None) is None:
            self._dropped = DROPPED_TAGS - FALLBACK_TAGS  # a page for browsers with scripts or frames
            if next(self._lines(root, set()), None) is None:
                self._ignores_styles = True  # shown by a script, when that has run

    def main_lines(self) -> Iterator[Line]:
        """What the page is about, under its heading; all but the frame where nothing marks that."""
        heading = self._parts.heading(self._root)
        for part in (*([heading] if heading is not None else ()), *self._parts.main):
            yield from self._lines(part, self._parts.frame)
        if not self._parts.main:
            yield from self._lines(self._root, self._parts.frame)

    def other_lines(self) -> Iterator[Line]:
        """What stands around that and is no part of the frame."""
        if self._parts.main:
            heading = self._parts.heading(self._root)
            seen = {*self._parts.frame, *self._parts.main, *([heading] if heading is not None else ())}
            yield from self._lines(self._root, seen)

    def frames(self) -> Iterator[Iterator[Line]]:
        """The lines of each part of the frame."""
        for element in self._root.iter():
            if element in self._parts.frame:
                yield self._lines(element, self._parts.frame - {element})

    def _lines(self, top: "_Element", skipped: set["_Element"]) -> Iterator[Line]:
        from lxml import etree

        parts: list[str] = []
        verbatim = 0
        visible = [not any(self._conceals(above) for above in top.iterancestors())]
        passed: set[_Element] = set()
        walker = etree.iterwalk(top, events=("start", "end"))
        for event, element in walker:
            tag = element.tag if isinstance(element.tag, str) else ""
            if event == "start":
                visible.append(self._shows(element, tag, visible[-1]))
                if tag in BLOCK_TAGS:
                    yield from _flush(parts, None)
                if tag in self._dropped or element in skipped or self._is_away(element, tag):
                    passed.add(element)
                    walker.skip_subtree()
                elif visible[-1]:
                    verbatim += tag == "pre"
                    parts.append(_opening(element, tag, verbatim))
                if tag == "svg":
                    walker.skip_subtree()
                continue
            is_read = visible.pop() and element not in passed
            passed.discard(element)
            if tag in BLOCK_TAGS:
                yield from _flush(parts, int(tag[1]) if is_read and HEADING.match(tag) else None)
            verbatim -= is_read and tag == "pre"
            if is_read and tag in ("td", "th"):
                parts.append("\t")
            if is_read and tag in BOX_TAGS:
                parts.append(" ")
            if visible[-1] and element is not top:
                parts.append(_shown(element.tail, verbatim))
        yield from _flush(parts, None)

    def _shows(self, element: "_Element", tag: str, visible: bool) -> bool:
        if self._ignores_styles or tag in ("html", "body"):
            return visible
        stated = self._styles.decided(element).get("visibility")
        return visible if stated in (None, "inherit") else stated not in ("hidden", "collapse")

    def _conceals(self, element: "_Element") -> bool:
        tag = element.tag if isinstance(element.tag, str) else ""
        return self._is_away(element, tag) or not self._shows(element, tag, True)

    def _is_away(self, element: "_Element", tag: str) -> bool:
        """Whether nothing of an element is to be seen."""
        if self._ignores_styles or tag in ("html", "body", "main"):
            return False
        if "hidden" in element.attrib:
            return (element.get("hidden") or "").lower() != "until-found"
        if self._styles.decided(element).get("display") == "none":
            return True
        # a page that was saved while a dialog was open has all else marked so
        return (element.get("aria-hidden") or "").lower() == "true" and not self._parts.is_most(element)


def _opening(element: "_Element", tag: str, verbatim: int) -> str:
    """What is read at the start of an element: its text, or what stands for a picture."""
    if tag == "br":
        return "\n"
    if tag in BOX_TAGS:
        return " " + _shown(element.text, verbatim)
    if tag in ("img", "area") or (tag == "input" and (element.get("type") or "").lower() == "image"):
        alternative = " ".join((element.get("alt") or "").split())
        return f" {alternative} " if alternative and not FILE_NAME.fullmatch(alternative) else ""
    if tag == "noframes":  # which the parser takes for plain text
        return _shown(TAG.sub(" ", element.text or ""), verbatim)
    if tag == "svg":  # of a drawing, its labels
        labels = (" ".join("".join(map(str, label.itertext())).split()) for label in element.iter("text"))
        return "".join(f" {label} " for label in labels if label)
    return _shown(element.text, verbatim)


def _shown(text: str | None, verbatim: int) -> str:
    return (text or "") if verbatim else SPACES.sub(" ", text or "")


def _flush(parts: list[str], level: int | None) -> Iterator[Line]:
    lines = [re.sub(r" {2,}", " ", line).strip() for line in "".join(parts).split("\n")]
    parts.clear()
    lines = [line for line in lines if line]
    if level is not None and lines:
        yield " ".join(lines), level
    else:
        yield from ((line, None) for line in lines)
