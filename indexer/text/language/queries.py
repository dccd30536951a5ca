"""Whether what was detected of a query may be said to the person who asked it."""

from indexer.text.language import rules
from indexer.text.language.detector import UNKNOWN
from indexer.types import LanguageGuess

_FEW_WORDS = 3  # below this a query says little: "tide mill" passes for Maltese
_SURE_OF_FEW = 0.85
_SURE_OF_RARE = 0.97  # one word of few letters is as likely in a larger language
_SURE = 0.6


def is_sure_of_query(guess: LanguageGuess, query: str) -> bool:
    """Whether ``guess``, what ``detect`` said about ``query``, is more than a guess.

    Queries are shorter than what detection is measured on, and a wrong language in plain sight does more
    harm than none. The few words of a query in a script of one language, or with its letters, still pass.
    """
    if guess.language == UNKNOWN:
        return False
    if guess.language in rules.RARE:
        return guess.confidence >= _SURE_OF_RARE
    is_short = len(query.split()) < _FEW_WORDS
    return guess.confidence >= (_SURE_OF_FEW if is_short else _SURE)
