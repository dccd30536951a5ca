"""A question in, ranked passages out, each with how sure it is and the sentence that answers.

Ranking is the vector store's: dense and lexical candidates, fused there. This module decides what may take
part (words that are shared by chance must not outrank meaning), groups passages by document, and leaves
confidence and evidence to their modules.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray

from indexer import language as languages
from indexer.confidence import Background, Backgrounds, Corpus, Scale, reads_sentences
from indexer.documents import (
    ChunkInfo,
    Confidence,
    Fusion,
    Hit,
    ScoredPoint,
    SearchMode,
    SearchResult,
    SparseVector,
    Where,
)
from indexer.errors import QueryError
from indexer.evidence import (
    HEADING_COST,
    LEXICAL_SHARE,
    Evidence,
    Readable,
    Term,
    best_sentences,
    coverage,
    folded_text,
    query_terms,
    reweighted,
)
from indexer.lexical import fold, sparse_query
from me5.prefixes import Role

if TYPE_CHECKING:
    from indexer.catalog import Catalog, CollectionRecord
    from indexer.store.protocol import VectorStore
    from me5.encoder import Encoder

logger = logging.getLogger(__name__)

MAX_TOP_K = 1_000
CANDIDATES = 80
"""Passages fetched at first, whatever ``top_k``: so a longer answer begins with the shorter one."""

_LEXICAL_CANDIDATES = 12
_LEXICAL_EVIDENCE = 0.4  # share of the query's informative words below which shared words are chance
_LIFT_TO_LIKELY = 0.6
_LIFT_TO_STRONG = 0.85
_MAX_QUERY_CHARACTERS = 2_000  # read by the lexical leg, by language detection and for evidence
_EVIDENCE_HITS = 20
_SHARPENED = 32  # passages that are put in the order of their best sentences
_SHARPENED_SENTENCES = 160
_EVIDENCE_SENTENCES = 96  # of a transformer: some 100 ms
_FIRST_QUERY = "coffee"  # so short that every detector of languages is asked

_ORDER: tuple[Confidence, ...] = ("none", "weak", "likely", "strong")

_backgrounds = Backgrounds()


@dataclass(frozen=True)
class Options:
    """How to rank, and among what."""

    mode: SearchMode
    fusion: Fusion
    where: Where


@dataclass(frozen=True)
class Query:
    """A question, prepared for every leg.

    Attributes:
        language: the likeliest one, also where it is too unsure to be shown.
        vector: None in lexical mode.
    """

    text: str
    language: str
    vector: NDArray[np.float32] | None
    sparse: SparseVector
    terms: Sequence[Term]
    notices: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """A passage in rank order.

    Attributes:
        score: what it is ranked by.
        evidence: its best sentence, if already looked for.
        meaning: the cosine it is judged by, where that is not the passage's own.
    """

    info: ChunkInfo
    score: float
    evidence: Evidence | None = None
    meaning: float | None = None


def search(
    catalog: "Catalog",
    store: "VectorStore",
    encoder: "Encoder",
    collection: "CollectionRecord",
    query: str,
    *,
    mode: SearchMode = "hybrid",
    top_k: int = 10,
    where: Where = Where(),  # noqa: B008 - frozen
    fusion: Fusion = "rrf",
) -> SearchResult:
    """The best passage of each of the best ``top_k`` documents; inside named documents, the best passages.

    Args:
        catalog: knows the text and origin of every passage.
        store: ranks them.
        encoder: the model that the collection was made with.
        collection: where to search.
        query: the question, in any language.
        mode: ``hybrid``, ``dense`` (meaning only) or ``lexical`` (words only; asks no model).
        top_k: documents wanted, or passages where ``where`` names documents; 1 to 1000.
        where: filters.
        fusion: how ``hybrid`` joins its legs.

    Returns:
        ``hits`` are strong or likely; what is weaker is in ``weak_hits``, so empty ``hits`` mean that nothing
        relevant was found. A larger ``top_k`` only appends.

    Raises:
        QueryError: an empty query, or an unknown mode, fusion or ``top_k``.
    """
    started = perf_counter()
    _check(query, mode, top_k, fusion)
    corpus = Corpus(catalog, store, encoder, collection)
    text = " ".join(query.split())
    shown = text[:_MAX_QUERY_CHARACTERS]
    guess = languages.detect(shown)
    hits: list[Hit] = []
    notices: tuple[str, ...] = ()
    chunks = catalog.count_chunks(collection.id)
    if chunks:
        background = _backgrounds.get(corpus, chunks)
        asked = _prepare(text, guess.language, mode, encoder, background)
        best = _best_per_group(corpus, asked, Options(mode, fusion, where), top_k)
        hits = _to_hits(corpus, asked, best, background)
        notices = asked.notices
    facets = catalog.facets(collection.id, where)
    return SearchResult(
        query=query,
        language=guess.language if languages.is_sure_of_query(guess, shown) else languages.UNKNOWN,
        took_ms=(perf_counter() - started) * 1000,
        hits=tuple(hit for hit in hits if hit.confidence in ("strong", "likely")),
        weak_hits=tuple(hit for hit in hits if hit.confidence in ("weak", "none")),
        facets=facets,
        notices=notices,
    )


def warm(
    catalog: "Catalog", store: "VectorStore", encoder: "Encoder", collection: "CollectionRecord"
) -> None:
    """Do now what the first search would do first: load what is read once, and calibrate confidence."""
    if catalog.count_chunks(collection.id):
        search(catalog, store, encoder, collection, _FIRST_QUERY)


def _check(query: str, mode: str, top_k: int, fusion: str) -> None:
    if not any(character.isalnum() for character in query):
        raise QueryError(
            f"The query {query[:40]!r} holds no words; expected a question or keywords. Type one."
        )
    if mode not in get_args(SearchMode):
        raise QueryError(f"Unknown mode {mode!r}; expected one of {', '.join(get_args(SearchMode))}.")
    if fusion not in get_args(Fusion):
        raise QueryError(f"Unknown fusion {fusion!r}; expected one of {', '.join(get_args(Fusion))}.")
    if not 1 <= top_k <= MAX_TOP_K:
        raise QueryError(
            f"top_k is {top_k}; expected 1 to {MAX_TOP_K}. Narrow the search with filters instead."
        )


def _prepare(text: str, language: str, mode: SearchMode, encoder: "Encoder", background: Background) -> Query:
    shown = text[:_MAX_QUERY_CHARACTERS]
    notices: tuple[str, ...] = ()
    vector = None
    if mode != "lexical":
        vector = encoder.encode([text], Role.QUERY)[0]
        # A token has at least one byte, so short texts need no counting.
        if len(text.encode()) + 16 > encoder.max_tokens:
            count = encoder.count_tokens([text], Role.QUERY)[0]
            if count > encoder.max_tokens:
                notices = (
                    f"The query has {count} tokens; the model reads the first {encoder.max_tokens}. "
                    "Ask a shorter question to have all of it considered.",
                )
    terms = [] if mode == "dense" else query_terms(shown)
    return Query(
        text=text,
        language=language,
        vector=vector,
        sparse=sparse_query(shown),
        terms=reweighted(terms, background.idf(terms)),
        notices=notices,
    )


def _best_per_group(corpus: Corpus, query: Query, options: Options, top_k: int) -> list[tuple[Found, int]]:
    """The first passage of each document and how many more of its passages are candidates.

    Whoever names documents wants to see inside them: then each passage stands for itself.
    """
    is_inside = bool(options.where.documents)
    best: dict[str, tuple[Found, int]] = {}
    limit = CANDIDATES
    while True:
        ranked = _sharpened(corpus, query, _rank(corpus, query, options, limit))
        new: dict[str, tuple[Found, int]] = {}
        for found in ranked:
            group = found.info.id if is_inside else found.info.document_id
            if group not in best:
                first, more = new.get(group, (found, -1))
                new[group] = (first, more + 1)
        # A wider fusion may rank differently; what was found first stays first.
        best |= new
        if len(best) >= top_k or len(ranked) < limit or limit >= 16 * MAX_TOP_K:
            return list(best.values())[:top_k]
        limit *= 4


def _rank(corpus: Corpus, query: Query, options: Options, limit: int) -> list[Found]:
    """Passages in rank order. Those that the catalog does not know (removed a moment ago) are left out."""
    name, where = corpus.collection.store_name, options.where
    if options.mode == "dense":
        points = corpus.store.query(name, dense=query.vector, limit=limit, where=where)
    elif options.mode == "lexical":
        points = corpus.store.query(name, sparse=query.sparse, limit=limit, where=where)
    else:
        shared = _lexical_prefetch(corpus, query, where)
        points = corpus.store.query(
            name,
            dense=query.vector,
            sparse=query.sparse if shared else None,
            limit=limit,
            prefetch=limit,
            lexical_prefetch=shared or None,
            fusion=options.fusion,
            where=where,
        )
    return _look_up(corpus, points)


def _lexical_prefetch(corpus: Corpus, query: Query, where: Where) -> int:
    """How many lexical candidates deserve to take part in the fusion.

    Asked in one language of documents in another, the lexical leg still returns passages: they share a
    function word or a few letters. Fusion by rank would lift them above the best meaning. So only the leading
    candidates take part that hold a good share of the query's informative words; often that is none.
    """
    points = corpus.store.query(
        corpus.collection.store_name, sparse=query.sparse, limit=_LEXICAL_CANDIDATES, where=where
    )
    convincing = [_coverage(query, found.info) >= _LEXICAL_EVIDENCE for found in _look_up(corpus, points)]
    if not convincing or not any(convincing):
        return 0
    return len(convincing) - convincing[::-1].index(True)


def _look_up(corpus: Corpus, points: Sequence[ScoredPoint]) -> list[Found]:
    known = {info.id: info for info in corpus.catalog.chunks_by_id([point.id for point in points])}
    return [Found(info, point.score) for point in points if (info := known.get(point.id)) is not None]


def _coverage(query: Query, info: ChunkInfo) -> float:
    """The share of the query's informative words in a passage or its title, 0..1."""
    if not query.terms:
        return 0.0
    return coverage(query.terms, f"{fold(info.title)}\n{folded_text(info.chunk.text)}")


def _sharpened(corpus: Corpus, query: Query, ranked: list[Found]) -> list[Found]:
    """The leading passages put in the order of their best sentences, for models that gain by it."""
    if query.vector is None or not reads_sentences(corpus.encoder):
        return ranked
    leading = _with_evidence(corpus, query, ranked[:_SHARPENED])
    scored = [
        replace(found, score=evidence.cosine + _verbatim_bonus(query, found.info), meaning=evidence.cosine)
        for found in leading
        if (evidence := found.evidence) is not None and evidence.cosine is not None
    ]
    scored.sort(key=lambda found: -found.score)
    # The rest keeps its order below; scores of the store mean nothing beside those of sentences.
    known = {found.info.id for found in scored}
    rest = [found for found in ranked if found.info.id not in known]
    floor = scored[-1].score if scored else 0.0
    return scored + [replace(found, score=floor - 1e-4 * rank) for rank, found in enumerate(rest, 1)]


def _verbatim_bonus(query: Query, info: ChunkInfo) -> float:
    """What the query's words in a passage add to its rank: nothing while they may be there by chance."""
    beyond_chance = (_coverage(query, info) - _LEXICAL_EVIDENCE) / (1 - _LEXICAL_EVIDENCE)
    return LEXICAL_SHARE * max(0.0, beyond_chance)


def _with_evidence(corpus: Corpus, query: Query, ranked: Sequence[Found]) -> list[Found]:
    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        return corpus.encoder.encode(texts, Role.PASSAGE)

    passages = [_readable(found.info) for found in ranked]
    is_sharp = reads_sentences(corpus.encoder)
    evidence = best_sentences(
        passages,
        query.terms,
        query.vector,
        encode,
        max_sentences=_SHARPENED_SENTENCES if is_sharp else _EVIDENCE_SENTENCES,
        heading_cost=HEADING_COST if is_sharp else HEADING_COST / 5,  # E5's cosines crowd
    )
    return [replace(found, evidence=one) for found, one in zip(ranked, evidence, strict=True)]


def _readable(info: ChunkInfo) -> Readable:
    names = tuple(name for name in (info.title, info.chunk.section) if name)
    return Readable(info.chunk.text, info.chunk.language, names)


def _to_hits(
    corpus: Corpus, query: Query, best: Sequence[tuple[Found, int]], background: Background
) -> list[Hit]:
    found_K = [found for found, _ in best]
    cosines: list[float | None] = [None] * len(best)
    scale = None
    if query.vector is not None and best:
        points = corpus.store.fetch_points(corpus.collection.store_name, [one.info.id for one in found_K])
        known = {point.id: round(float(point.dense @ query.vector), 5) for point in points}
        cosines = [known.get(one.info.id) for one in found_K]  # None: removed a moment ago
        scale = background.scale(query.vector, query.language)
    missing = [rank for rank, found in enumerate(found_K[:_EVIDENCE_HITS]) if found.evidence is None]
    completed = _with_evidence(corpus, query, [found_K[rank] for rank in missing])
    for rank, found in zip(missing, completed, strict=True):
        found_K[rank] = found
    return [
        _to_hit(found, more, cosine, _confidence(found, query, cosine, scale, background))
        for found, (_, more), cosine in zip(found_K, best, cosines, strict=True)
    ]


def _to_hit(found: Found, more: int, cosine: float | None, confidence: Confidence) -> Hit:
    info, chunk, evidence = found.info, found.info.chunk, found.evidence
    return Hit(
        chunk_id=info.id,
        document_id=info.document_id,
        document=info.document,
        title=info.title,
        collection=info.collection,
        score=found.score,
        cosine=cosine,
        confidence=confidence,
        language=chunk.language,
        file_type=info.file_type,
        page=chunk.page,
        section=chunk.section,
        start=chunk.start,
        end=chunk.end,
        text=chunk.text,
        evidence=None if evidence is None else (evidence.start, evidence.end),
        more_in_document=more,
    )


def _confidence(
    found: Found, query: Query, cosine: float | None, scale: Scale | None, background: Background
) -> Confidence:
    """The band by meaning, raised where the query's informative words stand in the passage verbatim."""
    lexical = _lexical_confidence(_coverage(query, found.info))
    if cosine is None or scale is None:
        return lexical
    meaning = cosine if found.meaning is None else found.meaning
    by_meaning = background.bands.name(scale.standing(meaning, found.info.chunk.language))
    return max(by_meaning, lexical, key=_ORDER.index)


def _lexical_confidence(share: float) -> Confidence:
    if share >= _LIFT_TO_STRONG:
        return "strong"
    if share >= _LIFT_TO_LIKELY:
        return "likely"
    return "weak" if share >= _LEXICAL_EVIDENCE else "none"
