"""Ingest: files to chunks in the catalog and points in the vector store.

A thread reads ahead (``read``); the calling thread gathers chunks across documents into batches. Each
batch goes to the catalog as pending, through the model, into the vector store, and is then marked as
indexed; documents whose last chunk was in it are finished. Only the calling thread writes.

Every step may be the last one before the process dies. Ids follow from the content, so a repeated step
changes nothing; a document under way is known by its ``pending_hash`` and is read again, where chunks that
are indexed already are not encoded again; old chunks go only after the new ones are indexed.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from indexer.catalog import Catalog, ChunkRecord, CollectionRecord, DocumentRecord, PassResult
from indexer.catalog.database import slices
from indexer.errors import Cancelled
from indexer.ingest.claims import Claims, Unclaimed
from indexer.ingest.embedding import embed
from indexer.ingest.left_alone import LeftAlone
from indexer.ingest.plan import Decision, Planner
from indexer.ingest.read import (
    DocumentFinished,
    DocumentStarted,
    Event,
    Failed,
    Group,
    PassedOver,
    ReadOptions,
    read_all,
)
from indexer.ingest.rename import Renamer
from indexer.ingest.report import AddReport
from indexer.ingest.scan import FoundFile
from indexer.library.collection import OpenCollection
from indexer.progress import CancelToken, Progress
from indexer.readers import ReadLimits
from indexer.store.protocol import VectorStore
from indexer.types import SparseVector

logger = logging.getLogger(__name__)

BATCH_CHUNKS = 512
"""Chunks per batch: enough to fill the model's own batches, few enough to lose little."""
OPTIMIZE_EVERY = 5_000
"""Passages after which the store is asked again whether a build is due, which gives memory back."""

_QUEUE_EVENTS = 8
_POLL_S = 0.2


@dataclass
class _Pass:
    """A document that is being read."""

    document: DocumentRecord
    file: FoundFile
    is_resumed: bool
    done_bytes: int = 0


@dataclass
class _Batch:
    """What waits for the model."""

    documents: list[DocumentRecord] = field(default_factory=list)
    records: list[ChunkRecord] = field(default_factory=list)
    sparse: list[SparseVector] = field(default_factory=list)
    begun: list[DocumentRecord] = field(default_factory=list)
    ended: dict[str, PassResult] = field(default_factory=dict)
    text_bytes: list[tuple[_Pass, int]] = field(default_factory=list)


class Pipeline:
    """One ingest into one collection; ``run`` once.

    Args:
        collection: where chunks and points go.
        limits: what one file may cost.
        progress: told how many bytes are done.
        cancel: looked at between batches, and while a file is read.
        pause: called where others may change the collection, but for the documents under way.
        left_alone: documents that others have changed; asked after each pause.
        claims: on documents that other processes might read, too.
    """

    def __init__(
        self,
        collection: OpenCollection,
        *,
        limits: ReadLimits | None = None,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
        pause: Callable[[], None] = lambda: None,
        left_alone: LeftAlone | None = None,
        claims: Claims | None = None,
    ) -> None:
        self._claims = claims or Unclaimed()
        self._catalog, self._store = collection.catalog, collection.store
        self._pause, self._left_alone = pause, left_alone or LeftAlone()
        self._encoder, self._settings = collection.encoder, collection.settings
        self._collection = collection.record
        self._limits = limits or ReadLimits()
        self._progress: Progress = progress or (lambda done, total, unit, message: None)
        self._cancel = cancel or CancelToken()
        self._stop = threading.Event()
        self._events: queue.Queue[Event | BaseException | None] = queue.Queue(_QUEUE_EVENTS)
        self._passes: dict[str, _Pass] = {}
        self._batch = _Batch()
        self._renamer = Renamer(collection, self._cancel)
        self._renamed: list[tuple[DocumentRecord, int]] = []  # with the sizes of their files
        self._counts = dict.fromkeys(("add", "change", "skip", "rename", "warned", "chunks"), 0)
        self._failures: list[tuple[str, str]] = []
        self._done_bytes = 0
        self._total_bytes = 0
        self._shown_bytes = 0
        self._message = ""

    def run(self, files: Sequence[FoundFile], planner: Planner) -> AddReport:
        """Index ``files``.

        Args:
            files: what to look at.
            planner: decides about each; what it calls gone afterwards is left to the caller.

        Raises:
            Cancelled: cancelled. Finished documents stay, those under way are undone.
            StoreError, CatalogError: nothing acknowledged is lost; the next run resumes.
        """
        started = time.perf_counter()
        self._total_bytes = sum(file.size_bytes for file in files)
        self._store.ensure(self._collection.store_name, self._encoder.dimension)
        reader = threading.Thread(target=self._read_ahead, args=(files, planner), name="ingest-reader")
        reader.start()
        try:
            with self._store.bulk(self._collection.store_name):
                self._take_all()
        except Cancelled:
            if not self._cancel.keeps_partial:
                self._undo()
            raise
        finally:
            self._stop.set()
            reader.join()
        return AddReport(
            added=self._counts["add"],
            changed=self._counts["change"],
            unchanged=self._counts["skip"],
            renamed=self._counts["rename"],
            warned=self._counts["warned"],
            chunks=self._counts["chunks"],
            seconds=time.perf_counter() - started,
            failures=tuple(self._failures),
        )

    # In the thread that reads ahead

    def _read_ahead(self, files: Sequence[FoundFile], planner: Planner) -> None:
        try:
            options = ReadOptions(
                self._encoder, self._settings, self._limits, self._is_stopped, self._left_alone
            )
            for event in read_all(files, planner, options):
                self._hand_over(event)
            self._hand_over(None)
        except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
            self._hand_over(error)

    def _is_stopped(self) -> bool:
        return self._stop.is_set() or self._cancel.is_cancelled()

    def _hand_over(self, event: Event | BaseException | None) -> None:
        while not self._stop.is_set():
            try:
                self._events.put(event, timeout=_POLL_S)
            except queue.Full:
                continue
            return

    # In the calling thread

    def _take_all(self) -> None:
        for event in self._arriving():
            self._take(event)
            if len(self._batch.records) >= BATCH_CHUNKS:
                self._flush()
        self._flush()

    def _arriving(self) -> Iterator[Event]:
        while (event := self._events.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            yield event

    def _take(self, event: Event) -> None:
        if isinstance(event, DocumentStarted):
            self._begin(event.file, event.decision)
        elif isinstance(event, Group):
            if (known := self._passes.get(event.document_id)) is not None:
                self._add_to_batch(known, event)
        elif isinstance(event, DocumentFinished):
            if event.document_id in self._passes:
                self._batch.ended[event.document_id] = event.result
        elif isinstance(event, PassedOver):
            self._advance(event.file.size_bytes)
        else:
            self._fail(event)

    def _begin(self, file: FoundFile, decision: Decision) -> None:
        document = decision.document
        self._message = file.path
        if self._left_alone.has_document(document):
            self._advance(file.size_bytes)
            return
        if decision.action in ("add", "change"):
            if not self._may_read(document):
                self._left_alone.add([document])
                self._advance(file.size_bytes)
                return
            is_resumed = self._prepare_pass(document)
            self._passes[document.id] = _Pass(document, file, is_resumed)
            self._batch.begun.append(document)
            return
        if decision.action == "rename":
            self._renamed.append((document, file.size_bytes))
            if len(self._renamed) >= BATCH_CHUNKS:
                self._follow_renamings()
            return
        if not decision.is_recorded:
            self._catalog.documents.put([document])
        self._counts[decision.action] += 1
        self._advance(file.size_bytes)

    def _may_read(self, document: DocumentRecord) -> bool:
        """Claim the document; False where another process reads it, or has just read the same."""
        if self._claims.host is None:  # nobody else is there
            return True
        if self._claims.claim([document.id]):
            return False
        known = self._catalog.documents.find(document.collection_id, path=document.path)
        if known and (known.id != document.id or known.generation > document.generation):
            self._claims.release([document.id])
            return False
        return True

    def _prepare_pass(self, document: DocumentRecord) -> bool:
        """Clear what an interrupted pass over other content left; True when one can be resumed."""
        known = self._catalog.documents.records([document.id])
        if not known or known[0].pending_hash is None:
            return False
        if known[0].pending_hash == document.pending_hash:
            return True
        self._catalog.documents.give_up_pass(document.id, None)
        self._remove_stale([document.id])
        return False

    def _follow_renamings(self) -> None:
        """Rename documents together: most are short, and the model is fast in batches."""
        renamed, self._renamed = self._renamed, []
        if renamed:
            self._renamer.follow([document for document, _ in renamed])
            self._counts["rename"] += len(renamed)
            self._advance(sum(size_bytes for _, size_bytes in renamed))

    def _add_to_batch(self, known: _Pass, group: Group) -> None:
        self._batch.text_bytes.append((known, group.text_bytes))
        done: set[str] = set()
        if known.is_resumed:
            ids = [record.id for record in group.records]
            done = self._catalog.chunks.indexed_among(ids, known.document.generation + 1)
        for record, features in zip(group.records, group.sparse, strict=True):
            if record.id not in done:
                self._batch.documents.append(known.document)
                self._batch.records.append(record)
                self._batch.sparse.append(features)

    def _flush(self) -> None:
        """Index what waits, in the order that survives a crash after any step."""
        self._cancel.check()
        self._let_others_in()
        self._follow_renamings()  # first: a new document may have the path that a renamed one leaves
        batch = self._batch
        if not (batch.begun or batch.records or batch.ended):
            return
        self._catalog.documents.put(batch.begun)
        batch.begun = []  # from here on they must be undone when cancelled, not forgotten
        self._catalog.chunks.put(batch.records)
        if batch.records:
            points = embed(
                self._encoder,
                batch.documents,
                batch.records,
                batch.sparse,
                settings=self._settings,
                on_progress=self._encoded,
            )
            wanted = {record.id for record in batch.records}  # others came in while the model worked
            points = [point for point in points if point.id in wanted]
            if points:
                self._store.upsert(self._collection.store_name, points)
            self._catalog.chunks.mark([record.id for record in batch.records], "indexed")
            before = self._counts["chunks"] // OPTIMIZE_EVERY
            self._counts["chunks"] += len(points)
            if self._counts["chunks"] // OPTIMIZE_EVERY > before:
                self._store.optimize(self._collection.store_name)
        for known, text_bytes in batch.text_bytes:
            known.done_bytes = min(known.done_bytes + text_bytes, known.file.size_bytes)
        self._finish(batch.ended)
        self._batch = _Batch()
        self._advance(0)

    def _finish(self, ended: dict[str, PassResult]) -> None:
        if not ended:
            return
        self._catalog.documents.finish(ended)
        self._counts["warned"] += sum(bool(result.warnings) for result in ended.values())
        self._claims.release(list(ended))
        finished = [self._passes.pop(document_id) for document_id in ended]
        self._remove_stale([item.document.id for item in finished if item.document.generation])
        for item in finished:
            self._counts["change" if item.document.generation else "add"] += 1
            self._done_bytes += item.file.size_bytes

    def _fail(self, event: Failed) -> None:
        """Record why a file cannot be indexed; an earlier version of it stays searchable."""
        if event.document is not None and self._left_alone.has_document(event.document):
            self._advance(event.file.size_bytes)
            return
        self._failures.append((event.file.path, event.reason))
        logger.info("%s was not indexed: %s", event.file.path, event.reason)
        self._advance(event.file.size_bytes)
        if event.document is None:
            return
        if event.document.id not in self._passes:
            if not self._may_read(event.document):
                return
            self._prepare_pass(event.document)
            self._batch.begun.append(event.document)
        self._flush()
        if self._left_alone.has_document(event.document):
            return
        self._passes.pop(event.document.id, None)
        self._catalog.documents.give_up_pass(event.document.id, event.reason)
        self._remove_stale([event.document.id])
        self._claims.release([event.document.id])

    def _let_others_in(self) -> None:
        """Stand still while others change the collection, and let go of the documents that they changed."""
        self._pause()
        passes = [item for item in self._passes.values() if self._left_alone.has_document(item.document)]
        gone = {item.document.id for item in passes}
        self._claims.release(list(gone))
        self._renamed = [item for item in self._renamed if not self._left_alone.has_document(item[0])]
        batch = self._batch
        batch.begun = [item for item in batch.begun if not self._left_alone.has_document(item)]
        if not gone:
            return
        for item in passes:
            del self._passes[item.document.id]
            self._done_bytes += item.file.size_bytes
            batch.ended.pop(item.document.id, None)
        batch.text_bytes = [pair for pair in batch.text_bytes if pair[0].document.id not in gone]
        kept = [row for row, record in enumerate(batch.records) if record.document_id not in gone]
        batch.documents = [batch.documents[row] for row in kept]
        batch.records = [batch.records[row] for row in kept]
        batch.sparse = [batch.sparse[row] for row in kept]

    def _undo(self) -> None:
        """Take back what is known of documents under way, so that nobody resumes them."""
        self._stop.set()
        under_way = [item.document for item in self._passes.values()]
        fresh = [document.id for document in under_way if not document.generation]
        remove_documents(self._catalog, self._store, self._collection, fresh)
        for document in under_way:
            if document.generation:
                self._catalog.documents.give_up_pass(document.id, None)
        self._remove_stale([document.id for document in under_way])
        self._claims.release([document.id for document in under_way])

    def _remove_stale(self, document_ids: Sequence[str]) -> None:
        if document_ids:
            remove_stale(self._catalog, self._store, self._collection, document_ids)

    def _encoded(self, chunks: int) -> None:
        """A part of the batch has been through the model, which may take minutes for the whole."""
        self._cancel.check()
        self._let_others_in()
        ahead = sum(text_bytes for _, text_bytes in self._batch.text_bytes)
        self._advance(0, ahead * chunks // max(chunks, len(self._batch.records)))

    def _advance(self, size_bytes: int, ahead_bytes: int = 0) -> None:
        """Report progress after files of ``size_bytes`` are done and some text is half done."""
        self._done_bytes += size_bytes
        under_way = sum(item.done_bytes for item in self._passes.values())
        done = min(self._done_bytes + under_way + ahead_bytes, self._total_bytes)
        self._shown_bytes = max(done, self._shown_bytes)  # sizes of texts and of their files differ
        self._progress(self._shown_bytes, self._total_bytes, "bytes", self._message)


def remove_documents(
    catalog: Catalog, store: VectorStore, collection: CollectionRecord, document_ids: Sequence[str]
) -> None:
    """Remove documents from the catalog, then their points from the store.

    A crash in between leaves points that nobody finds; the next opening removes them.
    """
    for part in slices(document_ids):
        chunk_ids = catalog.chunks.of_documents(part)
        catalog.documents.delete(part)
        for ids in slices(chunk_ids, BATCH_CHUNKS):
            store.delete(collection.store_name, ids)


def remove_stale(
    catalog: Catalog,
    store: VectorStore,
    collection: CollectionRecord,
    document_ids: Sequence[str] | None = None,
) -> int:
    """Remove chunks of passes that no longer count, of some or all documents; how many there were."""
    removed = 0
    while ids := catalog.chunks.stale(collection.id, document_ids, at_most=BATCH_CHUNKS):
        store.delete(collection.store_name, ids)
        catalog.chunks.delete(ids)
        removed += len(ids)
    return removed
