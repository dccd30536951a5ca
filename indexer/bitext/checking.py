"""What is wrong with a pair, seen from its two texts: flags that a person looks at, or that drop the pair.

- ``length``: much longer or shorter than translations between the two languages are; what is usual is taken
  from the pairs themselves.
- ``numbers``, ``urls``, ``emails``: one side has some that the other has not.
- ``copy``: both sides are the same but for case, punctuation and spaces, or nearly so.
- ``near-duplicate``: a better pair says the same on both sides, but for digits, case or punctuation.
- ``suspicious``: scores so far above all others that something else than meaning must be alike.
"""

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from math import exp, log
from statistics import median

from indexer.bitext.values import MiningSettings, Pair

FLAGS = ("length", "numbers", "urls", "emails", "copy", "near-duplicate", "suspicious")

_URL = re.compile(r"(?:https?://|www\.)[^\s<>\"'“”«»()（）]+", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_TRAILING = ".,;:!?…。，、；：！？)]}"
# Digits with whatever parts groups of them: 1,000 · 1.000 · 1 000 · 1'000 · ١٬٠٠٠ · 3,5 · ٣٫٥
_NUMBER = re.compile(r"\d+(?:[.,٫٬'’\u00a0\u202f\u2009 ]\d+)*")
_GROUP_SPACE = re.compile(r"[\u00a0\u202f\u2009 ]")
_SPELT_OUT = 12  # numbers up to here are often written as words
_SMOOTHING = 10  # characters: short sentences differ in length by more than long ones
_MIN_PAIRS = 20  # fewer say nothing about what is usual
_TRUSTED = 0.5  # the better half of the pairs says what is usual
_NEAR_COPY = 0.9
_COPY_LETTERS = 4
_MAX_COMPARED = 400  # characters of a pair that are compared sign by sign


def check_pairs(
    pairs: Sequence[Pair],
    settings: MiningSettings,
    *,
    max_score: float = float("inf"),
    usual: Mapping[tuple[str, str], float] | None = None,
) -> tuple[list[Pair], dict[str, int]]:
    """Flag pairs and leave out those with a flag of ``settings.drop``.

    Args:
        pairs: best first; of two near-duplicates the first is the better one.
        settings: length ratio, and which flags drop.
        max_score: pairs above are suspicious; they are flagged and stay.
        usual: what is usual between languages (``usual_ratios``); None takes it from ``pairs``.

    Returns:
        The pairs that stay, in their order, with flags; and how many went under which flag.
    """
    usual = usual_ratios(pairs) if usual is None else usual
    drop = frozenset(settings.drop) - {"suspicious"}
    dropped: Counter[str] = Counter()
    seen: set[bytes] = set()
    kept = []
    for pair in pairs:
        flags = list(flags_of(pair, usual, settings.length_ratio))
        key = near_key(pair)
        if key in seen:
            flags.append("near-duplicate")
        if pair.score > max_score:
            flags.append("suspicious")
        fatal = next((flag for flag in flags if flag in drop), None)
        if fatal:
            dropped[fatal] += 1
            continue
        seen.add(key)
        kept.append(replace(pair, flags=tuple(dict.fromkeys((*pair.flags, *flags)))))
    return kept, dict(dropped)


def flags_of(pair: Pair, usual: Mapping[tuple[str, str], float], length_ratio: float) -> list[str]:
    """The flags that a pair has by itself."""
    flags = []
    expected = usual.get((pair.source_language, pair.target_language), 0.0)
    if abs(_log_ratio(pair) - expected) > log(length_ratio):
        flags.append("length")
    source, target = _plain_digits(pair.source), _plain_digits(pair.target)
    if _found(_URL, source) != _found(_URL, target):
        flags.append("urls")
    if _found(_EMAIL, source) != _found(_EMAIL, target):
        flags.append("emails")
    if not same_numbers(_EMAIL.sub(" ", _URL.sub(" ", source)), _EMAIL.sub(" ", _URL.sub(" ", target))):
        flags.append("numbers")
    if is_copy(pair.source, pair.target):
        flags.append("copy")
    return flags


def usual_ratios(pairs: Sequence[Pair]) -> dict[tuple[str, str], float]:
    """Logarithm of the usual target length over source length, by language pair.

    The median over the better half of the pairs, so that neither wrong pairs nor outliers move it.
    """
    ratios: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for pair in pairs:
        ratios[pair.source_language, pair.target_language].append(_log_ratio(pair))
    usual = {}
    for languages, result in ratios.items():
        trusted = result[: max(_MIN_PAIRS, int(len(result) * _TRUSTED))]
        if len(trusted) >= _MIN_PAIRS:
            usual[languages] = median(trusted)
    return usual


def expected_ratio(usual: Mapping[tuple[str, str], float], source: str, target: str) -> float:
    """How many times longer the target is than the source as a rule; 1 where that is not known."""
    return exp(usual.get((source, target), 0.0))


def same_numbers(source: str, target: str) -> bool:
    """Whether both texts have the same numbers, in whatever digits and with whatever separators.

    Small numbers may be missing on one side, where they can be words.
    """
    left, right = Counter(_numbers(source)), Counter(_numbers(target))
    if left == right:
        return True
    missing = [*(left - right).elements(), *(right - left).elements()]
    if all(len(number) <= 2 and int(number) <= _SPELT_OUT for number in missing):
        return True
    # 5:30 and 5.30, 12-13 and 12.13: other marks between the same digits
    return "".join(_numbers(source)) == "".join(_numbers(target))


def is_copy(source: str, target: str) -> bool:
    """Whether both sides are the same text, or differ in very few characters."""
    item, other = _signs(source), _signs(target)
    if item == other:
        return True
    if "://" in source or "@" in source:  # addresses are the same in every language
        item, other = (_signs(_EMAIL.sub(" ", _URL.sub(" ", side))) for side in (source, target))
    short, long = sorted((len(item), len(other)))
    if short < _COPY_LETTERS or long > _MAX_COMPARED or short < long * _NEAR_COPY:
        return False
    matcher = SequenceMatcher(None, item, other, autojunk=False)
    return matcher.quick_ratio() >= _NEAR_COPY and matcher.ratio() >= _NEAR_COPY


def near_key(pair: Pair) -> bytes:
    """Equal for pairs whose sides differ only in digits, case, punctuation and spaces."""
    sides = (re.sub(r"\d+", "0", _signs(side)) for side in (pair.source, pair.target))
    return hashlib.blake2b("\0".join(sides).encode("utf-8", "replace"), digest_size=8).digest()


def _numbers(text: str) -> list[str]:
    """Numbers as plain digits, separators left out: 1,000 and 1.000 are 1000, 3.5 and 3,5 are 35."""
    results = []
    for match in _NUMBER.finditer(_plain_digits(text)):
        number = match.group()
        parts = _GROUP_SPACE.split(number)
        if len(parts) > 1 and all(len(part) == 3 for part in parts[1:]) and len(parts[0]) <= 3:
            parts = ["".join(parts)]  # a space between thousands; any other parts two numbers
        results += [re.sub(r"\D", "", part).lstrip("0") or "0" for part in parts]
    return results


def _plain_digits(text: str) -> str:
    """Digits of every script as 0 to 9."""
    if text.isascii():
        return text
    return "".join(
        str(unicodedata.decimal(char)) if char.isdecimal() and not char.isascii() else char for char in text
    )


def _found(pattern: re.Pattern[str], text: str) -> set[str]:
    return {match.rstrip(_TRAILING + "/").casefold() for match in pattern.findall(text)}


def _log_ratio(pair: Pair) -> float:
    return log((len(pair.target) + _SMOOTHING) / (len(pair.source) + _SMOOTHING))


def _signs(text: str) -> str:
    """Letters, marks and digits, folded."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in folded if char.isalnum() or unicodedata.category(char)[0] == "M")
