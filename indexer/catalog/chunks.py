"""Chunks: written in bulk, marked when indexed, read by id, by neighbourhood and at random."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from sqlalchemy import BindParameter, Row, Select, and_, bindparam, case, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from indexer.catalog.counts import counting_chunks
from indexer.catalog.database import Database, slices
from indexer.catalog.recall import Recall
from indexer.catalog.records import ChunkRecord, ChunkState
from indexer.catalog.tables import ChunkRow, CollectionRow, DocumentRow, PassageCountRow
from indexer.types import Chunk, ChunkInfo, Origin
from me5.storable import storable

CHUNK_COLUMNS = (
    ChunkRow.id,
    ChunkRow.document_id,
    ChunkRow.generation,
    ChunkRow.ordinal,
    ChunkRow.start,
    ChunkRow.end,
    ChunkRow.text,
    ChunkRow.page,
    ChunkRow.section,
    ChunkRow.token_count,
    ChunkRow.language,
    ChunkRow.script,
    ChunkRow.language_confidence,
    ChunkRow.state,
)
_FIXED = {"id", "document_id"}
_PAGE = 10_000  # ids
_REMEMBERED_PASSAGES = 4_096  # some 2 KB each
_REMEMBERED_ORIGINS = 32_768  # some 300 bytes each
_IS_STALE = ChunkRow.generation < DocumentRow.generation
_IS_LEFT_OVER = and_(DocumentRow.pending_hash.is_(None), ChunkRow.generation > DocumentRow.generation)


@dataclass(eq=False)
class ChunkQueries:
    """Queries on chunks. Passages that were read last are remembered until documents or chunks change."""

    database: Database
    _infos: Recall[ChunkInfo] = field(default_factory=lambda: Recall(_REMEMBERED_PASSAGES), init=False)
    _origins: Recall[Origin] = field(default_factory=lambda: Recall(_REMEMBERED_ORIGINS), init=False)

    def put(self, records: Sequence[ChunkRecord]) -> None:
        """Insert chunks; those with known ids are taken over by the new pass, state included."""
        if not records:
            return
        rows = [_values(record) for record in records]
        statement = (sqlite if self.database.is_sqlite else postgresql).insert(ChunkRow)
        updated = {name: statement.excluded[name] for name in rows[0] if name not in _FIXED}
        updated["kept_from"] = case(
            (ChunkRow.kept_from.is_not(None), ChunkRow.kept_from),
            (ChunkRow.generation < statement.excluded.generation, ChunkRow.generation),
            else_=None,
        )
        statement = statement.on_conflict_do_update(index_elements=[ChunkRow.id], set_=updated)
        ids = [record.id for record in records]
        with self.database.write("chunks") as connection, counting_chunks(connection, ids):
            connection.execute(statement, rows)

    def mark(self, chunk_ids: Sequence[str], state: ChunkState) -> None:
        """Set the state of chunks."""
        with self.database.write("chunks") as connection:
            for part in slices(chunk_ids):
                connection.execute(update(ChunkRow).where(ChunkRow.id.in_(part)).values(state=state))

    def delete(self, chunk_ids: Sequence[str]) -> None:
        """Forget chunks. Their points must be gone from the vector store before."""
        with self.database.write("chunks") as connection, counting_chunks(connection, chunk_ids):
            for part in slices(chunk_ids):
                connection.execute(delete(ChunkRow).where(ChunkRow.id.in_(part)))

    def indexed_among(self, chunk_ids: Sequence[str], generation: int) -> set[str]:
        """Those of the ids that are indexed and were written by pass ``generation``."""
        result: set[str] = set()
        with self.database.read() as connection:
            for part in slices(chunk_ids):
                query = select(ChunkRow.id).where(
                    ChunkRow.id.in_(part), ChunkRow.state == "indexed", ChunkRow.generation == generation
                )
                result.update(connection.execute(query).scalars())
        return result

    def by_id(self, chunk_ids: Sequence[str]) -> list[ChunkInfo]:
        """Chunks in the order of the ids; unknown ids are left out."""
        wanted = list(dict.fromkeys(chunk_ids))
        result = self._infos.get(wanted, self.database.passage_changes, self._read_infos)
        return [result[item] for item in wanted if item in result]

    def origins(self, chunk_ids: Sequence[str]) -> dict[str, Origin]:
        """The document and the language of each passage that exists, without reading texts."""
        return self._origins.get(chunk_ids, self.database.passage_changes, self._read_origins)

    def _read_infos(self, chunk_ids: Sequence[str]) -> dict[str, ChunkInfo]:
        return {row[0]: _info(row) for row in self._read_by_id(_BY_ID, chunk_ids)}

    def _read_origins(self, chunk_ids: Sequence[str]) -> dict[str, Origin]:
        return {row[0]: Origin(row[1], row[2]) for row in self._read_by_id(_ORIGINS, chunk_ids)}

    def _read_by_id(self, queries: Mapping[bool, Select], chunk_ids: Sequence[str]) -> list[Row]:
        query = queries[self.database.is_sqlite]
        rows: list[Row] = []
        with self.database.read() as connection:
            for part in slices(chunk_ids):
                ids = json.dumps(part) if self.database.is_sqlite else part
                rows.extend(connection.execute(query, {"ids": ids}).all())
        return rows

    def context(self, chunk_id: str, before: int, after: int) -> list[ChunkInfo]:
        """A chunk with its neighbours in reading order; empty when the id is unknown."""
        with self.database.read() as connection:
            place = connection.execute(
                select(ChunkRow.document_id, ChunkRow.generation, ChunkRow.ordinal).where(
                    ChunkRow.id == chunk_id
                )
            ).first()
            if place is None:
                return []
            rows = connection.execute(
                _info_query()
                .where(
                    ChunkRow.document_id == place.document_id,
                    ChunkRow.generation == place.generation,
                    ChunkRow.ordinal.between(place.ordinal - before, place.ordinal + after),
                )
                .order_by(ChunkRow.ordinal)
            ).all()
        return [_info(row) for row in rows]

    def records(self, chunk_ids: Sequence[str]) -> list[ChunkRecord]:
        """Chunks as ingest sees them, in the order of the ids; unknown ids are left out."""
        results: dict[str, ChunkRecord] = {}
        with self.database.read() as connection:
            for part in slices(chunk_ids):
                rows = connection.execute(select(*CHUNK_COLUMNS).where(ChunkRow.id.in_(part)))
                results.update((row.id, _record(row)) for row in rows)
        return [results[item] for item in dict.fromkeys(chunk_ids) if item in results]

    def of_documents(self, document_ids: Sequence[str]) -> list[str]:
        """Ids of all chunks of the documents, of every pass and state."""
        ids: list[str] = []
        with self.database.read() as connection:
            for part in slices(document_ids):
                ids.extend(
                    connection.execute(select(ChunkRow.id).where(ChunkRow.document_id.in_(part))).scalars()
                )
        return ids

    def stale(
        self, collection_id: str, document_ids: Sequence[str] | None = None, *, at_most: int | None = None
    ) -> list[str]:
        """Ids of chunks that no longer count: of earlier passes, or of passes that were given up.

        Args:
            collection_id: whose.
            document_ids: of these documents only.
            at_most: so many for each 500 documents.
        """
        query = (
            select(ChunkRow.id)
            .join(DocumentRow, DocumentRow.id == ChunkRow.document_id)
            .where(DocumentRow.collection_id == collection_id, or_(_IS_STALE, _IS_LEFT_OVER))
        )
        parts = [None] if document_ids is None else slices(document_ids)
        ids: list[str] = []
        with self.database.read() as connection:
            for part in parts:
                item = query if part is None else query.where(DocumentRow.id.in_(part))
                ids.extend(connection.execute(item.limit(at_most)).scalars())
        return ids

    def has_stale(self, collection_id: str) -> bool:
        """Whether there may be any ``stale`` ones, without looking at chunks.

        At rest a collection has as many chunks as its documents count; a pass under way has more.
        """
        counted = select(func.coalesce(func.sum(PassageCountRow.chunk_count), 0)).where(
            PassageCountRow.collection_id == collection_id
        )
        query = select(CollectionRow.row_count, counted.scalar_subquery())
        with self.database.read() as connection:
            row = connection.execute(query.where(CollectionRow.id == collection_id)).first()
        return row is not None and int(row[0]) != int(row[1])

    def states(self, collection_id: str) -> tuple[int, int]:
        """How many chunks are indexed, and how many are pending, of every pass."""
        # First the few that are pending, then whose they are: the other way round asks about every document.
        waiting = (
            select(ChunkRow.document_id, func.count())
            .where(ChunkRow.state == "pending")
            .group_by(ChunkRow.document_id)
        )
        total = select(CollectionRow.row_count).where(CollectionRow.id == collection_id)
        pending = 0
        with self.database.read() as connection:
            rows = int(connection.execute(total).scalar() or 0)
            counts = {row[0]: int(row[1]) for row in connection.execute(waiting)}
            for part in slices(list(counts)):
                mine = select(DocumentRow.id).where(
                    DocumentRow.collection_id == collection_id, DocumentRow.id.in_(part)
                )
                pending += sum(counts[scalar] for scalar in connection.execute(mine).scalars())
        return rows - pending, pending

    def iter_states(self, collection_id: str) -> Iterator[tuple[str, ChunkState]]:
        """Id and state of every chunk of the collection, of every pass, by id; read in pages."""
        # By primary key alone, then which count: joined with documents, every page would sort them all.
        query = select(ChunkRow.id, ChunkRow.state, ChunkRow.document_id).order_by(ChunkRow.id).limit(_PAGE)
        last = ""
        while True:
            with self.database.read() as connection:
                rows = connection.execute(query.where(ChunkRow.id > last)).all()
                mine: set[str] = set()
                for part in slices(list({row.document_id for row in rows})):
                    owners = select(DocumentRow.id).where(
                        DocumentRow.collection_id == collection_id, DocumentRow.id.in_(part)
                    )
                    mine.update(connection.execute(owners).scalars())
            for chunk_id, state, document_id in rows:
                if document_id in mine:
                    yield chunk_id, cast(ChunkState, state)
            if len(rows) < _PAGE:
                return
            last = rows[-1].id

    def sample(self, collection_id: str, count: int, seed: int = 0) -> list[str]:
        """Up to ``count`` ids of indexed chunks, spread evenly; the same seed gives the same ones.

        Ids are hashes, so the ids that follow random points in their order are a fair sample.
        """
        rng = random.Random(seed)
        chosen: dict[str, None] = {}
        query = (
            select(ChunkRow.id)
            .join(DocumentRow, DocumentRow.id == ChunkRow.document_id)
            .where(
                DocumentRow.collection_id == collection_id,
                ChunkRow.state == "indexed",
                ChunkRow.generation == DocumentRow.generation,
            )
            .order_by(ChunkRow.id)
        )
        indexed, _ = self.states(collection_id)
        with self.database.read() as connection:
            if indexed <= 20 * count:
                ids = list(connection.execute(query).scalars())
                return sorted(rng.sample(ids, min(count, len(ids))))
            # First neighbours by primary key alone, then which of them count: joined with documents, every
            # step would sort the whole collection.
            following = select(ChunkRow.id).order_by(ChunkRow.id).limit(1)
            for _ in range(4):
                points = [f"{rng.getrandbits(32):08x}" for _ in range(count)]
                results = [
                    connection.execute(following.where(ChunkRow.id >= point)).scalar() for point in points
                ]
                for part in slices([item for item in results if item is not None]):
                    chosen.update(
                        dict.fromkeys(connection.execute(query.where(ChunkRow.id.in_(part))).scalars())
                    )
                if len(chosen) >= count:
                    break
        return sorted(list(chosen)[:count])


def _values(record: ChunkRecord) -> dict[str, object]:
    chunk = record.chunk
    return {
        "id": record.id,
        "document_id": record.document_id,
        "generation": record.generation,
        "ordinal": chunk.ordinal,
        "start": chunk.start,
        "end": chunk.end,
        "text": storable(chunk.text),
        "page": chunk.page,
        "section": storable(chunk.section) if chunk.section else chunk.section,
        "token_count": chunk.token_count,
        "language": chunk.language,
        "script": chunk.script,
        "language_confidence": chunk.language_confidence,
        "state": record.state,
    }


def to_chunk(row: Row) -> Chunk:
    """The value behind a row of ``CHUNK_COLUMNS``."""
    return Chunk(
        ordinal=row.ordinal,
        start=row.start,
        end=row.end,
        text=row.text,
        page=row.page,
        section=row.section,
        token_count=row.token_count,
        language=row.language,
        script=row.script,
        language_confidence=row.language_confidence,
    )


def _record(row: Row) -> ChunkRecord:
    return ChunkRecord(row.id, row.document_id, row.generation, to_chunk(row), row.state)


def _info_query() -> Select:
    return (
        select(
            *CHUNK_COLUMNS,
            CollectionRow.name.label("collection"),
            DocumentRow.path,
            DocumentRow.title,
            DocumentRow.file_type,
        )
        .join(DocumentRow, DocumentRow.id == ChunkRow.document_id)
        .join(CollectionRow, CollectionRow.id == DocumentRow.collection_id)
    )


def _info(row: Row) -> ChunkInfo:
    (
        chunk_id, document_id, _, ordinal, start, end, text, page, section, tokens, language, script, sure, _,
        collection, path, title, file_type,
    ) = row  # fmt: skip
    chunk = Chunk(ordinal, start, end, text, page, section, tokens, language, script, sure)
    return ChunkInfo(chunk_id, document_id, collection, path, title, file_type, chunk)


def _by_id(query: Select) -> dict[bool, Select]:
    """A query of chunks by ids, for SQLite (True) and PostgreSQL: what every search asks, made once.

    SQLite takes the ids as one JSON text: the statement is then always the same.
    """
    in_json = select(func.json_each(bindparam("ids")).table_valued("value").c.value)
    expanding: BindParameter[list[str]] = bindparam("ids", expanding=True)
    return {True: query.where(ChunkRow.id.in_(in_json)), False: query.where(ChunkRow.id.in_(expanding))}


_BY_ID = _by_id(_info_query())
_ORIGINS = _by_id(select(ChunkRow.id, ChunkRow.document_id, ChunkRow.language))
