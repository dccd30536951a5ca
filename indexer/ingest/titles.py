"""What a document is called, by what stands in its file.

The order: the title that the file states (its metadata, or what its reader takes for a heading), the first
heading, the first line where it looks like a title. Where none of them serves, the caller has the file name.
A first line is only guessed to be a title, so it is refused when in doubt: a file name is never wrong.
"""

from collections.abc import Iterator, Sequence
from itertools import dropwhile

import regex

from indexer.readers.pieces import SECTION_SEPARATOR
from indexer.types import Block

HEAD_CHARS = 4000
"""How much of a text is looked at. A heading further down is one of many."""

MAX_WIDTH = 120
"""Letters of a first line that may be a title; a character of a denser script counts as several."""

HEADED_TYPES = frozenset({"md", "html", "epub"})
"""Formats whose sections are headings. Readers of docx and odt state their first heading themselves."""

LINE_TYPES = frozenset({"txt", "md"})
"""Text in lines that may be wrapped: a title stands apart from what follows. Markdown's marks are dropped."""

PARAGRAPH_TYPES = frozenset({"docx", "odt", "rtf", "pptx"})
"""Formats where each line is a paragraph."""

PAGE_TYPES = frozenset({"html", "epub"})
"""Formats that may begin with a menu: only running text makes the line before it a title.

PDF is in none of these groups: its lines follow the layout, so that a title is cut where its line ends.
Tables, records, subtitles and mail have no title in their first line either.
"""


_IMAGE = regex.compile(r"!\[[^\[\]]*\](?:\([^()]*\)|\[[^\[\]]*\])")
_LINK = regex.compile(r"\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])")
_TAG = regex.compile(r"</?(?:a|b|br|center|code|div|em|h[1-6]|i|img|p|picture|span|strong|sub|sup)\b[^<>]*>")
_EMPHASIS = regex.compile(r"\*\*|~~|`+")
_SLANTED = regex.compile(r"(?<![\w*])([*_])(?=\S)([^*_]+)(?<=\S)\1(?![\w*])")
_ANCHOR = regex.compile(r"\s*\{[#.:][^{}]*\}$")
_HASHES = regex.compile(r"^#{1,6}\s+|\s+#+$")
_EDGES = " \t*_=~\ufeff\u200b\u200e\u200f"
_RULE = regex.compile(r"\s*([=\-~*_#+^])\1{2,}\s*")

_SENTENCE_END = regex.compile(r"[\p{Sentence_Terminal}…‥:;,،؛、，；：፣፤\-–—][\p{Pe}\p{Pf}\p{Pi}\"'’]*$")
_LETTERS = regex.compile(r"\p{L}")
_WORD = regex.compile(r"[\p{L}\p{N}]")
_MARKS = regex.compile(r"[\p{M}\p{Cf}]")
_DENSE = (
    (regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]"), 2.0),
    (regex.compile(r"[\p{Ethiopic}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]"), 1.0),
    (regex.compile(r"[\p{Arabic}\p{Hebrew}\p{Syriac}\p{Thaana}]"), 0.5),
)
"""What a character of a script counts for beyond one: syllables, words, words without their vowels."""

_CODE = r"^(?:#!|//|/\*|--\s|[<{%;@\\$&|>]|\[\[)|[{}<>|\\=]|\(\)"
_ITEM = r"^(?:[-–—*+•‣◦▪·]\s|`{3}|~{3})"  # or a line of a dialogue, or a fence
_ADDRESS = r"://|\bwww\.|\S@\S+\.\w|^(?:[a-z]:)?[\\/.~]*\S+[\\/.]\w{1,5}$"
_LICENCE = r"^(?:©|\(c\)|copyright\b|spdx-)"
_HEADER = (  # of a mail, a web answer, the data before a page
    r"^(?:from|to|b?cc|subject|date|sent|reply-to|message-id|received|return-path|mime-version|title|author|tags?|"
    r"layout|lang(?:uage)?|keywords|categor(?:y|ies)|slug|draft|content-[\w-]+|x-[\w-]+)\s*:"
)
_TIME_STAMP = r"^[\[(]?(?:\d{1,2}:\d{2}|\d{1,4}[-./]\d{1,2}[-./]\d{1,4}\D{1,2}\d{1,2}:\d{2})"
_DATE_IN_NUMBERS = r"^[\p{P}\d\s年月日号號時时分년월일令和平成昭曜火水木金土週周一二三四五六七八九十〇零]+$"
_DATE_IN_WORDS = (  # 12 May 2024, May 12, 2024, with or without weekday, place and time
    r"^(?:[\p{L}\p{M}]+[.,]?\s+)?"
    r"(?:\d{1,2}(?:\.|st|nd|rd|th|er|º)?\s+(?:(?:de|of|di)\s+)?[\p{L}\p{M}]{3,}[.,]?"
    r"|[\p{L}\p{M}]{3,}\.?\s+\d{1,2}(?:st|nd|rd|th)?,?)"
    r"\s+(?:(?:de|del|of)\s+)?\d{4}(?:\s+(?:г|р|року|года)\.?)?(?:[,\s]+\d{1,2}[:.]\d{2}\b.*)?$"
)
_PAGE_NUMBER = (
    r"^\W*(?:pages?|pg|p|seite|s|página|pagina|pág|pag|strona|str|стр|страница|сторінка|sayfa|sida|side|sivu|trang|"
    r"halaman|oldal|stránka|strana|σελίδα|صفحة|صفحه|עמוד|पृष्ठ|পৃষ্ঠা|หน้า|쪽|페이지)"
    r"(?:\.?\s*\d+|[.\s]\s*[ivxlc]+)(?:\s*(?:\W|\p{L}{1,4}\.?)?\s*\d+)?\W*$"
    r"|^\W*第?\s*\d+\s*(?:页|頁|ページ|쪽|페이지)\W*$"
)
_ROMAN_NUMBER = r"^\W*(?-i:[ivxlc]{1,5}|[IVXLC]{1,5})\W*$"
_NO_TITLE = [
    regex.compile(pattern, regex.IGNORECASE)
    for pattern in (
        _CODE, _ITEM, _ADDRESS, _LICENCE, _HEADER, _TIME_STAMP, _DATE_IN_NUMBERS, _DATE_IN_WORDS,
        _PAGE_NUMBER, _ROMAN_NUMBER,
    )
]  # fmt: skip
_ITEM_MARK = regex.compile(_ITEM)
_FIELD = regex.compile(r"^[\p{L}\p{N}_-]{1,20}\s?:\s?\S")


def find_title(stated: str, head: Sequence[Block], file_type: str, *, is_log: bool = False) -> str:
    """The title of a document, or nothing where only its file name can name it.

    Args:
        stated: the title that the reader found in the file; kept as it is but for marks and blanks.
        head: the first parts of its text, ``HEAD_CHARS`` or a little more.
        file_type: one of the values of ``readers.SUFFIXES``.
        is_log: whether the text is a log, which has lines but no title.
    """
    has_marks = file_type in LINE_TYPES
    title = _clean(stated, has_marks=has_marks)
    if _WORD.search(title):
        return title
    if file_type in HEADED_TYPES:
        heading = next((part.section for part in _within(head) if part.section), "")
        title = _clean(heading.split(SECTION_SEPARATOR)[0], has_marks=has_marks)
        if looks_like_name(title):
            return title
    if is_log or file_type not in LINE_TYPES | PARAGRAPH_TYPES | PAGE_TYPES:
        return ""
    text = "".join(part.text for part in _within(head))[:HEAD_CHARS]
    return _first_line(text.lstrip("\ufeff").splitlines(), file_type)


def _within(head: Sequence[Block]) -> Iterator[Block]:
    """The parts that begin within HEAD_CHARS."""
    seen = 0
    for part in head:
        if seen >= HEAD_CHARS:
            return
        yield part
        seen += len(part.text)


def _first_line(lines: Sequence[str], file_type: str) -> str:
    """The first line that holds something, when it is a title and more follows."""
    filled = list(dropwhile(lambda line: not line.strip() or _RULE.fullmatch(line), lines))
    if not filled:
        return ""
    line, *rest = filled
    title = _clean(line, has_marks=file_type in LINE_TYPES)
    if not looks_like_name(title) or _SENTENCE_END.search(title) or _ITEM_MARK.match(line.strip()):
        return ""
    following = next((item.strip() for item in rest if _WORD.search(item)), "")
    # nothing to be a title of; the middle of a sentence; fields of a form
    goes_on = following[:1].islower() and title != title.lower()  # Georgian has small letters only
    if not following or goes_on or (_FIELD.match(title) and _FIELD.match(following)):
        return ""
    is_apart = not rest[0].strip() or _RULE.fullmatch(rest[0]) is not None
    if file_type in LINE_TYPES and not is_apart and width(following) <= MAX_WIDTH:
        return ""
    if file_type in PAGE_TYPES and not _is_running_text(following):
        return ""
    return title


def looks_like_name(line: str) -> bool:
    """Whether a line could name a document: short, in words, and not a date, address, page number or code."""
    letters = len(_LETTERS.findall(line))
    return (
        letters > 0
        and 2 * letters >= sum(char.isdigit() for char in line)
        and width(line) <= MAX_WIDTH
        and not _is_other(line)
    )


def width(text: str) -> float:
    """The length of a text as if it were in an alphabet with vowels; marks above and below count nothing."""
    letters = _MARKS.sub("", text)
    return len(letters) + sum(share * len(script.findall(letters)) for script, share in _DENSE)


def _is_other(line: str) -> bool:
    """Whether a line is a date, an address, code or something else that is no title."""
    return any(pattern.search(line) for pattern in _NO_TITLE)


def _is_running_text(line: str) -> bool:
    return width(line) > MAX_WIDTH or _SENTENCE_END.search(line) is not None


def _clean(text: str, *, has_marks: bool) -> str:
    """``text`` in one line, without marks of Markdown where they are marks."""
    if has_marks:
        text = _TAG.sub("", _LINK.sub(r"\1", _IMAGE.sub("", text)))
        text = _HASHES.sub("", _ANCHOR.sub("", _SLANTED.sub(r"\2", _EMPHASIS.sub("", text)).strip()))
        text = text.strip(_EDGES)
    return " ".join(text.strip("\ufeff\u200b").split())
