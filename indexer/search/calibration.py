"""Where the bands of a collection begin, from what unrelated questions reach in it by chance.

A cosine alone says little: models spread theirs differently, and a large collection has something near any
question. So a fixed set of everyday questions in 30 languages (``data/background.jsonl``) is asked of the
collection, and what their hits reach is the yardstick for ``weak``, ``likely`` and ``strong``. A few of them
may really be answered by the collection; quantiles below the top tenth ignore them.

Whether the yardstick can tell anything is checked too: sentences of the collection are asked in their own
words, and most of their passages must lie above ``likely``. Where they do not, hits get no verdict.
"""

import json
import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from indexer.search.confidence import (
    GROWTH,
    VERSION,
    Bands,
    Calibration,
    TermStatistics,
    bands_from_chance,
    tells,
)
from indexer.search.corpus import Corpus
from indexer.search.evidence import candidate_spans
from indexer.search.lexical import sparse_query
from indexer.search.ranking import Options, Query, best_passages, likeness, with_evidence
from indexer.search.terms import query_terms
from indexer.text.folding import fold
from indexer.types import Filters
from me5.prefixes import Role

if TYPE_CHECKING:
    from indexer.store.protocol import VectorStore

logger = logging.getLogger(__name__)

SAMPLE_SIZE = 512
_SETTING = "confidence"
_CHECKED_PASSAGES = 32
_SHOWN = 10  # hits of a question, of which the best counts
_MIN_SENTENCE = 20  # characters
_EVERY = 4  # one sampled passage in so many is searched for parts of words
_SAMPLE_FILE = Path(__file__).parent / "data" / "background.jsonl"
_NO_WORDS = sparse_query("")


@dataclass
class _Kept:
    """What is known of one collection; filled as it is asked for."""

    lock: threading.Lock
    calibration: Calibration | None = None
    terms: TermStatistics | None = None
    terms_of: int = 0  # passages when the terms were counted


class CalibrationCache:
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
        result = kept.calibration
        if result is not None and result.is_of(contract) and (not renew or result.is_current(chunks)):
            return result
        with kept.lock:
            result = kept.calibration or _load(corpus)
            if result is None or not result.is_of(contract) or (renew and not result.is_current(chunks)):
                result = calibrate(corpus, chunks)
            kept.calibration = result
            return result

    def terms(self, corpus: Corpus, chunks: int) -> TermStatistics:
        """Term statistics of a collection; no model is needed."""
        kept = self._of(corpus)
        result = kept.terms
        if result is None or not kept.terms_of <= chunks * GROWTH or not chunks <= kept.terms_of * GROWTH:
            with kept.lock:
                result = kept.terms = count_terms(corpus)
                kept.terms_of = chunks
        return result

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
    bands = bands_from_chance(_likeness_reached(corpus, _sample_questions()))
    own = _likeness_reached(corpus, _own_sentences(corpus))
    can_tell = tells(own, bands)
    result = Calibration(VERSION, collection.contract_digest, chunks, bands, can_tell)
    corpus.catalog.settings.set(_SETTING, asdict(result), scope=collection.id)
    logger.info("Calibrated confidence of %s: %s, can tell: %s", collection.name, bands, can_tell)
    return result


def count_terms(corpus: Corpus) -> TermStatistics:
    """How often terms occur in a sample of the collection, and in the bundled passages where it is tiny."""
    sample = corpus.catalog.chunks.sample(corpus.collection.id, SAMPLE_SIZE)
    texts = [info.chunk.text for info in corpus.catalog.chunks.by_id(sample)]
    texts += [row["passage"] for row in _calibration_sample()]
    frequencies = Counter(term.text for text in texts for term in query_terms(text))
    return TermStatistics(len(texts), frequencies, [fold(text) for text in texts[::_EVERY]])


def _load(corpus: Corpus) -> Calibration | None:
    """The kept calibration, or None if there is none that can be read."""
    value = corpus.catalog.settings.get(_SETTING, scope=corpus.collection.id)
    try:
        return Calibration(**{**value, "bands": Bands(**value["bands"])})
    except (TypeError, KeyError):
        return None


def _likeness_reached(corpus: Corpus, questions: Sequence[str]) -> NDArray[np.float64]:
    """What the hits of each question reach at best, by meaning alone."""
    if not questions:
        return np.zeros(0)
    assert corpus.encoder is not None
    vectors_QD = corpus.encoder.encode(questions, Role.QUERY)
    reached = []
    for question, vector in zip(questions, vectors_QD, strict=True):
        query = Query(question, vector, _NO_WORDS, (), (), corpus.fair_scores(vector))
        result = best_passages(corpus, query, Options("dense", "rrf", Filters()), _SHOWN)
        result = with_evidence(corpus, query, result, closely=False)
        reached.append(max((likeness(corpus, query, item) or 0.0 for item in result), default=0.0))
    return np.array(reached)


def _sample_questions() -> list[str]:
    return [row["query"] for row in _calibration_sample()]


def _own_sentences(corpus: Corpus) -> list[str]:
    """The longest sentence of each of a few passages."""
    sample = corpus.catalog.chunks.sample(corpus.collection.id, _CHECKED_PASSAGES)
    longest = [
        max(
            (info.chunk.text[start:end] for start, end in candidate_spans(info.chunk.text, "und")),
            key=len,
            default="",
        )
        for info in corpus.catalog.chunks.by_id(sample)
    ]
    return [sentence for sentence in longest if len(sentence) >= _MIN_SENTENCE]


@cache
def _calibration_sample() -> list[dict[str, str]]:
    with _SAMPLE_FILE.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
