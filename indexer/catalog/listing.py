"""A page of a collection's documents, sorted and filtered by the database however many there are.

What words mean to people (names of languages, words for states) is the caller's: it says by which states and
languages a word finds documents, and in which order these stand.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, case, func, literal_column, or_, select

from indexer.catalog.database import ID_SLICE, Database
from indexer.catalog.documents import info_query, languages_of, to_info
from indexer.catalog.tables import GROUPED, CollectionRow, DocumentLanguageRow, DocumentRow
from indexer.types import DocumentPage

SortColumn = Literal["title", "languages", "passages", "size", "added", "state"]

_COLUMNS: dict[str, Any] = {
    "passages": DocumentRow.chunk_count,
    "size": DocumentRow.size_bytes,
    "added": DocumentRow.added_at,
    "languages": DocumentRow.languages,
    "state": DocumentRow.state,
}


@dataclass(frozen=True)
class Word:
    """What one word of a filter finds: documents whose title, path or type contains it, and others.

    Attributes:
        text: the word, casefolded.
        states: states that the word is a part of.
        languages: codes of languages that the word is a part of.
        is_warning: whether it finds documents with warnings.
    """

    text: str
    states: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    is_warning: bool = False


@dataclass(frozen=True)
class Order:
    """By which column, then by title.

    ``rank`` gives the key by which values of ``state`` and ``languages`` (codes, most frequent first, with
    commas between) are compared.
    """

    column: SortColumn
    descending: bool = False
    rank: Callable[[Any], Any] = lambda value: value


@dataclass(eq=False)
class ListingQueries:
    """Queries for lists of documents."""

    database: Database

    def page(self, collection_id: str, words: Sequence[Word], order: Order, *, limit: int) -> DocumentPage:
        """The first ``limit`` documents that every word finds, and how many there are."""
        conditions = [DocumentRow.collection_id == collection_id, *map(self._finds, words)]
        with self.database.read() as connection:
            matching, warned = _totals(connection, collection_id, conditions, is_filtered=bool(words))
            if words and matching <= ID_SLICE:  # in order of the column, few would be far apart
                chosen = connection.execute(select(DocumentRow.id).where(*conditions)).scalars().all()
                conditions = [DocumentRow.id.in_(chosen)]
            rows: list[Any] = []
            for query in _queries(connection, conditions, order):
                rows += connection.execute(query.limit(limit - len(rows))).all()
                if len(rows) >= min(limit, matching):
                    break
            languages = languages_of(connection, document_ids=[row.id for row in rows])
        return DocumentPage(tuple(to_info(row, languages) for row in rows), matching, warned)

    def _finds(self, word: Word) -> ColumnElement[bool]:
        position = func.instr if self.database.is_sqlite else func.strpos
        results = [position(DocumentRow.search_text, word.text) > 0]
        if word.states:
            results.append(DocumentRow.state.in_(word.states))
        if word.is_warning:
            results.append(DocumentRow.warning_count > 0)
        if word.languages:
            speaking = select(DocumentLanguageRow.document_id).where(
                DocumentLanguageRow.language.in_(word.languages)
            )
            results.append(DocumentRow.id.in_(speaking))
        return or_(*results)


def _totals(
    connection: Connection,
    collection_id: str,
    conditions: Sequence[ColumnElement[bool]],
    *,
    is_filtered: bool,
) -> tuple[int, int]:
    """Documents, and documents with warnings; without a filter nobody has to look at them."""
    if not is_filtered:
        total = select(CollectionRow.document_count).where(CollectionRow.id == collection_id)
        # Spelled out, as in the index: SQLite does not see that a bound 0 is the same.
        with_warnings = (
            select(func.count())
            .select_from(DocumentRow)
            .where(*conditions, DocumentRow.warning_count > literal_column("0"))
        )
        row = connection.execute(select(total.scalar_subquery(), with_warnings.scalar_subquery())).one()
        return int(row[0] or 0), int(row[1])
    warned = func.coalesce(func.sum(case((DocumentRow.warning_count > 0, 1), else_=0)), 0)
    row = connection.execute(select(func.count(), warned).where(*conditions)).one()
    return int(row[0]), int(row[1])


def _queries(
    connection: Connection, conditions: Sequence[ColumnElement[bool]], order: Order
) -> Iterator[Select]:
    """Queries whose rows, one after another, are the documents in order."""
    result = info_query().where(*conditions)
    by_title = (DocumentRow.title_key, DocumentRow.id)
    if order.column not in _COLUMNS:
        first = DocumentRow.title_key.desc() if order.descending else DocumentRow.title_key
        yield result.order_by(first, DocumentRow.id)
        return
    column = _COLUMNS[order.column]
    if column.key not in GROUPED:
        yield result.order_by(column.desc() if order.descending else column, *by_title)
        return
    # Few values, each of many documents: value by value, so that an index has their order.
    alike: defaultdict[Any, list[Any]] = defaultdict(list)
    for value in connection.execute(select(column).where(*conditions).distinct()).scalars():
        alike[order.rank(value)].append(value)
    for key in sorted(alike, reverse=order.descending):
        yield result.where(column.in_(alike[key])).order_by(*by_title)
