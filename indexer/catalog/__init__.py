"""The catalog: what is known of collections, documents, chunks and jobs. The source of truth.

SQLite in WAL mode by default, PostgreSQL by URL. Values come out, rows never. A module holds the queries on
one subject; ``Catalog`` has one object of each. Vectors live elsewhere and can be made again from here.
"""

from dataclasses import dataclass
from pathlib import Path

from indexer.catalog.bitexts import BitextQueries
from indexer.catalog.chunks import ChunkQueries
from indexer.catalog.claims import ClaimQueries
from indexer.catalog.collections import CollectionQueries
from indexer.catalog.counts import CountQueries
from indexer.catalog.database import Database
from indexer.catalog.documents import DocumentQueries
from indexer.catalog.facets import FacetQueries
from indexer.catalog.jobs import JobQueries
from indexer.catalog.listing import ListingQueries
from indexer.catalog.passages import PassageQueries
from indexer.catalog.records import ChunkRecord, CollectionRecord, DocumentRecord, PassResult
from indexer.catalog.settings import SettingQueries

__all__ = ["Catalog", "ChunkRecord", "CollectionRecord", "Database", "DocumentRecord", "PassResult"]


@dataclass(frozen=True)
class Catalog:
    """All queries on one database: ``catalog.jobs.claim(…)``. Safe to use from several threads."""

    database: Database
    collections: CollectionQueries
    counts: CountQueries
    documents: DocumentQueries
    listing: ListingQueries
    chunks: ChunkQueries
    passages: PassageQueries
    facets: FacetQueries
    bitexts: BitextQueries
    jobs: JobQueries
    claims: ClaimQueries
    settings: SettingQueries

    @classmethod
    def open(cls, url: str | Path) -> "Catalog":
        """Connect to a database, and bring its tables to the schema of this version; ``close`` when done.

        Args:
            url: an SQLAlchemy URL, or the path of an SQLite file; ``sqlite://`` is a database in memory for
                tests.

        Raises:
            CatalogError: the database cannot be reached, or its schema is newer than this code.
        """
        database = Database(url)
        return cls(
            database,
            collections=CollectionQueries(database),
            counts=CountQueries(database),
            documents=DocumentQueries(database),
            listing=ListingQueries(database),
            chunks=ChunkQueries(database),
            passages=PassageQueries(database),
            facets=FacetQueries(database),
            bitexts=BitextQueries(database),
            jobs=JobQueries(database),
            claims=ClaimQueries(database),
            settings=SettingQueries(database),
        )

    def close(self) -> None:
        """Release all connections."""
        self.database.close()
