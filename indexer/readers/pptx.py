"""Slides in the order they are shown: the slide number is the page, its title the section, notes included.

Shapes are read as they are seen: the title, then rows from top to bottom, each from left to right, or from
right to left where the writing goes that way. A table row is one line; a footer comes once.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from unicodedata import bidirectional

from indexer.readers.container import (
    Container,
    attribute,
    core_title,
    local_name,
    main_part,
    open_container,
    parse_xml,
    relations,
)
from indexer.readers.drawings import paragraph_text, paragraphs, read_parts
from indexer.readers.flow import aside, row_lines
from indexer.readers.pieces import Facts, Piece, Reading, Source

if TYPE_CHECKING:
    from lxml.etree import _Element

DECK = "ppt/presentation.xml"
SHAPES = frozenset(("sp", "cxnSp", "pic", "graphicFrame", "grpSp", "contentPart"))
TITLES = ("title", "ctrTitle")
NUMBERS = ("sldNum", "dt")  # placeholders that say nothing about the slide
SAME_ROW = 0.5  # of the height of the lower shape of two
Related = dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Box:
    """Where a shape lies, in the units of the file."""

    left: float = 0.0
    top: float = 0.0
    width: float = 0.0
    height: float = 0.0


@dataclass(frozen=True)
class Change:
    """How the coordinates inside a group become those of the slide."""

    left: float = 0.0
    top: float = 0.0
    across: float = 1.0
    down: float = 1.0

    def apply(self, box: Box) -> Box:
        return Box(
            self.left + box.left * self.across,
            self.top + box.top * self.down,
            box.width * self.across,
            box.height * self.down,
        )


@dataclass
class Shape:
    lines: list[str]
    box: Box
    is_title: bool = False


@dataclass
class Slide:
    """What one slide holds."""

    title: str = ""
    lines: list[str] = field(default_factory=list)
    footers: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read(source: Source) -> Reading:
    with open_container(source) as archive:
        title = core_title(source, archive, "docProps/core.xml")
        deck = _Deck(source, archive)
        slides = deck.slides()
        yield Facts(title=title, pages=len(slides))
        footers: dict[str, int] = {}
        for number, member in enumerate(slides, start=1):
            slide = deck.read(member)
            if slide.title and not title:
                title = slide.title
                yield Facts(title=title)
            lines = slide.lines + [line for line in slide.footers if line not in footers]
            footers |= dict.fromkeys(slide.footers, number)
            if lines:
                yield Piece("\n".join(lines) + "\n", page=number, section=slide.title or None)
            for warning in slide.warnings:
                yield Facts(warning=f"slide {number}: {warning}")
            yield from deck.beside(member, number)


class _Deck:
    def __init__(self, source: Source, archive: Container) -> None:
        self._source, self._archive = source, archive
        self._places: dict[str, dict[str, Box]] = {}

    def slides(self) -> list[str]:
        deck = main_part(self._source, self._archive, DECK)
        targets = relations(self._source, self._archive, deck)
        results = []
        for element in parse_xml(self._source, self._archive, deck).iter("{*}sldId"):
            target = targets.get(_relation(element, "id"), ("", ""))[1]
            if target and self._archive.has(target):
                results.append(target)
        return results

    def read(self, member: str) -> Slide:
        """The shapes of a slide in reading order."""
        related = relations(self._source, self._archive, member)
        slide, shapes = Slide(), list[Shape]()
        tree = next(parse_xml(self._source, self._archive, member).iter("{*}spTree"), None)
        if tree is None:  # slides of other programs lack it
            tree = parse_xml(self._source, self._archive, member)
        self._gather(tree, Change(), related, slide, shapes)
        shapes = _in_reading_order(shapes)
        slide.title = next(
            (" ".join(" ".join(s.lines).split()) for s in shapes if s.is_title and s.lines), ""
        )
        slide.lines = [line for shape in shapes for line in shape.lines]
        return slide

    def beside(self, member: str, number: int) -> Reading:
        """Notes and comments of a slide."""
        notes: list[str] = []
        comments: list[str] = []
        for kind, target in relations(self._source, self._archive, member).values():
            if not self._archive.has(target):
                continue
            if kind == "notesSlide":
                notes += [line for line in self.read(target).lines if line.strip() != str(number)]
            elif kind == "comments":
                root = parse_xml(self._source, self._archive, target)
                comments += [element.text or "" for element in root.iter("{*}text")]
                comments += [line for body in root.iter("{*}txBody") for line in paragraphs(body)]
        yield from aside(notes, "notes", number)
        yield from aside(comments, "comments", number)

    def _gather(
        self, tree: "_Element", change: Change, related: Related, slide: Slide, shapes: list[Shape]
    ) -> None:
        for element in tree:
            name = local_name(element)
            if name == "AlternateContent":
                branches = [*element.iterchildren("{*}Choice"), *element.iterchildren("{*}Fallback")]
                best = next((item for item in branches if next(item.iter("{*}t"), None) is not None), None)
                for branch in branches[:1] if best is None else [best]:
                    self._gather(branch, change, related, slide, shapes)
            elif name == "grpSp":
                inner: list[Shape] = []
                self._gather(element, _inside(element, change), related, slide, inner)
                box = change.apply(_box(element) or Box())
                lines = [line for shape in _in_reading_order(inner) for line in shape.lines]
                shapes.append(Shape(lines, box, any(shape.is_title for shape in inner)))
            elif name in SHAPES:
                shapes.append(self._shape(element, change, related, slide))

    def _shape(self, element: "_Element", change: Change, related: Related, slide: Slide) -> Shape:
        holder = next(element.iter("{*}ph"), None)
        kind = (attribute(holder, "type") or "body") if holder is not None else ""
        box = _box(element)
        if box is None and holder is not None:
            box = self._inherited(holder, related)
        if kind in NUMBERS or kind == "sldImg":
            return Shape([], Box())
        lines = self._frame(element, related, slide) if local_name(element) == "graphicFrame" else None
        if lines is None:
            lines = [line for body in element.iter("{*}txBody") for line in paragraphs(body)]
        if kind == "ftr":
            slide.footers += lines
            lines = []
        return Shape(lines, change.apply(box or Box()), kind in TITLES)

    def _frame(self, frame: "_Element", related: Related, slide: Slide) -> list[str]:
        """Lines of a table, a diagram or a chart."""
        lines: list[str] = []
        parts: list[tuple[str, str | None]] = []
        for row in frame.iter("{*}tr"):
            cells = [
                [text for item in cell.iter("{*}p") if (text := paragraph_text(item))]
                for cell in row.iter("{*}tc")
            ]
            lines += row_lines(cells)
        for kind, name, wanted in (("diagram", "relIds", "dm"), ("chart", "chart", "id")):
            for element in frame.iter(f"{{*}}{name}"):
                target = related.get(_relation(element, wanted))
                parts.append((kind, target[1] if target else None))
        for _ in frame.iter("{*}oleObj"):
            slide.warnings.append("an embedded object was not read")
        more, warnings = read_parts(self._source, self._archive, parts)
        slide.warnings += warnings
        return lines + more

    def _inherited(self, holder: "_Element", related: Related) -> Box | None:
        """The place that the layout, or the master behind it, gives to a placeholder."""
        kind, index = attribute(holder, "type") or "body", attribute(holder, "idx") or ""
        layout = next((part for kind_, part in related.values() if kind_ == "slideLayout"), "")
        behind = relations(self._source, self._archive, layout).values() if layout else ()
        master = next((part for kind_, part in behind if kind_ == "slideMaster"), "")
        # masters know only a few kinds
        general = {"ctrTitle": "title", "subTitle": "body"}.get(kind, kind)
        for part, key in ((layout, f"#{index}"), (layout, kind), (master, kind), (master, general)):
            if place := self._places_of(part).get(key):
                return place
        return None

    def _places_of(self, part: str) -> dict[str, Box]:
        if part not in self._places:
            places: dict[str, Box] = {}
            if part and self._archive.has(part):
                for element in parse_xml(self._source, self._archive, part).iter("{*}sp"):
                    holder, box = next(element.iter("{*}ph"), None), _box(element)
                    if holder is not None and box is not None:
                        places.setdefault(attribute(holder, "type") or "body", box)
                        if index := attribute(holder, "idx"):
                            places.setdefault(f"#{index}", box)
            self._places[part] = places
        return self._places[part]


def _relation(element: "_Element", name: str) -> str:
    """A relation id; the same name without a namespace is something else."""
    return next((str(value) for key, value in element.attrib.items() if str(key).endswith(f"}}{name}")), "")


def _box(element: "_Element") -> Box | None:
    """Where a shape says that it lies."""
    for holder in ("spPr", "grpSpPr"):
        own = element.find(f"{{*}}{holder}/{{*}}xfrm")
        if own is not None:
            return _box_of(own, "off", "ext")
    frame = element.find("{*}xfrm")
    return _box_of(frame, "off", "ext") if frame is not None else None


def _box_of(frame: "_Element", place: str, size: str) -> Box | None:
    at, extent = frame.find(f"{{*}}{place}"), frame.find(f"{{*}}{size}")
    if at is None or extent is None:
        return None
    return Box(*(_float(at.get(k)) for k in "xy"), *(_float(extent.get(k)) for k in ("cx", "cy")))


def _float(value: str | None) -> float:
    try:
        return float(value or 0)
    except ValueError:
        return 0.0


def _inside(group: "_Element", change: Change) -> Change:
    frame = group.find("{*}grpSpPr/{*}xfrm")
    outer = _box_of(frame, "off", "ext") if frame is not None else None
    inner = _box_of(frame, "chOff", "chExt") if frame is not None else None
    if outer is None or inner is None:
        return change
    across = outer.width / inner.width if inner.width else 1.0
    down = outer.height / inner.height if inner.height else 1.0
    return Change(
        change.left + (outer.left - inner.left * across) * change.across,
        change.top + (outer.top - inner.top * down) * change.down,
        change.across * across,
        change.down * down,
    )


def _in_reading_order(shapes: list[Shape]) -> list[Shape]:
    """The title first; then shapes beside each other are a row, rows follow from top to bottom."""
    text = "".join(line for shape in shapes for line in shape.lines)
    kinds = [bidirectional(char) for char in text[:10_000]]
    from_right = kinds.count("R") + kinds.count("AL") > kinds.count("L")
    rows: list[list[Shape]] = []
    for shape in sorted((item for item in shapes if not item.is_title), key=lambda item: item.box.top):
        row = rows[-1] if rows else None
        if row is not None and _is_beside(row[0].box, shape.box):
            row.append(shape)
        else:
            rows.append([shape])
    for row in rows:
        row.sort(key=lambda item: -(item.box.left + item.box.width) if from_right else item.box.left)
    return [item for item in shapes if item.is_title] + [shape for row in rows for shape in row]


def _is_beside(first: Box, second: Box) -> bool:
    """Whether two shapes, the second not higher, share most of the height of the flatter one."""
    shared = min(first.top + first.height, second.top + second.height) - second.top
    return shared > SAME_ROW * min(first.height, second.height) or first.top == second.top
