"""Another model for a collection: embed its passages beside the vectors in use, then switch at once.

Vectors of a model live under a name of their own in the vector store (``CollectionRecord.store_name``), so
searches go on with the old ones until one catalog transaction makes the new ones those that count. The
catalog remembers the model before, whose vectors are kept so that you can undo, and a model whose vectors are
under way, so that an interrupted run can be resumed. Nothing is read from files: the catalog has the
texts. Where passages begin and end stays as it was.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from indexer.catalog import Catalog, ChunkRecord, CollectionRecord, DocumentRecord
from indexer.catalog.database import batches, slices
from indexer.catalog.records import ChunkState
from indexer.errors import Cancelled, CollectionError, StoreError
from indexer.ingest.embedding import embed, payload_of, sparse_of
from indexer.ingest.pipeline import BATCH_CHUNKS, OPTIMIZE_EVERY
from indexer.library.changes import Fingerprints, changed_documents, fingerprints
from indexer.library.collection import OpenCollection
from indexer.library.repair import Kind, remove_orphans, side_by_side
from indexer.progress import CancelToken, Progress
from indexer.store.protocol import VectorStore
from indexer.text.chunking import fit_title
from indexer.types import Point, SparseVector
from me5.encoder import Encoder
from me5.prefixes import Role

logger = logging.getLogger(__name__)

_SETTING = "models"
_WEIGHT_TOLERANCE = 1e-4  # of lexical weights after a way through the store


@dataclass(frozen=True)
class SwitchReport:
    """What a switch did. ``cut`` passages are longer than the model reads; their rest is left out."""

    collection: str
    model: str
    previous: str
    passages: int
    embedded: int
    cut: int
    seconds: float


def summary(report: SwitchReport) -> str:
    """A report in a line for people."""
    if report.model == report.previous and not report.embedded:
        return f"{report.collection} uses {report.model} already"
    words = f"{report.collection} uses {report.model} now; {report.embedded} passages were embedded"
    if report.cut:
        words += f", {report.cut} of {report.passages} are longer than the model reads"
    return f"{words}. The vectors of {report.previous} are kept so that you can undo"


# -- what the catalog remembers ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Remembered:
    """The collection as it was with the model before, and as it will be with a model under way."""

    previous: CollectionRecord | None = None
    coming: CollectionRecord | None = None

    def to_setting(self) -> dict[str, Any]:
        """As the catalog keeps it."""
        return {"previous": _facts(self.previous), "coming": _facts(self.coming)}


def remembered(catalog: Catalog, collection: CollectionRecord) -> Remembered:
    """What is kept beside the model in use."""
    value = catalog.settings.get(_SETTING, {}, scope=collection.id)
    previous, coming = value.get("previous"), value.get("coming")
    return Remembered(
        None if previous is None else replace(collection, **previous),
        None if coming is None else replace(collection, **coming),
    )


def _facts(collection: CollectionRecord | None) -> dict[str, Any] | None:
    if collection is None:
        return None
    names = ("model", "contract", "contract_digest", "dimension")
    return {name: getattr(collection, name) for name in names}


def _remember(catalog: Catalog, collection: CollectionRecord, known: Remembered) -> None:
    catalog.settings.set(_SETTING, known.to_setting(), scope=collection.id)


def rename_models(
    catalog: Catalog, collection: CollectionRecord, name: Callable[[CollectionRecord], str]
) -> bool:
    """Call the models of a collection, those that are only kept included, what ``name`` says.

    Returns:
        whether any name is new.
    """

    def renamed(record: CollectionRecord | None) -> CollectionRecord | None:
        return None if record is None else replace(record, model=name(record))

    known = remembered(catalog, collection)
    target = replace(collection, model=name(collection))
    renamed_known = Remembered(renamed(known.previous), renamed(known.coming))
    if (target, renamed_known) == (collection, known):
        return False
    catalog.collections.switch(target, {_SETTING: renamed_known.to_setting()})
    return True


def with_kept(catalog: Catalog, collection: CollectionRecord) -> list[CollectionRecord]:
    """The collection, and as it was and will be with other models, where vectors of these are kept."""
    known = remembered(catalog, collection)
    return [item for item in (collection, known.previous, known.coming) if item is not None]


def drop_unknown(catalog: Catalog, store: VectorStore, collection: CollectionRecord) -> None:
    """Drop vectors of the collection that neither count nor are kept: a crash left them."""
    kept = {item.store_name for item in with_kept(catalog, collection)}
    for name in store.names():
        if name.startswith(f"{collection.id}-") and name not in kept:
            store.drop(name)
            logger.info("%s: dropped vectors that are no longer used", collection.name)


def discard(catalog: Catalog, store: VectorStore, collection: CollectionRecord) -> list[str]:
    """Give up the way back and an unfinished switch; the names of the models whose vectors went."""
    known = remembered(catalog, collection)
    _remember(catalog, collection, Remembered())
    drop_unknown(catalog, store, collection)
    return [item.model for item in (known.previous, known.coming) if item is not None]


# -- the switch ----------------------------------------------------------------------------------------------


def is_under_way(catalog: Catalog, collection: CollectionRecord) -> bool:
    """Whether a switch of this collection waits or runs."""
    return any(params.get("switch") == collection.id for params in catalog.jobs.active_params())


def made_with(collection: CollectionRecord, encoder: Encoder) -> CollectionRecord:
    """The collection as it will be with another model."""
    contract = encoder.contract
    return replace(
        collection,
        model=encoder.spec.name,
        contract=contract.to_json(),
        contract_digest=contract.digest,
        dimension=encoder.dimension,
    )


def before(catalog: Catalog, collection: CollectionRecord) -> CollectionRecord:
    """The collection as it was with the model before.

    Raises:
        CollectionError: no vectors of another model are kept.
    """
    known = remembered(catalog, collection).previous
    if known is None:
        raise CollectionError(
            f"Collection {collection.name!r} keeps no vectors of another model; it has not been switched, or "
            f"they were discarded. Expected a switch before. Switch with: use MODEL --collection "
            f"{collection.name}."
        )
    return known


def switch(
    collection: CollectionRecord,
    target: OpenCollection,
    *,
    writing: AbstractContextManager[object],
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
) -> SwitchReport:
    """Embed a collection with another model and make that the one that counts.

    May be repeated after an interruption at any moment; what was embedded stays embedded, and vectors that
    are kept of a former switch are only brought up to date.

    Args:
        collection: as it is now.
        target: as it will be; of ``made_with`` or ``before``.
        writing: held while nothing may be added or removed.
        progress: told how many passages are done.
        cancel: to stop the work.

    Raises:
        Cancelled: cancelled; the old model stays, and unfinished vectors are dropped.
        StoreError: the disk is full, or vectors are missing in the end; the old model stays.
    """
    started = time.perf_counter()
    catalog, store, record = target.catalog, target.store, target.record
    if record.contract_digest == collection.contract_digest:
        count = catalog.chunks.states(collection.id)[0]
        return SwitchReport(collection.name, collection.model, collection.model, count, 0, 0, 0.0)
    work = _Work(target, progress, cancel)
    known = remembered(catalog, collection)
    is_kept = known.previous is not None and known.previous.store_name == record.store_name
    _remember(catalog, collection, replace(known, coming=None if is_kept else record))
    drop_unknown(catalog, store, collection)
    try:
        seen = work.embed_all()
        with writing:  # from here on nothing is added or removed
            count = work.catch_up(seen)
            settings = {_SETTING: Remembered(previous=collection).to_setting()}
            catalog.collections.switch(record, settings)
    except Cancelled:
        if not work.cancel.keeps_partial:
            _remember(catalog, collection, replace(known, coming=None))
            drop_unknown(catalog, store, collection)
        raise
    drop_unknown(catalog, store, record)
    seconds = time.perf_counter() - started
    report = SwitchReport(
        collection.name, record.model, collection.model, count, work.embedded, work.cut, seconds
    )
    logger.info("%s", summary(report))
    return report


class _Work:
    """Makes the vectors of ``target`` equal to the passages of its collection."""

    def __init__(self, target: OpenCollection, progress: Progress | None, cancel: CancelToken | None) -> None:
        self.target, self.cancel = target.record, cancel or CancelToken()
        self._catalog, self._store, self._encoder = target.catalog, target.store, target.encoder
        self._settings = target.settings
        self._progress: Progress = progress or (lambda done, total, unit, message: None)
        self._done = self._total = 0
        self.embedded = 0
        self.cut = 0

    def embed_all(self) -> Fingerprints:
        """Embed what the collection holds now, while others may change it.

        Returns:
            what tells later which documents have changed since; for ``catch_up``.
        """
        seen = fingerprints(self._catalog, self.target.id)
        self._store.ensure(self.target.store_name, self._encoder.dimension)
        self._total, _ = self._catalog.chunks.states(self.target.id)
        ids = (chunk_id for chunk_id, _ in self._indexed_only())
        with self._store.bulk(self.target.store_name):
            self._refresh(ids, may_have_points=self._store.count(self.target.store_name) > 0)
        if self.embedded:
            self._store.optimize(self.target.store_name)
        return seen

    def catch_up(self, seen: Fingerprints) -> int:
        """Repeat for what changed since ``embed_all``; nothing may change meanwhile. How many passages.

        Raises:
            StoreError: the store does not hold exactly the passages of the catalog.
        """
        name = self.target.store_name
        for documents in slices(changed_documents(self._catalog, self.target.id, seen)):
            self._refresh(self._catalog.chunks.of_documents(documents), may_have_points=True)
        self._refresh(self._unlike("missing"), may_have_points=True)
        remove_orphans(self._store, self.target, self._unlike("orphan"))
        count = self._store.count(name)
        indexed, _ = self._catalog.chunks.states(self.target.id)
        if count != indexed:
            raise StoreError(
                f"The vectors of {self.target.name!r} for the model {self.target.model!r} are {count}; "
                f"expected {indexed}, one for each passage. The former model stays in use. Try again."
            )
        return count

    def _unlike(self, kind: Kind) -> Iterator[str]:
        points = self._store.iter_ids(self.target.store_name)
        result = side_by_side(self._indexed_only(), points)
        return (item for its_kind, item in result if its_kind == kind)

    def _indexed_only(self) -> Iterator[tuple[str, ChunkState]]:
        return (state for state in self._catalog.chunks.iter_states(self.target.id) if state[1] == "indexed")

    def _refresh(self, chunk_ids: Iterable[str], *, may_have_points: bool) -> None:
        """Write the points of these passages that are missing or out of date, where they are indexed."""
        for part in batches(chunk_ids, BATCH_CHUNKS):
            self.cancel.check()
            records = [item for item in self._catalog.chunks.records(part) if item.state == "indexed"]
            owned = sorted({record.document_id for record in records})
            documents = {item.id: item for item in self._catalog.documents.records(owned)}
            # A document may have been removed since; its passages are no longer wanted.
            records = [record for record in records if record.document_id in documents]
            owners = [documents[record.document_id] for record in records]
            self._write(owners, records, self._points(part) if may_have_points else {})
            self._done += len(part)
            self._total = max(self._total, self._done)
            self._progress(self._done, self._total, "passages", self.target.name)

    def _points(self, chunk_ids: Sequence[str]) -> dict[str, Point]:
        return {
            fetch_point.id: fetch_point
            for fetch_point in self._store.fetch_points(self.target.store_name, chunk_ids)
        }

    def _write(
        self, owners: Sequence[DocumentRecord], records: Sequence[ChunkRecord], known: dict[str, Point]
    ) -> None:
        stale: list[int] = []
        sparse: list[SparseVector] = []
        moved: list[Point] = []
        for row, (owner, record) in enumerate(zip(owners, records, strict=True)):
            features = sparse_of(owner, [record])[0]
            point = known.get(record.id)
            if point is None or not _is_same(point.sparse, features):  # as the text or title has changed
                stale.append(row)
                sparse.append(features)
            elif dict(point.payload) != (payload := payload_of(owner, record.chunk.language)):
                moved.append(replace(point, payload=payload))
        self._count_cut(owners, records)
        name = self.target.store_name
        if moved:
            self._store.upsert(name, moved)
        if not stale:
            return
        points = embed(
            self._encoder,
            [owners[row] for row in stale],
            [records[row] for row in stale],
            sparse,
            settings=self._settings,
            on_progress=lambda done: self.cancel.check(),
        )
        self._store.upsert(name, points)
        before = self.embedded // OPTIMIZE_EVERY
        self.embedded += len(points)
        if self.embedded // OPTIMIZE_EVERY > before:
            self._store.optimize(name)

    def _count_cut(self, owners: Sequence[DocumentRecord], records: Sequence[ChunkRecord]) -> None:
        limit = self._encoder.max_tokens
        # A token has at least one byte, so most passages need no counting where the limit is wide.
        long = [
            (record.chunk.text, fit_title(owner.title, self._encoder, self._settings))
            for owner, record in zip(owners, records, strict=True)
            if len(record.chunk.text.encode()) + len(owner.title.encode()) + 16 > limit
        ]
        if long:
            texts, titles = zip(*long, strict=True)
            counts = self._encoder.count_tokens(texts, Role.PASSAGE, titles)
            self.cut += sum(count > limit for count in counts)


def _is_same(one: SparseVector, other: SparseVector) -> bool:
    return np.array_equal(one.indices, other.indices) and np.allclose(
        one.values, other.values, rtol=_WEIGHT_TOLERANCE
    )
