"""Which terms of a query a text has: whole, inflected, or as parts of compounds.

The rules for parts of words were chosen with benchmarks/words.py.
"""

from collections.abc import Sequence
from functools import lru_cache

import regex

from indexer.search.terms import LONGEST_LETTERS, MIN_SYLLABLES, NAME, SPACED, Term, stem_of
from indexer.text import clitics, folding, hangul
from indexer.text.clitics import LETTERS

STEM_CREDIT = 0.7

_IN_WORD = regex.compile(rf"(?V1){SPACED}")
_WORDS = regex.compile(rf"(?V1){SPACED}++")
_START_OF_WORD = regex.compile(rf"(?V1){SPACED}*+$")


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
    total = 0.0
    for term in terms:
        if _may_occur(term, text):  # most do not, and this is quick
            total += term.weight * _credit(term, text, language)
    return total


def contains(term: Term, text: str) -> bool:
    """Whether the term occurs verbatim, as a whole word where words are separated."""
    if term.pattern is not None:
        return term.pattern.search(text) is not None
    if term.unspaced:
        return term.text in text
    if _stands_alone(term.text, text, whole=True):
        return True
    return bool(term.other) and _stands_alone(term.other, text, whole=True)


@lru_cache(maxsize=2048)
def searchable_text(text: str) -> str:
    """``searchable``, remembered: passages are looked at several times in a search, and again in the next."""
    return folding.searchable(text)


def _may_occur(term: Term, text: str) -> bool:
    """Whether letters are there without which the term counts nothing."""
    if term.pattern is not None:
        return term.pattern.search(text) is not None
    if term.other and (stem_of(term.other) or term.other) in text:
        return True
    if term.core:
        return (term.core if hangul.is_hangul(term.core) else stem_of(term.core) or term.core) in text
    return (term.stem or term.text) in text


def _credit(term: Term, text: str, language: str) -> float:
    """What a term that may occur counts for, 0..1."""
    if contains(term, text):
        return 1.0
    if term.unspaced or term.pattern is not None:
        return 0.0
    if term.core and hangul.is_hangul(term.core):
        return hangul.credit(term.text, term.core, text, inside=not term.is_common_part)
    if term.core:
        if clitics.stands_in(term.core, text, whole=True):
            return 1.0
        stem = stem_of(term.core)
        return STEM_CREDIT if stem and clitics.stands_in(stem, text, whole=False) else 0.0
    words = [word for word in (term.text, term.other) if word]
    if any(_stands_alone(stem, text, whole=False) for word in words if (stem := stem_of(word))):
        return STEM_CREDIT
    if term.is_common_part:
        return 0.0
    return max(part_credit(word, text, language) for word in words)


def _stands_alone(word: str, text: str, *, whole: bool) -> bool:
    """Whether a word begins (and, if ``whole``, ends) at the edge of a word."""
    if _is_word(word):
        if not whole:
            return f" {word}" in _words(text)
        if f" {word} " not in _words(text):
            return False
        if len(word) > LONGEST_LETTERS or not ("#" in text or "+" in text):
            return True  # else it may be the beginning of a name with marks
    start = text.find(word)
    while start >= 0:
        end = start + len(word)
        begins = start == 0 or _IN_WORD.match(text, start - 1) is None
        if begins and (not whole or _ends_at(text, start, end)):
            return True
        start = text.find(word, start + 1)
    return False


@lru_cache(maxsize=8192)
def _is_word(word: str) -> bool:
    """Whether a word is of nothing but letters of scripts with spaces."""
    return _WORDS.fullmatch(word) is not None


@lru_cache(maxsize=8192)
def _words(text: str) -> str:
    """The words of a text in scripts with spaces, in order, each between two spaces."""
    return f" {' '.join(_WORDS.findall(text))} "


def _ends_at(text: str, start: int, end: int) -> bool:
    if _IN_WORD.match(text, end) is not None:
        return False
    name = NAME.match(text, start) if end - start <= LONGEST_LETTERS else None
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
_MIN_PART, _SHORT_PART, _MIN_PART_ELSEWHERE = 5, 4, 8
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
        least = short = MIN_SYLLABLES
    else:
        least, short = _MIN_PART, _SHORT_PART
    before = _MIN_BEFORE - (primary in _PREFIXING) - (_SYLLABLES.match(word) is not None)
    if len(word) >= least and _is_part(word, text, before):
        return _PART_CREDIT
    stem = stem_of(word)
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
