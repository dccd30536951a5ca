"""A whole collection in reading order, page by page, so that memory does not grow with it."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Row, func, select

from indexer.catalog.chunks import CHUNK_COLUMNS, to_chunk
from indexer.catalog.database import Database
from indexer.catalog.tables import ChunkRow, DocumentRow
from indexer.types import Chunk

_PAGE = 500


@dataclass(eq=False)
class PassageQueries:
    """Queries that read all texts of a collection."""

    database: Database

    def iter_titles(self, collection_id: str) -> Iterator[tuple[str, str, str, int]]:
        """Id, path, title and pass of every indexed document, by path."""
        columns = (DocumentRow.id, DocumentRow.path, DocumentRow.title, DocumentRow.generation)
        query = (
            select(*columns)
            .where(DocumentRow.collection_id == collection_id, DocumentRow.generation > 0)
            .order_by(DocumentRow.path)
            .limit(_PAGE)
        )
        last: str | None = None
        while True:
            page = query if last is None else query.where(DocumentRow.path > last)
            with self.database.read() as connection:
                rows = connection.execute(page).all()
            for row in rows:
                yield row[0], row[1], row[2], row[3]
            if len(rows) < _PAGE:
                return
            last = rows[-1].path

    def iter_document(self, document_id: str, generation: int) -> Iterator[Chunk]:
        """The passages of one pass over a document, in reading order."""
        query = (
            select(*CHUNK_COLUMNS)
            .where(ChunkRow.document_id == document_id, ChunkRow.generation == generation)
            .order_by(ChunkRow.ordinal)
            .limit(_PAGE)
        )
        last = -1
        while True:
            with self.database.read() as connection:
                rows: list[Row] = list(connection.execute(query.where(ChunkRow.ordinal > last)))
            yield from map(to_chunk, rows)
            if len(rows) < _PAGE:
                return
            last = rows[-1].ordinal

    def repeated_titles(self, collection_id: str, above: int) -> set[str]:
        """Titles that more than ``above`` documents share."""
        query = (
            select(DocumentRow.title)
            .where(DocumentRow.collection_id == collection_id)
            .group_by(DocumentRow.title)
            .having(func.count() > above)
        )
        with self.database.read() as connection:
            return set(connection.execute(query).scalars())

    def repeated_sections(self, collection_id: str, above: int) -> set[str]:
        """Section headings that passages of more than ``above`` documents share."""
        query = (
            select(ChunkRow.section)
            .join(DocumentRow, DocumentRow.id == ChunkRow.document_id)
            .where(DocumentRow.collection_id == collection_id, ChunkRow.section.is_not(None))
            .group_by(ChunkRow.section)
            .having(func.count(ChunkRow.document_id.distinct()) > above)
        )
        with self.database.read() as connection:
            return {str(section) for section in connection.execute(query).scalars()}
