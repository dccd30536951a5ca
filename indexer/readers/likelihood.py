"""How surprising a text is in a language, in bits: its letters, which follow which, and its frequent words.

Letters come from ``letters``; languages that it lacks, the pairs of letters and the words come from
``indexer/text/data/frequent_words.txt``. Ideographs follow Zipf's law by their rank.
"""

import math
import re
import unicodedata
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

from indexer.readers.letters import ALPHABETS, IDEOGRAPHS

WORDS_FILE = Path(__file__).parents[1] / "text" / "data" / "frequent_words.txt"
LABELS = {"nb": "no"}
"""Languages under another label there."""
UNKNOWN_LETTER_BITS, STRANGE_BITS, MARK_BITS = 17.0, 30.0, 7.0
FOREIGN_BITS, FOREIGN_SCRIPT_BITS = 11.0, 4.5
PAIR_SHARE = 0.6  # what the pair of letters says, beside the letter alone
WORD_BITS = 1.0  # to say that a word is, or is not, a frequent one
_MARKS = frozenset("“”„‘’‚–—…«»‹›•·°§©®™№€£\u00a0\u200c\u200d\u200e\u200f،؛؟¡¿ºª")
_FORMS = dict.fromkeys("、。，！？：；「」『』（）《》〈〉・ー　", 6.0)
_WORD = re.compile(r"[^\W\d_]+")


@cache
def letter_bits(language: str) -> dict[str, float]:
    """Bits of each character of a language."""
    if language in IDEOGRAPHS:
        table = {char: 5.0 + math.log2(1 + rank / 8) for rank, char in enumerate(IDEOGRAPHS[language])}
        table |= _FORMS
    elif language in ALPHABETS:
        pairs = ALPHABETS[language]
        table = {char: (ord(bits) - 48) / 2 for char, bits in zip(pairs[::2], pairs[1::2], strict=True)}
    else:
        table = _letters_of_words(language)
    # a letter the language hardly uses, or English in between
    foreign = FOREIGN_BITS if table.get("e", 99) < 6 else FOREIGN_SCRIPT_BITS
    return dict.fromkeys("abcdefghijklmnopqrstuvwxyz", foreign) | table


def unordered_bits(counts: Counter[str], language: str) -> float:
    """Bits of the characters of a text, whatever their order; lower case expected."""
    table = letter_bits(language)
    return sum(count * (table[char] if char in table else other_bits(char)) for char, count in counts.items())


def text_bits(text: str, language: str) -> float:
    """Bits of a text as its words and letters follow each other; lower case expected."""
    table, words, pairs = letter_bits(language), word_bits(language), pair_bits(language)
    bits, end = 0.0, 0
    for match in _WORD.finditer(text):
        bits += sum(table.get(char) or other_bits(char) for char in text[end : match.start()])
        end, word = match.end(), match[0]
        spelt, before = WORD_BITS if words else 0.0, " "
        for char in word:
            alone = table[char] if char in table else other_bits(char)
            spelt += pairs.get(before + char, alone + 1.0) if pairs else alone
            before = char
        bits += min(spelt, words.get(word, spelt) + WORD_BITS)
    return bits + sum(table.get(char) or other_bits(char) for char in text[end:])


@cache
def word_bits(language: str) -> dict[str, float]:
    """Bits of each frequent word of a language; nothing where they are not known."""
    shares = _shares().get(LABELS.get(language, language), {})
    return {word: -math.log2(share) for word, share in shares.items()}


@cache
def pair_bits(language: str) -> dict[str, float]:
    """Bits of a letter after another (a space begins a word), as far as frequent words show them."""
    counts: defaultdict[str, float] = defaultdict(float)
    totals: defaultdict[str, float] = defaultdict(float)
    for word, share in _shares().get(LABELS.get(language, language), {}).items():
        for before, char in zip(" " + word, word, strict=False):
            weight = math.sqrt(share)  # words that are less frequent say as much about letters
            counts[before + char] += weight
            totals[before] += weight
    table = letter_bits(language)
    return {
        pair: -math.log2(
            PAIR_SHARE * count / totals[pair[0]]
            + (1 - PAIR_SHARE) * 2 ** -table.get(pair[1], UNKNOWN_LETTER_BITS)
        )
        for pair, count in counts.items()
    }


def _letters_of_words(language: str) -> dict[str, float]:
    counts: Counter[str] = Counter()
    for word, share in _shares().get(LABELS.get(language, language), {}).items():
        for char in word:
            counts[char] += share  # type: ignore[assignment]
    total = sum(counts.values())
    return {char: -math.log2(count / total) for char, count in counts.items()}


@cache
def _shares() -> dict[str, dict[str, float]]:
    """Language -> frequent word -> its share of the running words."""
    shares: dict[str, dict[str, float]] = {}
    for line in WORDS_FILE.read_text(encoding="utf-8").splitlines():
        script, label, *entries = line.split(" ")
        if script == "#":
            continue  # a comment
        if (script, label) == ("Latn", "th"):
            continue  # written as it sounds
        language = "sr-Latn" if (script, label) == ("Latn", "sr") else label
        pairs = (entry.rsplit(":", 1) for entry in entries)
        shares[language] = {word: int(count) * 1e-5 for word, count in pairs}
    return shares


@cache
def other_bits(char: str) -> float:
    """Bits of a character that no language lists."""
    if char.isascii():
        return 0.0 if char.isprintable() or char in "\t\n\r" else STRANGE_BITS
    if char in _MARKS:
        return MARK_BITS
    category = unicodedata.category(char)
    if category in ("Cc", "Cn", "Co", "Cs") or char == "\ufffd":
        return STRANGE_BITS
    return UNKNOWN_LETTER_BITS if category[0] == "L" else UNKNOWN_LETTER_BITS + 2
