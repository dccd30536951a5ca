"""Lines of Chinese and Japanese, which are wrapped without a space between the words."""

import re

IDEOGRAPHIC = re.compile(
    r"[\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
SENTENCE_END = re.compile(r"[。．！？!?｡…：:；;][」』）)】〕〉》”’\"]*$")
SENTENCE_MARK = re.compile(r"[。！？｡]")
_OPENING, _PAUSE = "「『（(【〔〈《“‘", "、，,・％%」』）)】〕〉》”’～ー－—"
_ITEM = re.compile(
    r"(?:[・•●○◆◇■□▶▪◎☆★※→－―*\-]|[(（]?[\d０-９一二三四五六七八九十]{1,3}[)）.．、]|第[\d０-９一二三四五六七八九十百]+)"
)


def goes_on(line: str, following: str) -> bool:
    """Whether a line that may be wrapped can go on in the next one, in the middle of a sentence."""
    line, following = line.rstrip(), following.lstrip()
    if not line or not following or SENTENCE_END.search(line) or _ITEM.match(following):
        return False
    ends = IDEOGRAPHIC.match(line[-1]) or line[-1] in _PAUSE + _OPENING
    begins = IDEOGRAPHIC.match(following[0]) or following[0] in _OPENING + _PAUSE
    return bool(ends and begins and IDEOGRAPHIC.search(line) and IDEOGRAPHIC.search(following))


def width(text: str) -> int:
    """How many cells a text takes where Chinese characters take two."""
    from unicodedata import east_asian_width

    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)
