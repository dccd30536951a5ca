"""The reading order of a PDF page: columns, vertical writing, initials; stretches of text to lines.

A file may draw its columns line by line, across the page. They are told from the cells of a table by their
sentences, which go on from line to line.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from indexer.readers.cjk import IDEOGRAPHIC
from indexer.readers.pdf_glyphs import LARGE, RIGHT_TO_LEFT, SAME_LINE, Box, Stretch

GUTTER = 0.6  # of the character height
MIN_LINES = 3  # of a column
NEAR = 1.6  # lines; two stretches beside each other begin a region of columns
FAR = 5.0  # character heights; a larger step down ends a region
MIN_WORDS, MIN_CHARS = 2.5, 12  # per line of a column, on average
FILLED, MOSTLY = 0.7, 0.7  # of the width of a column; of its lines that do not end a sentence
GOES_ON = 0.4  # of the lines of prose begin in the middle of a sentence
ONE_LETTER_WORDS = frozenset("AIOYEUÀÉÈÓÚÁAИВСКОУЯАІЙЄŻZW")
WORD_GAP = 0.45  # of the character height
SENTENCE_END = re.compile(r"[.!?:;…。！？｡؟۔।][\"'”’»)\]」』）]*$")
WORD = re.compile(r"\w+")
DOWNWARD = 3  # quarter circles


@dataclass
class Line:
    """Stretches on one line of the page, in the order of the file."""

    stretches: list[Stretch] = field(default_factory=list)
    is_vertical: bool = False

    @property
    def text(self) -> str:
        parts: list[str] = []
        for at, stretch in enumerate(self.stretches):
            text = stretch.text
            is_apart = at and not (self.is_vertical or stretch.touches(self.stretches[at - 1]))
            if is_apart and not (parts[-1].endswith(" ") or text.startswith(" ")):
                parts.append(" ")
            parts.append(text)
        return "".join(parts).strip(" ")

    @property
    def left(self) -> float:
        return min(stretch.left for stretch in self.stretches)

    @property
    def right(self) -> float:
        return max(stretch.right for stretch in self.stretches)

    @property
    def first(self) -> Stretch:
        return self.stretches[0]


def lines_of(stretches: Sequence[Stretch]) -> list[Line]:
    """The lines of a page in reading order."""
    letters = sum(len(stretch.glyphs) for stretch in stretches)
    if 2 * sum(len(stretch.glyphs) for stretch in stretches if stretch.is_vertical) > letters:
        return _vertical_lines(stretches)
    lines: list[Line] = []
    for group in _groups(_joined_initials(list(stretches))):
        lines += _lines(group)
    return lines


def _lines(stretches: Sequence[Stretch]) -> list[Line]:
    lines: list[Line] = []
    for stretch in stretches:
        last = lines[-1].stretches[-1] if lines else None
        if last is not None and _is_same_line(last, stretch):
            lines[-1].stretches.append(stretch)
        else:
            lines.append(Line([stretch], is_vertical=stretch.is_vertical))
    return lines


def _is_same_line(last: Stretch, stretch: Stretch) -> bool:
    if last.is_vertical or stretch.is_vertical or last.turn != stretch.turn:
        return False
    near = abs(last.baseline - stretch.baseline) <= SAME_LINE * max(last.height, stretch.height)
    is_backward = stretch.right < last.left + 0.5 * last.height and not RIGHT_TO_LEFT.search(
        last.text + stretch.text
    )
    return near and not is_backward


def _vertical_lines(stretches: Sequence[Stretch]) -> list[Line]:
    """Columns of vertical writing from right to left, tier by tier; what is horizontal comes last.

    Numbers that stand upright in a column and words that lie in it belong to it.
    """
    size = median(item.height for item in stretches if item.is_vertical)
    upright = [
        item for item in stretches if item.is_vertical or item.turn == DOWNWARD or _is_narrow(item, size)
    ]
    rest = [item for item in stretches if not any(item is other for other in upright)]
    tiers: list[list[Stretch]] = []
    for stretch in sorted(upright, key=lambda item: -_plain(item).top):
        box = _plain(stretch)
        if tiers and box.top > min(_plain(item).bottom for item in tiers[-1]) - 0.5 * size:
            tiers[-1].append(stretch)
        else:
            tiers.append([stretch])
    lines: list[Line] = []
    for tier in tiers:
        for column in _from_right(tier, size):
            lines += _column_lines(column, size)
    return lines + _lines(rest)


def _is_narrow(stretch: Stretch, size: float) -> bool:
    return not stretch.turn and len(stretch.glyphs) <= 4 and stretch.right - stretch.left < 1.6 * size


def _plain(stretch: Stretch) -> Box:
    """Where a stretch lies on the page when the page is not turned."""
    if stretch.turn == DOWNWARD:
        return Box(stretch.bottom, -stretch.right, stretch.top, -stretch.left)
    return Box(stretch.left, stretch.bottom, stretch.right, stretch.top)


def _from_right(tier: list[Stretch], size: float) -> list[list[Stretch]]:
    """The columns of a tier, each from top to bottom."""

    def middle(stretch: Stretch) -> float:
        box = _plain(stretch)
        return (box.left + box.right) / 2

    columns: list[list[Stretch]] = []
    for stretch in sorted(tier, key=lambda item: -middle(item)):
        if columns and abs(middle(columns[-1][0]) - middle(stretch)) < 0.5 * size:
            columns[-1].append(stretch)
        else:
            columns.append([stretch])
    return [sorted(column, key=lambda item: -_plain(item).top) for column in columns]


def _column_lines(column: list[Stretch], size: float) -> list[Line]:
    """The stretches of one column, joined where nothing lies between them."""
    lines: list[Line] = []
    for stretch in column:
        if lines and _plain(lines[-1].stretches[-1]).bottom - _plain(stretch).top < 1.2 * size:
            lines[-1].stretches.append(stretch)
        else:
            lines.append(Line([stretch], is_vertical=True))
    return lines


def _joined_initials(stretches: list[Stretch]) -> list[Stretch]:
    """The large first letter of a chapter joined to its word, wherever the file draws it."""
    for cap in [
        stretch
        for stretch in stretches
        if len(stretch.text.strip()) <= 2 and stretch.text.strip()[-1:].isalpha()
    ]:
        beside = [stretch for stretch in stretches if stretch is not cap and _is_beside_initial(cap, stretch)]
        if not beside:
            continue
        word = max(beside, key=lambda item: item.baseline)
        is_word = cap.text.strip() in ONE_LETTER_WORDS and word.left - cap.right > WORD_GAP * word.height
        space = [(" ", cap.right, cap.right)] if is_word else []
        word.glyphs = [glyph for glyph in cap.glyphs if glyph[0] != " "] + space + word.glyphs
        word.settle()
        stretches = [stretch for stretch in stretches if stretch is not cap]
    return stretches


def _is_beside_initial(cap: Stretch, other: Stretch) -> bool:
    """Whether ``other`` is a line of ordinary text right beside a large letter."""
    return (
        other.turn == cap.turn
        and cap.height > LARGE * other.height
        and -0.3 * other.height < other.left - cap.right < other.height
        and cap.baseline - 0.3 * other.height <= other.baseline <= cap.baseline + cap.height
        and other.text[:1].isalpha()
    )


def _groups(stretches: list[Stretch]) -> list[list[Stretch]]:
    """Stretches cut into columns where they were drawn across them; else all as they come."""
    groups: list[list[Stretch]] = [[]]
    at = 0
    while at < len(stretches):
        columns, count = _columns_from(stretches, at)
        if columns:
            groups += columns
            groups.append([])
            at += count
        else:
            groups[-1].append(stretches[at])
            at += 1
    return [group for group in groups if group]


def _columns_from(stretches: list[Stretch], start: int) -> tuple[list[list[Stretch]], int]:
    """The columns of a region that begins at ``start`` and how many stretches it takes; else nothing."""
    first = stretches[start : start + 2]
    if len(first) < 2 or not _begins_region(*first):
        return [], 0
    spans = _merged(first)
    end = start + 2
    while end < len(stretches) and _fits(stretches[start:end], stretches[end]):
        wider = _merged([*(Span(left, right) for left, right in spans), stretches[end]], first[0].height)
        if len(wider) < 2:
            break
        spans = wider
        end += 1
    members = stretches[start:end]
    sides = [_side(spans, member) for member in members]
    columns = [[m for m, side in zip(members, sides, strict=True) if side == at] for at in range(len(spans))]
    columns = [column for column in columns if column]
    changes = sum(a != b for a, b in pairwise(sides))
    if len(columns) < 2 or changes < 3 or not all(len(_lines(item)) >= MIN_LINES for item in columns):
        return [], 0
    if not _is_prose(columns):
        return [], 0
    if sum(bool(RIGHT_TO_LEFT.search(member.text)) for member in members) * 2 > len(members):
        columns.reverse()
    return columns, end - start


@dataclass(frozen=True)
class Span:
    left: float
    right: float


def _begins_region(first: Stretch, second: Stretch) -> bool:
    height = max(first.height, second.height)
    gap = max(second.left - first.right, first.left - second.right)
    return (
        first.turn == second.turn
        and not (first.is_vertical or second.is_vertical)
        and gap >= GUTTER * height
        and abs(first.baseline - second.baseline) < NEAR * height
    )


def _fits(region: list[Stretch], stretch: Stretch) -> bool:
    """Whether a stretch may belong to a region: same kind of text, further down."""
    first = region[0]
    if (
        stretch.turn != first.turn
        or stretch.is_vertical
        or not 0.6 < stretch.height / max(first.height, 0.1) < 1.6
    ):
        return False
    above = [item for item in region if item.right > stretch.left and item.left < stretch.right]
    if not above:
        return abs(region[-1].baseline - stretch.baseline) < FAR * first.height
    step = above[-1].baseline - stretch.baseline
    return -SAME_LINE * first.height <= step < FAR * first.height


def _merged(parts: Sequence[Stretch | Span], height: float | None = None) -> list[tuple[float, float]]:
    """The parts of the line that are covered, apart by at least a gutter."""
    gutter = GUTTER * (height if height is not None else max(getattr(item, "height", 0.0) for item in parts))
    spans: list[tuple[float, float]] = []
    for part in sorted(parts, key=lambda item: item.left):
        if spans and part.left - spans[-1][1] < gutter:
            spans[-1] = (spans[-1][0], max(spans[-1][1], part.right))
        else:
            spans.append((part.left, part.right))
    return spans


def _side(spans: list[tuple[float, float]], stretch: Stretch) -> int:
    middle = (stretch.left + stretch.right) / 2
    return min(range(len(spans)), key=lambda at: max(spans[at][0] - middle, middle - spans[at][1]))


def _is_prose(columns: list[list[Stretch]]) -> bool:
    """Whether columns hold sentences that go on from line to line, and are not the cells of a table."""
    steps = continued = 0
    for column in columns:
        lines = _lines(column)
        texts = [line.text for line in lines]
        if not _is_filled(column) or 2 * sum(_has_cells(line) for line in lines) > len(lines):
            return False
        words = sum(len(WORD.findall(text)) for text in texts) / len(texts)
        chars = sum(map(len, texts)) / len(texts)
        if chars < MIN_CHARS and not IDEOGRAPHIC.search(texts[0]):
            return False
        if words < MIN_WORDS and not IDEOGRAPHIC.search("".join(texts)):
            return False
        for line, following in pairwise(texts):
            steps += 1
            continued += _goes_on(line, following)
    return steps > 0 and continued >= GOES_ON * steps


def _has_cells(line: Line) -> bool:
    """Whether a line falls into parts with wide gaps between them."""
    return any(not item.touches(other) for item, other in pairwise(line.stretches))


def _is_filled(column: list[Stretch]) -> bool:
    """Whether the lines of a column are as long as it is wide, but for those that end a sentence."""
    lines = _lines(column)
    widest = max(line.right - line.left for line in lines)
    going_on = [line for line in lines[:-1] if not SENTENCE_END.search(line.text)]
    filled = sum(line.right - line.left >= FILLED * widest for line in going_on)
    return filled >= MOSTLY * len(going_on)


def _goes_on(line: str, following: str) -> bool:
    if SENTENCE_END.search(line):
        return False
    first = following.lstrip("\"'“‘«(")[:1]
    return first.islower() or (first.isalpha() and first.upper() == first.lower())
