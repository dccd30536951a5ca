"""The catalog: what is known of collections, documents, chunks and jobs. The source of truth.

SQLite in WAL mode by default, PostgreSQL by URL. Values come out, rows never. The modules hold one
group of queries each; ``Catalog`` joins them. Vectors live elsewhere and can be made again from here.
"""

from indexer.catalog.bitexts import BitextQueries
from indexer.catalog.chunks import ChunkQueries
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


class Catalog(
    CollectionQueries,
    CountQueries,
    DocumentQueries,
    ListingQueries,
    ChunkQueries,
    PassageQueries,
    FacetQueries,
    BitextQueries,
    JobQueries,
    SettingQueries,
):
    """All queries on one database. Safe to use from several threads; ``close`` when done."""
