"""Sentences of a text in any script, as spans that cover it without gaps.

Rules, not a model: sentence marks of all living scripts, abbreviations, initials, ordinals, decimals,
quotations, ellipses, list items, paragraphs and hard-wrapped lines. Scripts without sentence marks
(Thai and, where marks are missing, Lao, Khmer, Burmese and Tibetan) are cut at spaces once a piece is long
enough. One pass, linear in the length of the text: a line of 5 MB is no special case. A span keeps the
white space that follows its sentence, so concatenating the spans gives the text back.
"""

import re
from functools import cache
from pathlib import Path

_LINE_BREAKS = "\n\r\x0b\x0c\x85\u2028\u2029"
_CLOSERS = "\"'”’»›)]}】』」》〉）］｣”＂"
_OPENERS = "\"'“‘„‚«‹([{【『「《〈（［｢¿¡—–-*_ \t"
# Marks that end a sentence whatever follows: CJK, Indic, Arabic, Ethiopic, Khmer, Burmese, Armenian ...
_HARD = "。！？｡．।॥؟۔؛።፧፨។៕။։᙮᠃᠉꓿⸮‼⁇⁈⁉꘎꩝꫰"
# Marks that need white space or the end of the text after them.
_SOFT = ".!?…‥;\u037e།༎༏༐༑\u104a"
_CANDIDATE = re.compile(
    rf"(?P<line>[{_LINE_BREAKS}]\s*)"
    rf"|(?P<mark>[{re.escape(_HARD + _SOFT)}]+|:+|፡፡+)(?P<close>(?:[{re.escape(_CLOSERS)}]|[“‘](?!\w))*)"
)
_SPACE = re.compile(r"\s*")
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n|\r[^\S\r\n]*\r|\r\n[^\S\r\n]*\r\n|[\x0c\u2029]")
_LIST_ITEM = re.compile(r"(?:[-*+•‣◦▪●○–—·>|#=~]|\(?\w{1,3}[.)]|[\d०-९٠-٩۰-۹]+[.):、])[ \t　]|[•‣◦▪●○#|]")
_TOKEN_BEFORE = re.compile(r"[^\s\"'“‘„«(\[{¿¡/—–]*$")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u0f00-\u0fff\u1a20-\u1aaf\ua9e0-\ua9ff]")
_THAI = re.compile(r"[\u0e00-\u0e7f]")  # has no sentence mark at all
_ARMENIAN, _ETHIOPIC = re.compile(r"[\u0561-\u0587]"), re.compile(r"[\u1200-\u135a]")
_GEORGIAN = re.compile(r"[\u10d0-\u10ff]")  # has capitals for headlines only
_UNSPACED_BREAK = re.compile(r"[ \t\u200b]+|[ฯๆໆ།༎၊]+[ \t]*")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_HIRAGANA = re.compile(r"[\u3040-\u309f]")
_LOOK_BACK = 24  # characters inspected before a full stop: longer than any abbreviation
_LOOK_AHEAD = 8
_WRAPPED_LINE = 48  # a line at least this long that ends without a mark goes on in the next line
_WRAPPED_LINE_CJK = 20
_THAI_LONG = 120  # characters: above this a Thai stretch is cut at spaces, into pieces of half of it
_UNSPACED_LONG = 300  # the same where a mark could have come: Lao, Khmer, Burmese, Tibetan
_NEAR = 3  # characters before a colon that tell the script
_ORDINAL_LANGUAGES = re.compile(r"(?:bs|cs|da|de|et|eu|fi|fo|hr|hsb|hu|is|lb|lv|nb|nn|no|sk|sl|sr|tr)\b")


def sentence_spans(text: str, language: str | None = None) -> list[tuple[int, int]]:
    """Spans (start, end) of the sentences of ``text``, in order, without gaps.

    Args:
        text: any text; may be one line of megabytes.
        language: BCP-47 code if known; it only decides whether "3. " can be an ordinal.

    Returns:
        Spans whose concatenation is ``text``. White space belongs to the sentence before it (at the
        start of the text, to the first). Empty for an empty text.
    """
    ordinals = bool(language and _ORDINAL_LANGUAGES.match(language))
    spans: list[tuple[int, int]] = []
    start = line_start = 0
    for match in _CANDIDATE.finditer(text):
        if match.start() < start:  # white space that already belongs to the sentence before
            continue
        end = _after_space(text, match.end())
        if match["line"]:
            is_end = _line_ends_sentence(text, line_start, match.start(), end)
            line_start = end
        else:
            is_end = end == len(text) or _mark_ends_sentence(text, match, start, end, ordinals)
            if is_end and _has_line_break(text, match.end(), end):
                line_start = end
        if is_end:
            if text[start:end].isspace():
                continue  # leading white space waits for the first sentence
            spans.extend(_cut_unspaced(text, start, end))
            start = end
    if start < len(text):
        if spans and text[start:].isspace():
            spans[-1] = (spans[-1][0], len(text))
        else:
            spans.extend(_cut_unspaced(text, start, len(text)))
    return spans


def _after_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _has_line_break(text: str, start: int, end: int) -> bool:
    return end > start and any(char in _LINE_BREAKS for char in text[start:end])


def _line_ends_sentence(text: str, line_start: int, line_end: int, next_start: int) -> bool:
    """Whether the line break between ``line_end`` and ``next_start`` separates sentences."""
    if next_start >= len(text) or _PARAGRAPH.search(text, line_end, next_start):
        return True
    if _LIST_ITEM.match(text, next_start):
        return True
    following = _first_letter(text, next_start)
    if _is_lower(following):
        return False
    last = text[line_end - 1] if line_end > line_start else ""
    wrapped = _WRAPPED_LINE_CJK if _CJK.match(last) else _WRAPPED_LINE
    return line_end - line_start < wrapped or text[next_start] in _OPENERS


def _mark_ends_sentence(text: str, match: re.Match[str], start: int, end: int, ordinals: bool) -> bool:
    """Whether the sentence mark ``match`` ends the sentence that began at ``start``."""
    mark, close = match["mark"], match["close"]
    spaced = end > match.end()
    if mark[0] in ":፡":
        return _colon_ends(text, match.start(), mark, spaced)
    if _has_line_break(text, match.end(), end) and (
        _PARAGRAPH.search(text, match.end(), end) or _LIST_ITEM.match(text, end)
    ):
        return True
    if any(char in _HARD for char in mark):
        # 「行く。」と言った: the quotation is part of a longer Japanese sentence.
        return not (close and not spaced and _HIRAGANA.match(text, end))
    if not spaced:
        return mark[-1] in "!?…" and bool(_CJK.match(text, end) or _UNSPACED.match(text, end))
    if mark in (";", "\u037e"):
        return mark == "\u037e" or "\u0370" <= text[max(match.start() - 1, 0)] <= "\u03ff"
    following = _first_letter(text, end)
    if _is_lower(following) and (mark[-1] in ".…‥" or close):
        return False
    return mark != "." or bool(close) or _full_stop_ends(text, match.start(), start, following, ordinals)


def _colon_ends(text: str, colon: int, mark: str, spaced: bool) -> bool:
    """Whether a colon, or a doubled Ethiopic one, stands for the full stop of its script."""
    before = text[max(colon - _NEAR, 0) : colon]
    if len(mark) > 1:
        return mark[0] == "፡" or bool(_ETHIOPIC.search(before))
    return spaced and bool(_ARMENIAN.search(before))


def _full_stop_ends(text: str, stop: int, start: int, following: str, ordinals: bool) -> bool:
    """Whether a single full stop at ``stop`` is more than the mark of an abbreviation."""
    before = _TOKEN_BEFORE.search(text[max(start, stop - _LOOK_BACK) : stop])
    token = before.group() if before else ""
    if not token:
        return True
    if token.isdecimal():
        at_line_start = not text[start : stop - len(token)].strip() if stop - start < _LOOK_BACK else False
        return not (at_line_start or (ordinals and len(token) <= 2))
    if len(token) == 1:
        return not token.isalpha() or not _is_bicameral(token)
    if "." in token and all(len(part) <= 2 for part in token.split(".")):
        return False  # U.S., z.B., т.е.
    return token.casefold() not in _abbreviations() or not following.isalnum()


def _is_bicameral(char: str) -> bool:
    return char.lower() != char.upper() and not _GEORGIAN.match(char)


def _is_lower(char: str) -> bool:
    """Whether a sentence would not begin with this letter."""
    return char.islower() and not _GEORGIAN.match(char)


def _first_letter(text: str, position: int) -> str:
    """The first character from ``position`` that is no opening quote or bracket, or nothing."""
    ahead = text[position : position + _LOOK_AHEAD].lstrip(_OPENERS)
    return ahead[:1]


def _cut_unspaced(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Cut a long stretch of a script without sentence marks at its spaces; others stay whole."""
    if end - start <= _THAI_LONG or not (first := _UNSPACED.search(text, start, end)):
        return [(start, end)]
    longest = _THAI_LONG if _THAI.match(first[0]) else _UNSPACED_LONG
    if end - start <= longest:
        return [(start, end)]
    piece = longest // 2
    if sum(1 for _ in _UNSPACED.finditer(text, start, end)) * 2 < end - start:
        return [(start, end)]
    spans, piece_start = [], start
    for match in _UNSPACED_BREAK.finditer(text, start, end):
        if match.end() - piece_start >= piece and end - match.end() >= piece // 2:
            spans.append((piece_start, match.end()))
            piece_start = match.end()
    spans.append((piece_start, end))
    return spans


@cache
def _abbreviations() -> frozenset[str]:
    path = Path(__file__).parent / "data" / "abbreviations.txt"
    lines = path.read_text(encoding="utf-8").splitlines()
    return frozenset(word.casefold() for line in lines if not line.startswith("#") for word in line.split())
