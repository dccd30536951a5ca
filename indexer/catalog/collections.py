"""Collections: made with a model contract, listed with counts."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from indexer.catalog.database import Database
from indexer.catalog.records import CollectionRecord, moment
from indexer.catalog.tables import CollectionRow, PassageCountRow, SettingRow
from indexer.errors import CollectionError
from indexer.types import CollectionInfo

_MAX_NAME = 100
_COLUMNS = (
    CollectionRow.id,
    CollectionRow.name,
    CollectionRow.model,
    CollectionRow.contract,
    CollectionRow.contract_digest,
    CollectionRow.dimension,
    CollectionRow.created_at,
)


@dataclass(eq=False)
class CollectionQueries:
    """Queries on collections."""

    database: Database

    def create(
        self, name: str, *, model: str, contract: str, contract_digest: str, dimension: int, created_at: float
    ) -> CollectionRecord:
        """Make a collection.

        Raises:
            CollectionError: the name is taken, empty or too long.
        """
        if not 1 <= len(name) <= _MAX_NAME or not name.isprintable() or name != name.strip():
            raise CollectionError(
                f"Collection name {name[:_MAX_NAME]!r} cannot be used. Expected 1 to {_MAX_NAME} printable "
                "characters without spaces around them. Choose another name."
            )
        record = CollectionRecord(
            str(uuid.uuid4()), name, model, contract, contract_digest, dimension, created_at
        )
        with self.database.write() as connection:
            try:
                connection.execute(insert(CollectionRow).values(**vars(record)))
            except IntegrityError as error:
                raise CollectionError(
                    f"There is a collection named {name!r} already. Choose another name, or use that one."
                ) from error
        return record

    def find(self, name: str) -> CollectionRecord | None:
        """The collection of that name or id, or None."""
        query = select(*_COLUMNS).where((CollectionRow.name == name) | (CollectionRow.id == name))

        def find() -> CollectionRecord | None:
            with self.database.read() as connection:
                row = connection.execute(query).first()
            return None if row is None else CollectionRecord(*row)

        return self.database.remembered(("collection", name), find)

    def get(self, name: str) -> CollectionRecord:
        """The collection of that name or id.

        Raises:
            CollectionError: there is none.
        """
        record = self.find(name)
        if record is None:
            known = ", ".join(repr(item.name) for item in self.records()) or "none yet"
            raise CollectionError(
                f"There is no collection named {name!r}. Known collections: {known}. "
                "Add documents to make one, or choose one of these."
            )
        return record

    def records(self) -> list[CollectionRecord]:
        """All collections, by name."""
        with self.database.read() as connection:
            rows = connection.execute(select(*_COLUMNS).order_by(CollectionRow.name)).all()
        return [CollectionRecord(*row) for row in rows]

    def infos(self) -> list[CollectionInfo]:
        """All collections with their counts, by name."""
        return list(self.database.remembered("collections", self._collections))

    def _collections(self) -> list[CollectionInfo]:
        total = func.sum(PassageCountRow.chunk_count)
        by_language = (
            select(PassageCountRow.collection_id, PassageCountRow.language, total)
            .group_by(PassageCountRow.collection_id, PassageCountRow.language)
            .order_by(total.desc(), PassageCountRow.language)
        )
        with self.database.read() as connection:
            query = select(*_COLUMNS, CollectionRow.document_count).order_by(CollectionRow.name)
            rows = connection.execute(query).all()
            languages: dict[str, dict[str, int]] = {row.id: {} for row in rows}
            for collection_id, language, count in connection.execute(by_language):
                languages[collection_id][language] = int(count)
        return [
            CollectionInfo(
                id=row.id,
                name=row.name,
                model=row.model,
                contract=row.contract_digest,
                documents=row.document_count,
                chunks=sum(languages[row.id].values()),
                languages=languages[row.id],
                created_at=moment(row.created_at),
            )
            for row in rows
        ]

    def switch(self, target: CollectionRecord, settings: Mapping[str, Any]) -> None:
        """Give a collection another model and put settings of it, all at once.

        Args:
            target: the collection as it is to be; its name and date stay as they are.
            settings: JSON values by key, in the scope of the collection.
        """
        with self.database.write() as connection:
            connection.execute(
                update(CollectionRow)
                .where(CollectionRow.id == target.id)
                .values(
                    model=target.model,
                    contract=target.contract,
                    contract_digest=target.contract_digest,
                    dimension=target.dimension,
                )
            )
            connection.execute(
                delete(SettingRow).where(SettingRow.scope == target.id, SettingRow.key.in_(settings))
            )
            for key, value in settings.items():
                connection.execute(insert(SettingRow).values(scope=target.id, key=key, value=value))

    def drop(self, collection_id: str) -> None:
        """Forget a collection with its documents, chunks and settings."""
        with self.database.write() as connection:
            connection.execute(delete(SettingRow).where(SettingRow.scope == collection_id))
            connection.execute(delete(CollectionRow).where(CollectionRow.id == collection_id))
