"""The characters of a PDF page with their places, as stretches of text that were set in one go.

Left out: stretches outside the page, and those that are not drawn unless the page is a scanned picture with
recognised text behind it. Text that is set at an angle is measured along its own direction.
"""

import ctypes
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat
from math import cos, pi, sin
from typing import Any, NamedTuple

from indexer.readers.cjk import IDEOGRAPHIC
from indexer.readers.pdf_calls import address, function

SAME_LINE = 0.5  # of the character height, between baselines
TOUCHING = 0.1  # of the character height
LEVEL = 0.05  # of the character height; boxes differ by that from letter to letter
WIDE_GAP = 0.9  # of the character height: more is between columns or cells
LARGE = 1.6  # times the height of what follows: an initial
RAISED, RAISED_GAP = 0.85, 0.3  # of the height of the larger character
DESCENT = 0.2  # of the character height, below the baseline
INVISIBLE = 3  # render mode
PICTURE_SHARE = 0.5  # of the page, of all pictures together: a scan
SMALL_MARK = 0.7  # of the character height
FIRST_WIDE = 0x2000  # code of the first character that may stand upright in vertical writing
MIN_STEP = 0.1  # of the character height, between the left sides of letters
MIN_HEIGHT = 0.5  # points; smaller text is there for machines
MAX_FORM_DEPTH = 4
MAX_OBJECTS = 200_000
TOKEN = re.compile(  # letters and signs of scripts without marks, a break, any other character
    r"[!-~\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0482\u048a-\u058f\u1e00-\u1fff]{2,}|[\r\n]+|.", re.DOTALL
)
CHARACTER = re.compile(".", re.DOTALL)
RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
WIDE, REPLACED = re.compile("[\ud800-\udfff\U00010000-\U0010ffff]"), re.compile("[\ufffd-\uffff]")
UNREAL = frozenset(["\0", *map(chr, range(0xD800, 0xE000))])
BREAKS = frozenset("\r\n")
HYPHEN = "\x02"  # what PDFium makes of a hyphen that ends a line

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
    text: str = ""  # of the glyphs; filled by ``settle``

    def touches(self, other: "Stretch") -> bool:
        """Whether another stretch on the same line stands right beside this one, without a space."""
        gap = max(other.left - self.right, self.left - other.right)
        return not (self.is_vertical or other.is_vertical) and abs(gap) < TOUCHING * min(
            self.height, other.height
        )

    def settle(self) -> str:
        """The text, when no glyph will be added any more."""
        self.text = "".join([glyph[0] for glyph in self.glyphs])
        return self.text

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

    def is_level(self, other: "Box") -> bool:
        """Whether both are about as high, and equally far up."""
        slack = LEVEL * (self[3] - self[1])
        return -slack <= self[1] - other[1] <= slack and -slack <= self[3] - other[3] <= slack

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

    def add_beside(self, char: str, box: Box) -> bool:
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

    def add_word(self, word: str, first: Box, last: Box) -> None:
        """Add letters that stand in a row, from the first to the last; each is given the sides of all."""
        now, before = self.current, self.last
        if (
            now is None
            or before is None
            or self.is_broken
            or now.turn
            or len(now.glyphs) < 3
            or now.is_vertical
            or not first.is_level(before)
            or not -0.5 < (first[0] - before[2]) / (first[3] - first[1]) < WIDE_GAP
        ):
            self.add(word[0], first, 0.0)
            word, now = word[1:], self.current
            assert now is not None
        elif self.has_space:
            now.glyphs.append((" ", before[2] - 0.01, before[2] - 0.01))
            self.has_space = False
        now.glyphs += zip(word, repeat(first[0]), repeat(last[2]))
        now.left, now.right = min(now.left, first[0]), max(now.right, last[2])
        self.last = last

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
    return len(now.glyphs) <= 2 and now.height > LARGE * box.height and now.glyphs[-1][0].isalpha()


def stretches_of(page: Any, text_page: Any, raw: str) -> list[Stretch]:
    """The visible stretches of a page, in the order of the file; ``raw`` is its text as PDFium gives it."""
    bounds = bounds_of(page)
    builder = _Places(text_page, hidden_objects(page)).build(_chars(text_page, raw))
    return [
        stretch for stretch in builder.stretches if stretch.settle().strip() and _is_on_page(stretch, bounds)
    ]


class _Places:
    """Asks PDFium where the characters of a page are: of a word, where the first and the last one are."""

    def __init__(self, text_page: Any, hidden: set[int | None]) -> None:
        import pypdfium2.raw as pdfium

        self._rect, self._hidden, self._text = pdfium.FS_RECTF(), hidden, address(text_page)
        self._place = ctypes.addressof(self._rect)
        self._get_box = function("FPDFText_GetLooseCharBox")
        self._get_angle = function("FPDFText_GetCharAngle")
        self._turn, self._bottom = 0.0, float("nan")

    def build(self, chars: str) -> _Builder:
        builder, rect, get_box = _Builder(), self._rect, self._get_box
        by_words = not self._hidden and not RIGHT_TO_LEFT.search(chars)
        for match in (TOKEN if by_words else CHARACTER).finditer(chars):
            token, at = match[0], match.start()
            if token[0] in BREAKS:
                builder.is_broken = builder.has_space = True
                self._bottom = float("nan")
            elif (
                token == " " and get_box(self._text, at, self._place) and rect.top - rect.bottom < MIN_HEIGHT
            ):
                builder.has_space, self._bottom = True, float("nan")  # put in by PDFium
            elif len(token) == 1 or not self._add_word(builder, token, at):
                for place, char in enumerate(token, start=at):
                    self._add(builder, char, place)
        return builder

    def _box(self, index: int) -> Box | None:
        if not self._get_box(self._text, index, self._place):
            return None
        rect = self._rect
        return Box(rect.left, rect.bottom, rect.right, rect.top)

    def _add_word(self, builder: _Builder, word: str, index: int) -> bool:
        """Add letters that stand in a row, as those of nearly all words do; whether they do."""
        first, last = self._box(index), self._box(index + len(word) - 1)
        if first is None or last is None or not first.is_level(last):
            return False
        height, wide = first[3] - first[1], last[0] - first[0]
        if height < MIN_HEIGHT or not MIN_STEP * height < wide / (len(word) - 1) < height:
            return False
        self._turn, self._bottom = 0.0, first[1]  # letters that are turned are not level in a row
        builder.add_word(word, first, last)
        return True

    def _add(self, builder: _Builder, char: str, index: int) -> None:
        plain = None if char in UNREAL else self._box(index)
        if plain is None:
            return
        if self._hidden and function("FPDFText_GetTextObject")(self._text, index) in self._hidden:
            return
        if plain.bottom != self._bottom:
            self._turn, self._bottom = turn_of(self._get_angle(self._text, index)), plain.bottom
        elif not self._turn and builder.add_beside(char, plain):
            return
        box = plain.turned(self._turn)
        if box.top - box.bottom < MIN_HEIGHT:
            size = function("FPDFText_GetFontSize")(self._text, index)
            if size < MIN_HEIGHT:
                return
            box = Box(box.left, box.bottom, box.right, box.bottom + size)
        builder.add(" " if char == "\t" else char, box, self._turn)


def _chars(text_page: Any, raw: str) -> str:
    """Each character of a page. Its text has the same ones, unless some were left out of that."""
    import pypdfium2.raw as pdfium

    count, get_code = pdfium.FPDFText_CountChars(text_page), function("FPDFText_GetUnicode")
    text = address(text_page)
    if len(raw) != count or WIDE.search(raw):
        codes = (get_code(text, index) for index in range(count))
        return "".join(chr(code) if code <= 0x10FFFF else "\0" for code in codes)
    return REPLACED.sub(lambda result: chr(get_code(text, result.start())), raw)


def _is_on_page(stretch: Stretch, bounds: Box) -> bool:
    """Whether more than the edge of a stretch is shown; one that runs over the edge is kept whole."""
    page, edge = bounds.turned(stretch.turn), 0.3 * stretch.height
    across = min(stretch.right, page.right) - max(stretch.left, page.left)
    up = min(stretch.top, page.top) - max(stretch.bottom, page.bottom)
    # a lone stop is no wider than such an edge
    return across >= min(edge, 0.5 * (stretch.right - stretch.left)) and up >= min(
        edge, 0.5 * (stretch.top - stretch.bottom)
    )


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
    get_mode, get_type = function("FPDFTextObj_GetTextRenderMode"), function("FPDFPageObj_GetType")
    for item in _objects(page.raw):
        mode = get_mode(item)
        if mode == INVISIBLE:
            hidden.add(item)
        elif mode >= 0:
            visible += 1
        elif get_type(item) == pdfium.FPDF_PAGEOBJ_IMAGE:
            pictures += _area(item)
    return hidden if visible and pictures < PICTURE_SHARE * wide * high else set()


def _objects(page: Any) -> Iterator[int]:
    """The addresses of the objects of a page and of the forms in it."""
    import pypdfium2.raw as pdfium

    get_mode, get_type = function("FPDFTextObj_GetTextRenderMode"), function("FPDFPageObj_GetType")
    in_form = function("FPDFFormObj_GetObject")

    def inside(count: int, get: Any, holder: int | None, depth: int) -> Iterator[int]:
        for index in range(min(count, MAX_OBJECTS)):
            item = get(holder, index)
            if not item:
                continue
            yield item
            if depth < MAX_FORM_DEPTH and get_mode(item) < 0 and get_type(item) == pdfium.FPDF_PAGEOBJ_FORM:
                held = pdfium.FPDFFormObj_CountObjects(_pointer(item))
                yield from inside(held, in_form, item, depth + 1)

    return inside(pdfium.FPDFPage_CountObjects(page), function("FPDFPage_GetObject"), address(page), 0)


def _pointer(item: int) -> Any:
    import pypdfium2.raw as pdfium

    return ctypes.cast(item, pdfium.FPDF_PAGEOBJECT)


def _area(item: int) -> float:
    import pypdfium2.raw as pdfium

    sides = [ctypes.c_float() for _ in range(4)]
    pdfium.FPDFPageObj_GetBounds(_pointer(item), *sides)
    left, bottom, right, top = (side.value for side in sides)
    return abs((right - left) * (top - bottom))
