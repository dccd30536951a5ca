"""Languages as people write them: DE, pt-BR, zh-TW, deu, German, deutsch, 日本語.

Codes of passages are those that detection gives (``de``, ``zh-Hant``). A code that passages have means just
those; a name, or a code that none has, means all of the language: ``Chinese`` both scripts, ``no`` both
written languages of Norway.
"""

from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path

import regex

from indexer.errors import QueryError
from indexer.text.folding import fold
from indexer.text.language.detector import UNKNOWN
from indexer.text.language.tags import primary_language

_FILE = Path(__file__).parents[1] / "data" / "language_names.txt"
_ALSO_CODES = {
    "iw": "he", "in": "id", "ji": "yi", "jw": "jv", "mo": "ro", "cmn": "zh", "arb": "ar", "pes": "fa",
    "prs": "fa", "swh": "sw", "zsm": "ms", "lvs": "lv", "ekk": "et", "khk": "mn", "als": "sq", "ger": "de",
    "fre": "fr", "chi": "zh", "dut": "nl", "gre": "el", "per": "fa", "rum": "ro", "cze": "cs", "slo": "sk",
    "ice": "is", "mac": "mk", "alb": "sq", "arm": "hy", "baq": "eu", "bur": "my", "geo": "ka", "may": "ms",
    "tib": "bo", "wel": "cy", "mao": "mi", "tl": "fil",
    "tgl": "fil",
}  # fmt: skip
_ALSO_NAMES = {
    "bokmål": "nb", "nynorsk": "nn", "mandarin": "zh", "farsi": "fa", "flemish": "nl", "castellano": "es",
    "castilian": "es", "tagalog": "fil", "filipino": "fil", "sorani": "ckb", "简体中文": "zh-Hans",
    "繁體中文": "zh-Hant", "한국말": "ko", "unknown": UNKNOWN, "unknown language": UNKNOWN, "panjabi": "pa",
    "oriya": "or", "brazilian portuguese": "pt", "american english": "en", "british english": "en",
    "persian": "fa", "bangla": "bn", "bengali": "bn", "kirghiz": "ky", "uighur": "ug", "sinhalese": "si",
}  # fmt: skip
_SHOWN_NAMES = {
    "bn": "Bengali", "ckb": "Sorani Kurdish", "dv": "Dhivehi", "fy": "Frisian", "mi": "Maori",
    "ny": "Chichewa", "st": "Sesotho", "tl": "Tagalog", "zh-Hans": "Chinese (simplified)",
    "zh-Hant": "Chinese (traditional)", UNKNOWN: "unknown language", "ben": "Bengali", "fry": "Frisian",
    "cmn": "Mandarin Chinese", "tgl": "Tagalog", "ang": "Old English", "arq": "Algerian Arabic",
    "arz": "Egyptian Arabic", "awa": "Awadhi", "ber": "Berber", "cbk": "Chavacano", "csb": "Kashubian",
    "dtp": "Central Dusun", "hmn": "Hmong", "kzj": "Coastal Kadazan", "lfn": "Lingua Franca Nova",
    "max": "North Moluccan Malay", "mhr": "Meadow Mari", "nds": "Low German", "nov": "Novial",
    "orv": "Old East Slavic", "pam": "Kapampangan", "pms": "Piedmontese", "swg": "Swabian",
    "tzl": "Talossan", "war": "Waray", "wuu": "Wu Chinese",
}  # fmt: skip
"""Names that read better than those of CLDR, and names of languages that the table does not have."""
_ONE_LANGUAGE = {"no": ("nb", "nn", "no"), "sh": ("sr", "hr", "bs"), "fil": ("tl", "fil")}
_TRADITIONAL = frozenset(["hant", "tw", "hk", "mo"])
_SIMPLIFIED = frozenset(["hans", "cn", "sg", "my"])
_CHINESE, _CHINESE_TRADITIONAL = "zh", "zh-Hant"
_WORDS = regex.compile(r"[\p{L}\p{M}\p{N}]+")


def languages_named(words: Sequence[str], present: Collection[str]) -> tuple[str, ...]:
    """The codes of passages that are meant.

    Args:
        words: codes with or without script and region, or names in English or the language itself.
        present: the codes that passages have.

    Returns:
        Codes without repetition; a known language that no passage has stays, and finds nothing.

    Raises:
        QueryError: a word that is no language; it lists those that are there.
    """
    return tuple(dict.fromkeys(code for word in words for code in _named(word, present)))


def is_plain(word: str) -> bool:
    """Whether a word is a code that means itself, whatever passages have."""
    return word == UNKNOWN or (word in _codes() and _ALSO_CODES.get(word, word) == word
                               and word not in _ONE_LANGUAGE and not word.startswith(_CHINESE))  # fmt: skip


def is_language(code: str) -> bool:
    """Whether a code or tag is one of a language that has a name here: ``de``, ``zh_Hant``, ``deu``."""
    primary = code.lower().replace("_", "-").split("-", 1)[0]
    return primary in _codes() or primary in _two_letters()


def language_name(code: str) -> str:
    """The English name of a code; regional codes have that of their language, unknown ones stay."""
    primary = primary_language(code)
    for name in (code, primary):
        if result := _SHOWN_NAMES.get(name) or _codes().get(name):
            return result
    return _codes().get(_two_letters().get(primary, primary), code)


def _named(word: str, present: Collection[str]) -> tuple[str, ...]:
    asked = word.strip().replace("_", "-")
    if asked in present:
        return (asked,)
    code = _names().get(_normal(asked), asked)
    same_but_case = [item for item in present if item.lower() == code.lower()]
    if same_but_case and code == asked:
        return tuple(same_but_case)
    primary, *more = code.lower().split("-")
    primary = _two_letters().get(primary, primary)
    if primary not in _codes() and primary != UNKNOWN:
        raise QueryError(_unknown(word, present))
    if primary == _CHINESE:
        return _chinese(more, present)
    family = _ONE_LANGUAGE.get(primary, (primary,))
    return tuple(item for item in present if primary_language(item) in family) or family


def _chinese(subtags: Sequence[str], present: Collection[str]) -> tuple[str, ...]:
    if _TRADITIONAL.intersection(subtags):
        return (_CHINESE_TRADITIONAL,)
    if _SIMPLIFIED.intersection(subtags):
        return (_CHINESE,)
    return tuple(item for item in present if primary_language(item) == _CHINESE) or (_CHINESE,)


def _unknown(word: str, present: Collection[str]) -> str:
    listed = ", ".join(f"{code} ({language_name(code)})" for code in sorted(present) if code != UNKNOWN)
    there = f"Languages of this collection: {listed}." if listed else "The collection has no language yet."
    return f"Unknown language '{word[:40]}'. {there} Enter a code (de, pt-BR) or a name (German)."


def _normal(name: str) -> str:
    """A name without case, accents and marks, its words in one order."""
    return " ".join(sorted(_WORDS.findall(fold(name))))


@cache
def _rows() -> list[list[str]]:
    lines = _FILE.read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


@cache
def _codes() -> dict[str, str]:
    """English names by code."""
    return {row[0]: row[2] for row in _rows()}


@cache
def _two_letters() -> dict[str, str]:
    longer = {row[1]: row[0] for row in _rows() if "-" not in row[0]}
    return longer | _ALSO_CODES


@cache
def _names() -> dict[str, str]:
    names = {_normal(name): row[0] for row in _rows() for name in row[2:]}
    return names | {_normal(name): code for name, code in _ALSO_NAMES.items()}
