"""Which passages answer, in order: the dense and the lexical leg, joined here, one passage a document.

The store is asked twice: for the passages that are nearest in meaning, and for those that share features of
the query. Only what holds a good share of the query's words takes part from the second, for a few shared
letters must not outrank meaning. More is asked only where the first answer has too few documents.

Meaning is compared across languages (``fairness``): of three times the passages that are wanted, those stay
that score best for their language.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexer.search.corpus import Corpus
from indexer.search.evidence import (
    LEXICAL_SHARE,
    Evidence,
    Readable,
    Reader,
    best_sentences,
)
from indexer.search.fairness import AS_THEY_ARE, FairScores
from indexer.search.matching import coverage, searchable_text
from indexer.search.sentences import SentenceVectors
from indexer.search.terms import Term
from indexer.store.protocol import RRF_K
from indexer.text.file_names import with_file_name
from indexer.text.folding import searchable
from indexer.types import ChunkInfo, Filters, Fusion, Origin, ScoredPoint, SearchMode, SparseVector
from me5.prefixes import Role

if TYPE_CHECKING:
    from me5.encoder import Encoder

CANDIDATES = 80
"""Passages fetched at first, whatever is asked for: so a longer answer begins with the shorter one."""

LEXICAL_EVIDENCE = 0.4
"""Share of the query's informative words below which shared words are chance."""

EXACT = 0.85
"""Share of the query's informative words with which a passage holds just what was asked for."""

_EXACT_WITHIN = 3  # documents: the first of the lexical leg is among them where it is exact
_MOSTLY = 0.5  # of a query's weight: so much in codes makes it a question for a code
_LEXICAL_CANDIDATES = 12
_DEEPER = 3  # times as many are compared across languages
_FEW_DOCUMENTS = 256  # in scope: those that are still missing are asked for by name
_MAX_CANDIDATES = 16_000
_SHARPENED = 32  # passages that are put in the order of their best sentences
_SHARPENED_SENTENCES = 160
_QUICK_SENTENCES = 16_000  # of a thousand hits

SENTENCE_WEIGHT = 0.5
"""What the best sentence counts beside the passage in a verdict (docs/neutral.md)."""


sentence_vectors = SentenceVectors()


@dataclass(frozen=True)
class Options:
    """How to rank, and among what."""

    mode: SearchMode
    fusion: Fusion
    where: Filters


@dataclass(frozen=True)
class Query:
    """A question, prepared for every leg; ``vector`` is None in lexical mode.

    ``shares`` remembers the share of its words in each passage, which is asked for several times.
    """

    text: str
    vector: NDArray[np.float32] | None
    sparse: SparseVector
    terms: Sequence[Term]
    notices: tuple[str, ...]
    fair: FairScores = AS_THEY_ARE
    shares: dict[tuple[str, str], float] = field(default_factory=dict, repr=False, compare=False)


class Ranked(NamedTuple):
    """A passage in rank order: what it is ranked by, and its cosine where it is known."""

    id: str
    score: float
    cosine: float | None


@dataclass(frozen=True)
class Candidates:
    """Passages in rank order, and the document of each (inside a document, each stands for itself).

    ``owners`` may know more passages than are ranked; ``exact`` is the lexical leg's first, if exact.
    """

    ranked: list[Ranked]
    owners: Mapping[str, str]
    exact: str | None = None

    def documents(self) -> set[str]:
        """The documents that the passages are of."""
        return {self.owners[item.id] for item in self.ranked}

    def first_of_each(self) -> list[tuple[Ranked, int]]:
        """The first passage of each document, and how many more of it follow."""
        groups: dict[str, tuple[Ranked, int]] = {}
        for item in self.ranked:
            owner = self.owners[item.id]
            first, more = groups.get(owner, (item, -1))
            groups[owner] = (first, more + 1)
        return list(groups.values())

    def followed_by(self, others: "Candidates") -> "Candidates":
        """The others behind these."""
        floor = min((item.score for item in self.ranked), default=0.0)
        ranked = [*self.ranked, *_below(others.ranked, floor)]
        return Candidates(ranked, {**self.owners, **others.owners}, self.exact)

    def with_exact_among_first(self, within: int) -> "Candidates":
        """The same with the document of the exact match among the first ``within``."""
        if self.exact is None:
            return self
        firsts = [item for item, _ in self.first_of_each()[:within]]
        document = self.owners[self.exact]
        if len(firsts) < within or any(self.owners[first.id] == document for first in firsts):
            return self
        place = self.ranked.index(firsts[-1])
        exact = next(item for item in self.ranked if item.id == self.exact)
        raised = exact._replace(score=firsts[-1].score)
        others = [item for item in self.ranked if item is not exact]
        return replace(self, ranked=[*others[:place], raised, *others[place:]])


@dataclass(frozen=True)
class RankedChunk:
    """A passage that is shown; ``more`` passages of its document are candidates too."""

    info: ChunkInfo
    score: float
    cosine: float | None
    more: int = 0
    evidence: Evidence | None = None


def best_passages(corpus: Corpus, query: Query, options: Options, top_k: int) -> list[RankedChunk]:
    """The best passage of each of the best ``top_k`` documents; inside named documents, the best passages."""
    is_inside = bool(options.where.documents)
    wanted = max(CANDIDATES, top_k) if is_inside else CANDIDATES
    candidates = _rank(corpus, query, options, wanted)
    if not is_inside and len(candidates.ranked) >= wanted:
        candidates = _widened(corpus, query, options, candidates, top_k)
    if is_inside:
        candidates = replace(candidates, owners={item.id: item.id for item in candidates.ranked})
    if corpus.reads_sentences and query.vector is not None:
        return _sharpened(corpus, query, candidates, top_k)
    candidates = candidates.with_exact_among_first(_exact_within(query))
    return _look_up(corpus, candidates.first_of_each()[:top_k])


def _exact_within(query: Query) -> int:
    """How far down an exact match may come: who asks for a code wants nothing else first."""
    in_codes = sum(term.weight for term in query.terms if term.pattern is not None)
    return 1 if in_codes >= _MOSTLY else _EXACT_WITHIN


def lexical_share(query: Query, info: ChunkInfo) -> float:
    """The share of the query's informative words in a passage, its title or its file's name, 0..1."""
    if not query.terms:
        return 0.0
    passage = searchable_passage(info), info.chunk.language
    share = query.shares.get(passage)
    if share is None:
        share = query.shares[passage] = coverage(query.terms, *passage)
    return share


def searchable_passage(info: ChunkInfo) -> str:
    """Title, file name and text of a passage, as words are looked up in them."""
    return _searchable_passage(info.title, info.document, info.chunk.text)


@lru_cache(maxsize=2048)
def _searchable_passage(title: str, path: str, text: str) -> str:
    return f"{_names(title, path)}\n{searchable_text(text)}"


@lru_cache(maxsize=4096)
def _names(title: str, path: str) -> str:
    return searchable(with_file_name(title, path))


def likeness(corpus: Corpus, query: Query, result: RankedChunk) -> float | None:
    """By what a hit is judged: its cosine, as it compares across languages, and that of its best sentence.

    Sentences are read by another model than passages, which errs elsewhere; a static model, which ranks by
    sentences anyway, is judged by the passage alone. None where the cosine is not known.
    """
    if result.cosine is None:
        return None
    passage = query.fair(result.cosine, result.info.chunk.language)
    if corpus.reads_sentences or result.evidence is None or result.evidence.cosine is None:
        return passage
    return passage + SENTENCE_WEIGHT * result.evidence.cosine


def with_evidence(
    corpus: Corpus, query: Query, result: Sequence[RankedChunk], *, closely: bool = True
) -> list[RankedChunk]:
    """The same passages with their best sentences; those that have one keep it.

    A transformer costs milliseconds a sentence: the fast model reads them all, and leaves to the transformer
    the best few of the first hits (``closely``).
    """
    missing = [item for item in result if item.evidence is None]
    if not missing:
        return list(result)
    reader = closer = None
    sentences = _SHARPENED_SENTENCES
    if corpus.encoder is not None and query.vector is not None:
        own = Reader(query.vector, partial(corpus.encoder.encode, role=Role.PASSAGE))
        if corpus.reads_sentences:
            reader = replace(own, encode=sentence_vectors.of(corpus.encoder))
        else:
            reader, closer = _quick_reader(query.text), own if closely else None
            sentences = _QUICK_SENTENCES
    evidence = iter(
        best_sentences(
            [_readable(item.info) for item in missing],
            query.terms,
            reader,
            max_sentences=sentences,
            closer=closer,
        )
    )
    return [item if item.evidence is not None else replace(item, evidence=next(evidence)) for item in result]


def _quick_reader(question: str) -> Reader:
    fast = _fast_model()
    return Reader(fast.encode([question])[0], sentence_vectors.of(fast))


@cache
def _fast_model() -> "Encoder":
    from me5.loading import load_encoder

    return load_encoder("fast")


# -- legs ------------------------------------------------------------------------------------------------


def _rank(corpus: Corpus, query: Query, options: Options, limit: int) -> Candidates:
    """Both legs as one ranking; passages that were removed a moment ago are left out."""
    name, where = corpus.collection.store_name, options.where
    exact = None
    if options.mode == "lexical":
        meaning, words = [], corpus.store.query(name, sparse=query.sparse, limit=limit, where=where)
    else:
        deeper = limit * _DEEPER if query.fair else limit
        meaning = corpus.store.query(name, dense=query.vector, limit=deeper, where=where)
        words, exact = ([], None) if options.mode == "dense" else _convincing(corpus, query, where)
    origins = corpus.catalog.chunks.origins(list({point.id: None for point in (*meaning, *words)}))
    by_words = [Ranked(point.id, point.score, _cosine(point, query)) for point in words]
    if options.mode == "lexical":
        ranked = by_words
    else:
        ranked = fuse(_in_fair_order(meaning, origins, query.fair)[:limit], by_words, options.fusion)
    owners = {chunk_id: origin.document_id for chunk_id, origin in origins.items()}
    exact = exact if exact in owners else None
    return Candidates([item for item in ranked if item.id in owners], owners, exact)


def _in_fair_order(
    points: Sequence[ScoredPoint], origins: Mapping[str, Origin], fair: FairScores
) -> list[Ranked]:
    """What is nearest in meaning, whatever its language."""
    ranked = [
        Ranked(point.id, fair(point.score, origins[point.id].language), round(point.score, 5))
        for point in points
        if point.id in origins
    ]
    return sorted(ranked, key=lambda item: -item.score)


def _convincing(corpus: Corpus, query: Query, where: Filters) -> tuple[list[ScoredPoint], str | None]:
    """The leading lexical candidates, down to the last one that holds a good share of the query's words, and
    the first of them where it holds nearly all.

    Asked in one language of documents in another, the lexical leg still returns passages: they share a
    function word or a few letters. Then none takes part.
    """
    if not len(query.sparse.indices):
        return [], None
    points = corpus.store.query(
        corpus.collection.store_name,
        sparse=query.sparse,
        limit=_LEXICAL_CANDIDATES,
        where=where,
        with_dense=True,
    )
    known = {info.id: info for info in corpus.catalog.chunks.by_id([point.id for point in points])}
    shares = [lexical_share(query, known[point.id]) if point.id in known else 0.0 for point in points]
    last = max((rank for rank, share in enumerate(shares, 1) if share >= LEXICAL_EVIDENCE), default=0)
    return points[:last], points[0].id if shares and shares[0] >= EXACT else None


def _cosine(point: ScoredPoint, query: Query) -> float | None:
    if point.dense is None or query.vector is None:
        return None
    return round(float(point.dense @ query.vector), 5)


def fuse(meaning: Sequence[Ranked], words: Sequence[Ranked], fusion: Fusion) -> list[Ranked]:
    """Two legs as one ranking: reciprocal ranks (1 / (60 + rank) each), or normalised scores, summed.

    Equal sums keep the order of meaning.
    """
    if not words:
        return list(meaning)
    sums: dict[str, float] = {}
    cosines = {item.id: item.cosine for item in (*words, *meaning)}
    for leg in (meaning, words):
        for rank, item in enumerate(leg):
            gain = 1 / (RRF_K + rank) if fusion == "rrf" else _normalised(item.score, leg)
            sums[item.id] = sums.get(item.id, 0.0) + gain
    order = sorted(sums, key=lambda chunk_id: -sums[chunk_id])
    return [Ranked(chunk_id, sums[chunk_id], cosines[chunk_id]) for chunk_id in order]


def _normalised(score: float, leg: Sequence[Ranked]) -> float:
    """Where a score lies between three deviations below and above the mean of its leg, 0..1."""
    scores = np.array([item.score for item in leg])
    deviation = float(scores.std())
    return 0.5 if deviation == 0 else float((score - scores.mean()) / (6 * deviation) + 0.5)


# -- documents -------------------------------------------------------------------------------------------


def _widened(
    corpus: Corpus, query: Query, options: Options, candidates: Candidates, top_k: int
) -> Candidates:
    """More candidates, until there are ``top_k`` documents or no more.

    Where few documents are in scope, those still missing are asked for by name; else the limit is raised.
    What was found first stays first.
    """
    seen = candidates.documents()
    if len(seen) >= top_k:
        return candidates
    scope = corpus.catalog.facets.document_ids(
        corpus.collection.id, options.where, at_most=_FEW_DOCUMENTS + 1
    )
    limit = len(candidates.ranked)
    while len(seen) < min(top_k, len(scope)) and limit < _MAX_CANDIDATES:
        known = {item.id for item in candidates.ranked}
        if len(scope) <= _FEW_DOCUMENTS:
            missing = tuple(item for item in scope if item not in seen)
            narrower = replace(options, where=replace(options.where, documents=missing))
            result = _rank(corpus, query, narrower, CANDIDATES)
        else:
            limit *= 4
            result = _rank(corpus, query, options, limit)
        new = [item for item in result.ranked if item.id not in known]
        if not new:
            break
        candidates = candidates.followed_by(Candidates(new, result.owners))
        seen = candidates.documents()
    return candidates


def _look_up(
    corpus: Corpus, chosen: Sequence[tuple[Ranked, int]], *, known: Mapping[str, ChunkInfo] | None = None
) -> list[RankedChunk]:
    """The passages behind the ranks; ``known`` are those that were looked up a moment ago."""
    known = dict(known or {})
    missing = [item.id for item, _ in chosen if item.id not in known]
    if missing:
        known |= {info.id: info for info in corpus.catalog.chunks.by_id(missing)}
    return [
        RankedChunk(known[item.id], item.score, item.cosine, more)
        for item, more in chosen
        if item.id in known
    ]


def _sharpened(corpus: Corpus, query: Query, candidates: Candidates, top_k: int) -> list[RankedChunk]:
    """The leading passages in the order of their best sentences, then the rest as it was."""
    ranked = candidates.ranked
    leading = with_evidence(corpus, query, _look_up(corpus, [(item, 0) for item in ranked[:_SHARPENED]]))
    # Scores of the store mean nothing beside those of sentences.
    order = [
        Ranked(result.info.id, result.evidence.cosine + _verbatim_bonus(query, result.info), result.cosine)
        for result in leading
        if result.evidence is not None and result.evidence.cosine is not None
    ]
    order.sort(key=lambda item: -item.score)
    read = {item.id for item in order}
    rest = [item for item in ranked if item.id not in read]
    order += _below(rest, order[-1].score if order else 0.0)
    evidence = {result.info.id: result.evidence for result in leading if result.info.id in read}
    in_order = replace(candidates, ranked=order).with_exact_among_first(_exact_within(query))
    chosen = in_order.first_of_each()[:top_k]
    known = {result.info.id: result.info for result in leading}
    return [
        replace(item, evidence=evidence.get(item.info.id)) for item in _look_up(corpus, chosen, known=known)
    ]


def _below(ranked: Sequence[Ranked], score: float) -> list[Ranked]:
    """The same order, with scores that fall from below ``score``."""
    return [Ranked(item.id, score - 1e-4 * rank, item.cosine) for rank, item in enumerate(ranked, 1)]


def _verbatim_bonus(query: Query, info: ChunkInfo) -> float:
    """What the query's words in a passage add to its rank: nothing while they may be there by chance."""
    beyond_chance = (lexical_share(query, info) - LEXICAL_EVIDENCE) / (1 - LEXICAL_EVIDENCE)
    return LEXICAL_SHARE * max(0.0, beyond_chance)


def _readable(info: ChunkInfo) -> Readable:
    names = tuple(name for name in (info.title, info.chunk.section) if name)
    return Readable(info.chunk.text, info.chunk.language, names)
