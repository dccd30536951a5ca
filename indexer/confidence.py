"""How sure a hit is, in words, from a calibration against the collection's own background.

Raw cosines say little: those of E5 models crowd into 0.7–1.0, those of static models spread wide, and both
depend on the query and on whether query and passage share a language. So two steps:

1. *Standing*: the cosine of a hit, less the mean of the query's cosines with a sample of the collection's
   passages of the same kind (same language as the query, or another), divided by their deviation.
2. *Bands*: a fixed set of everyday queries in 30 languages (``data/background.jsonl``) is asked of the
   collection. What their best hits reach by chance is the yardstick for ``weak``, ``likely`` and ``strong``.

A few background queries may really be answered by the collection; quantiles below the top tenth ignore them.
"""

import json
import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Chunk, Confidence
from indexer.errors import StoreError
from indexer.evidence import Term, candidate_spans, query_terms
from me5.prefixes import Role

if TYPE_CHECKING:
    from indexer.catalog import Catalog, CollectionRecord
    from indexer.store.protocol import VectorStore
    from me5.encoder import Encoder

logger = logging.getLogger(__name__)

SAMPLE_SIZE = 512
GROWTH = 1.25
"""A collection that grew or shrank by this factor is calibrated again."""

_VERSION = 1
_SETTING = "confidence"
_MIN_GROUP = 24  # passages of one language before it has a mean of its own
_PRIOR = 16.0  # passages' worth of belief that a group's mean is the overall mean
_CHANCE_DEPTH = 20  # hits of each background query that are looked at
_BACKGROUND_FILE = Path(__file__).parent / "data" / "background.jsonl"


@dataclass(frozen=True)
class Corpus:
    """A collection with everything that is needed to ask it."""

    catalog: "Catalog"
    store: "VectorStore"
    encoder: "Encoder"
    collection: "CollectionRecord"


@dataclass(frozen=True)
class Bands:
    """Least standing for each band."""

    weak: float
    likely: float
    strong: float

    def name(self, standing: float) -> Confidence:
        """The band of a standing."""
        if standing >= self.strong:
            return "strong"
        if standing >= self.likely:
            return "likely"
        return "weak" if standing >= self.weak else "none"


@dataclass(frozen=True)
class Calibration:
    """What is kept in the catalog: the sample and the bands, and what they hold for."""

    version: int
    contract: str
    chunks: int
    sample: tuple[str, ...]
    bands: Bands

    def holds_for(self, contract: str, chunks: int) -> bool:
        """Whether a collection of this contract and size may still use it."""
        return (
            (self.version, self.contract) == (_VERSION, contract)
            and chunks <= self.chunks * GROWTH
            and self.chunks <= chunks * GROWTH
        )


@dataclass(frozen=True)
class Scale:
    """One query's cosines with the background: where zero lies, per kind of passage, and the unit."""

    language: str
    same_mean: float
    other_mean: float
    deviation: float

    def standing(self, cosine: float, language: str) -> float:
        """How many deviations a passage in ``language`` stands above the query's background."""
        mean = self.same_mean if language == self.language else self.other_mean
        return (cosine - mean) / self.deviation


@dataclass(frozen=True)
class Background:
    """A sample of passages: of the collection, and a few bundled ones for collections that are tiny."""

    vectors: NDArray[np.float32]  # [M, D]
    languages: NDArray[np.str_]
    frequencies: Mapping[str, int]  # in how many of them a term occurs
    bands: Bands

    def scale(self, query_vector: NDArray[np.float32], language: str) -> Scale:
        """The yardstick for one query."""
        return _scale(self.vectors @ query_vector, self.languages, language)

    def idf(self, terms: Sequence[Term]) -> dict[str, float]:
        """Inverse document frequency of each term in the sample, from 0 (everywhere) to 1 (nowhere)."""
        size = len(self.languages) + 1.0
        return {
            term.text: float(np.log(size / (self.frequencies.get(term.text, 0) + 1.0)) / np.log(size))
            for term in terms
        }


class Backgrounds:
    """The backgrounds of the collections that were searched last; safe to use from several threads."""

    def __init__(self, keep: int = 8) -> None:
        self._keep = keep
        self._stores: WeakKeyDictionary[VectorStore, OrderedDict[str, tuple[Calibration, Background]]]
        self._stores = WeakKeyDictionary()
        self._lock = threading.Lock()

    def get(self, corpus: Corpus, chunks: int) -> Background:
        """The background of a collection of ``chunks`` passages, calibrated now if new or much changed."""
        name = corpus.collection.store_name
        with self._lock:
            backgrounds = self._stores.setdefault(corpus.store, OrderedDict())
            kept = backgrounds.pop(name, None)
            if kept is None or not kept[0].holds_for(corpus.collection.contract_digest, chunks):
                kept = _load(corpus, chunks) or calibrate(corpus, chunks)
            backgrounds[name] = kept
            while len(backgrounds) > self._keep:
                backgrounds.popitem(last=False)
            return kept[1]


def calibrate(corpus: Corpus, chunks: int) -> tuple[Calibration, Background]:
    """Draw a sample, measure what unrelated queries reach, and keep the outcome in the catalog.

    Args:
        corpus: what to calibrate.
        chunks: size of the collection now.
    """
    collection = corpus.collection
    sample = tuple(corpus.catalog.sample_chunks(collection.id, SAMPLE_SIZE))
    background = _assemble(corpus, sample, Bands(0, 0, 0))
    bands = bands_from_chance(_chance_standings(corpus, background))
    calibration = Calibration(_VERSION, collection.contract_digest, chunks, sample, bands)
    corpus.catalog.set_setting(_SETTING, asdict(calibration), scope=collection.id)
    logger.info("Calibrated confidence of %s on %d passages: %s", collection.name, len(sample), bands)
    return calibration, replace(background, bands=bands)


def bands_from_chance(standings: NDArray[np.float64]) -> Bands:
    """Bands from the best standings that unrelated queries reach.

    Half of the unrelated queries stay below ``weak``; ``likely`` is what nearly all of them stay below, and
    ``strong`` lies as far above ``likely`` as chance spreads.
    """
    middle, high = np.quantile(standings, [0.5, 0.9])
    spread = max(float(high - middle), 0.25)
    return Bands(weak=float(middle), likely=float(high), strong=float(high) + spread)


def _load(corpus: Corpus, chunks: int) -> tuple[Calibration, Background] | None:
    """The kept calibration, or None if there is none that still holds."""
    value = corpus.catalog.get_setting(_SETTING, scope=corpus.collection.id)
    try:
        bands = Bands(**value["bands"])
        calibration = Calibration(
            value["version"], value["contract"], value["chunks"], tuple(value["sample"]), bands
        )
    except (TypeError, KeyError):
        return None
    if not calibration.holds_for(corpus.collection.contract_digest, chunks):
        return None
    try:
        return calibration, _assemble(corpus, calibration.sample, bands)
    except StoreError:  # a sampled passage has been removed since
        return None


def _assemble(corpus: Corpus, sample: Sequence[str], bands: Bands) -> Background:
    fixed = _fixed_background()
    passages = [row["passage"] for row in fixed]
    own_MD = corpus.store.fetch_dense(corpus.collection.store_name, sample)
    vectors_MD = np.concatenate([own_MD, corpus.encoder.encode(passages, Role.PASSAGE)])
    known = {info.id: info.chunk for info in corpus.catalog.chunks_by_id(sample)}
    chunks = [known.get(chunk_id) for chunk_id in sample]
    languages = [chunk.language if chunk else "und" for chunk in chunks] + [row["language"] for row in fixed]
    frequencies = Counter(
        term.text
        for text in [*(chunk.text for chunk in chunks if chunk), *passages]
        for term in query_terms(text)
    )
    return Background(vectors_MD, np.array(languages), frequencies, bands)


def _chance_standings(corpus: Corpus, background: Background) -> NDArray[np.float64]:
    """The best standing of each background query in the whole collection."""
    fixed = _fixed_background()
    vectors_QD = corpus.encoder.encode([row["query"] for row in fixed], Role.QUERY)
    answers = [
        corpus.store.query(corpus.collection.store_name, dense=vector, limit=_CHANCE_DEPTH)
        for vector in vectors_QD
    ]
    ids = list({point.id for answer in answers for point in answer})
    known = {info.id: info.chunk for info in corpus.catalog.chunks_by_id(ids)}
    sharp = _sentence_vectors(corpus.encoder, known) if reads_sentences(corpus.encoder) else {}
    best = []
    for row, vector, answer in zip(fixed, vectors_QD, answers, strict=True):
        scale = background.scale(vector, row["language"])
        standings = [
            scale.standing(
                float(np.max(sharp[point.id] @ vector)) if point.id in sharp else point.score,
                known[point.id].language,
            )
            for point in answer
            if point.id in known
        ]
        best.append(max(standings, default=0.0))
    return np.array(best)


def reads_sentences(encoder: "Encoder") -> bool:
    """Whether hits are judged by their best sentence rather than as a whole.

    A static model averages its pieces: a passage of many sentences blurs, while single sentences stay sharp
    and cost microseconds. A transformer does better on the whole passage, and costs milliseconds a sentence.
    """
    return encoder.engine_name == "static"


def _sentence_vectors(encoder: "Encoder", chunks: Mapping[str, Chunk]) -> dict[str, NDArray[np.float32]]:
    owners: list[str] = []
    texts: list[str] = []
    for chunk_id, chunk in chunks.items():
        sentences = [chunk.text[start:end] for start, end in candidate_spans(chunk.text, chunk.language)]
        texts += sentences
        owners += [chunk_id] * len(sentences)
    vectors_ND = encoder.encode(texts, Role.PASSAGE)
    rows: dict[str, list[int]] = {}
    for row, owner in enumerate(owners):
        rows.setdefault(owner, []).append(row)
    return {owner: vectors_ND[found] for owner, found in rows.items()}


def _scale(cosines_M: NDArray[np.float32], languages: NDArray[np.str_], language: str) -> Scale:
    """Mean and deviation of a query's cosines; small groups lean on the overall mean."""
    overall = float(np.mean(cosines_M))
    same = languages == language
    means = []
    for group in (same, ~same):
        count = int(group.sum())
        own = float(cosines_M[group].mean()) if count else overall
        means.append((own * count + overall * _PRIOR) / (count + _PRIOR) if count >= _MIN_GROUP else overall)
    centred = cosines_M - np.where(same, means[0], means[1])
    return Scale(language, means[0], means[1], max(float(np.sqrt(np.mean(centred**2))), 1e-6))


@cache
def _fixed_background() -> list[dict[str, str]]:
    with _BACKGROUND_FILE.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
