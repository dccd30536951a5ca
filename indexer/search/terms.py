"""The words of a query, as they are looked up; ``matching`` says which of them a text has.

A term is a word; or two characters of a script without spaces; or a code (ZQ-4471, 1,000) or a name with
marks (C++, .NET), which count only as they are. Which spellings are equal is defined in ``text.folding``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import regex

from indexer.text import clitics, folding, hangul
from indexer.text.clitics import LETTERS

_UNSPACED_SCRIPTS = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
UNSPACED = regex.compile(rf"[{_UNSPACED_SCRIPTS}]+")
SPACED = rf"[[{LETTERS}]--[{_UNSPACED_SCRIPTS}]]"
"""A letter of a script with spaces, for patterns of version 1."""
_REST_OF_WORD = regex.compile(rf"(?V1){SPACED}++")
WORD = regex.compile(rf"[{LETTERS}]+")

_MIN_PREFIX = 4  # an inflected form matches by its stem when the stem has at least so many letters

NAME = regex.compile(
    rf"(?<![{LETTERS}+#.])(?:[a-z]{{1,3}}(?:#|\+{{1,2}})|[a-z]{{4,20}}\+\+|\.[a-z]{{3,8}})"
    rf"(?![{LETTERS}+#]|[.@][{LETTERS}])"
)
"""A name with marks in folded text: c#, c++, notepad++, .net."""

_CODE_LETTERS = r"[\p{Latin}\p{Cyrillic}\p{Greek}\p{Nd}]"
_CODE = regex.compile(
    rf"(?V1)(?<!{SPACED}){_CODE_LETTERS}++(?:(?:[-._/:@#+']|(?<=\d),(?=\d)){_CODE_LETTERS}++)*+"
)
_PART = regex.compile(r"\d+|[^\W\d_]+")
_LETTERS_ONLY = regex.compile(r"[^\W\d_]+")
LONGEST_LETTERS = 3  # of a part at the edge of a code; longer ones are words: invoice-4471
_MIN_DIGITS = 3
MIN_SYLLABLES = 3  # of a word of syllables that is looked for inside longer ones
_MIN_PARTS = 3

_CODE_WEIGHT, _NUMBER_WEIGHT, _PAIR_WEIGHT = 8.0, 6.0, 3.0
_LONGEST_THAT_COUNTS = 8


@dataclass(frozen=True)
class Term:
    """A word of the query as it is looked up.

    Attributes:
        text: the folded word, or two characters of a script without spaces, or a code without its marks.
        weight: how much of the query it carries, 0..1.
        stem: the beginning that inflected forms share; empty when only the whole word counts (numbers, short
            words, scripts without spaces).
        unspaced: whether it counts anywhere rather than as a whole word.
        core: the word without its article, in scripts that write articles and prepositions on to words.
        other: its second spelling, if any.
        pattern: finds a code or a name with marks; None for words.
        parts: the runs of digits and of letters of a code.
        is_specific: whether a code says so much that a text without it is about something else.
        is_common_part: whether its letters stand inside many words of the collection, and mean nothing there.
    """

    text: str
    weight: float
    stem: str
    unspaced: bool
    core: str = ""
    other: str = ""
    pattern: "regex.Pattern[str] | None" = None
    parts: tuple[str, ...] = ()
    is_specific: bool = False
    is_common_part: bool = False

    @property
    def may_be_part(self) -> bool:
        """Whether it is looked for inside longer words at all."""
        is_word = not self.unspaced and self.pattern is None
        least = 2 if hangul.is_hangul(self.text) else MIN_SYLLABLES
        return is_word and len(self.text) >= least


def query_terms(query: str) -> list[Term]:
    """The distinct terms of a query: words, codes, or pairs of characters where no spaces separate words.

    Longer words weigh more (short ones are mostly function words); the weights sum to 1.
    """
    folded = folding.fold(query)
    others = folding.spellings(query)
    results: dict[tuple[str, bool], Term] = {}
    position = 0
    for start, end, term in _marked(folded):
        _add_words(results, folded[position:start], others)
        results.setdefault((term.text, term.unspaced), term)
        position = end
    _add_words(results, folded[position:], others)
    total = sum(term.weight for term in results.values())
    return [replace(term, weight=term.weight / total) for term in results.values()]


def reweighted(terms: Sequence[Term], idf: Mapping[str, float]) -> list[Term]:
    """The terms with weights multiplied by ``idf`` (1 where missing), again summing to 1."""
    weights = [term.weight * idf.get(term.text, 1.0) for term in terms]
    total = sum(weights) or 1.0
    return [replace(term, weight=weight / total) for term, weight in zip(terms, weights, strict=True)]


# -- making terms ----------------------------------------------------------------------------------------


def _marked(folded: str) -> list[tuple[int, int, Term]]:
    """Codes and names with marks in a folded query, in order: start, end, term."""
    names = [(item.start(), item.end(), _name(item.group())) for item in NAME.finditer(folded)]
    codes = [
        (span[0], _end_of_word(folded, span[1]), _code(folded[slice(*span)]))
        for item in _CODE.finditer(folded)
        if (span := _core_of_code(item.group(), item.start())) is not None
    ]
    taken = [(start, end) for start, end, _ in names]
    codes = [code for code in codes if not any(start < code[1] and code[0] < end for start, end in taken)]
    return sorted([*names, *codes], key=lambda item: item[0])


def _end_of_word(folded: str, end: int) -> int:
    """Where the letters end that are written on to a code: 2119는."""
    result = _REST_OF_WORD.match(folded, end)
    return result.end() if result else end


def _name(name: str) -> Term:
    before = "" if name.startswith(".") else rf"(?<![{LETTERS}])"
    pattern = regex.compile(rf"{before}{regex.escape(name)}(?![{LETTERS}+#])")
    return Term(name, _CODE_WEIGHT, "", False, pattern=pattern)


def _core_of_code(token: str, start: int) -> tuple[int, int] | None:
    """The span of a token's code, without words at its edges; None for a word, or one digit."""
    parts = [(item.start(), item.end(), item.group()) for item in regex.finditer(r"[^-._/:@#+',]+", token)]
    while parts and _is_word(parts[0][2]):
        parts.pop(0)
    while parts and _is_word(parts[-1][2]):
        parts.pop()
    if not parts or not any(character.isdecimal() for character in token):
        return None
    if len(parts) == 1 and parts[0][2].isdecimal() and len(parts[0][2]) == 1:
        return None
    if not any(character.isdecimal() for _, _, part in parts for character in part):
        return None
    return start + parts[0][0], start + parts[-1][1]


def _is_word(part: str) -> bool:
    return len(part) > LONGEST_LETTERS and _LETTERS_ONLY.fullmatch(part) is not None


def _code(code: str) -> Term:
    """A code or a number. Letters after a number (1990s, 500GB, 1956-ban) are left out."""
    parts = _PART.findall(code)
    if len(parts) > 1 and not parts[-1].isdecimal() and all(part.isdecimal() for part in parts[:-1]):
        parts = parts[:-1]
    digits = sum(len(part) for part in parts if part.isdecimal())
    is_number = all(part.isdecimal() for part in parts)
    text = "".join(parts)
    specific = digits >= _MIN_DIGITS or (len(parts) >= _MIN_PARTS and digits > 1)
    weight = _NUMBER_WEIGHT if is_number and len(parts) == 1 else _CODE_WEIGHT
    pattern = _code_pattern(tuple(parts))
    return Term(text, weight, "", False, pattern=pattern, parts=tuple(parts), is_specific=specific)


@lru_cache(maxsize=256)
def _code_pattern(parts: tuple[str, ...]) -> "regex.Pattern[str]":
    if len(parts) == 1 and parts[0].isdecimal() and len(parts[0]) > 3:
        inner = regex.sub(r"(?<=\d)(?=(?:\d{3})+$)", r"[.,' ]?", parts[0])
    else:
        inner = r"[^\p{L}\p{M}\p{N}\n]?".join(map(regex.escape, parts))
    before = r"(?<!\d)" if parts[0].isdecimal() else rf"(?<!{_CODE_LETTERS})"
    after = r"(?!\d)" if parts[-1].isdecimal() else rf"(?!{_CODE_LETTERS})"
    return regex.compile(rf"(?V1){before}{inner}{after}")


def _add_words(result: dict[tuple[str, bool], Term], folded: str, others: Mapping[str, str]) -> None:
    for match in WORD.finditer(folded):
        word = match.group()
        position = 0
        for run in UNSPACED.finditer(word):
            _add_word(result, word[position : run.start()], others)
            characters = run.group()
            for start in range(max(1, len(characters) - 1)):
                pair = characters[start : start + 2]
                result.setdefault((pair, True), Term(pair, _PAIR_WEIGHT, "", True))
            position = run.end()
        _add_word(result, word[position:], others)


def _add_word(result: dict[tuple[str, bool], Term], word: str, others: Mapping[str, str]) -> None:
    if word and (word, False) not in result:
        has_digit = any(character.isdigit() for character in word)
        weight = (
            _NUMBER_WEIGHT if has_digit and len(word) > 1 else float(min(len(word), _LONGEST_THAT_COUNTS))
        )
        core = hangul.core(word) or clitics.core(word)
        result[word, False] = Term(word, weight, stem_of(word), False, core, others.get(word, ""))


@lru_cache(maxsize=8192)
def stem_of(word: str) -> str:
    """The beginning that the inflected forms of a word share; empty for short words and numbers."""
    stem = word[: max(_MIN_PREFIX, (3 * len(word) + 3) // 4)]
    return "" if len(stem) < _MIN_PREFIX or any(character.isdigit() for character in word) else stem
