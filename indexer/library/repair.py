"""Catalog against vector store: what a crash, or a lost folder, left different is made equal again.

The catalog is right. Points that it does not know are removed; points that are missing are made again from
its texts, without reading any document.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from indexer.catalog import Catalog, CollectionRecord
from indexer.catalog.database import batches
from indexer.catalog.records import ChunkState
from indexer.ingest.embedding import embed, sparse_of
from indexer.ingest.pipeline import BATCH_CHUNKS, remove_stale
from indexer.library.collection import OpenCollection
from indexer.progress import CancelToken, Progress
from indexer.store.protocol import VectorStore

logger = logging.getLogger(__name__)


Kind = Literal["missing", "orphan"]


@dataclass(frozen=True)
class Difference:
    """How many chunks have no point, and how many points no chunk."""

    missing: int
    orphans: int

    def __bool__(self) -> bool:
        return bool(self.missing or self.orphans)


def compare(catalog: Catalog, store: VectorStore, collection: CollectionRecord) -> Difference:
    """How the points of a collection differ from its chunks; a count is enough when they do not."""
    counts = Counter(kind for kind, _ in differences(catalog, store, collection))
    return Difference(counts["missing"], counts["orphan"])


def differences(
    catalog: Catalog, store: VectorStore, collection: CollectionRecord
) -> Iterator[tuple[Kind, str]]:
    """What differs, as of ``side_by_side``; nothing where the counts are equal."""
    name = collection.store_name
    indexed, pending = catalog.chunks.states(collection.id)
    points = store.count(name) if store.exists(name) else 0
    if points == indexed and not pending:
        return
    in_store = store.iter_ids(name) if points else iter(())
    yield from side_by_side(catalog.chunks.iter_states(collection.id), in_store)


def side_by_side(
    states: Iterable[tuple[str, ChunkState]], points: Iterator[str]
) -> Iterator[tuple[Kind, str]]:
    """Ids of indexed chunks without a point and of points without a chunk, in ascending order.

    Both sides come in ascending order, read in pages, so that memory does not grow with the collection.
    Points may be written and removed meanwhile up to the id that was given last.
    """
    point_id = next(points, None)
    for chunk_id, state in states:
        while point_id is not None and point_id < chunk_id:
            yield "orphan", point_id
            point_id = next(points, None)
        if point_id == chunk_id:
            point_id = next(points, None)
        elif state == "indexed":  # a pending chunk is not missing: its document is read again
            yield "missing", chunk_id
    while point_id is not None:
        yield "orphan", point_id
        point_id = next(points, None)


def remove_leftovers(catalog: Catalog, store: VectorStore, collection: CollectionRecord) -> None:
    """Finish what an interrupted ingest began to remove."""
    if not store.exists(collection.store_name) or not catalog.chunks.has_stale(collection.id):
        return
    removed = remove_stale(catalog, store, collection)
    if removed:
        logger.info("%s: removed %d passages that an interrupted ingest left", collection.name, removed)


def remove_orphans(store: VectorStore, collection: CollectionRecord, orphans: Iterable[str]) -> None:
    """Remove points that the catalog does not know."""
    count = 0
    for part in batches(orphans, BATCH_CHUNKS):
        store.delete(collection.store_name, part)
        count += len(part)
    if count:
        logger.info("%s: removed %d points that the catalog does not know", collection.name, count)


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
    catalog, store, record = collection.catalog, collection.store, collection.record
    difference = compare(catalog, store, record)
    if difference.orphans:
        remove_orphans(
            store, record, (item for kind, item in differences(catalog, store, record) if kind == "orphan")
        )
    if difference.missing:
        ids = (item for kind, item in differences(catalog, store, record) if kind == "missing")
        with store.bulk(record.store_name):
            _restore_points(
                collection, ids, difference.missing, progress, cancel or CancelToken(), pause=pause
            )
    return difference.missing + difference.orphans


def _restore_points(
    collection: OpenCollection,
    chunk_ids: Iterable[str],
    total: int,
    progress: Progress | None,
    cancel: CancelToken,
    *,
    pause: Callable[[], None],
) -> None:
    """Make points again from the texts in the catalog."""
    catalog, store, encoder = collection.catalog, collection.store, collection.encoder
    name = collection.record.store_name
    store.ensure(name, encoder.dimension)
    done = 0
    for part in batches(chunk_ids, BATCH_CHUNKS):
        pause()
        records = catalog.chunks.records(part)
        owned = sorted({record.document_id for record in records})
        documents = {item.id: item for item in catalog.documents.records(owned)}
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
            progress(done, total, "passages", collection.record.name)
    logger.info("%s: restored %d points from the catalog", collection.record.name, done)
