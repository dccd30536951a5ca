"""Codes and numbers that a question names and no document has: then nothing near in meaning is an answer."""

from collections.abc import Sequence

from indexer.search.corpus import Corpus
from indexer.search.lexical import sparse_query
from indexer.search.matching import contains
from indexer.search.ranking import RankedChunk, searchable_passage
from indexer.search.terms import Term
from indexer.types import Filters

_CANDIDATES = 12


def lacks_a_code(
    corpus: Corpus, terms: Sequence[Term], where: Filters, result: Sequence[RankedChunk]
) -> bool:
    """Whether a question names a code or number that stands in no document of its scope.

    Args:
        corpus: what is searched.
        terms: of the question.
        where: its scope.
        result: the passages that are shown; the store is asked only for codes that none of them has.
    """
    shown = [searchable_passage(item.info) for item in result]
    return any(
        not any(contains(term, text) for text in shown) and not _is_anywhere(corpus, term, where)
        for term in terms
        if term.is_specific
    )


def _is_anywhere(corpus: Corpus, term: Term, where: Filters) -> bool:
    sparse = sparse_query(" ".join((term.text, *term.parts)))
    points = corpus.store.query(corpus.collection.store_name, sparse=sparse, limit=_CANDIDATES, where=where)
    infos = corpus.catalog.chunks.by_id([point.id for point in points])
    return any(contains(term, searchable_passage(info)) for info in infos)
