"""The library: one object through which app, page and terminal add, find and look after documents.

It owns the data folder: ``catalog.sqlite3`` (texts and states, the source of truth), ``vectors/`` (points,
owned by the vector store), ``files/`` (copies of uploads and unpacked archives), ``models/`` (registered
models).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from indexer.catalog import Catalog, CollectionRecord, DocumentRecord
from indexer.catalog.facets import Facets
from indexer.catalog.listing import Order, Word
from indexer.errors import CollectionError, QueryError
from indexer.ingest.add import Adder, keep_uploads
from indexer.ingest.left_alone import LeftAlone
from indexer.ingest.pipeline import remove_documents
from indexer.ingest.report import AddReport, joined
from indexer.ingest.scan import as_paths
from indexer.library import model_switch, offers
from indexer.library.blobs import BlobStore, needed_copies
from indexer.library.collection import OpenCollection
from indexer.library.collections import create_collection, require_model
from indexer.library.doctor import Finding, diagnose
from indexer.library.encoders import Encoders, KnownModel, ModelFolder, NeutralMaps
from indexer.library.host import host_id
from indexer.library.job_handlers import job_kinds
from indexer.library.jobs import JobRunner
from indexer.library.model_jobs import submit_switch, submit_undo
from indexer.library.model_switch import SwitchReport
from indexer.library.offers import ModelOffer
from indexer.library.opening import open_home, open_stores
from indexer.library.presence import Presence
from indexer.library.recovery import TakeOver, reconcile, rename_former_models, resume
from indexer.library.removing import choose_documents, lost_documents
from indexer.library.repair import restore
from indexer.library.searching import by_words_alone, passage, passages_of, warm_up, with_codes
from indexer.library.vectors import Vectors
from indexer.library.watching import Watching
from indexer.library.write_lock import LongWork, WriteLock
from indexer.progress import CancelToken, Progress
from indexer.store import DEFAULT_RESERVE_BYTES
from indexer.store.lock import OwnerLock
from indexer.store.protocol import VectorStore
from indexer.store.settings import ServerSettings
from indexer.text.chunking import ChunkSettings
from indexer.types import (
    ChunkInfo,
    CollectionInfo,
    DocumentInfo,
    DocumentPage,
    Filters,
    Fusion,
    JobInfo,
    SearchMode,
    SearchResult,
)
from me5.encoder import Encoder

DEFAULT_COLLECTION = "library"
Role = Literal["all", "search", "worker"]
"""What a process does: everything, all but jobs, or jobs alone."""


class Library:
    """An open data folder. Made by ``open``; close it, or use it in a ``with`` block.

    A collection is asked for by name or id. Methods that take one raise ``CollectionError`` where there is
    none, or where its model is needed and cannot be opened.
    """

    is_elsewhere = False
    """Whether another process has the folder and answers instead: ``indexer.cli.asking``."""

    def __init__(
        self,
        data_dir: Path,
        *,
        catalog: Catalog,
        store: VectorStore,
        model: str,
        encoder: Encoder | None,
        neutral: bool,
        settings: ChunkSettings,
        reserve_bytes: int,
        is_shared: bool,
        role: Role,
        files_dir: Path | None,
        server: ServerSettings | None,
    ) -> None:
        self.data_dir = data_dir
        self.catalog = catalog
        self.model, self.neutral = model, neutral
        self.passage_seconds: dict[str, float] = {}  # by model, measured on this machine
        self.files = BlobStore(files_dir or data_dir / "files", reserve_bytes)
        self.reserve_bytes = reserve_bytes
        self.settings = settings
        self.model_folder = ModelFolder(data_dir / "models")
        maps = NeutralMaps(data_dir / "neutral")
        self.encoders = Encoders(self.model_folder, maps, model, encoder, neutral=neutral)
        self.writing = WriteLock()
        self.lock: OwnerLock | None = None  # of the folder, for a second store in it
        self._closing = ExitStack()
        self._left_store: VectorStore | None = (
            None  # of the home before, where it was moved since the opening
        )
        self.host = host_id(data_dir)
        self.presence = Presence(catalog, self.host, is_shared=is_shared, role=role)
        self.vectors = Vectors(
            catalog,
            store,
            lambda address, settings: open_home(
                data_dir,
                address,
                reserve_bytes=reserve_bytes,
                server=settings or server,
                lock=self.lock,
            ),
            self.presence,
            self.writing,
        )
        self.jobs = JobRunner(
            catalog,
            job_kinds(self),
            keep=lambda paths: keep_uploads(catalog, self.files, paths),
            release=lambda job, copies: self.files.release(copies, needed_copies(catalog, except_job=job)),
            host=self.host,
            presence=self.presence,
            is_store_there=self.vectors.is_there,
            runs=role != "search",
            shares_copies=files_dir is not None,
        )
        self.watching = Watching(catalog, self.jobs, self.host, data_dir)

    @classmethod
    def open(
        cls,
        data_dir: str | Path,
        *,
        model: str = "builtin",
        qdrant_url: str | None = None,
        database_url: str | None = None,
        encoder: Encoder | None = None,
        neutral: bool = True,
        store: VectorStore | None = None,
        server: ServerSettings | None = None,
        settings: ChunkSettings | None = None,
        reserve_bytes: int = DEFAULT_RESERVE_BYTES,
        resume_jobs: bool = True,
        role: Role = "all",
        files_dir: str | Path | None = None,
    ) -> Self:
        """Open a data folder, making it when missing, and mend what a crash left.

        Args:
            data_dir: where everything lives.
            model: for new collections: registered name, registry name, folder or hub id; opened when first
                needed. Collections keep the model they were made with.
            qdrant_url: a Qdrant server for a new library, instead of the embedded store; its key is in
                ``QDRANT_API_KEY``. A library knows where its vectors are: None opens them there.
            database_url: PostgreSQL instead of SQLite.
            encoder: an open model instead of ``model``.
            neutral: new collections of ``model`` get vectors without their language; off: as published.
            store: an open store instead of one of ``data_dir``; closed with the library.
            server: how collections are laid out on a server, and how long it is waited for.
            settings: sizes of chunks.
            reserve_bytes: free disk below which nothing is added.
            resume_jobs: resume interrupted jobs in the background, also those that other processes leave.
            role: ``search`` leaves all jobs to other processes of the same ``database_url``.
            files_dir: where uploads are kept, a folder that all machines reach at the same place; None: in
                the data folder.

        Raises:
            StoreLockedError: another process owns the folder.
            StoreError, CatalogError: store or database cannot be used, or the vectors are elsewhere.
        """
        data_dir = Path(data_dir).absolute()
        with ExitStack() as opened:
            catalog, store, lock = open_stores(
                data_dir,
                opened,
                qdrant_url=qdrant_url,
                database_url=database_url,
                store=store,
                server=server,
                reserve_bytes=reserve_bytes,
            )
            library = cls(
                data_dir,
                catalog=catalog,
                store=store,
                model=model,
                encoder=encoder,
                neutral=neutral,
                settings=settings or ChunkSettings(),
                reserve_bytes=reserve_bytes,
                is_shared=database_url is not None,
                role=role,
                files_dir=None if files_dir is None else Path(files_dir).absolute(),
                server=server,
            )
            library.lock = lock
            rename_former_models(catalog)
            reconcile(catalog, store, library.jobs, library._opened, library.presence)
            if resume_jobs and role != "search":
                resume(catalog, library.jobs, library.presence)
                library.presence.start(TakeOver(catalog, library.jobs, library.presence, library.host))
                library.watching.start()
            library._closing = opened.pop_all()
        return library

    def close(self) -> None:
        """Stop background work, which goes on at the next opening, and release everything."""
        self.watching.close()
        self.jobs.close()
        self.presence.close()
        self.vectors.close()
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def store(self) -> VectorStore:
        """The vectors that are in use; ``vectors`` moves them elsewhere."""
        return self.vectors.store

    @property
    def encoder(self) -> Encoder:
        """The model for new collections, opened at the first call."""
        return self.encoders.default

    # Models

    def models(self) -> list[KnownModel]:
        """The models of the registry and those registered in this data folder."""
        return self.model_folder.known()

    def register_model(self, folder: Path, name: str) -> Path:
        """Copy a trained model into the data folder; see ``ModelFolder.register``."""
        with self.writing:
            return self.model_folder.register(folder, name, reserve_bytes=self.reserve_bytes)

    def switch_model(self, collection: str, model: str, *, neutral: bool | None = None) -> JobInfo:
        """Embed a collection with another model in the background; see ``model_jobs.submit_switch``."""
        record = self.catalog.collections.get(collection)
        return submit_switch(self.catalog, self.jobs, self.model_folder, record, model, neutral=neutral)

    def undo_switch(self, collection: str) -> JobInfo:
        """Return, in the background, to the model before; possible while its vectors are kept."""
        return submit_undo(self.catalog, self.jobs, self.catalog.collections.get(collection))

    def use_model(
        self,
        collection: str,
        model: str | None,
        *,
        neutral: bool | None = None,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
    ) -> SwitchReport:
        """Do now what ``switch_model`` does in the background; without ``model``, what ``undo_switch`` does.

        Raises:
            Me5Error: the model cannot be opened.
            Cancelled: ``cancel`` said so.
        """
        record = self.catalog.collections.get(collection)
        if model is None:
            target = self._opened(model_switch.before(self.catalog, record))
        else:
            encoder = self.encoders.for_new(model, neutral=neutral, progress=progress)
            target = self._opened(model_switch.made_with(record, encoder), encoder)
        return model_switch.switch(record, target, writing=self.writing, progress=progress, cancel=cancel)

    def previous_model(self, collection: str) -> str | None:
        """The model that ``undo_switch`` would return to, or None."""
        previous = model_switch.remembered(self.catalog, self.catalog.collections.get(collection)).previous
        if previous is None or self.encoders.is_outdated(previous):
            return None
        return previous.model

    def discard_previous(self, collection: str) -> list[str]:
        """Delete the vectors of other models than the one in use; the names of those models."""
        with self.writing:
            return model_switch.discard(self.catalog, self.store, self.catalog.collections.get(collection))

    def offer(self, collection: str, *, measure: bool = True) -> ModelOffer | None:
        """A model that would do this collection good, asked once; see ``offers.offer``."""
        return offers.offer(
            self.catalog,
            self.encoders,
            collection,
            neutral=self.neutral,
            passage_seconds=self.passage_seconds,
            measure=measure,
        )

    def answer_offer(self, collection: str, *, accept: bool) -> JobInfo | None:
        """Start the switch that ``offer`` proposes, or never propose one again; see ``offers.accepted``."""
        job = None
        if accept:
            offered = offers.accepted(collection, self.offer(collection, measure=False))
            job = self.switch_model(collection, offered.model, neutral=True)
        offers.answer(self.catalog, collection)  # whoever goes back later is not asked again
        return job

    def may_go_fast(self, job: JobInfo) -> bool:
        """Whether ``fast_first`` is worth offering for this job."""
        return offers.may_go_fast(self.catalog, self.encoders, job)

    def fast_first(self, job_id: str) -> list[JobInfo]:
        """Continue with the fast model, and with the former one afterwards; see ``offers.fast_first``."""
        return offers.fast_first(self.catalog, self.jobs, job_id, create_collection=self.create_collection)

    # Collections

    def collections(self) -> list[CollectionInfo]:
        """All collections with their counts, by name."""
        return self.catalog.collections.infos()

    def create_collection(
        self,
        name: str,
        model: str | None = None,
        *,
        neutral: bool | None = None,
        progress: Progress | None = None,
    ) -> CollectionInfo:
        """Make a collection for ``model``, or for the default model of this library.

        Args:
            name: of the collection.
            model: see ``open``.
            neutral: vectors without their language, or as published; None: as the library was opened.
            progress: told of the estimate of a language-neutral map, where the model has none yet.

        Raises:
            CollectionError: the name is taken or cannot be used.
            Me5Error: the model cannot be opened.
        """
        encoder = self.encoders.for_new(model, neutral=neutral, progress=progress)
        record = create_collection(self.catalog, self.store, encoder, name)
        return next(info for info in self.collections() if info.id == record.id)

    def drop_collection(self, name: str) -> None:
        """Delete a collection with its documents; the files they were read from stay.

        Raises:
            CollectionError: there is no such collection.
        """
        record = self.catalog.collections.get(name)
        with self.writing.beside(lambda work: work.collection != record.name):
            record = self.catalog.collections.get(record.id)
            sources = [item.source for item in self.catalog.documents.iter_records(record.id)]
            self.catalog.collections.drop(record.id)
            for store_name in self.store.names():
                if store_name.startswith(f"{record.id}-"):  # also of a former model and of one under way
                    self.store.drop(store_name)
            self._release(sources)

    def require_model(self, name: str) -> None:
        """Refuse a collection, if there is one of that name, that the default model has not made."""
        record = self.catalog.collections.find(name)
        if record is not None:
            require_model(record, self.encoder)

    # Documents

    def add(
        self,
        paths: str | Path | Sequence[str | Path],
        collection: str = DEFAULT_COLLECTION,
        *,
        progress: Progress | None = None,
        keep_copies: bool = False,
        prune: bool = False,
        is_sure: bool = False,
        check: bool = False,
        cancel: CancelToken | None = None,
        left_alone: LeftAlone | None = None,
    ) -> AddReport:
        """Index files, folders and archives: what is new or changed; the rest costs a look.

        Args:
            paths: files and folders, or one of them.
            collection: made when missing.
            progress: told how many bytes are done.
            keep_copies: copy the files into the data folder first and name them without their folders;
                for uploads, which disappear.
            prune: remove documents whose file has disappeared from the folders in ``paths``. Documents of a
                folder that lost most of its files at once are kept and counted in the report.
            is_sure: remove those too.
            check: look into every file; else one of the same size and time counts as unchanged.
            cancel: to stop the work.
            left_alone: documents that later work has changed already. Removals and small uploads are let in
                between the steps of an ingest.

        Raises:
            CollectionError: the collection's model cannot be opened.
            Cancelled: ``cancel`` said so.
        """
        places = as_paths(paths)
        with self._ingesting(collection, left_alone) as work:
            adder = self._adder(collection, progress, cancel, work)
            if keep_copies:
                copies = keep_uploads(self.catalog, self.files, places)
                try:
                    return adder.add_copies(copies)
                finally:
                    self._release(source for _, source in copies)
            return adder.add_paths(places, prune=prune, is_sure=is_sure, check=check)

    def add_kept(
        self,
        copies: Sequence[tuple[str, str]],
        collection: str = DEFAULT_COLLECTION,
        *,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
        left_alone: LeftAlone | None = None,
        is_quick: bool = False,
    ) -> AddReport:
        """Index copies that are in the data folder already, as (name shown, location); see ``add``.

        ``is_quick``: between the steps of another ingest, which leaves these documents alone then.
        """
        if not is_quick:
            with self._ingesting(collection, left_alone) as work:
                return self._adder(collection, progress, cancel, work).add_copies(copies)
        with self.writing.beside() as parked:
            if parked is not None:
                parked.left_alone.add(names=[name for name, _ in copies])
            return self._adder(collection, progress, cancel).add_copies(copies)

    def documents(self, collection: str = DEFAULT_COLLECTION) -> list[DocumentInfo]:
        """All documents of a collection, by path."""
        return self.catalog.documents.infos(self.catalog.collections.get(collection).id)

    def document_page(
        self, collection: str, words: Sequence[Word], order: Order, *, limit: int
    ) -> DocumentPage:
        """The first documents of a list, sorted and filtered; see ``indexer.catalog.listing``."""
        record = self.catalog.collections.get(collection)
        return self.catalog.listing.page(record.id, words, order, limit=limit)

    def documents_with(self, words: Sequence[str], collection: str, *, limit: int) -> list[DocumentInfo]:
        """The first documents by title whose title, path or type has all these words."""
        known = [Word(word.casefold()) for word in words]
        return list(self.document_page(collection, known, Order("title"), limit=limit).documents)

    def facets(self, collection: str) -> Facets:
        """Passages of a collection by language, file type and folder."""
        return self.catalog.facets.counts(self.catalog.collections.get(collection).id)

    def documents_at(self, collection: str, sources: Sequence[str]) -> list[DocumentInfo]:
        """The documents that were read from these locations on disk."""
        return self.catalog.documents.at(self.catalog.collections.get(collection).id, sources)

    def documents_by_id(self, document_ids: Sequence[str]) -> list[DocumentInfo]:
        """Documents in the order of the ids; unknown ids are left out."""
        return self.catalog.documents.by_id(document_ids)

    def lost_documents(self, job_id: str, collection: str = DEFAULT_COLLECTION) -> list[str]:
        """Ids of the documents whose files are no longer in the folders that this job has indexed."""
        return lost_documents(self.catalog, self.files, job_id, collection)

    def remove(self, document_ids: Sequence[str]) -> int:
        """Remove documents from the library; the files they were read from stay. How many there were."""
        with self.writing.beside() as parked:
            records = self.catalog.documents.records(document_ids)
            if parked is not None:
                parked.left_alone.add(records)
            for collection_id, group in _by_collection(records).items():
                collection = self.catalog.collections.get(collection_id)
                remove_documents(self.catalog, self.store, collection, [record.id for record in group])
            self._release(record.source for record in records)
        return len(records)

    def remove_named(self, names: Sequence[str], collection: str, *, folder: Path) -> list[str]:
        """Remove documents by what a person calls them; their paths. Errors as of ``choose_documents``."""
        with self.writing.beside():
            chosen = choose_documents(self.catalog, self.files, names, collection, folder)
            self.remove(list(chosen))
        return sorted(chosen.values())

    def reindex(
        self,
        document_ids: Sequence[str],
        *,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
        force: bool = True,
        is_quick: bool = False,
    ) -> AddReport:
        """Read and index documents again, also unchanged ones unless ``force`` is False.

        ``is_quick`` as of ``add_kept``.

        Raises:
            CollectionError: a collection's model cannot be opened.
            Cancelled: ``cancel`` said so.
        """
        total = AddReport()
        groups = _by_collection(self.catalog.documents.records(document_ids))
        for collection_id, known in groups.items():
            ids = [record.id for record in known]
            if is_quick:
                with self.writing.beside() as parked:
                    records = self.catalog.documents.records(ids)  # as they are now
                    if parked is not None:
                        parked.left_alone.add(records)
                    adder = self._adder(collection_id, progress, cancel)
                    total = joined(total, adder.add_known(records, force=force))
                continue
            with self._ingesting(collection_id) as work:
                adder = self._adder(collection_id, progress, cancel, work)
                records = self.catalog.documents.records(ids)
                total = joined(total, adder.add_known(records, force=force))
        return total

    # Passages

    def chunk(self, chunk_id: str) -> ChunkInfo:
        """One passage; CatalogError where it is no longer there."""
        return passage(self.catalog, chunk_id)

    def chunks_by_id(self, chunk_ids: Sequence[str]) -> list[ChunkInfo]:
        """Passages in the order of the ids; unknown ids are left out."""
        return self.catalog.chunks.by_id(chunk_ids)

    def context(self, chunk_id: str, before: int = 3, after: int = 3) -> list[ChunkInfo]:
        """A passage with its neighbours in reading order; empty when it is no longer there."""
        return self.catalog.chunks.context(chunk_id, before, after)

    def search(
        self,
        query: str,
        *,
        collection: str = DEFAULT_COLLECTION,
        mode: SearchMode = "hybrid",
        top_k: int = 10,
        where: Filters = Filters(),  # noqa: B008 - frozen
        fusion: Fusion = "rrf",
    ) -> SearchResult:
        """Ranked passages; see ``indexer.search.search.search``.

        Languages of ``where`` may be codes or names (``DE``, ``pt-BR``, ``German``, ``日本語``).

        Raises:
            QueryError: the query cannot be answered, or a language of ``where`` is unknown.
        """
        from indexer.search.search import search

        record = self.catalog.collections.get(collection)
        where = with_codes(self.catalog, record, where)

        def ask(mode: SearchMode) -> SearchResult:
            return search(
                self.catalog,
                self.store,
                lambda: self.encoders.of(record),
                record,
                query,
                mode=mode,
                top_k=top_k,
                where=where,
                fusion=fusion,
            )

        try:
            return ask(mode)
        except CollectionError:
            if mode != "hybrid" or not self.encoders.is_outdated(record):
                raise
        return by_words_alone(ask("lexical"), record)

    def similar(
        self,
        chunk_ids: Sequence[str],
        *,
        collection: str = DEFAULT_COLLECTION,
        top_k: int = 10,
        where: Filters = Filters(),  # noqa: B008 - frozen
        in_other_languages: bool = False,
    ) -> SearchResult:
        """What is nearest to passages in meaning; see ``indexer.search.similar.similar``."""
        from indexer.search.similar import similar

        record = self.catalog.collections.get(collection)
        return similar(
            self.catalog,
            self.store,
            lambda: self.encoders.of(record),
            record,
            chunk_ids,
            top_k=top_k,
            where=with_codes(self.catalog, record, where),
            in_other_languages=in_other_languages,
        )

    def similar_to(
        self,
        document: str,
        *,
        collection: str = DEFAULT_COLLECTION,
        folder: Path,
        at: int | None = None,
        top_k: int = 10,
        in_other_languages: bool = False,
    ) -> SearchResult:
        """What is nearest to a document, by what a person calls it, or to one of its passages: the one with
        character ``at``, or the N-th, as in ``manual.pdf#3``.

        Raises:
            QueryError: no document is called so, or the passage is not there.
        """
        name, number = document, None
        try:
            chosen = choose_documents(self.catalog, self.files, [name], collection, folder)
        except QueryError:
            name, mark, digits = document.rpartition("#")
            if not (mark and digits.isdecimal()):
                raise
            number = int(digits)
            chosen = choose_documents(self.catalog, self.files, [name], collection, folder)
        chunk_ids = passages_of(self.catalog, list(chosen), at=at, number=number)
        return self.similar(
            chunk_ids, collection=collection, top_k=top_k, in_other_languages=in_other_languages
        )

    def warm(self, collection: str = DEFAULT_COLLECTION) -> None:
        """Make the next search as fast as those after it: load the model, calibrate what is new.

        Does nothing for a collection that is missing or empty, or whose model is gone.
        """
        record = self.catalog.collections.find(collection)
        if record is not None:
            warm_up(self.catalog, self.store, self.encoders, record)

    # Care

    def doctor(self, repair: bool = False) -> list[Finding]:
        """Check the data folder; with ``repair``, repair what can be repaired."""
        with self.writing:
            return diagnose(
                self.data_dir,
                self.catalog,
                self.store,
                self.files,
                open_collection=self._opened,
                reserve_bytes=self.reserve_bytes,
                repair=repair,
            )

    def restore(
        self,
        collection: CollectionRecord,
        *,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
    ) -> int:
        """Make missing points of a collection again and remove unknown ones. How many were wrong.

        Raises:
            CollectionError: the collection's model cannot be opened.
        """
        with self._ingesting(collection.name):
            return restore(
                self._opened(collection), progress=progress, cancel=cancel, pause=self.writing.pause
            )

    def _opened(self, record: CollectionRecord, encoder: Encoder | None = None) -> OpenCollection:
        """A collection with its model open."""
        encoder = encoder or self.encoders.of(record)
        return OpenCollection(self.catalog, self.store, encoder, record, self.settings)

    @contextmanager
    def _ingesting(self, collection: str, left_alone: LeftAlone | None = None) -> Iterator[LongWork]:
        """The right to write for long work on a collection (a name or id), which lets short work in."""
        record = self.catalog.collections.find(collection)
        work = LongWork(record.name if record else collection, left_alone or LeftAlone())
        if record is not None:
            self.encoders.of(record)  # opening a model may take minutes, for which nobody is to wait
        with self.writing.long(work):
            yield work

    def _adder(
        self,
        collection: str,
        progress: Progress | None,
        cancel: CancelToken | None,
        work: LongWork | None = None,
    ) -> Adder:
        """``work``: lets others in between its steps; None for short work."""
        if self.catalog.collections.find(collection) is None:
            self.create_collection(collection, progress=progress)
        record = self.catalog.collections.get(collection)
        adder = partial(
            Adder,
            self._opened(record),
            self.files,
            data_dir=self.data_dir,
            progress=progress,
            cancel=cancel,
            claims=self.presence,
        )
        return adder() if work is None else adder(pause=self.writing.pause, left_alone=work.left_alone)

    def _release(self, sources: Iterable[str]) -> None:
        """Delete copies that no document needs any more."""
        copies = [source for source in sources if self.files.owns(Path(source))]
        self.files.release(copies, needed_copies(self.catalog))


def _by_collection(records: Sequence[DocumentRecord]) -> dict[str, list[DocumentRecord]]:
    groups: defaultdict[str, list[DocumentRecord]] = defaultdict(list)
    for record in records:
        groups[record.collection_id].append(record)
    return groups
