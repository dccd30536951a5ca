"""Lines of PDF pages to running text: words cut at line ends, and lines of Chinese and Japanese, joined.

A word cut by a hyphen is joined without it where the whole word stands elsewhere in the document or nothing
speaks for the hyphen; the hyphen stays where the word stands elsewhere with it, before capitals and numbers,
after other hyphens, and in words that are usually written with it (well-known).
"""

import re
from collections.abc import Iterable, Sequence

from indexer.readers.cjk import SENTENCE_MARK, goes_on
from indexer.readers.hyphens import SUSPENDED_BEFORE, keeps_hyphen
from indexer.readers.pdf_glyphs import HYPHEN
from indexer.readers.pdf_order import Line

MAX_WORDS = 500_000
CUT = re.compile(rf"(?P<left>[^\W_][\w'’\-‐{HYPHEN}]*?)[\-‐\u00ad{HYPHEN}]\n(?P<right>[^\W_][\w'’\-‐]*)")
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*(?:[-‐][^\W_]+)*")
SAME_EDGE = 2.5  # character heights between the left edges of lines of a paragraph, for indents


def page_text(lines: Sequence[tuple[Line, str]]) -> str:
    """The text of a page; a word that is cut at the end of a line still has its hyphen and its line break."""
    parts: list[str] = []
    has_marks = _have_sentences(lines)
    for at, (line, text) in enumerate(lines):
        if at:
            before, last = lines[at - 1]
            is_wrapped = has_marks[at] and _are_of_one_paragraph(before, line) and goes_on(last, text)
            parts.append("" if is_wrapped else "\n")
        parts.append(text)
    return "".join(parts)


def _have_sentences(lines: Sequence[tuple[Line, str]]) -> list[bool]:
    """For each line, whether the block it stands in has sentences; a list of names has none."""
    result = [False] * len(lines)
    start = 0
    for at in range(1, len(lines) + 1):
        if at < len(lines) and _are_of_one_paragraph(lines[at - 1][0], lines[at][0]):
            continue
        if any(SENTENCE_MARK.search(text) for _, text in lines[start:at]):
            result[start:at] = [True] * (at - start)
        start = at
    return result


def _are_of_one_paragraph(line: Line, following: Line) -> bool:
    """Whether two lines have one size, follow each other closely and begin near the same edge."""
    first, second = line.first, following.first
    height = max(first.height, second.height)
    if (
        first.turn != second.turn
        or line.is_vertical != following.is_vertical
        or min(first.height, second.height) < 0.8 * height
    ):
        return False
    if line.is_vertical:
        step = (first.left + first.right - second.left - second.right) / 2
        return 0 < step < 2.6 * height and abs(first.top - second.top) < SAME_EDGE * height
    step = first.baseline - second.baseline
    return 0 < step < 2.6 * height and abs(line.left - following.left) < SAME_EDGE * height


class Vocabulary:
    """The words of a document, with and without hyphens, as far as it has been read."""

    def __init__(self) -> None:
        self._words: set[str] = set()

    def learn(self, texts: Iterable[str]) -> None:
        for text in texts:
            if len(self._words) > MAX_WORDS:
                return
            for word in WORD.findall(CUT.sub(" ", text)):
                folded = word.casefold().replace("‐", "-")
                self._words.add(folded)
                if "-" in folded:
                    self._words.update(folded.split("-"))

    def join(self, text: str) -> str:
        """``text`` with the words joined that were cut at line ends."""
        while CUT.search(text):
            text = CUT.sub(lambda cut: self._joined(cut["left"], cut["right"]), text)
        return text.replace(HYPHEN, "-").replace("\ufffe", "").replace("\u00ad", "")

    def _joined(self, left: str, right: str) -> str:
        left = left.replace(HYPHEN, "-")
        whole, parted = left + right, f"{left}-{right}"
        if self._has(whole):
            return whole
        if right.casefold() in SUSPENDED_BEFORE:
            return f"{left}- {right}"
        if self._has(parted) or left[-1].isdigit() or right[0].isdigit() or "-" in left:
            return parted
        if right[0].isupper():
            is_heading = left.isupper() and right.isupper() and min(len(left), len(right)) > 1
            return whole if is_heading else parted
        return parted if keeps_hyphen(left.casefold(), right.casefold()) else whole

    def _has(self, word: str) -> bool:
        return word.casefold() in self._words
