"""Searches and single passages of a collection, as the library answers them."""

import logging
import shlex
from collections.abc import Sequence
from dataclasses import replace

from indexer.catalog import Catalog, CollectionRecord
from indexer.errors import CatalogError, CollectionError, QueryError
from indexer.library.encoders import Encoders
from indexer.store.protocol import VectorStore
from indexer.text.language.names import is_plain, languages_named
from indexer.types import ChunkInfo, Filters, SearchResult

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


def by_words_alone(result: SearchResult, collection: CollectionRecord) -> SearchResult:
    """A lexical answer that says why it is one, and what to do."""
    notice = (
        f"Only words were searched: an earlier version of the model {collection.model} made the vectors. "
        "Embed them again, on the Library tab or with: "
        f"app.py use {collection.model} --collection {shlex.quote(collection.name)}"
    )
    return replace(result, notices=(notice, *result.notices))


def passages_of(
    catalog: Catalog, document_ids: Sequence[str], *, at: int | None = None, number: int | None = None
) -> list[str]:
    """Ids of the passages of documents in reading order, or of one: with character ``at``, or the N-th.

    Raises:
        QueryError: there is none.
    """
    chunk_ids = catalog.chunks.of_documents(document_ids)
    passages = sorted(
        (record for record in catalog.chunks.records(chunk_ids) if record.state == "indexed"),
        key=lambda record: (record.document_id, record.chunk.ordinal),
    )
    if not passages:
        raise QueryError("The document has no passages; expected text in it.")
    chosen = passages
    if number is not None:
        chosen = passages[number - 1 : number] if number > 0 else []
    if at is not None:
        chosen = [item for item in chosen if item.chunk.start <= at < item.chunk.end]
    if not chosen:
        wanted = f"number {number}" if at is None else f"with character {at}"
        raise QueryError(
            f"There is no passage {wanted}; expected one of {len(passages)}, up to character "
            f"{max(item.chunk.end for item in passages)}."
        )
    return [item.id for item in chosen]
