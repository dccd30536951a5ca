"""The characters of a PDF page with their places, as stretches of text that were set in one go.

Left out: characters outside the page, and those that are not drawn unless the page is a scanned picture with
recognised text behind it. Text that is set at an angle is measured along its own direction.
"""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import cos, pi, sin
from typing import Any

from indexer.readers.cjk import IDEOGRAPHIC

SAME_LINE = 0.5  # of the character height, between baselines
WIDE_GAP = 0.9  # of the character height: more is between columns or cells
LARGE = 1.6  # times the height of what follows: an initial
DESCENT = 0.2  # of the character height, below the baseline
INVISIBLE = (3, 7)  # render modes
PICTURE_SHARE = 0.5  # of the page: a scan
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


@dataclass(frozen=True)
class Box:
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

    def add(self, char: str, box: Box, turn: float) -> None:
        now = self.current
        if now is None or self.last is None or (self.is_broken and not _is_below(now, self.last, char, box)):
            self._start(char, box, turn)
        elif _is_below(now, self.last, char, box) and turn == now.turn:
            now.is_vertical = True
            now.add(char, box)
        elif (
            now.is_vertical
            or not _is_next(now, self.last, box)
            or turn != now.turn
            or _ends_initial(now, box)
        ):
            self._start(char, box, turn)
        else:
            if self.has_space:
                side = self.last.right if box.left >= self.last.left else self.last.left
                now.glyphs.append((" ", side - 0.01, side - 0.01))  # also when sorted by place
            now.add(char, box)
        self.last, self.is_broken, self.has_space = box, False, False

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
    return abs(baseline - now.baseline) <= SAME_LINE * height and gap <= WIDE_GAP * height


def _is_below(now: Stretch, last: Box, char: str, box: Box) -> bool:
    """Whether a character stands under the last one, as in vertical writing."""
    if len(now.glyphs) > 1 and not now.is_vertical:
        return False
    if not (IDEOGRAPHIC.match(char) or IDEOGRAPHIC.match(now.glyphs[-1][0])):
        return False
    if not all(ord(one) > 0x2000 for one in (char, now.glyphs[-1][0])):
        return False
    aside = abs(box.left + box.right - last.left - last.right) / 2
    return aside < 0.3 * box.height and -0.3 * box.height < last.bottom - box.top < 0.3 * box.height


def _ends_initial(now: Stretch, box: Box) -> bool:
    """Whether the large first letter of a chapter ends here."""
    return len(now.glyphs) <= 2 and now.height > LARGE * box.height and now.text[-1:].isalpha()


def stretches_of(page: Any, text_page: Any) -> list[Stretch]:
    """The visible stretches of a page, in the order of the file."""
    import pypdfium2.raw as pdfium

    hidden, bounds = hidden_objects(page), bounds_of(page)
    builder, rect = _Builder(), pdfium.FS_RECTF()
    turn, bottom = 0.0, float("nan")
    for index in range(pdfium.FPDFText_CountChars(text_page)):
        code = pdfium.FPDFText_GetUnicode(text_page, index)
        if not code or 0xD800 <= code < 0xE000 or code > 0x10FFFF:
            continue
        has_box = pdfium.FPDFText_GetLooseCharBox(text_page, index, rect)
        if code in BREAKS or (code == SPACE and rect.top - rect.bottom < MIN_HEIGHT):  # put in by PDFium
            builder.is_broken |= code in BREAKS
            builder.has_space, bottom = True, float("nan")
            continue
        if not has_box:
            continue
        if (
            hidden
            and ctypes.cast(pdfium.FPDFText_GetTextObject(text_page, index), ctypes.c_void_p).value in hidden
        ):
            continue
        plain = Box(rect.left, rect.bottom, rect.right, rect.top)
        if not plain.touches(bounds):
            continue
        if rect.bottom != bottom:
            turn = turn_of(pdfium.FPDFText_GetCharAngle(text_page, index))
            bottom = rect.bottom
        box = plain.turned(turn)
        if box.height < MIN_HEIGHT:
            size = pdfium.FPDFText_GetFontSize(text_page, index)
            if size < MIN_HEIGHT or box.right - box.left < MIN_HEIGHT / 4:
                continue
            box = Box(box.left, box.bottom, box.right, box.bottom + size)
        builder.add(" " if code == TAB else chr(code), box, turn)
    return [stretch for stretch in builder.stretches if stretch.text.strip()]


def turn_of(angle: float) -> float:
    """The direction of text in quarter circles; PDFium measures clockwise."""
    quarter = -angle / (pi / 2)
    return (round(quarter) if abs(quarter - round(quarter)) < 0.05 else round(quarter, 2)) % 4


def bounds_of(page: Any) -> Box:
    """What of the page is shown, with some tolerance."""
    left, bottom, right, top = page.get_cropbox()
    media = page.get_mediabox()
    left, bottom = max(left, media[0]), max(bottom, media[1])
    right, top = min(right, media[2]), min(top, media[3])
    if right - left < 1 or top - bottom < 1:  # nonsense; nothing is left out
        return Box(*[float("-inf")] * 2, *[float("inf")] * 2)
    return Box(left - 1, bottom - 1, right + 1, top + 1)


def hidden_objects(page: Any) -> set[int | None]:
    """Addresses of the text objects that are not drawn; none where they are the text of a scan."""
    import pypdfium2.raw as pdfium

    hidden: set[int | None] = set()
    visible = 0
    wide, high = page.get_size()
    for item in _objects(page.raw):
        kind = pdfium.FPDFPageObj_GetType(item)
        if kind == pdfium.FPDF_PAGEOBJ_IMAGE and _area(item) > PICTURE_SHARE * wide * high:
            return set()
        if kind == pdfium.FPDF_PAGEOBJ_TEXT:
            if pdfium.FPDFTextObj_GetTextRenderMode(item) in INVISIBLE:
                hidden.add(ctypes.cast(item, ctypes.c_void_p).value)
            else:
                visible += 1
    return hidden if visible else set()


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
