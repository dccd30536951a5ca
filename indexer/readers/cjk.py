"""Lines of Chinese and Japanese, which are wrapped without a space between the words."""

import re
from itertools import pairwise

IDEOGRAPHIC = re.compile(
    r"[\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
SENTENCE_END = re.compile(r"[。．！？!?｡…：:；;][」』）)】〕〉》”’\"]*$")
SENTENCE_MARK = re.compile(r"[。！？｡]")
_OPENING, _PAUSE = "「『（(【〔〈《“‘", "、，,・％%」』）)】〕〉》”’～ー－—"
BLANK_LINES = re.compile(r"(\n(?:[^\S\n]*\n)+)")
WRAP_SLACK = 5  # cells; no line begins with a full stop, so lines are not all equally long
_ITEM = re.compile(
    r"(?:[・•●○◆◇■□▶▪◎☆★※→－―*\-]|[(（]?[\d０-９一二三四五六七八九十]{1,3}[)）.．、]|第[\d０-９一二三四五六七八九十百]+)"
)


def goes_on(line: str, following: str) -> bool:
    """Whether a line that may be wrapped can go on in the next one, in the middle of a sentence."""
    line, following = line.rstrip(), following.lstrip()
    if not line or not following or SENTENCE_END.search(line) or _ITEM.match(following):
        return False
    if not (IDEOGRAPHIC.search(line) and IDEOGRAPHIC.search(following)):
        return False
    ends = bool(IDEOGRAPHIC.match(line[-1])) or line[-1] in _PAUSE + _OPENING
    begins = bool(IDEOGRAPHIC.match(following[0])) or following[0] in _OPENING + _PAUSE
    # a number or a foreign word at one side
    return (ends and (begins or following[0].isalnum())) or (begins and line[-1].isalnum())


def unwrap(text: str) -> str:
    """A plain text without the line breaks inside its wrapped Chinese and Japanese sentences.

    A line was wrapped where it is about as long as the longest of its block and its sentence goes on in the
    next one. Blocks without any sentence (lists, verse, addresses) stay as they are.
    """
    if not SENTENCE_MARK.search(text) or not IDEOGRAPHIC.search(text):
        return text
    blocks = BLANK_LINES.split(text)  # every other part is blank
    return "".join(
        _unwrapped_block(block.split("\n")) if at % 2 == 0 else block for at, block in enumerate(blocks)
    )


def _unwrapped_block(lines: list[str]) -> str:
    if len(lines) < 2 or not any(SENTENCE_MARK.search(line) for line in lines):
        return "\n".join(lines)
    full = max(map(width, lines)) - WRAP_SLACK
    parts = [lines[0]]
    for line, following in pairwise(lines):
        is_wrapped = width(line) >= full and goes_on(line, following)
        parts.append(following.lstrip() if is_wrapped else f"\n{following}")
    return "".join(parts)


def width(text: str) -> int:
    """How many cells a text takes where Chinese characters take two."""
    from unicodedata import east_asian_width

    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)
