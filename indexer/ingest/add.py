"""From what a person asks to add to an ingest: folders walked, archives unpacked, the disappeared found."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from indexer.catalog import Catalog, DocumentRecord
from indexer.errors import ReadError
from indexer.ingest.claims import Claims, Unclaimed
from indexer.ingest.left_alone import LeftAlone
from indexer.ingest.losses import LossGuard, file_of, is_below
from indexer.ingest.pipeline import Pipeline, remove_documents, remove_stale
from indexer.ingest.plan import Planner
from indexer.ingest.report import AddReport
from indexer.ingest.scan import FoundFile, Scan, describe, is_missing, scan
from indexer.library.blobs import BlobStore, is_archive, needed_copies
from indexer.library.collection import OpenCollection
from indexer.progress import CancelToken, Progress
from indexer.readers import ReadLimits


def keep_uploads(catalog: Catalog, files: BlobStore, paths: Sequence[Path]) -> list[tuple[str, str]]:
    """Copy files and folders into the library: (name shown, location of the copy) of each file.

    Names start with the file or folder itself, without what is above it. Two files of one name get
    different ones: ``report.txt``, ``report (2).txt``.

    Raises:
        ReadError: one of them cannot be copied; then none is kept.
    """
    copies: list[str] = []
    try:
        return _keep_uploads(files, paths, copies)
    except BaseException:
        files.release(copies, needed_copies(catalog))
        raise


def _keep_uploads(files: BlobStore, paths: Sequence[Path], copies: list[str]) -> list[tuple[str, str]]:
    """The same; ``copies`` gets the locations as they are made."""
    names: dict[str, str] = {}
    for path in map(Path, paths):
        result = scan([path])
        for name, reason in result.problems:
            raise ReadError(f"{Path(name).name} did not arrive. {reason}")
        for file in result.files:
            try:
                copy = files.keep(file)
            except OSError as error:
                raise ReadError(
                    f"{path.name} did not arrive: {error.strerror}. Check the file and send it again."
                ) from error
            copies.append(str(copy.source))
            name = path.name
            if path.is_dir():
                name = (PurePosixPath(path.name) / Path(file.path).relative_to(path).as_posix()).as_posix()
            free, number = PurePosixPath(name), 1
            while names.get(free.as_posix(), str(copy.source)) != str(copy.source):
                number += 1
                free = PurePosixPath(name).with_stem(f"{PurePosixPath(name).stem} ({number})")
            names[free.as_posix()] = str(copy.source)
    return list(names.items())


class Adder:
    """Adds to one collection; see ``Library.add``."""

    def __init__(
        self,
        collection: OpenCollection,
        files: BlobStore,
        *,
        data_dir: Path,
        progress: Progress | None,
        cancel: CancelToken | None,
        pause: Callable[[], None] = lambda: None,
        left_alone: LeftAlone | None = None,
        claims: Claims | None = None,
    ) -> None:
        self._claims = claims or Unclaimed()
        self._pause, self._left_alone = pause, left_alone or LeftAlone()
        self._catalog, self._store = collection.catalog, collection.store
        self._collection = collection.record
        self._files, self._data_dir = files, data_dir
        self._limits = ReadLimits()
        self._cancel = cancel or CancelToken()
        self._failures: list[tuple[str, str]] = []
        self._archives: list[FoundFile] = []
        self._broken_archives: set[str] = set()
        self._pipeline = Pipeline(
            collection,
            limits=self._limits,
            progress=progress,
            cancel=self._cancel,
            pause=pause,
            left_alone=self._left_alone,
            claims=self._claims,
        )

    def add_paths(
        self, paths: Sequence[Path], *, prune: bool, is_sure: bool = False, check: bool = False
    ) -> AddReport:
        """Index files where they lie; see ``Library.add``."""
        result = scan(paths, leave_out=[self._data_dir])
        if not prune:
            result = replace(result, folders=[])
        self._failures.extend(result.problems)
        files = self._unpacked(result.files)
        gone = self._gone(files, result)
        guard = LossGuard(self._catalog, self._collection, self._files, result.folders, gone)
        report = self._ingest(files, gone, guard=None if is_sure else guard, check=check)
        if is_sure:
            guard.forget()
        return replace(report, skipped=result.skipped)

    def add_copies(self, copies: Sequence[tuple[str, str]]) -> AddReport:
        """Index copies that ``keep_uploads`` made."""
        files = []
        for name, source in copies:
            try:
                files.append(replace(describe(Path(name), Path(source)), is_copy=True))
            except OSError as error:
                self._failures.append((name, f"{name} is no longer there: {error.strerror}. Add it again."))
        files = self._unpacked(files)
        return self._ingest(files, self._gone(files, Scan([], [], [], 0)), are_copies=True)

    def add_known(self, documents: Sequence[DocumentRecord], *, force: bool) -> AddReport:
        """Index documents again from where they were read."""
        files = []
        for document in documents:
            source = Path(document.source)
            try:
                files.append(replace(describe(Path(document.path), source), is_copy=self._files.owns(source)))
            except OSError as error:
                reason = (
                    f"{document.path} cannot be opened ({error.strerror}). Expected the file at {source}. "
                    "Put it back, or remove the document."
                )
                self._failures.append((document.path, reason))
                self._catalog.documents.give_up_pass(document.id, reason)
                remove_stale(self._catalog, self._store, self._collection, [document.id])
        return self._ingest(files, [], force=force)

    def _ingest(
        self,
        files: Sequence[FoundFile],
        gone: Sequence[DocumentRecord],
        *,
        guard: LossGuard | None = None,
        force: bool = False,
        check: bool = False,
        are_copies: bool = False,
    ) -> AddReport:
        replaced = [
            known
            for file in files
            if file.is_copy and (known := self._catalog.documents.find(self._collection.id, path=file.path))
        ]
        planner = Planner(
            self._catalog,
            self._collection,
            gone=gone,
            # An upload is not a file that was moved: it says nothing about where that is.
            is_vanished=(lambda record: False) if are_copies else self._is_vanished,
            now=time.time(),
            force=force,
            check=check,
            cancelled=self._cancel.is_cancelled,
            host=self._claims.host,
        )
        report = self._pipeline.run(files, planner)
        lost = [record for record in planner.gone() if not self._left_alone.has_document(record)]
        kept = guard.keep(lost) if guard else {}
        removed = [record for record in lost if record.id not in kept]
        remove_documents(self._catalog, self._store, self._collection, [record.id for record in removed])
        if report.chunks:
            self._store.optimize(self._collection.store_name)
        self._clean_archives()
        self._release([*gone, *replaced])
        failures = (*self._failures, *report.failures)
        return replace(
            report, removed=len(removed), kept=tuple(Counter(kept.values()).items()), failures=failures
        )

    def _unpacked(self, files: Sequence[FoundFile]) -> list[FoundFile]:
        """``files`` with archives replaced by the documents in them."""
        flat: list[FoundFile] = []
        for file in files:
            if not is_archive(file.source):
                flat.append(file)
                continue
            self._cancel.check()
            self._pause()
            try:
                flat.extend(self._files.unpack(file, self._limits, self._cancel.is_cancelled))
                self._archives.append(file)
            except (ReadError, OSError) as error:
                self._failures.append((file.path, str(error)))
                self._broken_archives.add(str(file.source))
                self._record_broken_archive(file, str(error))
        return flat

    def _record_broken_archive(self, file: FoundFile, reason: str) -> None:
        try:
            decision = Planner(self._catalog, self._collection, now=file.mtime_ns / 1e9).decide(file)
        except OSError:
            return
        self._catalog.documents.put([decision.document])
        self._catalog.documents.give_up_pass(decision.document.id, reason)

    def _clean_archives(self) -> None:
        """Archives that were unpacked are no documents; forget an earlier failure, and uploaded copies."""
        for archive in self._archives:
            failed = self._catalog.documents.find(self._collection.id, path=archive.path)
            if failed is not None:
                self._catalog.documents.delete([failed.id])
            if archive.is_copy and self._files.owns(archive.source):
                self._files.release([str(archive.source)], needed_copies(self._catalog))

    def _release(self, gone: Sequence[DocumentRecord]) -> None:
        copies = [item.source for item in gone if self._files.owns(Path(item.source))]
        if copies:
            self._files.release(copies, needed_copies(self._catalog))

    def _gone(self, files: Sequence[FoundFile], result: Scan) -> list[DocumentRecord]:
        """Documents that were in the folders, or in these archives, and are not among ``files``."""
        if not result.folders and not self._archives:
            return []
        sources = {str(file.source) for file in files} | self._broken_archives
        paths = {file.path for file in files}
        archives = tuple(f"{archive.path}/" for archive in self._archives)
        gone = []
        for record in self._catalog.documents.iter_records(self._collection.id):
            source = Path(record.source)
            if self._is_elsewhere(record):
                continue
            if not self._files.owns(source):
                # What is there and cannot be looked at is a problem, and not gone.
                is_gone = (
                    str(source) not in sources and is_below(source, result.folders) and is_missing(source)
                )
            elif record.path.startswith(archives):
                is_gone = record.path not in paths
            else:
                is_gone = self._is_archive_gone(record, result)
            if is_gone:
                gone.append(record)
        return gone

    def _is_archive_gone(self, record: DocumentRecord, result: Scan) -> bool:
        """Whether the document came out of an archive that is no longer in its folder."""
        return is_below(Path(record.path), result.folders) and self._is_vanished(record)

    def _is_vanished(self, record: DocumentRecord) -> bool:
        """Whether the file that the document was read from, or came out of, is no longer there."""
        file = file_of(record, self._files)
        return file is not None and not self._is_elsewhere(record) and is_missing(file)

    def _is_elsewhere(self, record: DocumentRecord) -> bool:
        """Whether another machine reads the document, so that nothing can be said of its file here."""
        return record.host not in (None, self._claims.host)
