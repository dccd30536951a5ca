"""How many passages each filter value would leave, for the filters beside a search."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select

from indexer.catalog.database import Database
from indexer.catalog.tables import DocumentLanguageRow, DocumentRow
from indexer.types import Where

_COLUMNS = {
    "language": DocumentLanguageRow.language,
    "file_type": DocumentRow.file_type,
    "folder": DocumentRow.folder,
}
_MAX_KEPT = 200

Facets = Mapping[str, Mapping[str, int]]


class FacetQueries(Database):
    """Counts beside a search, kept until something is written."""

    def __init__(self, url: str | Path) -> None:
        super().__init__(url)
        self._kept: dict[Any, Any] = {}
        self._kept_version = -1
        self._kept_lock = threading.Lock()

    def count_chunks(self, collection_id: str) -> int:
        """Passages of the passes that count, as ``collections`` reports them."""
        with self.read() as connection:
            total = connection.execute(
                select(func.coalesce(func.sum(DocumentRow.chunk_count), 0)).where(
                    DocumentRow.collection_id == collection_id
                )
            ).scalar_one()
        return int(total)

    def document_ids(self, collection_id: str, where: Where, *, at_most: int) -> list[str]:
        """Documents with passages that the filters let through, the first ``at_most`` of them."""
        query = select(DocumentRow.id).select_from(DocumentRow)
        if where.languages:
            query = query.join(DocumentLanguageRow, DocumentLanguageRow.document_id == DocumentRow.id)
        query = query.where(
            DocumentRow.collection_id == collection_id,
            DocumentRow.chunk_count > 0,
            *_conditions(where, but=""),
        )
        with self.read() as connection:
            return list(connection.execute(query.distinct().limit(at_most)).scalars())

    def facets(
        self,
        collection_id: str,
        where: Where = Where(),  # noqa: B008 - frozen
    ) -> Facets:
        """Passages by ``language``, ``file_type`` and ``folder``, most frequent first.

        Each field is counted under all filters but its own, so that alternatives stay visible.
        """
        key, version = (collection_id, where), self.version
        with self._kept_lock:
            if version != self._kept_version or len(self._kept) >= _MAX_KEPT:
                self._kept, self._kept_version = {}, version
            if key in self._kept and self.is_sqlite:  # other processes may write to PostgreSQL
                return self._kept[key]
        with self.read() as connection:
            facets = {field: _counts(connection, collection_id, field, where) for field in _COLUMNS}
        with self._kept_lock:
            if version == self._kept_version:
                self._kept[key] = facets
        return facets


def _counts(connection: Connection, collection_id: str, field: str, where: Where) -> dict[str, int]:
    column = _COLUMNS[field]
    by_language = field == "language" or bool(where.languages)
    total = func.sum(DocumentLanguageRow.chunk_count if by_language else DocumentRow.chunk_count)
    query = select(column, total).select_from(DocumentRow)
    if by_language:
        query = query.join(DocumentLanguageRow, DocumentLanguageRow.document_id == DocumentRow.id)
    rows = connection.execute(
        query.where(DocumentRow.collection_id == collection_id, *_conditions(where, but=field))
        .group_by(column)
        .having(total > 0)
        .order_by(total.desc(), column)
    )
    return {row[0]: int(row[1]) for row in rows}


def _conditions(where: Where, *, but: str) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if where.languages and but != "language":
        conditions.append(DocumentLanguageRow.language.in_(where.languages))
    if where.file_types and but != "file_type":
        conditions.append(DocumentRow.file_type.in_(where.file_types))
    if where.folders and but != "folder":
        conditions.append(or_(*map(_is_below, where.folders)))
    if where.documents:
        conditions.append(DocumentRow.id.in_(where.documents))
    if where.added_after is not None:
        conditions.append(DocumentRow.added_at >= where.added_after.timestamp())
    if where.added_before is not None:
        conditions.append(DocumentRow.added_at < where.added_before.timestamp())
    return conditions


def _is_below(folder: str) -> ColumnElement[bool]:
    return or_(DocumentRow.folder == folder, DocumentRow.folder.startswith(f"{folder}/", autoescape=True))
