"""The words of a query, and which of them a text has: whole, inflected, or as parts of compounds.

A term is a word; or two characters of a script without spaces; or a code (ZQ-4471, 1,000) or a name with
marks (C++, .NET), which count only as they are. Which spellings are equal is defined in ``text.folding``; the
rules for parts of words were chosen with benchmarks/words.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import regex

from indexer.text import clitics, folding, hangul
from indexer.text.clitics import LETTERS

_UNSPACED_SCRIPTS = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
UNSPACED = regex.compile(rf"[{_UNSPACED_SCRIPTS}]+")
_SPACED = rf"[[{LETTERS}]--[{_UNSPACED_SCRIPTS}]]"  # a letter of a script with spaces
_IN_WORD = regex.compile(rf"(?V1){_SPACED}")
_START_OF_WORD = regex.compile(rf"(?V1){_SPACED}*+$")
_REST_OF_WORD = regex.compile(rf"(?V1){_SPACED}++")
WORD = regex.compile(rf"[{LETTERS}]+")

_MIN_PREFIX = 4  # an inflected form matches by its stem when the stem has at least so many letters
STEM_CREDIT = 0.7

NAME = regex.compile(
    rf"(?<![{LETTERS}+#.])(?:[a-z]{{1,3}}(?:#|\+{{1,2}})|[a-z]{{4,20}}\+\+|\.[a-z]{{3,8}})"
    rf"(?![{LETTERS}+#]|[.@][{LETTERS}])"
)
"""A name with marks in folded text: c#, c++, notepad++, .net."""

_CODE_LETTERS = r"[\p{Latin}\p{Cyrillic}\p{Greek}\p{Nd}]"
_CODE = regex.compile(
    rf"(?V1)(?<!{_SPACED}){_CODE_LETTERS}++(?:(?:[-._/:@#+']|(?<=\d),(?=\d)){_CODE_LETTERS}++)*+"
)
_PART = regex.compile(r"\d+|[^\W\d_]+")
_LETTERS_ONLY = regex.compile(r"[^\W\d_]+")
_LONGEST_LETTERS = 3  # of a part at the edge of a code; longer ones are words: invoice-4471
_MIN_DIGITS = 3
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
        least = 2 if hangul.is_hangul(self.text) else _MIN_SYLLABLES
        return is_word and len(self.text) >= least


def query_terms(query: str) -> list[Term]:
    """The distinct terms of a query: words, codes, or pairs of characters where no spaces separate words.

    Longer words weigh more (short ones are mostly function words); the weights sum to 1.
    """
    folded = folding.fold(query)
    others = folding.spellings(query)
    found: dict[tuple[str, bool], Term] = {}
    position = 0
    for start, end, term in _marked(folded):
        _add_words(found, folded[position:start], others)
        found.setdefault((term.text, term.unspaced), term)
        position = end
    _add_words(found, folded[position:], others)
    total = sum(term.weight for term in found.values())
    return [replace(term, weight=term.weight / total) for term in found.values()]


def reweighted(terms: Sequence[Term], idf: Mapping[str, float]) -> list[Term]:
    """The terms with weights multiplied by ``idf`` (1 where missing), again summing to 1."""
    weights = [term.weight * idf.get(term.text, 1.0) for term in terms]
    total = sum(weights) or 1.0
    return [replace(term, weight=weight / total) for term, weight in zip(terms, weights, strict=True)]


def present(terms: Sequence[Term], text: str) -> list[Term]:
    """The terms that may occur in a searchable text: a quick look before ``coverage`` of its parts."""
    return [term for term in terms if _may_occur(term, text)]


def coverage(terms: Sequence[Term], text: str, language: str = "und") -> float:
    """Share of the terms' weight that occurs in a text, 0..1; inflected forms and parts count in part.

    Args:
        terms: of the query.
        text: as ``folding.searchable`` gives it.
        language: of the text; decides which parts of words are words.
    """
    return sum(term.weight * _found(term, text, language) for term in terms)


def contains(term: Term, text: str) -> bool:
    """Whether the term occurs verbatim, as a whole word where words are separated."""
    if term.pattern is not None:
        return term.pattern.search(text) is not None
    if term.unspaced:
        return term.text in text
    return any(_stands_alone(word, text, whole=True) for word in (term.text, term.other) if word)


@lru_cache(maxsize=2048)
def searchable_text(text: str) -> str:
    """``searchable``, remembered: passages are looked at several times in a search, and again in the next."""
    return folding.searchable(text)


# -- making terms ----------------------------------------------------------------------------------------


def _marked(folded: str) -> list[tuple[int, int, Term]]:
    """Codes and names with marks in a folded query, in order: start, end, term."""
    names = [(one.start(), one.end(), _name(one.group())) for one in NAME.finditer(folded)]
    codes = [
        (span[0], _end_of_word(folded, span[1]), _code(folded[slice(*span)]))
        for one in _CODE.finditer(folded)
        if (span := _core_of_code(one.group(), one.start())) is not None
    ]
    taken = [(start, end) for start, end, _ in names]
    codes = [one for one in codes if not any(start < one[1] and one[0] < end for start, end in taken)]
    return sorted([*names, *codes], key=lambda one: one[0])


def _end_of_word(folded: str, end: int) -> int:
    """Where the letters end that are written on to a code: 2119는."""
    found = _REST_OF_WORD.match(folded, end)
    return found.end() if found else end


def _name(name: str) -> Term:
    before = "" if name.startswith(".") else rf"(?<![{LETTERS}])"
    pattern = regex.compile(rf"{before}{regex.escape(name)}(?![{LETTERS}+#])")
    return Term(name, _CODE_WEIGHT, "", False, pattern=pattern)


def _core_of_code(token: str, start: int) -> tuple[int, int] | None:
    """The span of a token's code, without words at its edges; None for a word, or one digit."""
    parts = [(one.start(), one.end(), one.group()) for one in regex.finditer(r"[^-._/:@#+',]+", token)]
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
    return len(part) > _LONGEST_LETTERS and _LETTERS_ONLY.fullmatch(part) is not None


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


def _add_words(found: dict[tuple[str, bool], Term], folded: str, others: Mapping[str, str]) -> None:
    for match in WORD.finditer(folded):
        word = match.group()
        position = 0
        for run in UNSPACED.finditer(word):
            _add_word(found, word[position : run.start()], others)
            characters = run.group()
            for start in range(max(1, len(characters) - 1)):
                pair = characters[start : start + 2]
                found.setdefault((pair, True), Term(pair, _PAIR_WEIGHT, "", True))
            position = run.end()
        _add_word(found, word[position:], others)


def _add_word(found: dict[tuple[str, bool], Term], word: str, others: Mapping[str, str]) -> None:
    if word and (word, False) not in found:
        has_digit = any(character.isdigit() for character in word)
        weight = (
            _NUMBER_WEIGHT if has_digit and len(word) > 1 else float(min(len(word), _LONGEST_THAT_COUNTS))
        )
        core = hangul.core(word) or clitics.core(word)
        found[word, False] = Term(word, weight, _stem(word), False, core, others.get(word, ""))


def _stem(word: str) -> str:
    stem = word[: max(_MIN_PREFIX, (3 * len(word) + 3) // 4)]
    return "" if len(stem) < _MIN_PREFIX or any(character.isdigit() for character in word) else stem


# -- finding terms ---------------------------------------------------------------------------------------


def _may_occur(term: Term, text: str) -> bool:
    if term.pattern is not None:
        return term.pattern.search(text) is not None
    if term.other and (_stem(term.other) or term.other) in text:
        return True
    if term.core:
        return (term.core if hangul.is_hangul(term.core) else _stem(term.core) or term.core) in text
    return (term.stem or term.text) in text


def _found(term: Term, text: str, language: str) -> float:
    if contains(term, text):
        return 1.0
    if term.unspaced or term.pattern is not None:
        return 0.0
    if term.core and hangul.is_hangul(term.core):
        return hangul.credit(term.text, term.core, text, inside=not term.is_common_part)
    if term.core:
        if clitics.stands_in(term.core, text, whole=True):
            return 1.0
        stem = _stem(term.core)
        return STEM_CREDIT if stem and clitics.stands_in(stem, text, whole=False) else 0.0
    words = [word for word in (term.text, term.other) if word]
    if any(_stands_alone(stem, text, whole=False) for word in words if (stem := _stem(word))):
        return STEM_CREDIT
    if term.is_common_part:
        return 0.0
    return max(part_credit(word, text, language) for word in words)


def _stands_alone(word: str, text: str, *, whole: bool) -> bool:
    """Whether a word begins (and, if ``whole``, ends) at the edge of a word."""
    start = text.find(word)
    while start >= 0:
        end = start + len(word)
        begins = start == 0 or _IN_WORD.match(text, start - 1) is None
        if begins and (not whole or _ends_at(text, start, end)):
            return True
        start = text.find(word, start + 1)
    return False


def _ends_at(text: str, start: int, end: int) -> bool:
    if _IN_WORD.match(text, end) is not None:
        return False
    name = NAME.match(text, start) if end - start <= _LONGEST_LETTERS else None
    return name is None or name.end() == end  # the language C is not in C++


# -- parts of words --------------------------------------------------------------------------------------

_FEW_COMPOUNDS_CODES = "an ast ca co cy en eo es fr ga gd gl ht it la lij mt oc pt qu ro sc vec vi wa"
_PREFIXING_CODES = "am fil id jv lg mg ms ny rn rw sn so st su sw ti tl tn ts xh zu"
_FEW_COMPOUNDS = frozenset(_FEW_COMPOUNDS_CODES.split())
_PREFIXING = frozenset(_PREFIXING_CODES.split())
_MALAY = frozenset(["id", "ms"])
_MALAY_PREFIX = (
    "(?:(?:mem|di)per|me(?:m|n|ng|ny)?|di|ber?|bel|ter?|pe(?:m|n|ng|ny|r)?|ke|se)"  # membaca: baca
)
_VOWEL = regex.compile("[aeiouyаеиоуыэюяіαεηιουω]")
_HAS_VOWELS = regex.compile(r"[\p{Latin}\p{Cyrillic}\p{Greek}]")
_SYLLABLES = regex.compile(r"\p{Ethiopic}")
_PART_CREDIT, _SHORT_PART_CREDIT = 0.7, 0.45
_MIN_PART, _SHORT_PART, _MIN_PART_ELSEWHERE, _MIN_SYLLABLES = 5, 4, 8, 3
_MIN_STEM = 6
_MIN_BEFORE = 3
_MAX_ENDING = 3


def part_credit(word: str, text: str, language: str) -> float:
    """What a word counts that stands inside longer ones, behind something that can be a word itself.

    Nothing for short words, and for all but the longest in languages that hardly write words together.
    """
    primary = language.split("-", 1)[0]
    if primary in _MALAY and len(word) >= _SHORT_PART and _with_malay_prefix(word).search(text):
        return _PART_CREDIT
    if primary in _FEW_COMPOUNDS or primary == "und":
        least = short = _MIN_PART_ELSEWHERE
    elif _SYLLABLES.match(word):
        least = short = _MIN_SYLLABLES
    else:
        least, short = _MIN_PART, _SHORT_PART
    before = _MIN_BEFORE - (primary in _PREFIXING) - (_SYLLABLES.match(word) is not None)
    if len(word) >= least and _is_part(word, text, before):
        return _PART_CREDIT
    stem = _stem(word)
    if least == _MIN_PART and len(stem) >= _MIN_STEM and _is_part(stem, text, before, _MAX_ENDING):
        return _PART_CREDIT
    if short <= len(word) < least and _is_part(word, text, before, 0):
        return _SHORT_PART_CREDIT
    return 0.0


@lru_cache(maxsize=256)
def _with_malay_prefix(word: str) -> "regex.Pattern[str]":
    return regex.compile(rf"(?<![{LETTERS}]){_MALAY_PREFIX}{regex.escape(word)}")


def is_inside(word: str, text: str) -> bool:
    """Whether a word stands inside a longer one of a text, not at its beginning."""
    start = text.find(word)
    while start >= 0:
        if start > 0 and _IN_WORD.match(text, start - 1):
            return True
        start = text.find(word, start + 1)
    return False


def _is_part(word: str, text: str, min_before: int, max_after: int | None = None) -> bool:
    start = text.find(word)
    while start >= 0:
        if start > 0 and _IN_WORD.match(text, start - 1):
            lead = _START_OF_WORD.search(text, max(0, start - 40), start)
            before = lead.group() if lead else ""
            after = _letters_after(text, start + len(word), max_after)
            can_be_word = not _HAS_VOWELS.match(before) or _VOWEL.search(before)
            if len(before) >= min_before and can_be_word and after:
                return True
        start = text.find(word, start + 1)
    return False


def _letters_after(text: str, end: int, at_most: int | None) -> bool:
    """Whether the word goes on for so many letters at most."""
    if at_most is None:
        return True
    return any(_IN_WORD.match(text, end + count) is None for count in range(at_most + 1))
