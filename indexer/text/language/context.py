"""The other chunks of a document correct the short and unsure ones."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from indexer.text.language.detector import UNKNOWN
from indexer.text.language.tags import are_closest
from indexer.text.unicode_scripts import COMMON
from indexer.types import LanguageGuess

_SURE = 0.9
_SHORT = 60  # letters: below this a guess may be overruled
_MIN_SHARE = 0.1  # of the sure text of a script that a language needs to overrule others
_NEIGHBOURS = 3
_CONFIDENCE = 0.7  # of a guess taken from the context


def refine(guesses: Sequence[LanguageGuess], texts: Sequence[str]) -> list[LanguageGuess]:
    """Guesses for the consecutive chunks of one document, corrected by each other.

    Args:
        guesses: what ``detect_many`` said about ``texts``.
        texts: the chunks in their order.

    Returns:
        As many guesses. One that is sure and long stays; an unsure, unknown or short one gives way to
        the language that dominates around it, if that is written in the same script.
    """
    weights = _sure_weights(guesses, texts)
    result: list[LanguageGuess] = []
    for position, (guess, text) in enumerate(zip(guesses, texts, strict=True)):
        if guess.script == COMMON or not _may_change(guess, text, weights):
            result.append(guess)
            continue
        near = range(max(position - _NEIGHBOURS, 0), min(position + _NEIGHBOURS + 1, len(guesses)))
        local = _sure_weights(
            [guesses[i] for i in near if i != position], [texts[i] for i in near if i != position]
        )
        language = _dominant(local, guess.script) or _dominant(weights, guess.script)
        if language is None or language == guess.language:
            result.append(guess)
        else:
            result.append(replace(guess, language=language, confidence=_CONFIDENCE))
    return result


def _sure_weights(guesses: Sequence[LanguageGuess], texts: Sequence[str]) -> Counter[tuple[str, str]]:
    """Characters of sure text by (script, language)."""
    weights: Counter[tuple[str, str]] = Counter()
    for guess, text in zip(guesses, texts, strict=True):
        if guess.language != UNKNOWN and guess.confidence >= _SURE and len(text) >= _SHORT:
            weights[guess.script, guess.language] += len(text)
    return weights


def _dominant(weights: Counter[tuple[str, str]], script: str) -> str | None:
    same = {language: weight for (name, language), weight in weights.items() if name == script}
    return max(same, key=lambda language: (same[language], language)) if same else None


def _may_change(guess: LanguageGuess, text: str, weights: Counter[tuple[str, str]]) -> bool:
    """Whether ``guess`` is unsure, or short and without support in the rest of the document."""
    if guess.language == UNKNOWN:
        return True
    total = sum(weight for (script, _), weight in weights.items() if script == guess.script)
    own = weights[guess.script, guess.language]
    if total == 0 or own >= _MIN_SHARE * total:
        return False
    is_close = are_closest(guess.language, _dominant(weights, guess.script) or "")
    return guess.confidence < _SURE or len(text) < _SHORT // 2 or is_close
