"""Catalog against vector store: what a crash, or a lost folder, left different is made equal again.

The catalog is right. Points that it does not know are removed; points that are missing are made again from
its texts, without reading any document.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from indexer.catalog import Catalog, CollectionRecord, DocumentRecord
from indexer.catalog.database import slices
from indexer.ingest.embedding import embed, sparse_of
from indexer.ingest.pipeline import BATCH_CHUNKS, remove_stale
from indexer.library.collection import OpenCollection
from indexer.progress import CancelToken, Progress
from indexer.store.protocol import VectorStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Difference:
    """Ids of chunks without a point, and of points without a chunk."""

    missing: list[str]
    orphans: list[str]

    def __bool__(self) -> bool:
        return bool(self.missing or self.orphans)


def compare(catalog: Catalog, store: VectorStore, collection: CollectionRecord) -> Difference:
    """How the points of a collection differ from its chunks; a count is enough when they do not."""
    name = collection.store_name
    indexed, pending = catalog.chunks.states(collection.id)
    points = store.count(name) if store.exists(name) else 0
    if points == indexed and not pending:
        return Difference([], [])
    states = dict(catalog.chunks.iter_states(collection.id))
    orphans = []
    for point_id in store.iter_ids(name) if points else ():
        if states.pop(point_id, None) is None:
            orphans.append(point_id)
    # A pending chunk is not missing: its document is read again.
    return Difference([one for one, state in states.items() if state == "indexed"], orphans)


def remove_leftovers(catalog: Catalog, store: VectorStore, collection: CollectionRecord) -> None:
    """Finish what an interrupted ingest began to remove."""
    if not store.exists(collection.store_name) or not catalog.chunks.has_stale(collection.id):
        return
    removed = remove_stale(catalog, store, collection)
    if removed:
        logger.info("%s: removed %d passages that an interrupted ingest left", collection.name, removed)


def remove_orphans(store: VectorStore, collection: CollectionRecord, orphans: Sequence[str]) -> None:
    """Remove points that the catalog does not know."""
    for part in slices(orphans, BATCH_CHUNKS):
        store.delete(collection.store_name, part)
    if orphans:
        logger.info("%s: removed %d points that the catalog does not know", collection.name, len(orphans))


def restore(
    collection: OpenCollection,
    *,
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
    pause: Callable[[], None] = lambda: None,
) -> int:
    """Make missing points of a collection again and remove unknown ones. How many were wrong.

    ``pause`` is called where others may change the collection.

    Raises:
        Cancelled: cancelled; what was restored stays.
    """
    difference = compare(collection.catalog, collection.store, collection.record)
    remove_orphans(collection.store, collection.record, difference.orphans)
    _restore_points(collection, difference.missing, progress, cancel or CancelToken(), pause)
    return len(difference.missing) + len(difference.orphans)


def _restore_points(
    collection: OpenCollection,
    chunk_ids: Sequence[str],
    progress: Progress | None,
    cancel: CancelToken,
    pause: Callable[[], None],
) -> None:
    """Make points again from the texts in the catalog."""
    catalog, store, encoder = collection.catalog, collection.store, collection.encoder
    name = collection.record.store_name
    store.ensure(name, encoder.dimension)
    documents: dict[str, DocumentRecord] = {}
    done = 0
    for part in slices(chunk_ids, BATCH_CHUNKS):
        pause()
        records = catalog.chunks.records(part)
        unknown = {record.document_id for record in records} - documents.keys()
        documents |= {one.id: one for one in catalog.documents.records(sorted(unknown))}
        owners = [documents[record.document_id] for record in records]
        if records:  # else they were removed meanwhile
            points = embed(
                encoder,
                owners,
                records,
                [sparse_of(owner, [record])[0] for owner, record in zip(owners, records, strict=True)],
                settings=collection.settings,
                on_progress=lambda _: cancel.check(),
            )
            store.upsert(name, points)
        done += len(part)
        if progress is not None:
            progress(done, len(chunk_ids), "passages", collection.record.name)
    if chunk_ids:
        logger.info("%s: restored %d points from the catalog", collection.record.name, len(chunk_ids))
