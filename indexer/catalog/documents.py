"""Documents: looked up by place and content, moved through the passes of ingest."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from indexer.catalog.counts import counting_documents
from indexer.catalog.database import Database, slices
from indexer.catalog.records import DocumentPlace, DocumentRecord, PassResult, moment
from indexer.catalog.tables import ChunkRow, CollectionRow, DocumentLanguageRow, DocumentRow
from indexer.types import DocumentInfo

_KEY_CHARACTERS = 200  # that titles are sorted by: an index has no room for a long text

_RECORD_COLUMNS = (
    DocumentRow.id,
    DocumentRow.collection_id,
    DocumentRow.path,
    DocumentRow.source,
    DocumentRow.title,
    DocumentRow.file_type,
    DocumentRow.size_bytes,
    DocumentRow.mtime_ns,
    DocumentRow.added_at,
    DocumentRow.content_hash,
    DocumentRow.pending_hash,
    DocumentRow.generation,
    DocumentRow.state,
    DocumentRow.error,
    DocumentRow.encoding,
    DocumentRow.pages,
    DocumentRow.warnings,
    DocumentRow.host,
)


def folder_of(path: str) -> str:
    """The folder of a document's path as facets and filters name it; empty when it has none."""
    parent = PurePosixPath(path.replace("\\", "/")).parent.as_posix()
    return "" if parent == "." else parent


def ancestor_folders(path: str) -> list[str]:
    """Every folder above a document's path, nearest first."""
    parents = PurePosixPath(path.replace("\\", "/")).parents
    return [parent.as_posix() for parent in parents if parent.as_posix() not in (".", "/")]


@dataclass(eq=False)
class DocumentQueries:
    """Queries on documents."""

    database: Database

    def infos(self, collection_id: str) -> list[DocumentInfo]:
        """All documents of a collection as people see them, by path."""
        with self.database.read() as connection:
            rows = connection.execute(
                info_query().where(DocumentRow.collection_id == collection_id).order_by(DocumentRow.path)
            ).all()
            languages = languages_of(connection, collection_id=collection_id)
        return [to_info(row, languages) for row in rows]

    def by_id(self, document_ids: Sequence[str]) -> list[DocumentInfo]:
        """Documents in the order of the ids; unknown ids are left out."""
        match: dict[str, DocumentInfo] = {}
        with self.database.read() as connection:
            for part in slices(document_ids):
                rows = connection.execute(info_query().where(DocumentRow.id.in_(part))).all()
                languages = languages_of(connection, document_ids=part)
                match.update((row.id, to_info(row, languages)) for row in rows)
        return [match[item] for item in dict.fromkeys(document_ids) if item in match]

    def records(self, document_ids: Sequence[str]) -> list[DocumentRecord]:
        """Documents as ingest sees them, in the order of the ids; unknown ids are left out."""
        match: dict[str, DocumentRecord] = {}
        with self.database.read() as connection:
            for part in slices(document_ids):
                rows = connection.execute(select(*_RECORD_COLUMNS).where(DocumentRow.id.in_(part)))
                match.update((row.id, _record(row)) for row in rows)
        return [match[item] for item in dict.fromkeys(document_ids) if item in match]

    def iter_records(self, collection_id: str) -> Iterator[DocumentRecord]:
        """All documents of a collection as ingest sees them, in no promised order."""
        with self.database.read() as connection:
            rows = connection.execute(
                select(*_RECORD_COLUMNS).where(DocumentRow.collection_id == collection_id)
            ).all()
        return map(_record, rows)

    def places(self, collection_id: str) -> list[DocumentPlace]:
        """Where all documents of a collection are, by path."""
        query = (
            select(DocumentRow.id, DocumentRow.path, DocumentRow.source)
            .where(DocumentRow.collection_id == collection_id)
            .order_by(DocumentRow.path)
        )
        with self.database.read() as connection:
            return [DocumentPlace(*row) for row in connection.execute(query)]

    def unfinished(self, collection_id: str | None = None) -> list[DocumentRecord]:
        """Documents whose last pass was interrupted, by path."""
        query = select(*_RECORD_COLUMNS).where(DocumentRow.pending_hash.is_not(None))
        if collection_id is not None:
            query = query.where(DocumentRow.collection_id == collection_id)
        with self.database.read() as connection:
            return [_record(row) for row in connection.execute(query.order_by(DocumentRow.path))]

    def at(self, collection_id: str, sources: Sequence[str]) -> list[DocumentInfo]:
        """The documents that were read from these locations on disk."""
        match: list[DocumentInfo] = []
        with self.database.read() as connection:
            for part in slices(sources):
                chosen = (DocumentRow.collection_id == collection_id, DocumentRow.source.in_(part))
                rows = connection.execute(info_query().where(*chosen)).all()
                languages = languages_of(connection, document_ids=[row.id for row in rows])
                match += [to_info(row, languages) for row in rows]
        return match

    def sources(self) -> set[str]:
        """The locations on disk that any document was read from."""
        with self.database.read() as connection:
            return set(connection.execute(select(DocumentRow.source).distinct()).scalars())

    def find(
        self, collection_id: str, *, path: str | None = None, source: str | None = None
    ) -> DocumentRecord | None:
        """The document of that path or that location, or None."""
        column = DocumentRow.path if path is not None else DocumentRow.source
        value = path if path is not None else source
        with self.database.read() as connection:
            row = connection.execute(
                select(*_RECORD_COLUMNS)
                .where(DocumentRow.collection_id == collection_id, column == value)
                .order_by(DocumentRow.added_at)
            ).first()
        return None if row is None else _record(row)

    def with_content(self, collection_id: str, content_hash: str) -> list[DocumentRecord]:
        """The documents whose complete pass read this content, by path."""
        query = select(*_RECORD_COLUMNS).where(
            DocumentRow.collection_id == collection_id, DocumentRow.content_hash == content_hash
        )
        with self.database.read() as connection:
            return [_record(row) for row in connection.execute(query.order_by(DocumentRow.path))]

    def never_indexed(self, collection_id: str) -> list[DocumentRecord]:
        """The documents that could not be read at all, by path."""
        query = select(*_RECORD_COLUMNS).where(
            DocumentRow.collection_id == collection_id,
            DocumentRow.state == "failed",
            DocumentRow.generation == 0,
        )
        with self.database.read() as connection:
            return [_record(row) for row in connection.execute(query.order_by(DocumentRow.path))]

    def put(self, records: Sequence[DocumentRecord]) -> None:
        """Insert documents, or replace what is known of them; chunks are left alone."""
        ids = [record.id for record in records]
        with self.database.write() as connection, counting_documents(connection, ids):
            for record in records:
                values = _values(record)
                changed = connection.execute(
                    update(DocumentRow).where(DocumentRow.id == record.id).values(**values)
                )
                if changed.rowcount == 0:
                    connection.execute(insert(DocumentRow).values(**values, chunk_count=0))

    def add_finished(
        self, records: Sequence[DocumentRecord], languages: Mapping[str, Mapping[str, int]]
    ) -> None:
        """Insert new documents whose first pass is complete, in bulk; their chunks follow.

        Args:
            records: with ``content_hash`` and ``generation`` 1.
            languages: chunks by language of each document, by id.
        """
        counts = [
            {"document_id": record.id, "language": language, "chunk_count": count}
            for record in records
            for language, count in languages[record.id].items()
        ]
        ids = [record.id for record in records]
        with self.database.write() as connection, counting_documents(connection, ids):
            if records:
                connection.execute(
                    insert(DocumentRow), [_finished(item, languages[item.id]) for item in records]
                )
            if counts:
                connection.execute(insert(DocumentLanguageRow), counts)

    def finish(self, results: Mapping[str, PassResult]) -> None:
        """Make the passes under way the ones that count. Their chunks must all be indexed.

        Chunks of earlier passes stay until they are removed (``ChunkQueries.stale``).
        """
        with self.database.write() as connection, counting_documents(connection, list(results)):
            paths = _paths(connection, list(results))
            for document_id, result in results.items():
                if document_id not in paths:  # removed meanwhile
                    continue
                connection.execute(
                    update(DocumentRow)
                    .where(DocumentRow.id == document_id, DocumentRow.pending_hash.is_not(None))
                    .values(
                        generation=DocumentRow.generation + 1,
                        content_hash=DocumentRow.pending_hash,
                        pending_hash=None,
                        state="indexed",
                        error=None,
                        **asdict(result) | {"warnings": list(result.warnings)},
                        **_listed(result.title, paths[document_id], result.file_type, result.warnings),
                    )
                )
                connection.execute(
                    update(ChunkRow)
                    .where(ChunkRow.document_id == document_id, ChunkRow.kept_from.is_not(None))
                    .values(kept_from=None)
                )
                _recount(connection, document_id)

    def give_up_pass(self, document_id: str, error: str | None) -> None:
        """End the pass under way without success; an earlier complete pass stays in force.

        Chunks that only this pass wrote become stale.

        Args:
            document_id: which document.
            error: why it failed; None when it was cancelled.
        """
        with self.database.write() as connection, counting_documents(connection, [document_id]):
            connection.execute(
                update(DocumentRow)
                .where(DocumentRow.id == document_id)
                .values(pending_hash=None, state="indexed" if error is None else "failed", error=error)
            )
            connection.execute(
                update(ChunkRow)
                .where(ChunkRow.document_id == document_id, ChunkRow.kept_from.is_not(None))
                .values(generation=ChunkRow.kept_from, kept_from=None, state="indexed")
            )
            _recount(connection, document_id)

    def delete(self, document_ids: Sequence[str]) -> None:
        """Forget documents with their chunks."""
        for part in slices(document_ids):
            with self.database.write() as connection, counting_documents(connection, part, with_rows=True):
                connection.execute(delete(DocumentRow).where(DocumentRow.id.in_(part)))


def _finished(record: DocumentRecord, languages: Mapping[str, int]) -> dict[str, object]:
    return _values(record) | {
        "state": "indexed",
        "chunk_count": sum(languages.values()),
        "languages": _joined(languages),
    }


def _values(record: DocumentRecord) -> dict[str, object]:
    """The columns of a document, but for its counts."""
    return (
        asdict(record)
        | {"folder": folder_of(record.path), "warnings": list(record.warnings)}
        | _listed(record.title, record.path, record.file_type, record.warnings)
    )


def _listed(title: str, path: str, file_type: str, warnings: Sequence[str]) -> dict[str, object]:
    """The columns that lists are sorted and filtered by; databases fold ASCII at best."""
    return {
        "title_key": (title or path).casefold()[:_KEY_CHARACTERS],
        "search_text": f"{title} {path} {file_type}".casefold(),
        "warning_count": len(warnings),
    }


def _joined(languages: Mapping[str, int]) -> str:
    """The languages of a document, most frequent first."""
    return ",".join(sorted(languages, key=lambda language: (-languages[language], language)))


def _paths(connection: Connection, document_ids: Sequence[str]) -> dict[str, str]:
    paths: dict[str, str] = {}
    for part in slices(document_ids):
        query = select(DocumentRow.id, DocumentRow.path).where(DocumentRow.id.in_(part))
        paths |= {row[0]: row[1] for row in connection.execute(query)}
    return paths


def info_query() -> Select:
    """Documents as people see them; ``to_info`` reads the rows."""
    return select(
        DocumentRow.id,
        CollectionRow.name.label("collection"),
        DocumentRow.path,
        DocumentRow.title,
        DocumentRow.file_type,
        DocumentRow.size_bytes,
        DocumentRow.state,
        DocumentRow.error,
        DocumentRow.chunk_count,
        DocumentRow.pages,
        DocumentRow.added_at,
        DocumentRow.source,
        DocumentRow.warnings,
    ).join(CollectionRow, CollectionRow.id == DocumentRow.collection_id)


def to_info(row: Row, languages: dict[str, dict[str, int]]) -> DocumentInfo:
    """The value behind a row of ``info_query``."""
    return DocumentInfo(
        id=row.id,
        collection=row.collection,
        path=row.path,
        title=row.title,
        file_type=row.file_type,
        size_bytes=row.size_bytes,
        state=row.state,
        error=row.error,
        chunks=row.chunk_count,
        pages=row.pages,
        languages=languages.get(row.id, {}),
        added_at=moment(row.added_at),
        stored_path=row.source,
        warnings=tuple(row.warnings),
    )


def _record(row: Row) -> DocumentRecord:
    values = dict(row._mapping)
    return DocumentRecord(**(values | {"warnings": tuple(values["warnings"])}))


def languages_of(
    connection: Connection, *, collection_id: str | None = None, document_ids: Sequence[str] = ()
) -> dict[str, dict[str, int]]:
    """Chunks by language for each document, most frequent first."""
    query = select(
        DocumentLanguageRow.document_id, DocumentLanguageRow.language, DocumentLanguageRow.chunk_count
    ).order_by(DocumentLanguageRow.chunk_count.desc(), DocumentLanguageRow.language)
    if collection_id is None:
        query = query.where(DocumentLanguageRow.document_id.in_(document_ids))
    else:
        query = query.join(DocumentRow, DocumentRow.id == DocumentLanguageRow.document_id).where(
            DocumentRow.collection_id == collection_id
        )
    match: dict[str, dict[str, int]] = {}
    for document_id, language, count in connection.execute(query):
        match.setdefault(document_id, {})[language] = count
    return match


def _recount(connection: Connection, document_id: str) -> None:
    """Write the counts of the pass that counts: chunks, and chunks by language."""
    generation = select(DocumentRow.generation).where(DocumentRow.id == document_id).scalar_subquery()
    counts = connection.execute(
        select(ChunkRow.language, func.count())
        .where(ChunkRow.document_id == document_id, ChunkRow.generation == generation)
        .group_by(ChunkRow.language)
    ).all()
    connection.execute(delete(DocumentLanguageRow).where(DocumentLanguageRow.document_id == document_id))
    if counts:
        connection.execute(
            insert(DocumentLanguageRow),
            [{"document_id": document_id, "language": item, "chunk_count": count} for item, count in counts],
        )
    connection.execute(
        update(DocumentRow)
        .where(DocumentRow.id == document_id)
        .values(
            chunk_count=sum(count for _, count in counts),
            languages=_joined({row[0]: row[1] for row in counts}),
        )
    )
