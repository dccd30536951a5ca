"""From passages onwards: what is nearest to them in meaning, in any language or only in others.

The vectors that are there are compared; nothing is embedded. There is no verdict, as nothing was asked.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from indexer.errors import CatalogError
from indexer.search.corpus import Corpus
from indexer.search.ranking import Options, Query, best_passages
from indexer.search.search import MAX_TOP_K, to_hit
from indexer.types import Filters, SearchResult, SparseVector

if TYPE_CHECKING:
    from indexer.catalog import Catalog, CollectionRecord
    from indexer.store.protocol import VectorStore
    from me5.encoder import Encoder

MAX_PASSAGES = 200
"""So many of a long document, at equal distances, stand for it."""

_NO_WORDS = SparseVector(np.array([], np.uint32), np.array([], np.float32))


def similar(
    catalog: "Catalog",
    store: "VectorStore",
    open_encoder: "Callable[[], Encoder]",
    collection: "CollectionRecord",
    chunk_ids: Sequence[str],
    *,
    top_k: int = 10,
    where: Filters = Filters(),  # noqa: B008 - frozen
    in_other_languages: bool = False,
) -> SearchResult:
    """The best passage of each of the ``top_k`` nearest documents, without those that the passages are of.

    Args:
        catalog: knows the passages.
        store: has their vectors.
        open_encoder: gives the model that the collection was made with.
        collection: where the passages are, and what is looked through.
        chunk_ids: passages; of several the mean of their vectors counts.
        top_k: documents wanted.
        where: filters.
        in_other_languages: only passages in other languages than these are.

    Raises:
        CatalogError: none of the passages is there any more.
    """
    started = perf_counter()
    passages = catalog.chunks.by_id(_spread(chunk_ids))
    if not passages:
        raise CatalogError(
            "The passage is no longer in the library; its document was changed or removed. Search again."
        )
    languages = {passage.chunk.language for passage in passages}
    if in_other_languages:
        there = catalog.facets.counts(collection.id, where).get("language", {})
        own = {_main(language) for language in languages}
        where = replace(where, languages=tuple(sorted(code for code in there if _main(code) not in own)))
    own_documents = {passage.document_id for passage in passages}
    hits = []
    if not in_other_languages or where.languages:
        corpus = Corpus(catalog, store, open_encoder(), collection)
        mean_D = store.fetch_dense(collection.store_name, [passage.id for passage in passages]).mean(axis=0)
        vector_D = (mean_D / max(float(np.linalg.norm(mean_D)), 1e-12)).astype(np.float32)
        asked = Query("", vector_D, _NO_WORDS, [], (), corpus.fair_scores(vector_D))
        wanted = min(top_k, MAX_TOP_K) + len(own_documents)
        ranked = best_passages(corpus, asked, Options("dense", "rrf", where), wanted)
        others = [item for item in ranked if item.info.document_id not in own_documents]
        hits = [to_hit(replace(item, more=0), "none") for item in others]
    return SearchResult(
        query=passages[0].title or passages[0].document,
        language=languages.pop() if len(languages) == 1 else "und",
        took_ms=(perf_counter() - started) * 1000,
        hits=(),
        weak_hits=tuple(hits[:top_k]),
        facets={},
        can_tell=False,
    )


def _spread(chunk_ids: Sequence[str]) -> list[str]:
    step = -(-len(chunk_ids) // MAX_PASSAGES) or 1
    return list(chunk_ids[::step])


def _main(language: str) -> str:
    """Chinese in either script is one language here."""
    return language.partition("-")[0]
