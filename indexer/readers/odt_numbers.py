"""Automatic numbers of lists and headings in OpenDocument text, counted as office programs count them.

Bullets are left out. A list goes on counting where it says that it continues the one before.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from indexer.readers.container import attribute, local_name
from indexer.readers.list_numbers import number_text

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_LEVELS = 10


@dataclass(frozen=True)
class Level:
    """How one level of a list is numbered; ``form`` is empty where nothing is shown."""

    form: str = ""
    before: str = ""
    after: str = ""
    shown_levels: int = 1
    start: int = 1


@dataclass
class OpenList:
    """A list that has begun and not ended; ``is_fresh`` while its item waits for its first paragraph."""

    style: str
    key: str
    is_fresh: bool = False


@dataclass
class Numbers:
    """Counts the items of lists and the headings of the outline."""

    styles: dict[str, dict[int, Level]] = field(default_factory=dict)
    outline: dict[int, Level] = field(default_factory=dict)
    list_style_of: dict[str, str] = field(default_factory=dict)  # by paragraph style
    _open: list[OpenList] = field(default_factory=list)
    _counts: dict[str, dict[int, int]] = field(default_factory=dict)
    _headings: dict[int, int] = field(default_factory=dict)
    _serial: int = 0

    def learn(self, element: "_Element") -> None:
        """Remember a list style, the outline style, or which list style a paragraph style has."""
        name = local_name(element)
        levels = {number: level for number, level in map(_level, element) if number}
        if name == "list-style":
            self.styles[attribute(element, "name") or ""] = levels
        elif name == "outline-style":
            self.outline = levels
        elif style := attribute(element, "list-style-name"):
            self.list_style_of[attribute(element, "name") or ""] = style

    def begin_list(self, element: "_Element") -> None:
        outer = self._open[-1] if self._open else None
        style = attribute(element, "style-name") or (outer.style if outer else "")
        self._serial += 1
        key = outer.key if outer else f"{self._serial}"
        if outer is None:
            goes_on = attribute(element, "continue-numbering") == "true"
            key = f"={style}" if goes_on or attribute(element, "continue-list") else key
            if not goes_on and not attribute(element, "continue-list"):
                self._counts[f"={style}"] = self._counts[key] = {}
        self._open.append(OpenList(style, key))

    def end_list(self) -> None:
        if self._open:
            self._open.pop()

    def begin_item(self, element: "_Element") -> None:
        """Count an item of the innermost list."""
        if not self._open:
            return
        here, depth = self._open[-1], len(self._open)
        counts = self._counts.setdefault(here.key, {})
        start = attribute(element, "start-value")
        if start is not None and start.isdecimal() and len(start) < 9:
            counts[depth] = int(start)
        else:
            counts[depth] = counts.get(depth, self._level(here.style, depth).start - 1) + 1
        for deeper in [level for level in counts if level > depth]:
            del counts[deeper]
        here.is_fresh = True

    def label(self, paragraph: "_Element") -> str:
        """The number before a paragraph or heading, with a space after it; often nothing."""
        if local_name(paragraph) == "h" and not self._open:
            return self._heading(paragraph)
        if not self._open or not self._open[-1].is_fresh:
            return ""
        here, depth = self._open[-1], len(self._open)
        for item in self._open:
            item.is_fresh = False
        levels = self.styles.get(here.style) or self.styles.get(
            self.list_style_of.get(attribute(paragraph, "style-name") or "", ""), {}
        )
        return _written(levels, self._counts.get(here.key, {}), depth)

    def _heading(self, heading: "_Element") -> str:
        value = attribute(heading, "outline-level") or "1"
        depth = int(value) if value.isdecimal() and len(value) < 3 else 1
        if attribute(heading, "is-list-header") == "true" or depth not in self.outline:
            return ""
        self._headings[depth] = self._headings.get(depth, self.outline[depth].start - 1) + 1
        for deeper in [level for level in self._headings if level > depth]:
            del self._headings[deeper]
        return _written(self.outline, self._headings, depth)

    def _level(self, style: str, depth: int) -> Level:
        return self.styles.get(style, {}).get(depth, Level())


def _written(levels: dict[int, Level], counts: dict[int, int], depth: int) -> str:
    level = levels.get(depth, Level())
    if not level.form:
        return ""
    first = max(1, depth - level.shown_levels + 1)
    numbers = [
        number_text(counts.get(at, levels.get(at, Level()).start), levels.get(at, level).form or "1")
        for at in range(first, depth + 1)
    ]
    return f"{level.before}{'.'.join(numbers)}{level.after}".strip() + " "


def _level(element: "_Element") -> tuple[int, Level]:
    """The number of a level and how it is numbered; 0 for what is no level."""
    if local_name(element) not in ("list-level-style-number", "outline-level-style"):
        return 0, Level()

    def number(name: str, otherwise: int) -> int:
        value = attribute(element, name) or ""
        return int(value) if value.isdecimal() and len(value) < 9 else otherwise

    return min(number("level", 0), MAX_LEVELS), Level(
        form=attribute(element, "num-format") or "",
        before=attribute(element, "num-prefix") or "",
        after=attribute(element, "num-suffix") or "",
        shown_levels=max(number("display-levels", 1), 1),
        start=number("start-value", 1),
    )
