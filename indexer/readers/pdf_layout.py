"""The text of lines in scripts that PDFium's own text extraction garbles.

Right to left (Hebrew, Arabic): the characters of each line by their position, because files store words in
either order. Scripts with stacked marks (Thai, Khmer, Devanagari, ...): the text objects in the order of the
file, each run of glyphs with an ActualText taken once; PDFium repeats it and breaks lines at every mark.
"""

import codecs
import ctypes
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import atan2, hypot
from typing import Any

from indexer.readers.pdf_glyphs import RIGHT_TO_LEFT, Box, bounds_of, hidden_objects, turn_of
from indexer.readers.pdf_order import Line

STACKED = re.compile("[\u0900-\u109f\u1780-\u17ff\u1900-\u1aaf]")
SAME_LINE = 0.5  # of the font size, between baselines
WORD_GAP, DIGIT_GAP, WIDE_GAP = (
    0.2,
    0.45,
    1.0,
)  # of the font size; the last where the file has spaces of its own
MAX_FORM_DEPTH = 4

# a number or Latin words with what stands between them
LEFT_TO_RIGHT = re.compile(
    "([0-9A-Za-z\u00c0-\u024f\u0660-\u0669\u06f0-\u06f9]"
    "(?:[^\u0590-\u065f\u066a-\u06ef\u06fa-\u08ff]*[0-9A-Za-z\u00c0-\u024f\u0660-\u0669\u06f0-\u06f9])?)"
)


@dataclass(frozen=True)
class Run:
    """A character, or text that was set in one go; ``is_marked`` when its text comes from an ActualText."""

    text: str
    left: float
    right: float
    baseline: float
    size: float
    is_marked: bool = False


def by_objects(text: str, page: Any, text_page: Any) -> str | None:
    """The text of a page by its text objects, where its script needs it; ``text`` is what PDFium gave."""
    if RIGHT_TO_LEFT.search(text):
        runs = list(_runs(page, text_page))
        if any(run.is_marked for run in runs):
            return "\n".join(_right_to_left_runs(line) for line in _lines(runs))
    elif STACKED.search(text):
        return _in_file_order(_runs(page, text_page), has_spaces=_has_own_spaces(text_page))
    return None


def line_text(line: Line) -> str:
    """The text of a line of characters, in logical order."""
    if not RIGHT_TO_LEFT.search("".join(stretch.text for stretch in line.stretches)):
        return line.text
    runs: list[Run] = []
    for at, stretch in enumerate(line.stretches):
        if at and not stretch.touches(before := line.stretches[at - 1]):
            side = min(before.right, stretch.right)  # of the one further left
            runs.append(Run(" ", side, side, stretch.baseline, stretch.height))
        runs += [
            Run(char, left, right, stretch.baseline, stretch.height) for char, left, right in stretch.glyphs
        ]
    return re.sub(" +", " ", _right_to_left(runs)).strip()


def _lines(runs: Iterable[Run]) -> Iterator[list[Run]]:
    line: list[Run] = []
    for run in runs:
        if line and abs(run.baseline - line[0].baseline) > SAME_LINE * max(run.size, line[0].size):
            yield line
            line = []
        line.append(run)
    if line:
        yield line


def _right_to_left(line: list[Run]) -> str:
    """A line of characters in logical order."""
    kinds = [unicodedata.bidirectional(run.text) for run in line]
    if kinds.count("R") + kinds.count("AL") < kinds.count("L"):
        return "".join(run.text for run in line)
    return _forward_numbers("".join(run.text for run in sorted(line, key=lambda run: -run.left)))


def _right_to_left_runs(line: list[Run]) -> str:
    """A line of runs in logical order; PDFium puts spaces at the wrong side of a run, so gaps decide."""
    letters = "".join(run.text for run in line)
    if sum(unicodedata.bidirectional(char) == "L" for char in letters) * 2 > len(letters):
        return letters
    parts: list[str] = []
    before: Run | None = None
    for run in sorted(line, key=lambda run: -(run.left + run.right)):
        gap = DIGIT_GAP if before is not None and (before.text[:1] + run.text[:1]).isdecimal() else WORD_GAP
        if before is not None and before.left - run.right > gap * run.size:
            parts.append(" ")
        text = run.text.strip()
        if LEFT_TO_RIGHT.fullmatch(text):
            text = text[::-1]
        holds_space = not any(char.isalnum() for char in text) and run.right - run.left > WORD_GAP * run.size
        parts.append(f"{text} " if holds_space and run.text.endswith(" ") else text)
        before = run
    return _forward_numbers("".join(parts))


def _forward_numbers(backward: str) -> str:
    """Numbers and Latin words of a line that was put together from right to left, from left to right."""
    parts = [part[::-1] if at % 2 else part for at, part in enumerate(LEFT_TO_RIGHT.split(backward))]
    return re.sub(" +", " ", "".join(parts)).strip()


def _has_own_spaces(text_page: Any) -> bool:
    import pypdfium2.raw as pdfium

    for index in range(pdfium.FPDFText_CountChars(text_page)):
        if pdfium.FPDFText_GetUnicode(text_page, index) == 0x20 and not pdfium.FPDFText_IsGenerated(
            text_page, index
        ):
            return True
    return False


def _in_file_order(runs: Iterable[Run], *, has_spaces: bool) -> str:
    parts: list[str] = []
    gap = WIDE_GAP if has_spaces else WORD_GAP
    before: Run | None = None
    for run in runs:
        if before is not None and abs(run.baseline - before.baseline) > SAME_LINE * run.size:
            parts.append("\n")
        elif (
            before is not None and run.left - before.right > gap * run.size and not before.text.endswith(" ")
        ):
            parts.append(" ")
        parts.append(run.text)
        before = run
    return "".join(parts)


def _runs(page: Any, text_page: Any) -> Iterator[Run]:
    """The text objects in the order of the file; those under one ActualText are one run."""
    import pypdfium2.raw as pdfium

    sides = [ctypes.c_float() for _ in range(4)]
    matrix, size = pdfium.FS_MATRIX(), ctypes.c_float()
    hidden, bounds = hidden_objects(page), bounds_of(page)
    open_run: Run | None = None
    open_mark: int | None = None
    for item in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_TEXT], max_depth=MAX_FORM_DEPTH):
        pdfium.FPDFPageObj_GetBounds(item.raw, *sides)
        pdfium.FPDFPageObj_GetMatrix(item.raw, matrix)
        box = Box(*(side.value for side in sides))
        if ctypes.cast(item.raw, ctypes.c_void_p).value in hidden or not box.touches(bounds):
            continue
        turn = turn_of(-atan2(matrix.b, matrix.a))
        box, place = box.turned(turn), Box(matrix.e, matrix.f, matrix.e, matrix.f).turned(turn)
        left, right = box.left, box.right
        mark, text = _actual_text(item.raw)
        if open_run is not None and mark is not None and mark == open_mark:
            open_run = replace(open_run, left=min(left, open_run.left), right=max(right, open_run.right))
            continue
        if open_run is not None:
            yield open_run
        text = text if mark is not None else _object_text(item.raw, text_page)
        pdfium.FPDFTextObj_GetFontSize(item.raw, size)
        points = max(size.value * (hypot(matrix.c, matrix.d) or 1.0), 1.0)
        open_mark = mark
        open_run = Run(text, left, right, place.bottom, points, mark is not None) if text else None
    if open_run is not None:
        yield open_run


def _actual_text(item: Any) -> tuple[int | None, str]:
    """Address and value of the ActualText around a text object; glyphs of one cluster share the address."""
    import pypdfium2.raw as pdfium

    needed = ctypes.c_ulong()
    for index in range(max(0, pdfium.FPDFPageObj_CountMarks(item))):
        mark = pdfium.FPDFPageObj_GetMark(item, index)
        if (
            not pdfium.FPDFPageObjMark_GetParamBlobValue(mark, b"ActualText", None, 0, needed)
            or not needed.value
        ):
            continue
        buffer = (ctypes.c_ubyte * needed.value)()
        pdfium.FPDFPageObjMark_GetParamBlobValue(mark, b"ActualText", buffer, needed.value, needed)
        raw = bytes(buffer)[: needed.value]
        is_wide = raw.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE))
        value = raw.decode("utf-16" if is_wide else "latin-1", errors="replace")
        return ctypes.cast(mark, ctypes.c_void_p).value, value
    return None, ""


def _object_text(item: Any, text_page: Any) -> str:
    import pypdfium2.raw as pdfium

    size = pdfium.FPDFTextObj_GetText(item, text_page, None, 0)
    if size <= 2:
        return ""
    buffer = (ctypes.c_ushort * (size // 2 + 1))()
    pdfium.FPDFTextObj_GetText(item, text_page, buffer, size)
    text = bytes(buffer)[:size].decode("utf-16-le", errors="replace")
    return text.rstrip("\0").replace("\r", "").replace("\n", "")
