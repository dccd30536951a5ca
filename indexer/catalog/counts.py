"""Counters kept with the collections, so that nobody counts passages to show a page.

Whoever changes documents or passages does it inside ``counting_documents`` or ``counting_chunks``: what the
changed rows add is counted before and after, and the difference is written in the same transaction. A crash
undoes both or neither. ``CountQueries.problems`` compares with a full count, ``recount`` replaces by one.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Select, delete, func, insert, select, update

from indexer.catalog.database import Database, slices, upsert
from indexer.catalog.tables import (
    ChunkRow,
    CollectionRow,
    DocumentLanguageRow,
    DocumentRow,
    PassageCountRow,
)

Key = tuple[str, ...]
"""(collection, counter), or (collection, language, file type, folder) for passages of complete passes."""

_DOCUMENTS, _ROWS = "document_count", "row_count"
_PLACE = (
    PassageCountRow.collection_id,
    PassageCountRow.language,
    PassageCountRow.file_type,
    PassageCountRow.folder,
)


@contextmanager
def counting_documents(
    connection: Connection, document_ids: Sequence[str], *, with_rows: bool = False
) -> Iterator[None]:
    """Write how the counts differ when the block has ended.

    Args:
        connection: of the transaction that changes the documents.
        document_ids: all that are changed in the block.
        with_rows: whether passages are removed with their documents.
    """
    ids = list(dict.fromkeys(document_ids))
    before = _of_documents(connection, ids, with_rows=with_rows)
    yield
    after = _of_documents(connection, ids, with_rows=with_rows)
    after.subtract(before)
    _change(connection, after)


@contextmanager
def counting_chunks(connection: Connection, chunk_ids: Sequence[str]) -> Iterator[None]:
    """The same for a block that writes or removes these passages."""
    ids = list(dict.fromkeys(chunk_ids))
    before = _of_chunks(connection, ids)
    yield
    after = _of_chunks(connection, ids)
    after.subtract(before)
    _change(connection, after)


@dataclass(eq=False)
class CountQueries:
    """Check the counters, and make them anew."""

    database: Database

    def problems(self, collection_id: str) -> list[str]:
        """Which counters of a collection differ from a full count, in words."""
        with self.database.read() as connection:
            kept, right = _kept(connection, collection_id), _counted(connection, collection_id)
        return [
            f"{' '.join(key[1:])}: {kept.get(key, 0)} instead of {right.get(key, 0)}"
            for key in sorted(kept.keys() | right.keys())
            if kept.get(key, 0) != right.get(key, 0)
        ]

    def recount(self, collection_id: str) -> None:
        """Replace the counters of a collection by a full count."""
        with self.database.write("documents") as connection:
            right = _counted(connection, collection_id)
            places = [(*key, count) for key, count in right.items() if len(key) == len(_PLACE)]
            names = [*(column.key for column in _PLACE), "chunk_count"]
            connection.execute(delete(PassageCountRow).where(PassageCountRow.collection_id == collection_id))
            if places:
                connection.execute(
                    insert(PassageCountRow), [dict(zip(names, row, strict=True)) for row in places]
                )
            connection.execute(
                update(CollectionRow)
                .where(CollectionRow.id == collection_id)
                .values({name: right[collection_id, name] for name in (_DOCUMENTS, _ROWS)})
            )


def _of_documents(connection: Connection, ids: Sequence[str], *, with_rows: bool) -> Counter[Key]:
    counts: Counter[Key] = Counter()
    for part in slices(ids):
        chosen = DocumentRow.id.in_(part)
        for query, name in _totals(with_rows=with_rows):
            for row in connection.execute(query.where(chosen)):
                counts[row[0], name] += int(row[1])
        for row in connection.execute(_passages().where(chosen)):
            counts[tuple(row[:-1])] += int(row[-1])
    return counts


def _of_chunks(connection: Connection, ids: Sequence[str]) -> Counter[Key]:
    counts: Counter[Key] = Counter()
    (_, _), (query, name) = _totals(with_rows=True)
    for part in slices(ids):
        for row in connection.execute(query.where(ChunkRow.id.in_(part))):
            counts[row[0], name] += int(row[1])
    return counts


def _counted(connection: Connection, collection_id: str) -> Counter[Key]:
    """Everything that a collection's counters should say."""
    chosen = DocumentRow.collection_id == collection_id
    counts: Counter[Key] = Counter({(collection_id, _DOCUMENTS): 0, (collection_id, _ROWS): 0})
    for query, name in _totals(with_rows=True):
        for row in connection.execute(query.where(chosen)):
            counts[row[0], name] += int(row[1])
    for row in connection.execute(_passages().where(chosen)):
        counts[tuple(row[:-1])] += int(row[-1])
    return counts


def _kept(connection: Connection, collection_id: str) -> Counter[Key]:
    totals = connection.execute(
        select(CollectionRow.document_count, CollectionRow.row_count).where(CollectionRow.id == collection_id)
    ).one()
    counts: Counter[Key] = Counter(
        {(collection_id, _DOCUMENTS): totals[0], (collection_id, _ROWS): totals[1]}
    )
    places = select(*_PLACE, PassageCountRow.chunk_count).where(
        PassageCountRow.collection_id == collection_id
    )
    counts.update({tuple(row[:-1]): int(row[-1]) for row in connection.execute(places)})
    return counts


def _totals(*, with_rows: bool) -> list[tuple[Select, str]]:
    """Queries for (collection, count), and the counter of each."""
    documents = select(DocumentRow.collection_id, func.count()).group_by(DocumentRow.collection_id)
    rows = (
        select(DocumentRow.collection_id, func.count())
        .select_from(ChunkRow)
        .join(DocumentRow, DocumentRow.id == ChunkRow.document_id)
        .group_by(DocumentRow.collection_id)
    )
    return [(documents, _DOCUMENTS), (rows, _ROWS)] if with_rows else [(documents, _DOCUMENTS)]


def _passages() -> Select:
    """A query for (collection, language, file type, folder, passages)."""
    place = (
        DocumentRow.collection_id,
        DocumentLanguageRow.language,
        DocumentRow.file_type,
        DocumentRow.folder,
    )
    return (
        select(*place, func.sum(DocumentLanguageRow.chunk_count))
        .join(DocumentLanguageRow, DocumentLanguageRow.document_id == DocumentRow.id)
        .group_by(*place)
    )


def _change(connection: Connection, difference: Counter[Key]) -> None:
    """Add to the counters, always in one order, so that two machines cannot wait for each other."""
    for key, count in sorted(difference.items()):
        if not count:
            continue
        if len(key) == 2:
            column = getattr(CollectionRow, key[1])
            connection.execute(
                update(CollectionRow).where(CollectionRow.id == key[0]).values({column: column + count})
            )
            continue
        values = {column.key: value for column, value in zip(_PLACE, key, strict=True)}
        added = upsert(connection, PassageCountRow).values(**values, chunk_count=count)
        total = PassageCountRow.chunk_count + count
        connection.execute(
            added.on_conflict_do_update(index_elements=list(_PLACE), set_={"chunk_count": total})
        )
        if count < 0:
            its_place = [column == value for column, value in zip(_PLACE, key, strict=True)]
            connection.execute(delete(PassageCountRow).where(*its_place, PassageCountRow.chunk_count <= 0))
