"""Which documents of two folders are translations of each other.

A document's vector says what it is about from its beginning to its end: sentence vectors averaged under
eight overlapping hats spread over its length, side by side (after "Exploiting Sentence Order in Document
Alignment", Thompson and Koehn, 2020). Two documents are a pair when each is the other's best by a margin.
Names help: ``report.de.txt`` and ``fr/report.txt`` differ in nothing but a language.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from indexer.bitext.distances import centred, unit
from indexer.bitext.overlaps import Encode, encode_all
from indexer.errors import Cancelled, IndexerError
from indexer.text.language.tags import CODES

_HATS = 8
_FEW = 1  # documents whose mean says little: of two, half of it is taken off
_TOKEN = re.compile(r"[^\W_]+")
_REGION_OR_SCRIPT = re.compile(r"[a-z]{2}|\d{3}|hans|hant|latn|cyrl|arab")


@dataclass(frozen=True)
class TextDocument:
    """A document by its name, such as its path within the folder, and its sentences in order."""

    name: str
    sentences: Sequence[str]


@dataclass(frozen=True)
class PairingSettings:
    """What decides which documents are pairs.

    Args:
        margin: by how much a pair's score must exceed that of any other pair with either document.
        min_score: below, documents are no pair even without a rival. 1 for the same vectors, about 0 for
            unrelated documents.
        typical_share: of the median score of the pairs; those with less are left-overs that found each other
            for want of their own partners, unless their names agree.
        name_bonus: added to the score of documents whose names differ in the language only.
        sentences: of each document, evenly spread, that are encoded.
    """

    margin: float = 0.05
    min_score: float = 0.15
    typical_share: float = 0.6
    name_bonus: float = 0.5
    sentences: int = 256

    def __post_init__(self) -> None:
        if self.margin < 0 or self.name_bonus < 0 or self.sentences < 1:
            raise IndexerError(
                f"Documents cannot be paired with a margin of {self.margin}, a bonus of {self.name_bonus} "
                f"and {self.sentences} sentences each. Expected at least 0, 0 and 1. Correct the settings."
            )


@dataclass(frozen=True)
class DocumentPair:
    """Places of two documents in the sequences that were given, and how sure that is."""

    source: int
    target: int
    score: float
    margin: float  # over the best rival; infinite without one
    same_name: bool = False


@dataclass(frozen=True)
class Pairing:
    """Pairs in the order of the source, and the places of documents that have no partner."""

    pairs: tuple[DocumentPair, ...]
    unpaired_source: tuple[int, ...]
    unpaired_target: tuple[int, ...]


def pair_documents(
    source: Sequence[TextDocument],
    target: Sequence[TextDocument],
    encode: Encode,
    settings: PairingSettings | None = None,
    *,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Pairing:
    """The documents that translate each other.

    The best pairs are taken first and no longer stand in the way of the rest, until no pair is clear. One
    document on either side is a pair without a question. Documents without text have no partner.

    Args:
        source, target: the documents of either side.
        encode: texts of either side to unit vectors.
        progress: called with the share that is done.
        cancelled: asked between batches of texts.

    Raises:
        Cancelled: it was cancelled.
        IndexerError: the encoder returned something else than one row for each text.
    """
    settings = settings or PairingSettings()
    samples = [[_sample(document, settings.sentences) for document in side] for side in (source, target)]
    filled = [[place for place, sample in enumerate(side) if sample] for side in samples]
    results: list[DocumentPair] = []
    if len(source) == len(target) == len(filled[0]) == len(filled[1]) == 1:
        same = name_key(source[0].name) == name_key(target[0].name)
        results = [DocumentPair(0, 0, float("nan"), float("inf"), same)]
    elif filled[0] and filled[1]:
        total = sum(len(sample) for side in samples for sample in side)
        watch = _watch(total, progress, cancelled)
        vectors = [
            _vectors([samples[side][place] for place in filled[side]], encode, watch) for side in (0, 1)
        ]
        x_ND, y_MD = centred(vectors[0], vectors[1], few=_FEW)
        names = [
            [name_key(side[place].name) for place in kept]
            for side, kept in zip((source, target), filled, strict=True)
        ]
        results = _mutual_best(_scores(x_ND, y_MD), _same_names(*names), settings)
        results = [
            DocumentPair(
                filled[0][pair.source], filled[1][pair.target], pair.score, pair.margin, pair.same_name
            )
            for pair in results
        ]
    if progress is not None:
        progress(1.0)
    taken = {pair.source for pair in results}, {pair.target for pair in results}
    return Pairing(
        tuple(sorted(results, key=lambda pair: pair.source)),
        tuple(place for place in range(len(source)) if place not in taken[0]),
        tuple(place for place in range(len(target)) if place not in taken[1]),
    )


def name_key(name: str) -> str:
    """A document's name without its suffix and without what could be a language.

    ``report.de.txt``, ``report_fr-CA.txt`` and ``zh-Hans/report.md`` all give ``report``. Folders count,
    those of a language aside. A name that is nothing but a language stays.
    """
    path = PurePath(name.lower())
    parts = (_without_languages(part) for part in (*path.parts[:-1], path.stem))
    return "/".join(part for part in parts if part) or path.stem


def _without_languages(text: str) -> str:
    kept: list[str] = []
    after_code = False
    for token in _TOKEN.findall(text):
        is_code = token in CODES
        if not is_code and not (after_code and _REGION_OR_SCRIPT.fullmatch(token)):
            kept.append(token)
        after_code = is_code
    return " ".join(kept)


def _same_names(source: Sequence[str], target: Sequence[str]) -> NDArray[np.bool_]:
    """[N, M]: whether two documents have the same key and no other document of either side has it."""
    counts = Counter(source), Counter(target)
    left, right = np.array(source, dtype=object), np.array(target, dtype=object)
    once = np.array([counts[0][key] == 1 == counts[1][key] for key in source], dtype=bool)
    return (left[:, None] == right[None, :]) & once[:, None]


def _scores(x_ND: NDArray[np.float32], y_MD: NDArray[np.float32]) -> NDArray[np.float32]:
    """[N, M]: cosines, moved so that unrelated documents, which most pairs are, have about 0."""
    cosine_NM = x_ND @ y_MD.T
    unrelated = np.float32(np.median(cosine_NM))
    return (cosine_NM - unrelated) / np.maximum(1 - unrelated, np.float32(1e-3))


def _mutual_best(
    plain_NM: NDArray[np.float32], same_NM: NDArray[np.bool_], settings: PairingSettings
) -> list[DocumentPair]:
    """Pairs that are each other's best by the margin; those that are taken leave the rest clearer."""
    score_NM = plain_NM + settings.name_bonus * same_NM
    results: list[DocumentPair] = []
    while True:
        row_M, column_N = score_NM.argmax(axis=0), score_NM.argmax(axis=1)
        clear = []
        for row, column in enumerate(column_N):
            score = score_NM[row, column]
            if row_M[column] != row or score < settings.min_score:
                continue
            rivals = np.concatenate([np.delete(score_NM[row], column), np.delete(score_NM[:, column], row)])
            margin = float(score - rivals.max(initial=-np.inf))
            if margin >= settings.margin:
                same = bool(same_NM[row, column])
                clear.append(DocumentPair(row, int(column), float(plain_NM[row, column]), margin, same))
        if not clear:
            typical = float(np.median([pair.score for pair in results])) if results else 0.0
            least = settings.typical_share * typical
            return [pair for pair in results if pair.same_name or pair.score >= least]
        results += clear
        for pair in clear:
            score_NM[pair.source], score_NM[:, pair.target] = -np.inf, -np.inf


def _sample(document: TextDocument, count: int) -> list[str]:
    texts = [text for text in document.sentences if text.strip()]
    if len(texts) <= count:
        return texts
    return [texts[place] for place in np.linspace(0, len(texts) - 1, count).round().astype(int)]


def _vectors(
    samples: Sequence[Sequence[str]], encode: Encode, between: Callable[[int], None]
) -> NDArray[np.float32]:
    """One unit row for each document; none is empty."""
    rows = []
    for sample in samples:
        vectors_ND = encode_all(sample, encode, between=between)
        place_N = (np.arange(len(sample)) + 0.5) / len(sample) * _HATS
        distance_HN = np.abs(place_N[None, :] - (np.arange(_HATS)[:, None] + 0.5))
        hats_HN = np.maximum(1.5 - distance_HN, 0.0) + 1e-3
        hats_HN /= hats_HN.sum(axis=1, keepdims=True)
        rows.append((hats_HN.astype(np.float32) @ vectors_ND).ravel())
    return unit(np.stack(rows))


def _watch(
    total: int, progress: Callable[[float], None] | None, cancelled: Callable[[], bool] | None
) -> Callable[[int], None]:
    done = 0

    def add(texts: int) -> None:
        nonlocal done
        done += texts
        if progress is not None:
            progress(min(done / total, 1.0))
        if cancelled is not None and cancelled():
            raise Cancelled("The pairing of documents was cancelled. Start it again to pair them.")

    return add
