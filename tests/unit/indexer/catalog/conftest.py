"""A catalog in each kind of database at hand, and documents to put into it."""

import os
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from indexer.catalog import Catalog, ChunkRecord, CollectionRecord, DocumentRecord, PassResult
from indexer.types import Chunk

URLS = ["sqlite", *(["postgresql"] if "DATABASE_URL" in os.environ else [])]


@pytest.fixture(params=URLS)
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalog]:
    if request.param == "sqlite":
        opened = Catalog.open(tmp_path / "catalog.sqlite3")
    else:
        opened = Catalog.open(os.environ["DATABASE_URL"])
        for one in opened.collections.records():
            opened.collections.drop(one.id)
        with opened.database.write() as connection:
            connection.execute(text("DELETE FROM jobs"))
            connection.execute(text("DELETE FROM settings"))
    yield opened
    opened.close()


class Shelf:
    """One collection, and the steps of ingest on its documents."""

    def __init__(self, catalog: Catalog, name: str = "library") -> None:
        self.catalog = catalog
        self.collection: CollectionRecord = catalog.collections.create(
            name, model="fake", contract="{}", contract_digest="0" * 16, dimension=3, created_at=5.0
        )

    def begin(
        self, path: str, languages: dict[str, int], **values: Any
    ) -> tuple[DocumentRecord, list[ChunkRecord]]:
        """A pass whose chunks are written and not yet marked."""
        record = DocumentRecord(
            id=str(uuid.uuid5(uuid.UUID(self.collection.id), path)),
            collection_id=self.collection.id,
            path=path,
            source=f"/disk/{path}",
            title=path.rsplit("/", 1)[-1],
            file_type=path.rsplit(".", 1)[-1],
            size_bytes=10,
            mtime_ns=1,
            added_at=100.0,
            pending_hash="h",
        )
        record = replace(record, **values)
        spoken = [language for language, count in languages.items() for _ in range(count)]
        chunks = [
            ChunkRecord(
                str(uuid.uuid5(uuid.UUID(record.id), f"{record.generation}.{number}")),
                record.id,
                record.generation + 1,
                Chunk(number, number, number + 1, "text", language=language),
            )
            for number, language in enumerate(spoken)
        ]
        self.catalog.documents.put([record])
        self.catalog.chunks.put(chunks)
        return record, chunks

    def add(self, path: str, languages: dict[str, int], **values: Any) -> DocumentRecord:
        """A document that is read from end to end; as the catalog has it then."""
        warnings = values.get("warnings", ())
        record, chunks = self.begin(path, languages, **values)
        self.catalog.chunks.mark([one.id for one in chunks], "indexed")
        result = PassResult(record.title, record.file_type, warnings=warnings)
        self.catalog.documents.finish({record.id: result})
        return self.catalog.documents.records([record.id])[0]

    def remove_stale(self) -> None:
        """As ingest does after a pass."""
        self.catalog.chunks.delete(self.catalog.chunks.stale(self.collection.id))

    def kept(self) -> tuple[int, int, dict[str, int], dict[str, int]]:
        """Documents, passages, passages by language and by folder, all from the counters."""
        info = next(one for one in self.catalog.collections.infos() if one.id == self.collection.id)
        folders = self.catalog.facets.counts(self.collection.id)["folder"]
        assert info.chunks == self.catalog.facets.count_chunks(self.collection.id)
        return info.documents, info.chunks, dict(info.languages), dict(folders)


@pytest.fixture
def shelf(catalog: Catalog) -> Shelf:
    return Shelf(catalog)
