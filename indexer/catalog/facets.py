"""How many passages each filter value would leave, for the filters beside a search."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    CompoundSelect,
    Select,
    func,
    literal,
    or_,
    select,
    union_all,
)

from indexer.catalog.database import Database
from indexer.catalog.tables import DocumentLanguageRow, DocumentRow, PassageCountRow
from indexer.types import Filters

MAX_VALUES = 1_000
"""Values of a field that are counted, the most frequent ones."""

_FIELDS = ("language", "file_type", "folder")

Facets = Mapping[str, Mapping[str, int]]


@dataclass(eq=False)
class FacetQueries:
    """Counts beside a search, kept until documents change."""

    database: Database

    def count_chunks(self, collection_id: str) -> int:
        """Passages of the passes that count, as ``collections`` reports them."""

        def count() -> int:
            total = func.coalesce(func.sum(PassageCountRow.chunk_count), 0)
            with self.database.read() as connection:
                return int(
                    connection.execute(
                        select(total).where(PassageCountRow.collection_id == collection_id)
                    ).scalar_one()
                )

        return self.database.remembered(("chunks", collection_id), count)

    def document_ids(self, collection_id: str, where: Filters, *, at_most: int) -> list[str]:
        """Documents with passages that the filters let through, the first ``at_most`` of them."""
        query = select(DocumentRow.id).select_from(DocumentRow)
        if where.languages:
            query = query.join(DocumentLanguageRow, DocumentLanguageRow.document_id == DocumentRow.id)
        query = query.where(
            DocumentRow.collection_id == collection_id,
            DocumentRow.chunk_count > 0,
            *_of_documents(where),
            *_of_places(where, DocumentLanguageRow.language, DocumentRow.file_type, DocumentRow.folder),
        )
        with self.database.read() as connection:
            return list(connection.execute(query.distinct().limit(at_most)).scalars())

    def counts(
        self,
        collection_id: str,
        where: Filters = Filters(),  # noqa: B008 - frozen
    ) -> Facets:
        """Passages by ``language``, ``file_type`` and ``folder``, most frequent first.

        Each field is counted under all filters but its own, so that alternatives stay visible; of each, the
        first ``MAX_VALUES`` values.
        """

        def count() -> Facets:
            facets: dict[str, dict[str, int]] = {field: {} for field in _FIELDS}
            with self.database.read() as connection:
                for field, value, total in connection.execute(_facet_query(collection_id, where)):
                    facets[field][value] = int(total)
            return facets

        return self.database.remembered(("facets", collection_id, where), count)


def _facet_query(collection_id: str, where: Filters) -> CompoundSelect[Any]:
    """Rows of (field, value, passages), all fields from one pass over the counts."""
    counts = _counts(collection_id, where).cte("counts")
    return union_all(*(select(_facet(counts, field, where).subquery()) for field in _FIELDS))


def _facet(counts: CTE, field: str, where: Filters) -> Select[Any]:
    total = func.sum(counts.c.chunk_count)
    columns = {item: counts.c[item] for item in _FIELDS}
    return (
        select(literal(field).label("field"), columns[field].label("value"), total.label("total"))
        .where(*_of_places(where, *columns.values(), but=field))
        .group_by(columns[field])
        .having(total > 0)
        .order_by(total.desc(), columns[field])
        .limit(MAX_VALUES)
    )


def _counts(collection_id: str, where: Filters) -> Select[str, str, str, int]:
    """Passages by language, file type and folder: as they are kept, or of the documents that are named."""
    kept = (
        PassageCountRow.language,
        PassageCountRow.file_type,
        PassageCountRow.folder,
        PassageCountRow.chunk_count,
    )
    conditions = _of_documents(where)
    if not conditions:
        return select(*kept).where(PassageCountRow.collection_id == collection_id)
    place = (DocumentLanguageRow.language, DocumentRow.file_type, DocumentRow.folder)
    return (
        select(*place, func.sum(DocumentLanguageRow.chunk_count).label("chunk_count"))
        .select_from(DocumentRow)
        .join(DocumentLanguageRow, DocumentLanguageRow.document_id == DocumentRow.id)
        .where(DocumentRow.collection_id == collection_id, *conditions)
        .group_by(*place)
    )


def _of_documents(where: Filters) -> list[ColumnElement[bool]]:
    """The filters that only single documents can answer."""
    conditions: list[ColumnElement[bool]] = []
    if where.documents:
        conditions.append(DocumentRow.id.in_(where.documents))
    if where.added_after is not None:
        conditions.append(DocumentRow.added_at >= where.added_after.timestamp())
    if where.added_before is not None:
        conditions.append(DocumentRow.added_at < where.added_before.timestamp())
    return conditions


def _of_places(
    where: Filters, language: Any, file_type: Any, folder: Any, *, but: str = ""
) -> list[ColumnElement[bool]]:
    """The filters on these columns, without that of the field ``but``."""
    conditions: list[ColumnElement[bool]] = []
    if where.languages and but != "language":
        conditions.append(language.in_(where.languages))
    if where.file_types and but != "file_type":
        conditions.append(file_type.in_(where.file_types))
    if where.folders and but != "folder":
        conditions.append(or_(*(_is_below(folder, item) for item in where.folders)))
    return conditions


def _is_below(column: Any, folder: str) -> ColumnElement[bool]:
    return or_(column == folder, column.startswith(f"{folder}/", autoescape=True))
