"""The units of files of translations (TMX, XLIFF), one at a time, each parsed by itself.

So a unit that is damaged (a control character, a stray ``&``, a tag that does not close) costs that unit,
and the others are read. Entities are not expanded but for the signs that HTML names; a file that declares
entities is refused, and nothing outside the file is opened.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.entities import html5
from typing import TYPE_CHECKING, TextIO

from indexer.readers import encoding
from indexer.readers.container import entities_refused, local_name
from indexer.readers.pieces import Source, refusal

if TYPE_CHECKING:
    from lxml.etree import _Element

BLOCK_CHARS = 1 << 16
MAX_UNIT_CHARS = 64 << 20
_ROOT = re.compile(r"<(?![?!])([\w.:-]+)")
_TAG_END = re.compile(r"(?:[^<>\"']|\"[^\"]*\"|'[^']*')*>")
_NAMESPACE = re.compile(r"\sxmlns(?::[\w.-]+)?\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*')")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
KEPT_CHARS = 300
CODES = frozenset({"bpt", "ept", "ph", "it", "ut", "x", "bx", "ex", "sc", "ec", "cp"})
_PLACE = re.compile(r", line \d+, column \d+.*")  # in the unit alone
_REMOVED = re.compile("\0+")
_DECLARES = re.compile(r"<!ENTITY", re.IGNORECASE)


@dataclass(frozen=True)
class Unit:
    """A unit, or the start of what holds units. ``element`` is None where it is damaged: see ``problem``.

    ``line``: where it begins, from 1. ``is_head``: its content is not there, only its attributes.
    """

    name: str
    line: int
    text: str
    is_head: bool = False
    element: "_Element | None" = None
    problem: str = ""


def open_units(source: Source) -> TextIO:
    """The text of a file in the encoding that it declares, or that it is in."""
    return encoding.open_text(
        source, encoding.detect_source(source, encoding.declared_charset(source.head()))
    )


def iter_units(
    stream: TextIO, name: str, root: str, heads: tuple[str, ...], units: tuple[str, ...]
) -> Iterator[Unit]:
    """The root and the heads (without what they hold) and the units (with it), in their order.

    Args:
        stream: of the whole file.
        name: of the file, for messages.
        root: the local name that the root must have.
        heads: local names of elements around units.
        units: local names of the units.

    Raises:
        ReadError: it has another root, or declares entities.
    """
    return _Scanner(stream, name, root, heads, units).units()


def words_of(unit: Unit) -> "_Element | None":
    """The element of a damaged unit as far as it can be parsed."""
    return unit.element if unit.element is not None else _parsed(unit.text, "", recover=True)[0]


def flat_text(element: "_Element") -> str:
    """The text of a sentence without inline codes; a space stands where two words would join.

    Elements that hold codes of the original document go with all they contain, but for a line break (type
    ``lb``), which is a newline; those that mark a span of the sentence leave their text.
    """
    return _REMOVED.sub(_between, "".join(_flat(element)))


def _flat(element: "_Element") -> Iterator[str]:
    yield element.text or ""
    for child in element:
        name = local_name(child)
        if name in CODES:
            yield "\n" if "lb" in (child.get("type"), child.get("ctype"), child.get("subType")) else "\0"
        elif name:
            yield from _flat(child)
        yield child.tail or ""


def _between(match: re.Match[str]) -> str:
    text = match.string
    before, after = text[: match.start()][-1:], text[match.end() :][:1]
    are_words = before.isalnum() and after.isalnum() and min(before, after) < "\u2e80"
    return " " if are_words else ""


class _Scanner:
    def __init__(
        self, stream: TextIO, name: str, root: str, heads: tuple[str, ...], units: tuple[str, ...]
    ) -> None:
        self._stream, self._name, self._root = stream, name, root
        self._heads = frozenset(heads)
        every = "|".join(map(re.escape, (*heads, *units)))
        end = rf"</(?:[\w.-]+:)?{root}\s*>"
        self._start = re.compile(rf"<((?:[\w.-]+:)?({every}))(?=[\s/>])|<!--|{end}")
        self._text, self._at, self._line = "", 0, 1
        self._is_ended = self._is_closed = False
        self._spaces: dict[str, str] = {}

    def units(self) -> Iterator[Unit]:
        yield self._read_root()
        while (result := self._search()) is not None:
            if result[2] is None:
                if result[0] == "<!--":
                    self._skip_comment()
                else:
                    self._is_closed = True
                    self._pass(len(result[0]))
                continue
            line, tag = self._line, self._tag()
            if tag is None:
                text = self._pass(len(result[0]))
                yield Unit(result[2], line, text, problem="a tag does not end")
            elif result[2] in self._heads:
                yield self._head(result[2], line, self._pass(len(tag)))
            elif tag.endswith("/>"):
                yield self._unit(result[2], line, self._pass(len(tag)))
            else:
                yield self._whole(result[1], result[2], len(tag))
        if not self._is_closed:
            yield Unit(self._root, self._line, "", problem="the file breaks off")

    def _read_root(self) -> Unit:
        self._read_on()
        while (result := _ROOT.search(_COMMENT.sub(" ", self._text))) is None and self._is_prolog():
            self._read_on()
        before = _DECLARES.search(self._text)
        result = result and re.compile(rf"<{re.escape(result[1])}(?=[\s/>])").search(self._text)
        if before and (result is None or before.start() < result.start()):
            raise entities_refused(self._name)
        if result is None:
            raise refusal(
                f"{self._name}, line 1",
                "is not well-formed XML (there is no element)",
                f"a whole {self._root.upper()} file",
                "Save it again from the program that made it",
            )
        named = result[0][1:]
        if named.rpartition(":")[2] != self._root:
            seen = f"is a file of <{named[:40]}>"
            raise refusal(self._name, seen, f"<{self._root}>", "Check the file, or name its format")
        self._pass(result.start())
        line, tag = self._line, self._tag() or f"{result[0]}>"
        self._is_closed = tag.endswith("/>")
        return self._head(self._root, line, self._pass(len(tag)) and tag)

    def _is_prolog(self) -> bool:
        return not self._is_ended and len(self._text) < 16 * BLOCK_CHARS

    def _read_on(self) -> None:
        part = self._stream.read(BLOCK_CHARS)
        self._is_ended = not part
        self._text, self._at = self._text[self._at :] + part, 0

    def _pass(self, count: int) -> str:
        """The next characters, which are done with."""
        passed = self._text[self._at : self._at + count]
        self._line += passed.count("\n")
        self._at += len(passed)
        return passed

    def _search(self) -> re.Match[str] | None:
        """The next thing to read; what stands before it is passed."""
        while (match := self._start.search(self._text, self._at)) is None:
            self._pass(max(0, len(self._text) - self._at - KEPT_CHARS))
            if self._is_ended:
                return None
            self._read_on()
        self._pass(match.start() - self._at)
        return match

    def _skip_comment(self) -> None:
        while (end := self._text.find("-->", self._at + 4)) < 0 and not self._is_ended:
            self._pass(max(0, len(self._text) - self._at - 4))
            self._read_on()
            if not self._text.startswith("<!--", self._at):
                self._text = "<!--" + self._text[self._at :]
                self._at = 0
        self._pass(end + 3 - self._at if end >= 0 else len(self._text))

    def _tag(self) -> str | None:
        """The start tag that begins here."""
        while (match := _TAG_END.match(self._text, self._at + 1)) is None:
            if self._is_ended or len(self._text) - self._at > 4 * BLOCK_CHARS:
                return None
            self._read_on()
        return self._text[self._at : match.end()]

    def _whole(self, tag: str, name: str, seen: int) -> Unit:
        """The unit that begins here, up to its end or to where the next begins."""
        line = self._line
        bound = re.compile(rf"</{re.escape(tag)}\s*>|<{re.escape(tag)}(?=[\s/>])|<!--")
        while True:
            match = bound.search(self._text, self._at + seen)
            if match is not None and match[0] != "<!--":
                break
            if match is not None and (end := self._text.find("-->", match.end())) >= 0:
                seen = end - self._at
                continue
            if self._is_ended or len(self._text) - self._at > MAX_UNIT_CHARS:
                text = self._pass(len(self._text))
                return Unit(name, line, text, problem="the unit does not end")
            known = match.start() if match is not None else len(self._text) - KEPT_CHARS
            seen = max(seen, known - self._at)
            self._read_on()
        if not match[0].startswith("</"):
            text = self._pass(match.start() - self._at)
            return Unit(name, line, text, problem="the unit does not end")
        return self._unit(name, line, self._pass(match.end() - self._at))

    def _head(self, name: str, line: int, tag: str) -> Unit:
        for space in _NAMESPACE.findall(tag):
            self._spaces[space.partition("=")[0].strip()] = space
        element, problem = _parsed(tag[:-1].rstrip("/") + "/>", self._wrapper(line), recover=True)
        return Unit(name, line, tag, is_head=True, element=element, problem=problem)

    def _unit(self, name: str, line: int, text: str) -> Unit:
        element, problem = _parsed(_COMMENT.sub("", text), self._wrapper(line))
        return Unit(name, line, text, element=element, problem=problem)

    def _wrapper(self, line: int) -> str:
        return f'line="{line}"{"".join(self._spaces.values())}'


def _parsed(text: str, attributes: str, *, recover: bool = False) -> tuple["_Element | None", str]:
    """The element that ``text`` is, below a root with the given attributes, or what is wrong."""
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_pis=True,
        recover=recover,
    )
    whole = f"<r {attributes}>{_ENTITY.sub(_sign, text)}</r>"
    try:
        root = etree.fromstring(whole.encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError as error:
        return None, _PLACE.sub("", error.msg or "damaged")
    if root is None or len(root) == 0:
        return None, "there is no element"
    return root[0], ""


def _sign(match: re.Match[str]) -> str:
    """The character that a name means, as a number: parsers lose names after an error."""
    meant = html5.get(f"{match[1]};")
    return match[0] if meant is None else "".join(f"&#{ord(char)};" for char in meant)
