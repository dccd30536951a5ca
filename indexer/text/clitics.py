"""Words of Arabic and Hebrew script with the article, prepositions and "and" that are written on to them.

Asked for لقاح (vaccine), a reader is served by اللقاح (the vaccine) and بلقاح (with a vaccine). There is no
dictionary: an article is taken off what is asked, and what stands in a text may have prefixes before the
rest. All text here is folded (``lexical.fold``).
"""

from dataclasses import dataclass
from functools import lru_cache

import regex

LETTERS = r"\p{L}\p{M}\p{N}"  # re's \w leaves out the vowel signs of Indic scripts
_MIN_CORE = 3


@dataclass(frozen=True)
class _Script:
    """``article`` is taken off a query word; ``short`` and ``long`` may stand before a core of that length.

    Single letters count before longer cores only: they begin many roots, too (كتاب is not ك before تاب).
    """

    first: str
    last: str
    article: regex.Pattern[str]
    short: str
    long: str


_ARABIC = _Script(
    "\u0600", "\u06ff", regex.compile("^[وف]?(?:[بك]?ال|لل)"),
    "(?:[وف]?(?:[بك]?ال|لل))?", "[وف]?(?:[بك]?ال|لل|[بكل])?",
)  # fmt: skip
_HEBREW = _Script("\u0590", "\u05ff", regex.compile("^ו?ה"), "(?:ו?ה)?", "[ושכלבמה]{0,3}")


def core(word: str) -> str:
    """A word without its article; itself where it has none, empty where its script knows no such prefixes."""
    script = _script_of(word)
    if script is None:
        return ""
    rest = script.article.sub("", word, count=1)
    return rest if len(rest) >= _MIN_CORE else word


def stands_in(core: str, folded: str, *, whole: bool) -> bool:
    """Whether a text has a word that is ``core`` (or begins with it, unless ``whole``) after any prefixes."""
    return core in folded and _pattern(core, whole=whole).search(folded) is not None


def _script_of(word: str) -> _Script | None:
    return next((item for item in (_ARABIC, _HEBREW) if item.first <= word[:1] <= item.last), None)


@lru_cache(maxsize=2048)
def _pattern(core: str, *, whole: bool) -> regex.Pattern[str]:
    script = _script_of(core)
    assert script is not None
    before = script.long if len(core) > _MIN_CORE else script.short
    after = rf"(?![{LETTERS}])" if whole else ""
    return regex.compile(rf"(?<![{LETTERS}]){before}{regex.escape(core)}{after}")
