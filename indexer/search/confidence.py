"""How sure a hit is, in words, from what unrelated questions reach in the same collection by chance.

A cosine alone says little: models spread theirs differently, and a large collection has something near any
question. So a fixed set of everyday questions in 30 languages (``data/background.jsonl``) is asked of the
collection, and the cosines of their best hits are the yardstick for ``weak``, ``likely`` and ``strong``. A
few of them may really be answered by the collection; quantiles below the top tenth ignore them.

Whether the yardstick can tell anything is checked too: sentences of the collection are asked in their own
words, and most of their passages must lie above ``likely``. Where they do not, hits get no verdict.

Cosines are compared across languages as in ranking (``fairness``), and otherwise as they are: taking off what
a question reaches on average was measured and tells answered questions from others no better than a coin
(benchmarks/search.md).
"""

import json
import logging
import math
import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from indexer.search.evidence import candidate_spans
from indexer.search.fairness import AS_THEY_ARE, FairScores, fair_scores
from indexer.search.terms import Term, is_inside, query_terms
from indexer.text.folding import fold
from indexer.types import Confidence
from me5.prefixes import Role

if TYPE_CHECKING:
    from indexer.catalog import Catalog, CollectionRecord
    from indexer.store.protocol import VectorStore
    from me5.encoder import Encoder

logger = logging.getLogger(__name__)

SAMPLE_SIZE = 512
GROWTH = 1.25
"""A collection that grew or shrank by this factor is calibrated again, by the job that changed it."""

_VERSION = 3
_SETTING = "confidence"
_WEAK, _LIKELY = 0.5, 0.75  # quantiles of what unrelated questions reach
_MIN_SPREAD = 0.02  # cosine
_CHECKED_PASSAGES = 32
_COMPARED = 240  # passages, as many as a search compares
_CHECK_SHARE = 0.8  # of the checked passages that must be found more likely than not
_MIN_SENTENCE = 20  # characters
_EVERY = 4  # one sampled passage in so many is searched for parts of words
_MANY_PASSAGES, _FEW_PASSAGES = (
    0.1,
    5,
)  # of a sample, inside whose words a word may stand and still mean itself
_BACKGROUND_FILE = Path(__file__).parent / "data" / "background.jsonl"


@dataclass(frozen=True)
class Corpus:
    """A collection with everything that is needed to ask it; ``encoder`` is None for words alone."""

    catalog: "Catalog"
    store: "VectorStore"
    encoder: "Encoder | None"
    collection: "CollectionRecord"

    @property
    def reads_sentences(self) -> bool:
        """Whether passages are put in the order of their best sentences.

        A static model averages its pieces: a passage of many sentences blurs, while single sentences stay
        sharp and cost microseconds. A transformer does better on the whole passage, and costs milliseconds a
        sentence.
        """
        return self.encoder is not None and self.encoder.engine_name == "static"

    def fair_scores(self, query_vector: NDArray[np.float32]) -> FairScores:
        """How cosines to a question compare across the languages of passages."""
        return AS_THEY_ARE if self.encoder is None else fair_scores(self.encoder, query_vector)


@dataclass(frozen=True)
class Bands:
    """Least cosine for each band."""

    weak: float
    likely: float
    strong: float

    def name(self, cosine: float) -> Confidence:
        """The band of a cosine."""
        if cosine >= self.strong:
            return "strong"
        if cosine >= self.likely:
            return "likely"
        return "weak" if cosine >= self.weak else "none"


@dataclass(frozen=True)
class Calibration:
    """What is kept in the catalog: the bands, what they hold for, and whether they tell anything."""

    version: int
    contract: str
    chunks: int
    bands: Bands
    can_tell: bool

    def is_of(self, contract: str) -> bool:
        """Whether it was made with this model by this version: one that may be used."""
        return (self.version, self.contract) == (_VERSION, contract)

    def is_current(self, chunks: int) -> bool:
        """Whether the collection still has about the size it was made for."""
        return chunks <= self.chunks * GROWTH and self.chunks <= chunks * GROWTH


@dataclass(frozen=True)
class TermStatistics:
    """In how many passages of a sample a term occurs, and the sample, folded."""

    size: int
    frequencies: Mapping[str, int]
    folded: Sequence[str] = ()

    def idf(self, terms: Sequence[Term]) -> dict[str, float]:
        """Inverse document frequency of each term in the sample, from 0 (everywhere) to 1 (nowhere)."""
        size = self.size + 1.0
        return {
            term.text: float(np.log(size / (self.frequencies.get(term.text, 0) + 1.0)) / np.log(size))
            for term in terms
        }

    def common_parts(self, terms: Sequence[Term]) -> set[str]:
        """The terms whose letters stand inside words of many passages, and so say nothing there."""
        limit = max(_FEW_PASSAGES, _MANY_PASSAGES * len(self.folded))
        return {
            term.text
            for term in terms
            if term.may_be_part and sum(is_inside(term.text, text) for text in self.folded) > limit
        }


@dataclass
class _Kept:
    """What is known of one collection; filled as it is asked for."""

    lock: threading.Lock
    calibration: Calibration | None = None
    terms: TermStatistics | None = None
    terms_of: int = 0  # passages when the terms were counted


class Backgrounds:
    """Calibrations and term statistics of the collections that were searched last. Thread-safe."""

    def __init__(self, keep: int = 8) -> None:
        self._keep = keep
        self._stores: WeakKeyDictionary[VectorStore, OrderedDict[str, _Kept]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def calibration(self, corpus: Corpus, chunks: int, *, renew: bool = False) -> Calibration:
        """The calibration of a collection.

        Args:
            corpus: with an encoder.
            chunks: size of the collection now.
            renew: make it anew where the collection has grown or shrunk much since. Searches leave that to
                the job that changed the collection; only a collection without any has to wait for it.
        """
        kept = self._of(corpus)
        contract = corpus.collection.contract_digest
        found = kept.calibration
        if found is not None and found.is_of(contract) and (not renew or found.is_current(chunks)):
            return found
        with kept.lock:
            found = kept.calibration or _load(corpus)
            if found is None or not found.is_of(contract) or (renew and not found.is_current(chunks)):
                found = calibrate(corpus, chunks)
            kept.calibration = found
            return found

    def terms(self, corpus: Corpus, chunks: int) -> TermStatistics:
        """Term statistics of a collection; no model is needed."""
        kept = self._of(corpus)
        found = kept.terms
        if found is None or not kept.terms_of <= chunks * GROWTH or not chunks <= kept.terms_of * GROWTH:
            with kept.lock:
                found = kept.terms = count_terms(corpus)
                kept.terms_of = chunks
        return found

    def _of(self, corpus: Corpus) -> _Kept:
        name = corpus.collection.store_name
        with self._lock:
            known = self._stores.setdefault(corpus.store, OrderedDict())
            kept = known.setdefault(name, _Kept(threading.Lock()))
            known.move_to_end(name)
            while len(known) > self._keep:
                known.popitem(last=False)
            return kept


def calibrate(corpus: Corpus, chunks: int) -> Calibration:
    """Measure what unrelated questions reach, and keep the outcome in the catalog.

    Args:
        corpus: what to calibrate, with an encoder.
        chunks: size of the collection now.
    """
    collection = corpus.collection
    bands = bands_from_chance(_best_cosines(corpus, _background_questions()))
    own = _best_cosines(corpus, _own_sentences(corpus))
    can_tell = _tells(own, bands)
    found = Calibration(_VERSION, collection.contract_digest, chunks, bands, can_tell)
    corpus.catalog.set_setting(_SETTING, asdict(found), scope=collection.id)
    logger.info("Calibrated confidence of %s: %s, can tell: %s", collection.name, bands, can_tell)
    return found


def _tells(own: NDArray[np.floating], bands: Bands) -> bool:
    """Whether nearly all sentences find something likely; of three and more, one may be odd in any case."""
    allowed = max(len(own) - math.ceil(_CHECK_SHARE * len(own)), 1 if len(own) > 2 else 0)
    return len(own) > 0 and int(np.sum(own < bands.likely)) <= allowed


def bands_from_chance(cosines: NDArray[np.floating]) -> Bands:
    """Bands from the best cosines that unrelated questions reach.

    Half of them stay below ``weak`` and three in four below ``likely``; ``strong`` lies as far above
    ``likely`` as these two are apart, twice.
    """
    middle, high = np.quantile(cosines, [_WEAK, _LIKELY])
    spread = max(float(high - middle), _MIN_SPREAD)
    return Bands(weak=float(middle), likely=float(high), strong=float(high) + 2 * spread)


def count_terms(corpus: Corpus) -> TermStatistics:
    """How often terms occur in a sample of the collection, and in the bundled passages where it is tiny."""
    sample = corpus.catalog.sample_chunks(corpus.collection.id, SAMPLE_SIZE)
    texts = [info.chunk.text for info in corpus.catalog.chunks_by_id(sample)]
    texts += [row["passage"] for row in _fixed_background()]
    frequencies = Counter(term.text for text in texts for term in query_terms(text))
    return TermStatistics(len(texts), frequencies, [fold(text) for text in texts[::_EVERY]])


def _load(corpus: Corpus) -> Calibration | None:
    """The kept calibration, or None if there is none that can be read."""
    value = corpus.catalog.get_setting(_SETTING, scope=corpus.collection.id)
    try:
        return Calibration(**{**value, "bands": Bands(**value["bands"])})
    except (TypeError, KeyError):
        return None


def _best_cosines(corpus: Corpus, questions: Sequence[str]) -> NDArray[np.float64]:
    """What each question reaches at best in the whole collection, as search compares cosines."""
    if not questions:
        return np.zeros(0)
    assert corpus.encoder is not None
    vectors_QD = corpus.encoder.encode(questions, Role.QUERY)
    return np.array([_best_cosine(corpus, vector) for vector in vectors_QD])


def _best_cosine(corpus: Corpus, vector: NDArray[np.float32]) -> float:
    fair = corpus.fair_scores(vector)
    name = corpus.collection.store_name
    points = corpus.store.query(name, dense=vector, limit=_COMPARED if fair else 1)
    if not fair:
        return points[0].score if points else 0.0
    origins = corpus.catalog.origins_of_chunks([point.id for point in points])
    scores = [fair(one.score, origins[one.id].language) for one in points if one.id in origins]
    return max(scores, default=0.0)


def _background_questions() -> list[str]:
    return [row["query"] for row in _fixed_background()]


def _own_sentences(corpus: Corpus) -> list[str]:
    """The longest sentence of each of a few passages."""
    sample = corpus.catalog.sample_chunks(corpus.collection.id, _CHECKED_PASSAGES)
    longest = [
        max(
            (info.chunk.text[start:end] for start, end in candidate_spans(info.chunk.text, "und")),
            key=len,
            default="",
        )
        for info in corpus.catalog.chunks_by_id(sample)
    ]
    return [sentence for sentence in longest if len(sentence) >= _MIN_SENTENCE]


@cache
def _fixed_background() -> list[dict[str, str]]:
    with _BACKGROUND_FILE.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
