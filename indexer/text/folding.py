"""Text without the differences that a searcher does not type, in every script; docs/search.md has the table.

``fold`` gives the one form in which queries and passages are compared. Where two spellings must stay apart in
that form (German ``pöt`` is not English ``poet``), ``searchable`` adds the second one behind the text, and
``spellings`` to a word of a query. ``first_fold`` is the folding of collections that were indexed before this
one: their stored features are asked for in it, too.
"""

import re
import unicodedata
from functools import cache, lru_cache
from pathlib import Path

import regex

# Latin, Greek and Cyrillic accents, Hebrew points, Arabic vowel signs, tatweel, joiners.
_LOOSE_MARKS = re.compile(
    "[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0640\u200b-\u200f\u2060\ufeff\u00ad]"
)
_VARIANTS = str.maketrans("ıłøđðςأإآٱىیکةۀہھךםןףץ’", "iloddσااااييكههههכמנפצ'") | {
    ord("æ"): "ae",
    ord("œ"): "oe",
}
_VARIANT = re.compile(f"[{''.join(map(chr, _VARIANTS))}]")
_NON_ASCII_DIGIT = re.compile(r"[^\D0-9]")

# Format characters, variation selectors, fillers of Hangul, Quranic marks, nuktas.
_INVISIBLE = regex.compile(
    "[\\p{Cf}\\p{Variation_Selector}\u115f\u1160\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed"
    "\u08ca-\u08e1\u08e3-\u08ff\u093c\u09bc\u0a3c\u0abc\u0b3c\u0cbc]"
)
_MAY_BE_INVISIBLE = re.compile(
    "[\u00ad\u0600-\u08ff\u093c\u09bc\u0a3c\u0abc\u0b3c\u0cbc\u115f\u1160\u180b-\u180f\u200b-\u206f"
    "\ufe00-\ufe0f\ufeff\ufff0-\uffff\U00011000-\U0010ffff]"
)
"""A quick look at what the pattern above takes a tenth of a search for; never narrower than that."""
_LETTERS = {
    "þ": "th", "ħ": "h", "ŧ": "t", "ŋ": "n", "ɓ": "b", "ɗ": "d", "ƙ": "k", "ƴ": "y", "ə": "e", "ɛ": "e",
    "ɔ": "o", "ʻ": "'", "ʼ": "'", "‘": "'", "׳": "'", "״": '"', "‐": "-", "‒": "-", "–": "-", "−": "-",
    "♯": "#", "ऩ": "न", "ऱ": "र", "ऴ": "ळ",
    "ৎ": "ত্", "ൺ": "ണ്", "ൻ": "ന്", "ർ": "ര്", "ൽ": "ല്", "ൾ": "ള്", "ൿ": "ക്", "ൔ": "മ്", "ൕ": "യ്", "ൖ": "ഴ്",
    "ൌ": "ൗ", "ੰ": "ਂ", "ँ": "ं", "ঁ": "ং", "ઁ": "ં", "ଁ": "ଂ", "ఁ": "ం", "ಁ": "ಂ",
    "ヵ": "か", "ヶ": "か", "ゕ": "か", "ゖ": "か", "ヽ": "ゝ", "ヾ": "ゞ",
}  # fmt: skip
_KATAKANA = range(0x30A1, 0x30F5)
_TO_HIRAGANA = -0x60
_FINAL_LONG_MARK = re.compile("(?<=[ァ-ヺー]{3})ー(?![ァ-ヺー])")  # サーバー as サーバ; ビール is not ビル
_INDIC_BLOCKS = (0x900, 0x980, 0xA00, 0xA80, 0xB00, 0xC00, 0xC80, 0xD00)
_NASALS, _M = (0x19, 0x1E, 0x23, 0x28), 0x2E
_STOPS = ((0x15, 0x18), (0x1A, 0x1D), (0x1F, 0x22), (0x24, 0x27), (0x2A, 0x2D))
_ANUSVARA, _VIRAMA = 0x02, 0x4D
_VIRAMAS = re.compile(f"[{''.join(chr(block + _VIRAMA) for block in _INDIC_BLOCKS)}]")
_HAN_FILE = Path(__file__).parent / "data" / "han_variants.txt"

_SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})
_LATIN_WORD = re.compile(r"\w+")
_UMLAUT = re.compile("[äöüøå]")
_UMLAUT_OR_MARK = re.compile("[äöüøåÄÖÜØÅ\u0308\u030a\u212b]")
_DIGRAPH = re.compile("ae|oe|ue|aa")
_SERBIAN_LETTERS = "абвгдђежзијклљмнњопрстћуфхцчџш"
_LATIN_LETTERS = "a b v g d đ e ž z i j k l lj m n nj o p r s t ć u f h c č dž š"
_SERBIAN = dict(zip(_SERBIAN_LETTERS, _LATIN_LETTERS.split(), strict=True))
_CYRILLIC = re.compile("[\u0400-\u04ff]")
_CYRILLIC_WORD = re.compile("[\u0400-\u04ff]+")
_NOT_SERBIAN = re.compile("[^\u0000-\u03ff\u0500-\U0010ffff" + "".join(_SERBIAN) + "]")


def fold(text: str) -> str:
    """``text`` as words are compared: without case, width, accents, vowel points and the like.

    Folding twice changes nothing more. Vowel signs of Indic and South-East Asian scripts stay.
    """
    if text.isascii():
        return text.lower()
    folded = first_fold(text)
    if folded.isascii():
        return folded
    # Looking for a letter is much quicker than replacing none.
    if _MAY_BE_INVISIBLE.search(folded):
        folded = _INVISIBLE.sub("", folded)
    if "ー" in folded:
        folded = _FINAL_LONG_MARK.sub("", folded)
    if _further_letter().search(folded):
        folded = folded.translate(_further())
    if _VIRAMAS.search(folded):
        folded = _nasal_before_stop().sub(_to_anusvara, folded)
    return folded


def first_fold(text: str) -> str:
    """The folding of the features of collections that were indexed with version 1."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", text).casefold()
    folded = unicodedata.normalize("NFC", _LOOSE_MARKS.sub("", unicodedata.normalize("NFD", folded)))
    if _VARIANT.search(folded):
        folded = folded.translate(_VARIANTS)
    if _NON_ASCII_DIGIT.search(folded):
        folded = _NON_ASCII_DIGIT.sub(lambda result: str(unicodedata.decimal(result.group())), folded)
    return folded


def searchable(text: str, folded: str | None = None) -> str:
    """``fold``, and behind it the words that have a second spelling, in that one.

    Args:
        text: any text.
        folded: what ``fold`` gives for it, where that is known.
    """
    folded = fold(text) if folded is None else folded
    if text.isascii():
        return folded
    more = [*_spelt_out(text), *serbian_in_latin(text)]
    return f"{folded}\n{' '.join(more)}" if more else folded


def spellings(text: str) -> dict[str, str]:
    """The folded words of a query that have a second spelling: Müller also as mueller, Београд as beograd."""
    second = {}
    if not text.isascii():
        for word in _words_with_umlaut(text):
            second[fold(word)] = _in_two_letters(word)
        for word in _CYRILLIC_WORD.findall(text.casefold()):
            if not _NOT_SERBIAN.search(word):
                second[fold(word)] = _latin(word)
    return second


def contracted(folded: str) -> str:
    """A folded word with ae, oe, ue and aa as single letters: mueller as in the folded Müller."""
    return _DIGRAPH.sub(lambda result: result.group()[0], folded)


def serbian_in_latin(text: str) -> list[str]:
    """The Cyrillic words of a text in Latin letters, folded; none where a letter is not Serbian."""
    if not _CYRILLIC.search(text):
        return []
    lowered = text.casefold()
    if _NOT_SERBIAN.search(lowered):
        return []
    return [_latin(word) for word in _CYRILLIC_WORD.findall(lowered)]


@lru_cache(maxsize=8192)
def _latin(word: str) -> str:
    return fold("".join(_SERBIAN.get(letter, letter) for letter in word))


def _spelt_out(text: str) -> list[str]:
    if not _UMLAUT_OR_MARK.search(text):
        return []
    return [_in_two_letters(word) for word in _words_with_umlaut(text)]


@lru_cache(maxsize=8192)
def _in_two_letters(word: str) -> str:
    return fold(word.translate(_SPELT_OUT))


def _words_with_umlaut(text: str) -> list[str]:
    words = _LATIN_WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return [word for word in words if _UMLAUT.search(word)]


@cache
def _further() -> dict[int, str]:
    """What the second folding makes of letters."""
    table = {code: chr(code + _TO_HIRAGANA) for code in _KATAKANA}
    table |= {ord(letter): plain for letter, plain in _LETTERS.items()}
    pairs = [
        pair
        for line in _HAN_FILE.read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
        for pair in line.split()
    ]
    simple = {pair[0]: pair[1] for pair in pairs}
    return table | {ord(traditional): _simplest(traditional, simple) for traditional in simple}


def _simplest(char: str, simple: dict[str, str]) -> str:
    """The last of the forms of a character, some of which are simplified in steps, and a few in circles."""
    forms = [char]
    while (following := simple.get(forms[-1])) is not None and following not in forms:
        forms.append(following)
    return forms[-1] if following is None else min(forms)


@cache
def _further_letter() -> re.Pattern[str]:
    return re.compile(f"[{''.join(map(re.escape, map(chr, _further())))}]")


@cache
def _nasal_before_stop() -> re.Pattern[str]:
    """A nasal with virama before a stop, in the scripts that may write an anusvara for it."""

    def letters(*offsets: int) -> str:
        return "".join(chr(block + offset) for block in _INDIC_BLOCKS for offset in offsets)

    stops = letters(*(offset for first, last in _STOPS for offset in range(first, last + 1)))
    labials = letters(*range(_STOPS[-1][0], _STOPS[-1][1] + 1))
    virama = f"[{letters(_VIRAMA)}]"
    return re.compile(f"[{letters(*_NASALS)}]{virama}(?=[{stops}])|[{letters(_M)}]{virama}(?=[{labials}])")


def _to_anusvara(match: re.Match[str]) -> str:
    block = ord(match.group()[0]) & ~0x7F
    return chr(block + _ANUSVARA)
