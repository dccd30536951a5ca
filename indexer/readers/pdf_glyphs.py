"""The characters of a PDF page with their places, as stretches of text that were set in one go.

Left out: stretches outside the page, and those that are not drawn unless the page is a scanned picture with
recognised text behind it. Text that is set at an angle is measured along its own direction.
"""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import cos, pi, sin
from typing import Any, NamedTuple

from indexer.readers.cjk import IDEOGRAPHIC

SAME_LINE = 0.5  # of the character height, between baselines
WIDE_GAP = 0.9  # of the character height: more is between columns or cells
LARGE = 1.6  # times the height of what follows: an initial
RAISED, RAISED_GAP = 0.85, 0.3  # of the height of the larger character
DESCENT = 0.2  # of the character height, below the baseline
INVISIBLE = 3  # render mode
PICTURE_SHARE = 0.5  # of the page, of all pictures together: a scan
SMALL_MARK = 0.7  # of the character height
FIRST_WIDE = 0x2000  # code of the first character that may stand upright in vertical writing
MIN_HEIGHT = 0.5  # points; smaller text is there for machines
MAX_FORM_DEPTH = 4
MAX_OBJECTS = 200_000
HYPHEN = "\x02"  # what PDFium makes of a hyphen that ends a line

SPACE, TAB, BREAKS = 0x20, 0x09, (0x0D, 0x0A)

Glyph = tuple[str, float, float]
"""A character with its left and right side."""


@dataclass
class Stretch:
    """Characters that follow each other without a wide gap, in one direction; ``turn`` in quarter circles."""

    glyphs: list[Glyph]
    left: float
    right: float
    baseline: float
    height: float
    turn: float = 0.0
    is_vertical: bool = False
    top: float = 0.0
    bottom: float = 0.0

    @property
    def text(self) -> str:
        return "".join(glyph[0] for glyph in self.glyphs)

    def add(self, char: str, box: "Box") -> None:
        self.glyphs.append((char, box.left, box.right))
        self.left, self.right = min(self.left, box.left), max(self.right, box.right)
        self.bottom, self.top = min(self.bottom, box.bottom), max(self.top, box.top)


class Box(NamedTuple):
    left: float
    bottom: float
    right: float
    top: float

    @property
    def height(self) -> float:
        return self.top - self.bottom

    def touches(self, other: "Box") -> bool:
        """Whether the middle of this box lies in another one."""
        x, y = (self.left + self.right) / 2, (self.bottom + self.top) / 2
        return other.left <= x <= other.right and other.bottom <= y <= other.top

    def turned(self, turn: float) -> "Box":
        """The same box where text that runs in direction ``turn`` runs to the right."""
        if not turn:
            return self
        across, up = cos(turn * pi / 2), sin(turn * pi / 2)
        points = [
            (x * across + y * up, y * across - x * up)
            for x in (self.left, self.right)
            for y in (self.bottom, self.top)
        ]
        xs, ys = [x for x, _ in points], [y for _, y in points]
        return Box(min(xs), min(ys), max(xs), max(ys))


@dataclass
class _Builder:
    stretches: list[Stretch] = field(default_factory=list)
    current: Stretch | None = None
    last: Box | None = None
    is_broken: bool = True
    has_space: bool = False

    def extend(self, char: str, box: Box) -> bool:
        """Add a character that stands right beside the last one, as most do; whether it does."""
        now, last = self.current, self.last
        if now is None or last is None or self.is_broken or self.has_space or len(now.glyphs) < 3:
            return False
        near = 0.5 * now.height
        if now.is_vertical or box[1] != last[1] or not -near < box[0] - last[2] < near or char == "\t":
            return False
        now.glyphs.append((char, box[0], box[2]))
        now.right = max(now.right, box[2])
        self.last = box
        return True

    def add(self, char: str, box: Box, turn: float) -> None:
        now = self.current
        cell = None
        if now is not None and self.last is not None and turn == now.turn:
            cell = _cell_below(now, self.last, char, box)
        if now is not None and cell is not None:
            now.is_vertical, box = True, cell
            now.add(char, cell)
        elif now is not None and self.last is not None and self._goes_on(now, self.last, box, turn):
            if self.has_space:
                side = self.last.right if box.left >= self.last.left else self.last.left
                now.glyphs.append((" ", side - 0.01, side - 0.01))  # also when sorted by place
            now.add(char, box)
        else:
            self._start(char, box, turn)
        self.last, self.is_broken, self.has_space = box, False, False

    def _goes_on(self, now: Stretch, last: Box, box: Box, turn: float) -> bool:
        is_cut = self.is_broken or now.is_vertical or turn != now.turn
        return not is_cut and _is_next(now, last, box) and not _ends_initial(now, box)

    def _start(self, char: str, box: Box, turn: float) -> None:
        baseline = box.bottom + DESCENT * box.height
        self.current = Stretch(
            [(char, box.left, box.right)],
            box.left,
            box.right,
            baseline,
            box.height,
            turn,
            top=box.top,
            bottom=box.bottom,
        )
        self.stretches.append(self.current)


def _is_next(now: Stretch, last: Box, box: Box) -> bool:
    """Whether a character stands beside the last one on the same line."""
    height = max(box.height, now.height)
    baseline = box.bottom + DESCENT * box.height
    gap = max(box.left - last.right, last.left - box.right)
    if abs(baseline - now.baseline) <= SAME_LINE * height:
        return gap <= WIDE_GAP * height
    # raised and lowered: small beside large
    small, large = sorted((box.height, last.height))
    shared = min(box.top, last.top) - max(box.bottom, last.bottom)
    return small < RAISED * large and shared > SAME_LINE * small and gap < RAISED_GAP * large


def _cell_below(now: Stretch, last: Box, char: str, box: Box) -> Box | None:
    """The place of a character that stands under the last one, as in vertical writing; else nothing.

    Some files give small marks the box of their ink; they take a whole cell all the same.
    """
    if len(now.glyphs) > 1 and not now.is_vertical:
        return None
    before = now.glyphs[-1][0]
    if min(ord(char), ord(before)) < FIRST_WIDE or not (
        now.is_vertical or IDEOGRAPHIC.match(char) or IDEOGRAPHIC.match(before)
    ):
        return None
    size = now.height
    if box.height < SMALL_MARK * size:
        is_inside = box.left > last.left - 0.3 * size and box.right < last.right + 0.3 * size
        is_under = box.top < last.bottom + 0.2 * size and box.bottom > last.bottom - 1.2 * size
        return Box(last.left, last.bottom - size, last.right, last.bottom) if is_inside and is_under else None
    aside = abs(box.left + box.right - last.left - last.right) / 2
    is_under = -0.3 * size < last.bottom - box.top < 0.3 * size
    return box if aside < 0.3 * size and is_under else None


def _ends_initial(now: Stretch, box: Box) -> bool:
    """Whether the large first letter of a chapter ends here."""
    return len(now.glyphs) <= 2 and now.height > LARGE * box.height and now.text[-1:].isalpha()


def stretches_of(page: Any, text_page: Any) -> list[Stretch]:
    """The visible stretches of a page, in the order of the file."""
    import pypdfium2.raw as pdfium

    hidden, bounds = hidden_objects(page), bounds_of(page)
    builder, rect = _Builder(), pdfium.FS_RECTF()
    get_code, get_box = pdfium.FPDFText_GetUnicode, pdfium.FPDFText_GetLooseCharBox
    turn, bottom = 0.0, float("nan")
    for index in range(pdfium.FPDFText_CountChars(text_page)):
        code = get_code(text_page, index)
        if not code or 0xD800 <= code < 0xE000 or code > 0x10FFFF:
            continue
        has_box = get_box(text_page, index, rect)
        if code in BREAKS or (code == SPACE and rect.top - rect.bottom < MIN_HEIGHT):  # put in by PDFium
            builder.is_broken |= code in BREAKS
            builder.has_space, bottom = True, float("nan")
            continue
        if not has_box:
            continue
        if hidden and _address(pdfium.FPDFText_GetTextObject(text_page, index)) in hidden:
            continue
        plain = Box(rect.left, rect.bottom, rect.right, rect.top)
        if plain.bottom != bottom:
            turn = turn_of(pdfium.FPDFText_GetCharAngle(text_page, index))
            bottom = plain.bottom
        elif not turn and builder.extend(chr(code), plain):
            continue
        box = plain.turned(turn)
        if box.top - box.bottom < MIN_HEIGHT:
            size = pdfium.FPDFText_GetFontSize(text_page, index)
            if size < MIN_HEIGHT:
                continue
            box = Box(box.left, box.bottom, box.right, box.bottom + size)
        builder.add(" " if code == TAB else chr(code), box, turn)
    return [one for one in builder.stretches if one.text.strip() and _is_on_page(one, bounds)]


def _is_on_page(stretch: Stretch, bounds: Box) -> bool:
    """Whether more than the edge of a stretch is shown; one that runs over the edge is kept whole."""
    page, edge = bounds.turned(stretch.turn), 0.3 * stretch.height
    across = min(stretch.right, page.right) - max(stretch.left, page.left)
    up = min(stretch.top, page.top) - max(stretch.bottom, page.bottom)
    return across > edge and up > edge


def _address(item: Any) -> int | None:
    return ctypes.cast(item, ctypes.c_void_p).value


def turn_of(angle: float) -> float:
    """The direction of text in quarter circles; PDFium measures clockwise."""
    quarter = -angle / (pi / 2)
    return (round(quarter) if abs(quarter - round(quarter)) < 0.05 else round(quarter, 2)) % 4


def bounds_of(page: Any) -> Box:
    """What of the page is shown."""
    left, bottom, right, top = page.get_cropbox()
    media = page.get_mediabox()
    left, bottom = max(left, media[0]), max(bottom, media[1])
    right, top = min(right, media[2]), min(top, media[3])
    if right - left < 1 or top - bottom < 1:  # nonsense; nothing is left out
        return Box(-1e9, -1e9, 1e9, 1e9)
    return Box(left, bottom, right, top)


def hidden_objects(page: Any) -> set[int | None]:
    """Addresses of the text objects that are not drawn; none where they are the text of a scan."""
    import pypdfium2.raw as pdfium

    hidden: set[int | None] = set()
    visible, pictures = 0, 0.0
    wide, high = page.get_size()
    for item in _objects(page.raw):
        kind = pdfium.FPDFPageObj_GetType(item)
        if kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            pictures += _area(item)
        if kind == pdfium.FPDF_PAGEOBJ_TEXT:
            if pdfium.FPDFTextObj_GetTextRenderMode(item) == INVISIBLE:
                hidden.add(ctypes.cast(item, ctypes.c_void_p).value)
            else:
                visible += 1
    return hidden if visible and pictures < PICTURE_SHARE * wide * high else set()


def _objects(page: Any) -> Iterator[Any]:
    """The objects of a page and of the forms in it."""
    import pypdfium2.raw as pdfium

    def inside(count: int, get: Any, holder: Any, depth: int) -> Iterator[Any]:
        for index in range(min(count, MAX_OBJECTS)):
            item = get(holder, index)
            if not item:
                continue
            yield item
            if depth < MAX_FORM_DEPTH and pdfium.FPDFPageObj_GetType(item) == pdfium.FPDF_PAGEOBJ_FORM:
                yield from inside(
                    pdfium.FPDFFormObj_CountObjects(item), pdfium.FPDFFormObj_GetObject, item, depth + 1
                )

    return inside(pdfium.FPDFPage_CountObjects(page), pdfium.FPDFPage_GetObject, page, 0)


def _area(item: Any) -> float:
    import pypdfium2.raw as pdfium

    sides = [ctypes.c_float() for _ in range(4)]
    pdfium.FPDFPageObj_GetBounds(item, *sides)
    left, bottom, right, top = (side.value for side in sides)
    return abs((right - left) * (top - bottom))
