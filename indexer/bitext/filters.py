"""Which sentences are worth mining: filters by length, letters, script, language, and repetition.

A side has one language: the one that its sentences were given, or else the one that most of those have
whose language is plain. A sentence that is plainly in another language than its side is left out; a short
or doubtful one stays. Every sentence that goes is counted under the name of the filter.
"""

import hashlib
import json
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.bitext.values import UNKNOWN_LANGUAGE, MiningSettings, Sentence
from indexer.text import language
from indexer.text.language.tags import are_confusable
from indexer.text.unicode_scripts import COMMON, script_counts
from me5 import atomic

SURE = 0.85
"""Confidence from which the language of a sentence counts as plain."""

_MIN_LETTERS = 20  # fewer say too little about a language; half of that where a letter is a syllable
_MIN_SCRIPT_LETTERS = 4
_SAMPLE = 2_000  # sentences whose language decides that of the side
_MAJORITY = 0.5
_USUAL_SCRIPT = 0.05  # share of a side's sentences from which a script is one of its own
_FEW = 2  # sentences that make a script usual at least, where there are so many
_REPLACED = "\N{REPLACEMENT CHARACTER}"
_MAX_REPLACED = 0.02  # share of characters that no encoding could read
_ALIKE_SCRIPTS = {"Hira": "Jpan", "Kana": "Jpan", "Hani": "Jpan"}


@dataclass(frozen=True)
class Filtered:
    """What is left of a side: places of the sentences that stay, the side's language, counts of the rest."""

    kept: NDArray[np.int64]
    language: str
    dropped: dict[str, int] = field(default_factory=dict)


def side_language(sentences: Sequence[Sentence]) -> str:
    """The language of a side: as given, or that of most sentences in a sample; ``und`` without a majority."""
    given = Counter(sentence.language for sentence in sentences if sentence.language != UNKNOWN_LANGUAGE)
    if given:
        return given.most_common(1)[0][0]
    step = max(1, len(sentences) // _SAMPLE)
    plain = Counter(
        guess.language
        for guess in language.detect_many([sentence.text for sentence in sentences[::step]])
        if guess.confidence >= SURE and guess.language != UNKNOWN_LANGUAGE
    )
    if not plain:
        return UNKNOWN_LANGUAGE
    likeliest, count = plain.most_common(1)[0]
    return likeliest if count > _MAJORITY * plain.total() else UNKNOWN_LANGUAGE


def filter_side(
    sentences: Sequence[Sentence],
    settings: MiningSettings,
    *,
    kept_in: Path | None = None,
    each: Callable[[int], None] | None = None,
) -> Filtered:
    """Choose the sentences of one side that are mined.

    Args:
        sentences: of one side.
        settings: which filters, and their limits.
        kept_in: path without suffix where the outcome is kept; the same sentences and settings find it there.
        each: called with the number of sentences looked at so far; may raise to stop.
    """
    if kept_in is None:
        return _filter(sentences, settings, each)
    path = kept_in.with_suffix(".filtered.npz")
    fingerprint = _fingerprint(sentences, settings)
    result = _load(path, fingerprint)
    if result is None:
        result = _filter(sentences, settings, each)
        _save(path, fingerprint, result)
    return result


def _filter(
    sentences: Sequence[Sentence], settings: MiningSettings, each: Callable[[int], None] | None
) -> Filtered:
    language = side_language(sentences)
    scripts = usual_scripts(sentences)
    dropped: Counter[str] = Counter()
    seen: set[bytes] = set()
    kept = []
    for place, sentence in enumerate(sentences):
        if each is not None and place % 1_000 == 0:
            each(place)
        reason = _objection(sentence.text, settings, scripts)
        if not reason and settings.check_language and is_foreign(sentence.text, language):
            reason = "language"
        if not reason and settings.drop_duplicates:
            key = duplicate_key(sentence.text)
            reason = "duplicate" if key in seen else ""
            seen.add(key)
        if reason:
            dropped[reason] += 1
        else:
            kept.append(place)
    return Filtered(np.array(kept, dtype=np.int64), language, dict(dropped))


def usual_scripts(sentences: Sequence[Sentence]) -> frozenset[str]:
    """The scripts that a fair share of a sample of the sentences is written in."""
    step = max(1, len(sentences) // _SAMPLE)
    counts = Counter(_script(sentence.text)[0] for sentence in sentences[::step])
    del counts[COMMON]
    least = max(_USUAL_SCRIPT * counts.total(), min(_FEW, counts.total()))
    return frozenset(name for name, count in counts.items() if count >= least) or frozenset(
        name for name, _ in counts.most_common(1)
    )


def is_foreign(text: str, expected: str) -> bool:
    """Whether a sentence is plainly in another language than ``expected``, and not in a near relative."""
    if expected == UNKNOWN_LANGUAGE:
        return False
    letters = sum(map(str.isalpha, text[:400]))
    least = _MIN_LETTERS if text.isascii() or max(text) < "\u0900" else _MIN_LETTERS // 2
    if letters < least:
        return False
    guess = language.detect(text)
    if guess.confidence < SURE or guess.language in (expected, UNKNOWN_LANGUAGE):
        return False
    return not are_confusable(guess.language, expected)


def duplicate_key(text: str) -> bytes:
    """Eight bytes that are equal for texts that differ in case, width, spaces or punctuation only."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    chars = "".join(char for char in folded if char.isalnum() or unicodedata.category(char)[0] == "M")
    return hashlib.blake2b((chars or folded).encode("utf-8", "replace"), digest_size=8).digest()


def _objection(text: str, settings: MiningSettings, scripts: frozenset[str]) -> str:
    if not settings.min_characters <= len(text) <= settings.max_characters:
        return "too long" if len(text) > settings.max_characters else "too short"
    if text.count(_REPLACED) > _MAX_REPLACED * len(text):
        return "encoding"
    chars = [char for char in text if not char.isspace()]
    letters = sum(1 for char in chars if char.isalpha() or unicodedata.category(char)[0] == "M")
    if letters < settings.min_letters * len(chars):
        return "letters"
    script, count = _script(text)
    if scripts and count >= _MIN_SCRIPT_LETTERS and script not in scripts:
        return "script"
    return ""


def _script(text: str) -> tuple[str, int]:
    """The script of a sentence, kana and Chinese characters being one, and its letters."""
    counts: Counter[str] = Counter()
    for name, count in script_counts(text[:400]).items():
        counts[_ALIKE_SCRIPTS.get(name, name)] += count
    return counts.most_common(1)[0] if counts else (COMMON, 0)


def _fingerprint(sentences: Sequence[Sentence], settings: MiningSettings) -> str:
    limits = (
        settings.min_characters,
        settings.max_characters,
        settings.min_letters,
        settings.check_language,
        settings.drop_duplicates,
    )
    digest = hashlib.blake2b(repr(limits).encode(), digest_size=16)
    for sentence in sentences:
        data = sentence.text.encode("utf-8", "surrogatepass")
        digest.update(f"{sentence.language} {len(data)} ".encode())
        digest.update(data)
    return digest.hexdigest()


def _save(path: Path, fingerprint: str, filtered: Filtered) -> None:
    message = json.dumps([fingerprint, filtered.language, filtered.dropped])
    with atomic.replacing(path) as aside, aside.open("wb") as file:
        np.savez(file, kept=filtered.kept, said=np.array(message))


def _load(path: Path, fingerprint: str) -> Filtered | None:
    try:
        with np.load(path) as saved:
            known, language, dropped = json.loads(str(saved["said"]))
            return Filtered(saved["kept"], language, dropped) if known == fingerprint else None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
