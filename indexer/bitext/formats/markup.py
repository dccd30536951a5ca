"""XML that comes from others and XML that goes to them, for TMX and XLIFF.

Reading is a stream: one unit is in memory at a time. Entities, external files and the network stay unused;
a file that declares entities is refused. A text of over 10 MB is too, as libxml2 does by default.

Inline elements are flattened. Those that hold codes of the original document (``bpt``, ``ept``, ``ph``,
``it``, ``ut``, ``x``, ``bx``, ``ex``) go with all they contain, but for a line break (type ``lb``), which
is a newline; those that mark a span of the sentence (``hi``, ``g``, ``mrk`` and any other) leave their text.

XML cannot hold most control characters, U+FFFE and U+FFFF. They are written as U+FFFD, and the whole text
once more as a JSON string beside it, in ASCII. Reading takes that one if it still belongs to the text.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from indexer.bitext.formats.fields import bad, shown
from indexer.bitext.formats.lines import unreadable
from indexer.errors import ExportError, ReadError

if TYPE_CHECKING:
    from lxml.etree import _Element

LANG = "{http://www.w3.org/XML/1998/namespace}lang"
SPACE = "{http://www.w3.org/XML/1998/namespace}space"
MAX_TEXT_BYTES = 9_000_000
CODES = frozenset({"bpt", "ept", "ph", "it", "ut", "x", "bx", "ex"})
_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BLOCK = 1 << 16
_SAFE: Mapping[str, Any] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}


def iter_elements(path: Path, root: str, tags: tuple[str, ...]) -> Iterator[tuple[str, "_Element"]]:
    """``start`` and ``end`` events of the elements whose local name is in ``tags``.

    An element is complete at its end, and emptied when the next event is asked for.

    Raises:
        ReadError: it is not well-formed, has another root element, or declares entities; what stands
            before the damage is given first.
    """
    from lxml import etree

    try:
        with path.open("rb") as file:
            _check_root(path, _first_element(file), root)
            file.seek(0)
            for event, element in _events(file, _BLOCK, [f"{{*}}{tag}" for tag in tags]):
                yield event, element
                if event == "end":
                    element.clear()
                    parent = element.getparent()
                    while parent is not None and element.getprevious() is not None:
                        del parent[0]
    except etree.XMLSyntaxError as error:
        raise bad(
            f"{path.name}, line {max(error.lineno or 1, 1)}",
            f"is not well-formed XML ({error.msg})",
            f"a whole {root.upper()} file",
            "Save it again from the program that made it",
        ) from error
    except OSError as error:
        raise unreadable(path, error) from error


def _first_element(file: BinaryIO) -> "_Element":
    """The root, before its content is parsed."""
    return next(_events(file, 64))[1]


def _events(
    file: BinaryIO, block: int, tags: Sequence[str] | None = None
) -> Iterator[tuple[str, "_Element"]]:
    """What a parser says after each block, that before an error included. ``iterparse`` would lose it."""
    from lxml import etree

    parser = etree.XMLPullParser(events=("start", "end"), tag=tags, **_SAFE)
    while part := file.read(block):
        problem = None
        try:
            parser.feed(part)
        except etree.XMLSyntaxError as error:
            problem = error
        yield from parser.read_events()
        if problem is not None:
            raise problem
        for entry in parser.feed_error_log.filter_from_fatals():  # some end the parsing without a word
            raise etree.XMLSyntaxError(entry.message, entry.type, entry.line, entry.column)
    parser.close()


def _check_root(path: Path, element: "_Element", root: str) -> None:
    dtd = element.getroottree().docinfo.internalDTD
    if dtd is not None and any(True for _ in dtd.iterentities()):
        raise ReadError(
            f"{path.name} declares XML entities, as entity-expansion attacks do; expected none in this "
            "format. Save it again from the program that made it."
        )
    if local(element) != root:
        raise ReadError(
            f"{path.name} is a file of <{shown(local(element))[1:-1]}>; expected <{root}>. "
            "Check the file, or name its format."
        )


def local(element: "_Element") -> str:
    """The name of an element without its namespace; nothing for what is no element."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def place(path: Path, element: "_Element") -> str:
    """Where an element is, for messages."""
    return f"{path.name}, line {element.sourceline}, <{local(element)}>"


def flat_text(element: "_Element", path: Path) -> str:
    """The text of a sentence without inline codes.

    Raises:
        ReadError: it refers to an entity that is not defined.
    """
    from lxml import etree

    parts = [element.text or ""]
    for child in element:
        if child.tag is etree.Entity:
            raise bad(
                place(path, element),
                f"refers to the entity {shown(child.text or '')}, which is not defined",
                "characters",
                "Save it again from the program that made it",
            )
        name = local(child)
        if name and name not in CODES:
            parts.append(flat_text(child, path))
        elif name and "lb" in (child.get("type"), child.get("ctype")):
            parts.append("\n")
        parts.append(child.tail or "")
    return "".join(parts)


def fit(text: str) -> str:
    """The text as XML can hold it.

    Raises:
        ExportError: it is longer than readers of XML accept.
    """
    if len(text) * 4 > MAX_TEXT_BYTES and len(text.encode()) > MAX_TEXT_BYTES:
        raise ExportError(
            f"A text has {len(text):,} characters ({shown(text)}); expected at most "
            f"{MAX_TEXT_BYTES:,} bytes, which readers of XML accept. Leave it out, or write TSV."
        )
    return _UNFIT.sub("\ufffd", text)


def exact(text: str) -> str | None:
    """The text in ASCII, where XML cannot hold it as it is."""
    return json.dumps(text) if _UNFIT.search(text) else None


def restored(text: str, exactly: str | None) -> str:
    """The text that ``fit`` was given, unless somebody changed it since."""
    if exactly is None:
        return text
    try:
        original = json.loads(exactly)
    except (ValueError, RecursionError):
        return text
    return original if isinstance(original, str) and fit(original) == text else text
