"""Styles and automatic numbers of Word documents: what a paragraph's properties amount to.

Numbers are those that Word shows: counted by level, restarted where it restarts them, in the numerals of the
level. Bullets are left out.
"""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from indexer.readers.container import attribute, local_name
from indexer.readers.list_numbers import number_text

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_STYLE_DEPTH = 12
MAX_LEVELS = 9
PLACE = re.compile(r"%([1-9])")
SEPARATORS = {"nothing": "", "space": " "}  # of a number from its text; a tab where nothing is said


@dataclass
class Style:
    """What one style says itself; None where its parent decides."""

    parent: str = ""
    level: int | None = None
    is_hidden: bool | None = None
    list_id: str | None = None
    list_level: int | None = None


@dataclass
class Level:
    """One level of a list."""

    start: int = 1
    form: str = "decimal"
    text: str = ""
    is_legal: bool = False
    restart: int | None = None
    separator: str = " "


@dataclass
class NumberedList:
    """Levels of a list and, by the name of a paragraph style, the level that belongs to it."""

    levels: dict[int, Level] = field(default_factory=dict)
    by_style: dict[str, int] = field(default_factory=dict)
    style_link: str = ""


class Styles:
    """Styles by id. Ids are localised, names of the built-in styles are not."""

    def __init__(self, root: "_Element | None") -> None:
        self._styles = {f"Heading{n}": Style(level=n) for n in range(1, 10)} | {"Title": Style(level=0)}
        self.default = ""
        for element in () if root is None else root.iter("{*}style"):
            style_id = attribute(element, "styleId") or ""
            self._styles[style_id] = _style(element)
            if attribute(element, "type") == "paragraph" and is_on(attribute(element, "default") or "0"):
                self.default = style_id

    def level(self, style_id: str) -> int | None:
        """The heading level, 1 to 9, or 0 for a title."""
        return self._first(style_id, "level")

    def is_hidden(self, style_id: str) -> bool:
        return bool(self._first(style_id, "is_hidden"))

    def numbering(self, style_id: str) -> tuple[str | None, int | None]:
        """List id and level."""
        return self._first(style_id, "list_id"), self._first(style_id, "list_level")

    def _first(self, style_id: str, name: str):  # type: ignore[no-untyped-def]
        for _ in range(MAX_STYLE_DEPTH):
            style = self._styles.get(style_id)
            if style is None:
                return None
            if (value := getattr(style, name)) is not None:
                return value
            style_id = style.parent
        return None


def _style(element: "_Element") -> Style:
    name = (child_value(element, "name") or "").lower().split()
    level = None
    if len(name) == 2 and name[0] == "heading" and name[1].isdecimal():
        level = int(name[1])
    elif name == ["title"]:
        level = 0
    paragraph, run = element.find("{*}pPr"), element.find("{*}rPr")
    style = Style(parent=child_value(element, "basedOn") or "", level=level)
    if paragraph is not None:
        if level is None:
            style.level = outline_level(paragraph)
        style.list_id, style.list_level = numbering_of(paragraph)
    if run is not None:
        style.is_hidden = switch(run, "vanish")
    return style


def child_value(element: "_Element", name: str) -> str | None:
    """The ``val`` of a child element."""
    child = element.find(f"{{*}}{name}")
    return attribute(child, "val") if child is not None else None


def is_on(value: str | None) -> bool:
    """A switch without a value is on."""
    return value is None or value.lower() in ("1", "true", "on")


def switch(properties: "_Element", name: str) -> bool | None:
    """Whether a property is on or off; None where it is not there."""
    child = properties.find(f"{{*}}{name}")
    return None if child is None else is_on(attribute(child, "val"))


def outline_level(properties: "_Element") -> int | None:
    """The level that a paragraph's properties give it in the outline, from 1; 0 says that it is body text."""
    value = child_value(properties, "outlineLvl")
    if value is None or not value.isdecimal():
        return None
    return int(value) + 1 if int(value) < MAX_LEVELS else None


def numbering_of(properties: "_Element") -> tuple[str | None, int | None]:
    numbers = properties.find("{*}numPr")
    if numbers is None:
        return None, None
    level = child_value(numbers, "ilvl")
    return child_value(numbers, "numId"), int(level) if level and level.isdecimal() else None


class Numbering:
    """Counts the paragraphs of lists."""

    def __init__(self, root: "_Element | None", styles: Styles) -> None:
        self._styles = styles
        self._lists: dict[str, NumberedList] = {}
        self._abstract_of: dict[str, str] = {}
        self._overrides: dict[str, dict[int, _Element]] = {}
        self._counts: dict[str, dict[int, int]] = {}
        self._begun: set[tuple[str, int]] = set()
        if root is not None:
            self._learn(root)

    def _learn(self, root: "_Element") -> None:
        links: dict[str, str] = {}
        for element in root.iter("{*}abstractNum"):
            list_id = attribute(element, "abstractNumId") or ""
            self._lists[list_id] = _numbered_list(element)
            if name := child_value(element, "styleLink"):
                links[name] = list_id
        for element in root.iter("{*}num"):
            num_id = attribute(element, "numId") or ""
            list_id = child_value(element, "abstractNumId") or ""
            link = self._lists[list_id].style_link if list_id in self._lists else ""
            self._abstract_of[num_id] = links.get(link, list_id)
            self._overrides[num_id] = {
                _number(attribute(item, "ilvl"), 0): item for item in element.iter("{*}lvlOverride")
            }

    def label(self, properties: "_Element | None", style_id: str) -> str:
        """Count a paragraph and give the number before it with what separates them; often nothing."""
        list_id, level = numbering_of(properties) if properties is not None else (None, None)
        styled_id, styled_level = self._styles.numbering(style_id)
        list_id = list_id if list_id is not None else styled_id
        abstract = self._abstract_of.get(list_id or "")
        numbered = self._lists.get(abstract or "")
        if list_id is None or abstract is None or numbered is None:
            return ""
        if level is None:
            level = numbered.by_style.get(style_id, styled_level or 0)
        levels = {at: self._level(list_id, numbered, at) for at in range(min(level, MAX_LEVELS - 1) + 1)}
        return self._count(list_id, abstract, level, levels)

    def _level(self, list_id: str, numbered: NumberedList, at: int) -> Level:
        override = self._overrides.get(list_id, {}).get(at)
        own = override.find("{*}lvl") if override is not None else None
        return _level(own) if own is not None else numbered.levels.get(at, Level())

    def _count(self, list_id: str, abstract: str, level: int, levels: dict[int, Level]) -> str:
        counts = self._counts.setdefault(abstract, {})
        here = levels.get(level)
        if here is None:
            return ""
        override = self._overrides.get(list_id, {}).get(level)
        restart = child_value(override, "startOverride") if override is not None else None
        if restart is not None and (list_id, level) not in self._begun:
            counts[level] = _number(restart, 1)
        else:
            counts[level] = counts.get(level, here.start - 1) + 1
        self._begun.add((list_id, level))
        for deeper in [at for at in counts if at > level and self._restarts(list_id, abstract, at, level)]:
            del counts[deeper]
        for above in range(level):  # a list may begin at a deeper level
            counts.setdefault(above, levels[above].start)
        if here.form in ("bullet", "none") or not here.text:
            return PLACE.sub("", here.text) if here.form == "none" and here.text.strip("%123456789. ") else ""

        def written(place: re.Match[str]) -> str:
            at = int(place[1]) - 1
            if at not in levels:
                return ""
            form = "decimal" if here.is_legal else levels[at].form
            return "" if form in ("bullet", "none") else number_text(counts[at], form)

        label = PLACE.sub(written, here.text).strip()
        return label + here.separator if label else ""

    def _restarts(self, list_id: str, abstract: str, at: int, after: int) -> bool:
        """Whether level ``at`` starts again after a paragraph of level ``after``."""
        restart = self._level(list_id, self._lists[abstract], at).restart
        return restart is None or (restart > 0 and after <= restart - 1)


def _numbered_list(element: "_Element") -> NumberedList:
    numbered = NumberedList(style_link=child_value(element, "numStyleLink") or "")
    for child in element:
        if local_name(child) == "lvl":
            at = _number(attribute(child, "ilvl"), 0)
            numbered.levels[at] = _level(child)
            if style := child_value(child, "pStyle"):
                numbered.by_style[style] = at
    return numbered


def _level(element: "_Element") -> Level:
    form = child_value(element, "numFmt")
    if form is None:  # newer forms stand beside a copy that older programs know
        result = next(element.iter("{*}numFmt"), None)
        form = attribute(result, "val") if result is not None else None
    restart = child_value(element, "lvlRestart")
    return Level(
        start=_number(child_value(element, "start"), 1),
        form=form or "decimal",
        text=child_value(element, "lvlText") or "",
        is_legal=bool(switch(element, "isLgl")),
        restart=None if restart is None else _number(restart, 0),
        separator=SEPARATORS.get(child_value(element, "suff") or "", " "),
    )


def _number(value: str | None, otherwise: int) -> int:
    return int(value) if value and value.isdecimal() and len(value) < 9 else otherwise
