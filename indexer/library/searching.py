"""Searches and single passages of a collection, as the library answers them."""

import logging
from dataclasses import replace

from indexer.catalog import Catalog, CollectionRecord
from indexer.errors import CatalogError, CollectionError
from indexer.library.encoders import Encoders
from indexer.store.protocol import VectorStore
from indexer.text.language.names import is_plain, languages_named
from indexer.types import ChunkInfo, Filters

logger = logging.getLogger(__name__)


def with_codes(catalog: Catalog, collection: CollectionRecord, where: Filters) -> Filters:
    """The filters with names of languages (``German``, ``日本語``) and spellings of codes made codes.

    Raises:
        QueryError: a language is unknown.
    """
    if all(is_plain(word) for word in where.languages):
        return where
    there = catalog.facets.counts(collection.id, Filters()).get("language", {})
    return replace(where, languages=languages_named(where.languages, tuple(there)))


def warm_up(catalog: Catalog, store: VectorStore, encoders: Encoders, collection: CollectionRecord) -> None:
    """Make the next search as fast as those after it; nothing where the model is gone."""
    from indexer.search.search import warm

    try:
        encoder = encoders.of(collection)
    except CollectionError as error:
        logger.warning("%s", error)
        return
    warm(catalog, store, lambda: encoder, collection)


def passage(catalog: Catalog, chunk_id: str) -> ChunkInfo:
    """One passage.

    Raises:
        CatalogError: it is no longer there.
    """
    result = catalog.chunks.by_id([chunk_id])
    if not result:
        raise CatalogError(
            f"The passage {chunk_id!r} is no longer in the library; its document was changed or removed. "
            "Search again."
        )
    return result[0]
