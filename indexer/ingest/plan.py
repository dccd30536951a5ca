"""What ingest has to do about a file: nothing, follow a renaming, or read it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID, uuid5

from indexer.catalog import Catalog, CollectionRecord, DocumentRecord
from indexer.ingest.scan import FoundFile
from indexer.library.blobs import hash_file
from indexer.readers import SUFFIXES, suffix_of
from indexer.text.file_names import stem


@dataclass(frozen=True)
class Decision:
    """What to do, and the document as the catalog should know it then.

    ``add`` and ``change`` mean reading; a document of ``change`` has a complete pass already.
    ``is_retitled``: the title was the old name of the file, and is now the new one. ``is_recorded``: the
    catalog has the document just so.
    """

    action: Literal["skip", "rename", "add", "change"]
    document: DocumentRecord
    is_retitled: bool = False
    is_recorded: bool = False


class Planner:
    """Decides file by file.

    Args:
        catalog: knows what is indexed.
        collection: where the files go.
        gone: documents whose file has disappeared; a new file with the same content takes one over.
        is_vanished: whether the file of a document outside ``gone`` has disappeared, so that a new file with
            the same content takes that over too: whole folders are renamed and moved.
        now: unix seconds that new documents are dated with.
        force: read also what has not changed.
        check: look into every file: size and time do not tell of each change.
        cancelled: asked while a large file is looked through.
        host: id of this machine, where several share the catalog.
    """

    def __init__(
        self,
        catalog: Catalog,
        collection: CollectionRecord,
        *,
        gone: Sequence[DocumentRecord] = (),
        is_vanished: Callable[[DocumentRecord], bool] = lambda record: False,
        now: float,
        force: bool = False,
        check: bool = False,
        cancelled: Callable[[], bool] | None = None,
        host: str | None = None,
    ) -> None:
        self._host = host
        self._catalog, self._collection = catalog, collection
        self._now, self._force, self._check, self._cancelled = now, force, check, cancelled
        self._gone = {record.id: record for record in gone}
        self._is_vanished = is_vanished
        self._failed: dict[tuple[str, int, int], DocumentRecord] | None = None
        self._left_behind: dict[str, _LeftBehind] = {}  # by content

    def gone(self) -> list[DocumentRecord]:
        """Documents whose file has disappeared and that no new file took over."""
        return list(self._gone.values())

    def decide(self, file: FoundFile) -> Decision:
        """What to do about ``file``.

        Raises:
            OSError: the file cannot be read.
            Cancelled: cancelled.
        """
        known, path = self._identify(file)
        if known is not None and self._is_untouched(known, file):
            return Decision("skip", known, is_recorded=True)
        content_hash = hash_file(file.source, cancelled=self._cancelled)
        if known is None:
            taken_over = self._take_over(content_hash, path)
            if taken_over is not None:
                return _renaming(taken_over, self._at_place(taken_over, file, path, content_hash))
            known = self._take_failed(file, path)
        if known is None:
            return Decision("add", self._new(file, path, content_hash))
        moved = self._at_place(known, file, path, content_hash)
        if known.content_hash == content_hash and _is_complete(known) and not self._force:
            if path != known.path:
                return _renaming(known, moved)
            return Decision("skip", moved, is_recorded=moved == known)
        reading = replace(moved, state="pending", error=None, pending_hash=content_hash)
        return Decision("change" if known.generation else "add", reading)

    def _identify(self, file: FoundFile) -> tuple[DocumentRecord | None, str]:
        """The document that the file is, if known, and the path it is to have."""
        collection_id, source = self._collection.id, str(file.source)
        if not file.is_copy:
            known = self._catalog.documents.find(collection_id, source=source)
            if known is not None:
                return known, known.path
        known = self._catalog.documents.find(collection_id, path=file.path)
        if known is None or file.is_copy or known.source == source:
            return known, file.path
        # The same spelling, another file: relative paths given in two folders, or an upload of that name.
        path = file.source.as_posix()
        return self._catalog.documents.find(collection_id, path=path), path

    def _is_untouched(self, known: DocumentRecord, file: FoundFile) -> bool:
        same_file = (known.size_bytes, known.mtime_ns, known.source) == (
            file.size_bytes,
            file.mtime_ns,
            str(file.source),
        )
        return same_file and _is_complete(known) and not (self._force or self._check)

    def _take_over(self, content_hash: str, path: str) -> DocumentRecord | None:
        """A document of that content that has lost its file; each is given once."""
        if content_hash not in self._left_behind:
            same = self._catalog.documents.with_content(self._collection.id, content_hash)
            left = [
                item
                for item in same
                if _is_complete(item) and (item.id in self._gone or self._is_vanished(item))
            ]
            if not left:
                return None
            self._left_behind[content_hash] = _LeftBehind(left)
        taken = self._left_behind[content_hash].take(path)
        if taken is not None:
            self._gone.pop(taken.id, None)
        return taken

    def _take_failed(self, file: FoundFile, path: str) -> DocumentRecord | None:
        """A document that could never be read and has lost its file, where this seems to be that file.

        Nobody knows its content, but a file that is moved keeps its name, size and time.
        """
        if self._failed is None:
            records = self._catalog.documents.never_indexed(self._collection.id)
            self._failed = {
                (_name(record.path), record.size_bytes, record.mtime_ns): record
                for record in records
                if record.id in self._gone or self._is_vanished(record)
            }
        failed = self._failed.pop((_name(path), file.size_bytes, file.mtime_ns), None)
        if failed is not None:
            self._gone.pop(failed.id, None)
        return failed

    def _at_place(
        self, known: DocumentRecord, file: FoundFile, path: str, content_hash: str
    ) -> DocumentRecord:
        title = known.title
        if known.path != path and title == stem(known.path):
            title = stem(path)
        return replace(
            known,
            path=path,
            title=title,
            source=str(file.source),
            size_bytes=file.size_bytes,
            mtime_ns=file.mtime_ns,
            host=self._host,
        )

    def _new(self, file: FoundFile, path: str, content_hash: str) -> DocumentRecord:
        return DocumentRecord(
            id=self._free_id(path),
            collection_id=self._collection.id,
            path=path,
            source=str(file.source),
            title=stem(path),
            file_type=SUFFIXES.get(
                suffix_of(file.source), file.source.suffix.lower().lstrip(".") or "unknown"
            ),
            size_bytes=file.size_bytes,
            mtime_ns=file.mtime_ns,
            added_at=self._now,
            pending_hash=content_hash,
            host=self._host,
        )

    def _free_id(self, path: str) -> str:
        """uuid5 of collection and path; a document that was renamed away may still hold that."""
        name, attempt = path, 1
        while True:
            candidate = str(uuid5(UUID(self._collection.id), name))
            if not self._catalog.documents.records([candidate]):
                return candidate
            attempt += 1
            name = f"{path}\0{attempt}"


class _LeftBehind:
    """Documents of one content without a file; those of a file's own name are given to it first."""

    def __init__(self, records: Iterable[DocumentRecord]) -> None:
        self._by_name: dict[str, list[DocumentRecord]] = {}
        for record in records:
            self._by_name.setdefault(_name(record.path), []).append(record)

    def take(self, path: str) -> DocumentRecord | None:
        """One for the file at ``path``, or None when all are given."""
        name = _name(path)
        if name not in self._by_name:
            name = next(iter(self._by_name), name)
        records = self._by_name.get(name, [])
        taken = records.pop() if records else None
        if not records:
            self._by_name.pop(name, None)
        return taken


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _renaming(before: DocumentRecord, after: DocumentRecord) -> Decision:
    return Decision("rename", after, is_retitled=before.title != after.title)


def _is_complete(record: DocumentRecord) -> bool:
    return record.state == "indexed" and record.pending_hash is None and record.content_hash is not None
