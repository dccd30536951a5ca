"""Which elements of an HTML page its own styles hide: ``display: none`` and ``visibility: hidden``.

Read are the ``style`` attribute and the rules of ``<style>`` elements whose selectors are made of names,
classes, ids, descendants and children; which rule decides is told by importance, specificity and place.
Other selectors, style sheets in files of their own and rules for other media decide nothing.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_RULES = 5000
_NOISE = re.compile(r"/\*.*?(?:\*/|\Z)|<!--|-->", re.DOTALL)
_QUOTED = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'", re.DOTALL)
_PART = re.compile(r"[^{};]*[{};]")
_COMPOUND = re.compile(r"(?:[A-Za-z][\w-]*|\*)?(?:[.#][\w-]+)*")
_MARKED = re.compile(r"([.#])([\w-]+)")
_SHOWN_MEDIA = re.compile(r"@(?:media\s+(?:only\s+)?(?:all|screen)\s*|supports\b.*|layer\b.*)", re.DOTALL)
_DECISIVE = {"display": "none", "visibility": "hidden"}

Rank = tuple[bool, bool, tuple[int, int, int], int]
"""Importance, whether an attribute says it, specificity, place: the highest rank decides."""


@dataclass(frozen=True)
class _Compound:
    """One element of a selector; ``is_parent`` of the next one, else any ancestor of it."""

    tag: str
    ids: frozenset[str]
    classes: frozenset[str]
    is_parent: bool = False

    def fits(self, element: "_Element") -> bool:
        return (
            self.tag in ("", "*", element.tag)
            and (not self.ids or element.get("id") in self.ids)
            and (not self.classes or self.classes <= set((element.get("class") or "").split()))
        )


@dataclass(frozen=True)
class _Rule:
    path: tuple[_Compound, ...]
    declarations: tuple[tuple[str, str, bool], ...]
    place: int

    @property
    def specificity(self) -> tuple[int, int, int]:
        return (
            sum(len(part.ids) for part in self.path),
            sum(len(part.classes) for part in self.path),
            sum(part.tag not in ("", "*") for part in self.path),
        )

    def fits(self, element: "_Element") -> bool:
        *before, last = self.path
        if not last.fits(element):
            return False
        above = element.getparent()
        for part in reversed(before):
            while above is not None and not part.fits(above):
                if part.is_parent:
                    return False
                above = above.getparent()
            if above is None:
                return False
            above = above.getparent()
        return True


class PageStyles:
    """The rules of one page, by what their last part asks for, so that few are tried on an element."""

    def __init__(self, root: "_Element") -> None:
        self._rules: defaultdict[str, list[_Rule]] = defaultdict(list)
        count = 0
        for sheet in root.iter("style"):
            if not _is_for_screens(sheet.get("media") or ""):
                continue
            for rule in _rules("".join(map(str, sheet.itertext())), count):
                count += 1
                if count > MAX_RULES:
                    return
                last = rule.path[-1]
                key = next((f"#{item}" for item in last.ids), "") or next(
                    (f".{item}" for item in last.classes), ""
                )
                self._rules[key or last.tag or "*"].append(rule)

    def decided(self, element: "_Element") -> dict[str, str]:
        """The values of ``display`` and ``visibility`` that the page states for an element."""
        if not self._rules and "style" not in element.attrib:
            return {}
        ranks: dict[str, tuple[Rank, str]] = {}
        for rule in self._near(element):
            if rule.fits(element):
                for name, value, important in rule.declarations:
                    _decide(ranks, name, value, (important, False, rule.specificity, rule.place))
        for name, value, important in _declarations(element.get("style") or ""):
            _decide(ranks, name, value, (important, True, (0, 0, 0), 0))
        return {name: value for name, (_, value) in ranks.items()}

    def _near(self, element: "_Element") -> Iterator[_Rule]:
        if not self._rules:
            return
        keys = ["*", str(element.tag)]
        if name := element.get("id"):
            keys.append(f"#{name}")
        keys += [f".{name}" for name in (element.get("class") or "").split()]
        for key in keys:
            yield from self._rules.get(key, ())


def _decide(ranks: dict[str, tuple[Rank, str]], name: str, value: str, rank: Rank) -> None:
    if name not in ranks or ranks[name][0] <= rank:
        ranks[name] = (rank, value)


def _is_for_screens(media: str) -> bool:
    return not media.strip() or any(word in media.lower() for word in ("all", "screen"))


def _rules(sheet: str, first: int) -> Iterator[_Rule]:
    """The rules of a style sheet that show or hide something."""
    text = _QUOTED.sub('""', _NOISE.sub(" ", sheet))
    ignored = 0  # depth inside a block that does not count
    stack: list[str] = []
    body: list[str] = []
    for number, result in enumerate(_PART.finditer(text)):
        part, mark = result[0][:-1].strip(), result[0][-1]
        if mark == "{":
            stack.append(part)
            body = []
            ignored += bool(ignored) or (part.startswith("@") and not _SHOWN_MEDIA.fullmatch(part.strip()))
        elif mark == ";":
            body.append(part)
        elif stack:
            selectors = stack.pop()
            body.append(part)
            if ignored:
                ignored -= 1
            elif declarations := tuple(_declarations(";".join(body))):
                for selector in selectors.split(","):
                    if path := _path(selector):
                        yield _Rule(path, declarations, first + number)
            body = []


def _path(selector: str) -> tuple[_Compound, ...]:
    """The parts of a selector, or nothing where it asks for more than names, classes and ids."""
    words = selector.replace(">", " > ").split()
    path: list[_Compound] = []
    for place, word in enumerate(words):
        if word == ">":
            continue
        if not _COMPOUND.fullmatch(word):
            return ()
        tag = re.match(r"[\w-]*|\*", word)
        marked = _MARKED.findall(word)
        path.append(
            _Compound(
                tag[0].lower() if tag else "",
                frozenset(name for mark, name in marked if mark == "#"),
                frozenset(name for mark, name in marked if mark == "."),
                is_parent=words[place + 1 : place + 2] == [">"],
            )
        )
    return tuple(path)


def _declarations(text: str) -> Iterator[tuple[str, str, bool]]:
    """Name, value and importance of each declaration that shows or hides."""
    for declaration in text.split(";"):
        name, colon, value = declaration.partition(":")
        name = name.strip().lower()
        if colon and name in _DECISIVE:
            value = value.lower()
            important = "!" in value
            yield name, value.partition("!")[0].strip(), important
