"""A question in, ranked passages out, each with how sure it is and the sentence that answers.

Ranking, confidence and evidence have modules of their own; this one prepares the question and puts their
answers together.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, get_args

import regex

from indexer.errors import QueryError
from indexer.search.calibration import CalibrationCache
from indexer.search.codes import lacks_a_code
from indexer.search.confidence import Calibration, TermStatistics
from indexer.search.corpus import Corpus
from indexer.search.fairness import AS_THEY_ARE
from indexer.search.lexical import sparse_query
from indexer.search.ranking import (
    EXACT,
    LEXICAL_EVIDENCE,
    Options,
    Query,
    RankedChunk,
    best_passages,
    lexical_share,
    likeness,
    with_evidence,
)
from indexer.search.terms import Term, query_terms, reweighted
from indexer.text import language as languages
from indexer.types import Confidence, Filters, Fusion, Hit, SearchMode, SearchResult
from me5.prefixes import Role

if TYPE_CHECKING:
    from indexer.catalog import Catalog, CollectionRecord
    from indexer.store.protocol import VectorStore
    from me5.encoder import Encoder

logger = logging.getLogger(__name__)

MAX_TOP_K = 1_000

_LIFT_TO_LIKELY = 0.6
_MAX_QUERY_CHARACTERS = 2_000  # read by the lexical leg, by language detection and for evidence
_EVIDENCE_HITS = 20
_FIRST_QUERY = "coffee"  # so short that every detector of languages is asked

_PICTURE = regex.compile(r"[\p{Extended_Pictographic}\p{Regional_Indicator}\p{So}]")

_ORDER: tuple[Confidence, ...] = ("none", "weak", "likely", "strong")

_calibrations = CalibrationCache()


def search(
    catalog: "Catalog",
    store: "VectorStore",
    open_encoder: "Callable[[], Encoder]",
    collection: "CollectionRecord",
    query: str,
    *,
    mode: SearchMode = "hybrid",
    top_k: int = 10,
    where: Filters = Filters(),  # noqa: B008 - frozen
    fusion: Fusion = "rrf",
) -> SearchResult:
    """The best passage of each of the best ``top_k`` documents; inside named documents, the best passages.

    Args:
        catalog: knows the text and origin of every passage.
        store: finds them.
        open_encoder: gives the model that the collection was made with; not called in lexical mode.
        collection: where to search.
        query: the question, in any language.
        mode: ``hybrid``, ``dense`` (meaning only) or ``lexical`` (words only; needs no model).
        top_k: documents wanted, or passages where ``where`` names documents; 1 to 1000.
        where: filters.
        fusion: how ``hybrid`` joins its legs.

    Returns:
        ``hits`` are strong or likely; what is weaker is in ``weak_hits``, so empty ``hits`` mean that nothing
        relevant was found, where ``can_tell`` is set. A larger ``top_k`` only appends.

    Raises:
        QueryError: an empty query, or an unknown mode, fusion or ``top_k``.
    """
    started = perf_counter()
    _check(query, mode, top_k, fusion)
    text = " ".join(query.split())
    shown = text[:_MAX_QUERY_CHARACTERS]
    guess = languages.detect(shown)
    hits: list[Hit] = []
    notices: tuple[str, ...] = ()
    can_tell = True
    chunks = catalog.facets.count_chunks(collection.id)
    if chunks:
        corpus = Corpus(catalog, store, None if mode == "lexical" else open_encoder(), collection)
        calibration = None if corpus.encoder is None else _calibrations.calibration(corpus, chunks)
        terms = query_terms(shown)
        informed = [] if mode == "dense" else _informed(terms, _calibrations.terms(corpus, chunks))
        asked = _prepare(corpus, text, informed)
        result = best_passages(corpus, asked, Options(mode, fusion, where), top_k)
        at_most: Confidence = "weak" if lacks_a_code(corpus, terms, where, result) else "strong"
        hits = _to_hits(corpus, asked, result, calibration, at_most)
        notices = asked.notices
        can_tell = calibration is None or calibration.can_tell
    facets = catalog.facets.counts(collection.id, where)
    return SearchResult(
        query=query,
        language=guess.language if languages.is_sure_of_query(guess, shown) else languages.UNKNOWN,
        took_ms=(perf_counter() - started) * 1000,
        hits=tuple(hit for hit in hits if hit.confidence in ("strong", "likely")),
        weak_hits=tuple(hit for hit in hits if hit.confidence in ("weak", "none")),
        facets=facets,
        notices=notices,
        can_tell=can_tell,
    )


def warm(
    catalog: "Catalog",
    store: "VectorStore",
    open_encoder: "Callable[[], Encoder]",
    collection: "CollectionRecord",
) -> None:
    """Do now what searches should not wait for: load what is read once, and calibrate confidence anew where
    the collection has changed much.
    """
    chunks = catalog.facets.count_chunks(collection.id)
    if chunks:
        corpus = Corpus(catalog, store, open_encoder(), collection)
        _calibrations.calibration(corpus, chunks, renew=True)
        search(catalog, store, open_encoder, collection, _FIRST_QUERY)


def _check(query: str, mode: str, top_k: int, fusion: str) -> None:
    has_words = any(character.isalnum() for character in query)
    if not has_words and (mode == "lexical" or not _PICTURE.search(query)):  # a picture has a meaning
        raise QueryError(f"The query {query[:40]!r} has no words. Enter at least one word.")
    if mode not in get_args(SearchMode):
        raise QueryError(f"Unknown mode {mode!r}; expected one of {', '.join(get_args(SearchMode))}.")
    if fusion not in get_args(Fusion):
        raise QueryError(f"Unknown fusion {fusion!r}; expected one of {', '.join(get_args(Fusion))}.")
    if not 1 <= top_k <= MAX_TOP_K:
        raise QueryError(
            f"top_k is {top_k}; expected 1 to {MAX_TOP_K}. Narrow the search with filters instead."
        )


def _prepare(corpus: Corpus, text: str, terms: list[Term]) -> Query:
    encoder = corpus.encoder
    notices: tuple[str, ...] = ()
    vector, fair = None, AS_THEY_ARE
    if encoder is not None:
        vector = encoder.encode([text], Role.QUERY)[0]
        fair = corpus.fair_scores(vector)
        # A token has at least one byte, so short texts need no counting.
        if len(text.encode()) + 16 > encoder.max_tokens:
            count = encoder.count_tokens([text], Role.QUERY)[0]
            if count > encoder.max_tokens:
                notices = (
                    f"The query has {count} tokens; the model reads the first {encoder.max_tokens}. "
                    "Ask a shorter question to have all of it considered.",
                )
    return Query(
        text=text,
        vector=vector,
        sparse=sparse_query(text[:_MAX_QUERY_CHARACTERS]),
        terms=terms,
        notices=notices,
        fair=fair,
    )


def _informed(terms: list[Term], statistics: TermStatistics) -> list[Term]:
    """The terms with what a sample of the collection says of them."""
    common = statistics.common_parts(terms)
    known = [replace(term, is_common_part=term.text in common) for term in terms]
    return reweighted(known, statistics.idf(terms))


def _to_hits(
    corpus: Corpus,
    query: Query,
    result: list[RankedChunk],
    calibration: Calibration | None,
    at_most: Confidence,
) -> list[Hit]:
    read = _EVIDENCE_HITS if corpus.encoder is None or corpus.reads_sentences else len(result)
    result = [*with_evidence(corpus, query, result[:read]), *result[read:]]
    bands = [min(_confidence(corpus, query, item, calibration), at_most, key=_ORDER.index) for item in result]
    return [to_hit(item, band) for item, band in zip(result, bands, strict=True)]


def to_hit(result: RankedChunk, confidence: Confidence) -> Hit:
    """A ranked passage as callers get it."""
    info, chunk, evidence = result.info, result.info.chunk, result.evidence
    return Hit(
        chunk_id=info.id,
        document_id=info.document_id,
        document=info.document,
        title=info.title,
        collection=info.collection,
        score=result.score,
        cosine=result.cosine,
        confidence=confidence,
        language=chunk.language,
        file_type=info.file_type,
        page=chunk.page,
        section=chunk.section,
        start=chunk.start,
        end=chunk.end,
        text=chunk.text,
        evidence=None if evidence is None else (evidence.start, evidence.end),
        more_in_document=result.more,
    )


def _confidence(
    corpus: Corpus, query: Query, result: RankedChunk, calibration: Calibration | None
) -> Confidence:
    """The band by meaning, raised where the query's informative words stand in the passage verbatim."""
    lexical = _lexical_confidence(lexical_share(query, result.info))
    meaning = likeness(corpus, query, result)
    if meaning is None or calibration is None or not calibration.can_tell:
        return lexical
    return max(calibration.bands.name(meaning), lexical, key=_ORDER.index)


def _lexical_confidence(share: float) -> Confidence:
    if share >= EXACT:
        return "strong"
    if share >= _LIFT_TO_LIKELY:
        return "likely"
    return "weak" if share >= LEXICAL_EVIDENCE else "none"
