"""Language of a text: py3langid's Bayes scores, corrected by script, letters and frequent words.

py3langid (MIT, 97 languages and more, 14,000 texts/s) does the bulk. Its scores are restricted to the
languages of the text's script; letters and frequent words move them where they speak clearly. Where
the result for a short text is still unsure, langdetect (seeded) gives a second opinion; it costs some
20 ms and does not change what is said about passages. All models are loaded once, at
the first text that needs them, and are then only read, so threads may share them.
"""

import re
import threading
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from indexer.text.language import rules
from indexer.text.language.romanised import is_romanised
from indexer.text.language.words import WordEvidence
from indexer.text.unicode_scripts import COMMON, script_counts
from indexer.types import LanguageGuess

T = TypeVar("T")

UNKNOWN = "und"
_SAMPLE = 400  # characters looked at; more does not change the answer
_SHARPNESS = 1.8  # of the scores; py3langid's own are too flat here (chosen by eye, calibration not measured)
_MIN_CONFIDENCE = 0.3
_SECOND_OPINION_BELOW = 0.55
_SECOND_OPINION_UP_TO = 200  # characters
_SECOND_OPINION_WEIGHT = 0.25
_WORD_WEIGHT = 2.5
_LETTER_PENALTY = 1.2
_MAX_LETTER_PENALTY = 3.6
_RARE_PENALTY = 0.5
# Per square root of the bytes: py3langid leans to Serbian and Bosnian where Croatian is as likely; set on
# training text; a compromise between the three.
_LEANING = {"Latn": {"sr": 0.03, "bs": 0.06}}
_SOUTH_SLAVIC = frozenset(["bs", "hr", "sr"])
_KANA_SHARE = 0.1  # of kana in a text with Chinese characters, from which it is Japanese
_SCRIPT_WEIGHT = {"Latn": 1, "Hani": 5, "Hira": 5, "Kana": 5, "Hang": 5}
_OTHER_SCRIPT_WEIGHT = 3  # Latin words intrude into texts of other scripts, seldom the other way
_NOISE = re.compile(r"https?://\S+|\S+@\S+|www\.\S+|\{[^{}]{0,80}\}|:[a-z-]{3,60}:|\w*[\d_]\w*|[<>\\|=#*{}]+")
_LATIN_WORDS = re.compile(r"[A-Za-z]+")
_LOADING = threading.Lock()
_LOADED: dict[str, object] = {}


def detect(text: str) -> LanguageGuess:
    """The language of ``text`` as BCP-47 code with script and confidence; ``und`` when unsure."""
    begin = text[:_SAMPLE] if text[:_SAMPLE].strip() else text.strip()[:_SAMPLE]
    if not begin.isascii():  # presentation forms and full width are not what models were trained on
        begin = unicodedata.normalize("NFKC", begin)
    sample = _NOISE.sub(" ", begin)
    counts = script_counts(sample)
    if not counts:
        return LanguageGuess(UNKNOWN, COMMON, 0.0)
    weighted = {name: n * _SCRIPT_WEIGHT.get(name, _OTHER_SCRIPT_WEIGHT) for name, n in counts.items()}
    east_asian = weighted.get("Hani", 0) + weighted.get("Hira", 0) + weighted.get("Kana", 0)
    script = max(weighted, key=lambda name: weighted[name])
    total = sum(weighted.values())
    if east_asian >= weighted[script] and script != "Hang" and east_asian:
        return _east_asian(sample, counts, east_asian / total)
    share = weighted[script] / total
    if script in rules.ONE_LANGUAGE:
        language, reported = rules.ONE_LANGUAGE[script]
        return LanguageGuess(language, reported, round(0.99 * share, 4))
    if script == "Hebr":
        return LanguageGuess(rules.hebrew_language(sample), script, round(0.99 * share, 4))
    if script == "Ethi":
        return LanguageGuess(rules.ethiopic_language(sample), script, round(0.9 * share, 4))
    if script == "Beng":
        return LanguageGuess(rules.bengali_language(sample), script, round(0.95 * share, 4))
    if script == "Latn" and is_romanised(begin):
        return LanguageGuess(UNKNOWN, script, 0.0)
    if script == "Latn" or script in rules.CANDIDATES:
        return _statistical(sample, script, counts)
    return LanguageGuess(UNKNOWN, script, 0.0)


def detect_many(texts: Sequence[str]) -> list[LanguageGuess]:
    """``detect`` for each of ``texts``."""
    return [detect(text) for text in texts]


def _east_asian(sample: str, counts: dict[str, int], share: float) -> LanguageGuess:
    kana = counts.get("Hira", 0) + counts.get("Kana", 0)
    han = counts.get("Hani", 0)
    if kana >= _KANA_SHARE * (kana + han):
        return LanguageGuess("ja", "Jpan", round(0.99 * share, 4))
    language, script = rules.han_language(sample)
    confidence = 0.97 if han > 4 else 0.6  # a few characters may be Japanese as well
    return LanguageGuess(language, script, round(confidence * share, 4))


def _statistical(sample: str, script: str, counts: dict[str, int]) -> LanguageGuess:
    """The likeliest language among those of ``script``."""
    if script != "Latn" and "Latn" in counts:
        sample = _LATIN_WORDS.sub(" ", sample)
    candidates = _candidates(script)
    shares = dict(_identifier().rank(sample))
    scores = np.log(np.maximum([shares[label] for label in candidates.labels], 1e-30))
    scores += candidates.prior
    root_of_length = np.sqrt(max(len(sample.encode("utf-8", errors="surrogatepass")), 1))
    scores -= candidates.leaning * root_of_length
    evidence = candidates.words.score(sample)
    if evidence is not None:
        scores += _WORD_WEIGHT * evidence / root_of_length
    scores -= candidates.letter_penalty(sample)
    if script == "Latn" and candidates.labels[int(scores.argmax())] in _SOUTH_SLAVIC:
        for label, points in rules.south_slavic_evidence(sample).items():
            scores[candidates.labels.index(label)] += points
    probabilities = _softmax(_SHARPNESS * scores)
    if probabilities.max() < _SECOND_OPINION_BELOW and len(sample) <= _SECOND_OPINION_UP_TO:
        probabilities = _softmax(_SHARPNESS * (scores + _second_opinion(sample, candidates.labels)))
    best = int(probabilities.argmax())
    confidence = float(probabilities[best])
    label = candidates.labels[best]
    if confidence < _MIN_CONFIDENCE:
        return LanguageGuess(UNKNOWN, script, round(confidence, 4))
    return LanguageGuess(rules.RENAMED.get(label, label), script, round(confidence, 4))


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    powers: NDArray[np.float64] = np.exp(scores - scores.max())
    return powers / powers.sum()


class _Candidates:
    """The languages of one script with all that is known about them beforehand."""

    def __init__(self, script: str, known: Sequence[str]) -> None:
        labels = rules.latin_labels(list(known)) if script == "Latn" else sorted(rules.CANDIDATES[script])
        self.labels = [label for label in labels if label in known]
        self.prior = np.array([-_RARE_PENALTY if label in rules.RARE else 0.0 for label in self.labels])
        leaning = _LEANING.get(script, {})
        self.leaning = np.array([leaning.get(label, 0.0) for label in self.labels])
        self.words = WordEvidence(script, self.labels)
        self._foreign = {
            letter: np.array([0.0 if label in owners else _LETTER_PENALTY for label in self.labels])
            for letter, owners in rules.letter_owners().items()
            if not owners.isdisjoint(self.labels)
        }

    def letter_penalty(self, text: str) -> NDArray[np.float64]:
        """What each language loses for letters of ``text`` that it does not write."""
        total = np.zeros(len(self.labels))
        for letter in set(text.lower()) & self._foreign.keys():
            total += self._foreign[letter]
        return np.minimum(total, _MAX_LETTER_PENALTY)


def _once(name: str, load: Callable[[], T]) -> T:
    """What ``load`` gives, loaded by the first thread that asks; the lock is held for that only."""
    if name not in _LOADED:
        with _LOADING:
            if name not in _LOADED:
                _LOADED[name] = load()
    return cast(T, _LOADED[name])


def _identifier() -> Any:
    return _once("py3langid", _load_identifier)


def _load_identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _candidates(script: str) -> _Candidates:
    known = _identifier().labels
    return _once(f"candidates {script}", lambda: _Candidates(script, known))


def _load_langdetect() -> Any:
    import langdetect
    from langdetect.detector_factory import init_factory

    langdetect.DetectorFactory.seed = 0
    init_factory()
    return langdetect


def _second_opinion(text: str, labels: Sequence[str]) -> NDArray[np.float64]:
    """What langdetect adds to the score of each label; zeros when it has no opinion.

    Every call has a detector of its own, with its own random numbers; the profiles are only read.
    """
    langdetect = _once("langdetect", _load_langdetect)
    try:
        opinions = {opinion.lang: opinion.prob for opinion in langdetect.detect_langs(text)}
    except langdetect.LangDetectException:
        return np.zeros(len(labels))
    floor = np.log(0.01)
    return np.array(
        [_SECOND_OPINION_WEIGHT * (np.log(max(opinions.get(label, 0.0), 0.01)) - floor) for label in labels]
    )
