"""The library: one object through which app, page and terminal add, find and look after documents.

It owns the data folder: ``catalog.sqlite3`` (texts and states, the source of truth), ``vectors/`` (points,
owned by the vector store), ``files/`` (copies of uploads and unpacked archives).
"""

import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from indexer.adding import Adder, keep_uploads
from indexer.catalog import Catalog, CollectionRecord, DocumentRecord
from indexer.chunking import ChunkSettings
from indexer.doctor import Finding, diagnose
from indexer.documents import ChunkInfo, CollectionInfo, DocumentInfo, Fusion, SearchMode, SearchResult, Where
from indexer.errors import CatalogError, CollectionError
from indexer.files import KeptFiles
from indexer.jobs import JobRunner
from indexer.kinds import job_kinds
from indexer.opening import reconcile, resume
from indexer.pipeline import remove_documents
from indexer.progress import CancelToken, Progress
from indexer.repair import compare, remove_orphans, restore_points
from indexer.report import AddReport, joined
from indexer.store import DEFAULT_RESERVE_BYTES, open_store
from indexer.store.lock import OwnerLock
from indexer.store.protocol import VectorStore
from me5.encoder import Encoder

__all__ = ["DEFAULT_COLLECTION", "AddReport", "CancelToken", "Finding", "Library", "Progress"]

DEFAULT_COLLECTION = "library"


class Library:
    """An open data folder. Made by ``open``; close it, or use it in a ``with`` block."""

    def __init__(
        self,
        data_dir: Path,
        *,
        catalog: Catalog,
        store: VectorStore,
        model: str,
        encoder: Encoder | None,
        settings: ChunkSettings,
        reserve_bytes: int,
    ) -> None:
        self.data_dir = data_dir
        self.catalog, self.store = catalog, store
        self.model = model
        self.files = KeptFiles(data_dir / "files", reserve_bytes)
        self.reserve_bytes = reserve_bytes
        self.settings = settings
        self._encoder = encoder
        self._encoder_lock = threading.Lock()
        self._writing = threading.RLock()
        self._closing = ExitStack()
        self.jobs = JobRunner(catalog, job_kinds(self), keep=lambda paths: keep_uploads(self.files, paths))

    @classmethod
    def open(
        cls,
        data_dir: Path,
        *,
        model: str = "builtin",
        qdrant_url: str | None = None,
        database_url: str | None = None,
        encoder: Encoder | None = None,
        store: VectorStore | None = None,
        settings: ChunkSettings | None = None,
        reserve_bytes: int = DEFAULT_RESERVE_BYTES,
        resume_jobs: bool = True,
    ) -> Self:
        """Open a data folder, making it when missing, and mend what a crash left.

        Args:
            data_dir: where everything lives.
            model: registry name, folder or hub id; loaded when first needed.
            qdrant_url: a Qdrant server instead of the embedded store; its key is in ``QDRANT_API_KEY``.
            database_url: PostgreSQL instead of SQLite.
            encoder: an open model instead of ``model``.
            store: an open store instead of one of ``data_dir``; closed with the library.
            settings: sizes of chunks.
            reserve_bytes: free disk below which nothing is added.
            resume_jobs: go on in the background with jobs that were interrupted.

        Raises:
            StoreLockedError: another process owns the folder.
            StoreError, CatalogError: store or database cannot be used.
        """
        data_dir = Path(data_dir).absolute()
        with ExitStack() as opened:
            if store is None:
                data_dir.mkdir(parents=True, exist_ok=True)
                if qdrant_url is not None and database_url is None:  # the embedded store locks by itself
                    opened.callback(OwnerLock(data_dir).release)
                api_key = os.environ.get("QDRANT_API_KEY")
                store = open_store(
                    data_dir, qdrant_url=qdrant_url, api_key=api_key, reserve_bytes=reserve_bytes
                )
            opened.callback(store.close)
            catalog = Catalog(database_url or data_dir / "catalog.sqlite3")
            opened.callback(catalog.close)
            library = cls(
                data_dir,
                catalog=catalog,
                store=store,
                model=model,
                encoder=encoder,
                settings=settings or ChunkSettings(),
                reserve_bytes=reserve_bytes,
            )
            reconcile(library)
            if resume_jobs:
                resume(library)
            library._closing = opened.pop_all()
        return library

    def close(self) -> None:
        """Stop background work, which goes on at the next opening, and release everything."""
        self.jobs.close()
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def encoder(self) -> Encoder:
        """The model, loaded at the first call."""
        with self._encoder_lock:
            if self._encoder is None:
                from me5.loading import load_encoder

                self._encoder = load_encoder(self.model)
            return self._encoder

    # Collections

    def collections(self) -> list[CollectionInfo]:
        """All collections with their counts, by name."""
        return self.catalog.collections()

    def create_collection(self, name: str) -> CollectionInfo:
        """Make a collection for the model of this library.

        Raises:
            CollectionError: the name is taken or cannot be used.
        """
        contract = self.encoder.contract
        record = self.catalog.create_collection(
            name,
            model=self.encoder.spec.name,
            contract=contract.to_json(),
            contract_digest=contract.digest,
            dimension=self.encoder.dimension,
            created_at=time.time(),
        )
        self.store.ensure(record.store_name, record.dimension)
        return next(info for info in self.collections() if info.id == record.id)

    def drop_collection(self, name: str) -> None:
        """Delete a collection with its documents; the files they were read from stay.

        Raises:
            CollectionError: there is no such collection.
        """
        with self._writing:
            record = self.catalog.collection(name)
            sources = [one.source for one in self.catalog.iter_document_records(record.id)]
            self.catalog.drop_collection(record.id)
            self.store.drop(record.store_name)
            self._release(sources)

    def usable_collection(self, name: str) -> CollectionRecord:
        """A collection that fits the model of this library.

        Raises:
            CollectionError: there is none of that name, or it was made with another model.
        """
        record = self.catalog.collection(name)
        if record.contract_digest != self.encoder.contract.digest:
            raise CollectionError(
                f"Collection {record.name!r} was made with the model {record.model!r} (contract "
                f"{record.contract_digest}); the open model is {self.encoder.spec.name!r} (contract "
                f"{self.encoder.contract.digest}). Vectors of two models cannot be compared. Start with "
                f"--model {record.model}, or make a new collection and add the documents to it again."
            )
        return record

    # Documents

    def add(
        self,
        paths: Sequence[Path],
        collection: str = DEFAULT_COLLECTION,
        *,
        progress: Progress | None = None,
        keep_copies: bool = False,
        prune: bool = False,
        cancel: CancelToken | None = None,
    ) -> AddReport:
        """Index files, folders and archives: what is new or changed; the rest costs a look.

        Args:
            paths: files and folders.
            collection: made when missing.
            progress: told how many bytes are done.
            keep_copies: copy the files into the data folder first and name them without their folders;
                for uploads, which disappear.
            prune: remove documents whose file has disappeared from the folders in ``paths``; renamed files
                keep their vectors.
            cancel: to stop the work.

        Raises:
            CollectionError: the collection was made with another model.
            JobError: cancelled.
        """
        with self._writing:
            adder = self._adder(collection, progress, cancel)
            if keep_copies:
                return adder.add_copies(keep_uploads(self.files, paths))
            return adder.add_paths(paths, prune=prune)

    def add_kept(
        self,
        copies: Sequence[tuple[str, str]],
        collection: str = DEFAULT_COLLECTION,
        *,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
    ) -> AddReport:
        """Index copies that are in the data folder already, as (name shown, location); see ``add``."""
        with self._writing:
            return self._adder(collection, progress, cancel).add_copies(copies)

    def documents(self, collection: str = DEFAULT_COLLECTION) -> list[DocumentInfo]:
        """All documents of a collection, by path.

        Raises:
            CollectionError: there is no such collection.
        """
        return self.catalog.documents(self.catalog.collection(collection).id)

    def documents_by_id(self, document_ids: Sequence[str]) -> list[DocumentInfo]:
        """Documents in the order of the ids; unknown ids are left out."""
        return self.catalog.documents_by_id(document_ids)

    def remove(self, document_ids: Sequence[str]) -> int:
        """Remove documents from the library; the files they were read from stay. How many there were."""
        with self._writing:
            records = self.catalog.document_records(document_ids)
            for collection_id, group in _by_collection(records).items():
                collection = self.catalog.collection(collection_id)
                remove_documents(self.catalog, self.store, collection, [record.id for record in group])
            self._release(record.source for record in records)
        return len(records)

    def reindex(
        self,
        document_ids: Sequence[str],
        *,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
        force: bool = True,
    ) -> AddReport:
        """Read and index documents again, also unchanged ones unless ``force`` is False.

        Raises:
            CollectionError: a collection was made with another model.
            JobError: cancelled.
        """
        with self._writing:
            total = AddReport()
            records = self.catalog.document_records(document_ids)
            for collection_id, group in _by_collection(records).items():
                adder = self._adder(collection_id, progress, cancel)
                total = joined(total, adder.add_known(group, force=force))
            return total

    # Passages

    def chunk(self, chunk_id: str) -> ChunkInfo:
        """One passage.

        Raises:
            CatalogError: it is no longer there.
        """
        found = self.chunks_by_id([chunk_id])
        if not found:
            raise CatalogError(
                f"The passage {chunk_id!r} is no longer in the library. Expected one of a document that is; "
                "its document was changed or removed. Search again."
            )
        return found[0]

    def chunks_by_id(self, chunk_ids: Sequence[str]) -> list[ChunkInfo]:
        """Passages in the order of the ids; unknown ids are left out."""
        return self.catalog.chunks_by_id(chunk_ids)

    def context(self, chunk_id: str, before: int = 3, after: int = 3) -> list[ChunkInfo]:
        """A passage with its neighbours in reading order; empty when it is no longer there."""
        return self.catalog.context(chunk_id, before, after)

    def search(
        self,
        query: str,
        *,
        collection: str = DEFAULT_COLLECTION,
        mode: SearchMode = "hybrid",
        top_k: int = 10,
        where: Where = Where(),  # noqa: B008 - frozen
        fusion: Fusion = "rrf",
    ) -> SearchResult:
        """Ranked passages; see ``indexer.search.search``.

        Raises:
            CollectionError: no such collection, or one made with another model.
            QueryError: the query cannot be answered.
        """
        from indexer.search import search

        record = self.usable_collection(collection)
        return search(
            self.catalog,
            self.store,
            self.encoder,
            record,
            query,
            mode=mode,
            top_k=top_k,
            where=where,
            fusion=fusion,
        )

    def warm(self, collection: str = DEFAULT_COLLECTION) -> None:
        """Make the next search as fast as those after it: load the model, calibrate what is new.

        Does nothing for a collection that is missing, empty or made with another model.
        """
        from indexer.search import warm

        encoder = self.encoder
        record = self.catalog.find_collection(collection)
        if record is not None and record.contract_digest == encoder.contract.digest:
            warm(self.catalog, self.store, encoder, record)

    # Care

    def doctor(self, repair: bool = False) -> list[Finding]:
        """Check the data folder; with ``repair``, mend what can be mended."""
        with self._writing:
            return diagnose(self, repair=repair)

    def restore(
        self,
        collection: CollectionRecord,
        *,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
    ) -> int:
        """Make missing points of a collection again and remove unknown ones. How many were wrong.

        Raises:
            CollectionError: the collection was made with another model.
        """
        with self._writing:
            self.usable_collection(collection.id)
            difference = compare(self.catalog, self.store, collection)
            remove_orphans(self.store, collection, difference.orphans)
            restore_points(
                self.catalog,
                self.store,
                self.encoder,
                collection,
                difference.missing,
                settings=self.settings,
                progress=progress,
                cancel=cancel,
            )
        return len(difference.missing) + len(difference.orphans)

    def _adder(self, collection: str, progress: Progress | None, cancel: CancelToken | None) -> Adder:
        if self.catalog.find_collection(collection) is None:
            self.create_collection(collection)
        return Adder(
            self.catalog,
            self.store,
            self.encoder,
            self.usable_collection(collection),
            self.files,
            settings=self.settings,
            data_dir=self.data_dir,
            progress=progress,
            cancel=cancel,
        )

    def _release(self, sources: Iterable[str]) -> None:
        """Delete copies that no document needs any more."""
        self.files.release([one for one in sources if self.files.owns(Path(one))], self.catalog.sources())


def _by_collection(records: Sequence[DocumentRecord]) -> dict[str, list[DocumentRecord]]:
    groups: defaultdict[str, list[DocumentRecord]] = defaultdict(list)
    for record in records:
        groups[record.collection_id].append(record)
    return groups
