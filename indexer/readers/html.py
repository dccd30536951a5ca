"""HTML: what a reader of the page would see, block elements on lines of their own, headings as sections."""

import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from indexer.readers import encoding
from indexer.readers.pieces import Facts, Headings, Piece, Reading, Source
from indexer.readers.plain import BLOCK_CHARS

if TYPE_CHECKING:
    from lxml.etree import _Element

DROPPED = """script style noscript template head svg math iframe object embed canvas audio video select
    datalist rp rt rtc"""
BLOCKS = """address article aside blockquote body caption center dd details dialog dir div dl dt fieldset
    figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr html legend li main menu nav ol optgroup
    option p pre section summary table tbody tfoot thead tr ul"""
DROPPED_TAGS, BLOCK_TAGS = frozenset(DROPPED.split()), frozenset(BLOCKS.split())
HEADING = re.compile(r"h[1-6]$")
SPACES = re.compile(r"[ \t\n\r\f]+")


def read(source: Source) -> Reading:
    with source.open() as stream:
        data = stream.read()
    text, codec = encoding.decode(data, encoding.declared_charset(data))
    yield Facts(encoding=codec)
    yield from read_markup(text, Headings())


def read_markup(text: str, headings: Headings) -> Reading:
    """The pieces of one HTML document; ``headings`` may already hold the place it has in a book."""
    from lxml import etree

    parser = etree.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=True
    )
    try:
        root = etree.fromstring(text.replace("\0", "\ufffd").encode("utf-8", "replace") or b" ", parser)
    except etree.XMLSyntaxError as error:
        if "unknown error" in str(error):  # how libxml2 says that it got no memory
            raise MemoryError from error
        raise
    if root is None:
        return
    title = next((" ".join("".join(map(str, e.itertext())).split()) for e in root.iter("title")), "")
    yield Facts(title=title)
    buffer = io.StringIO()
    for line, level in _lines(root):
        if level is not None:
            if buffer.tell():
                yield Piece(buffer.getvalue(), section=headings.section)
                buffer = io.StringIO()
            headings.enter(level, line)
            if not title:
                title = line
                yield Facts(title=title)
        elif buffer.tell() > BLOCK_CHARS:
            yield Piece(buffer.getvalue(), section=headings.section)
            buffer = io.StringIO()
        buffer.write(line + "\n")
    if buffer.tell():
        yield Piece(buffer.getvalue(), section=headings.section)


def _lines(root: "_Element") -> Iterator[tuple[str, int | None]]:
    """Each visible line; with its level when it is a heading."""
    from lxml import etree

    parts: list[str] = []
    verbatim = 0
    walker = etree.iterwalk(root, events=("start", "end"))
    for event, element in walker:
        tag = element.tag if isinstance(element.tag, str) else ""
        level = int(tag[1]) if HEADING.match(tag) else None
        if event == "start":
            if tag in DROPPED_TAGS or "hidden" in element.attrib:
                walker.skip_subtree()
                continue
            if tag in BLOCK_TAGS:
                yield from _flush(parts, None)
            verbatim += tag == "pre"
            if tag == "br":
                parts.append("\n")
            parts.append(_shown(element.text, verbatim))
            continue
        if tag in BLOCK_TAGS:
            yield from _flush(parts, level)
        verbatim -= tag == "pre"
        if tag in ("td", "th"):
            parts.append("\t")
        parts.append(_shown(element.tail, verbatim))
    yield from _flush(parts, None)


def _shown(text: str | None, verbatim: int) -> str:
    return (text or "") if verbatim else SPACES.sub(" ", text or "")


def _flush(parts: list[str], level: int | None) -> Iterator[tuple[str, int | None]]:
    lines = [re.sub(r" {2,}", " ", line).strip() for line in "".join(parts).split("\n")]
    parts.clear()
    lines = [line for line in lines if line]
    if level is not None and lines:
        yield " ".join(lines), level
    else:
        yield from ((line, None) for line in lines)
