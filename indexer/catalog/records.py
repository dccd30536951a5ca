"""What the catalog hands out and takes in beyond ``indexer.types``: frozen values."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from indexer.types import Chunk, DocumentState

ChunkState = Literal["pending", "indexed"]


@dataclass(frozen=True)
class CollectionRecord:
    """A collection as the code needs it. ``contract`` is the JSON of a ``me5.ModelContract``."""

    id: str
    name: str
    model: str
    contract: str
    contract_digest: str
    dimension: int
    created_at: float

    @property
    def store_name(self) -> str:
        """Where the vectors of this collection and model live in the vector store."""
        return f"{self.id}-{self.contract_digest[:8]}"


@dataclass(frozen=True)
class DocumentRecord:
    """A document as ingest sees it.

    Attributes:
        path: the name shown to people, as it was given.
        source: absolute location of the bytes on disk.
        content_hash: of the bytes that are indexed; None before the first pass is complete.
        pending_hash: of the bytes that a pass under way reads; None at rest.
        generation: the complete pass; a pass under way writes chunks of ``generation + 1``.
        host: id of the machine that reads ``source``, where several share the catalog.
    """

    id: str
    collection_id: str
    path: str
    source: str
    title: str
    file_type: str
    size_bytes: int
    mtime_ns: int
    added_at: float
    content_hash: str | None = None
    pending_hash: str | None = None
    generation: int = 0
    state: DocumentState = "pending"
    error: str | None = None
    encoding: str | None = None
    pages: int | None = None
    warnings: tuple[str, ...] = ()
    host: str | None = None


@dataclass(frozen=True)
class DocumentPlace:
    """Where a document is: the name shown to people, and the absolute location of its bytes."""

    id: str
    path: str
    source: str


@dataclass(frozen=True)
class ChunkRecord:
    """A chunk with its identity, on the way between catalog, encoder and vector store."""

    id: str
    document_id: str
    generation: int
    chunk: Chunk
    state: ChunkState = "pending"


@dataclass(frozen=True)
class PassResult:
    """What is known of a document when a pass over it is complete."""

    title: str
    file_type: str
    encoding: str | None = None
    pages: int | None = None
    warnings: tuple[str, ...] = field(default=())


def moment(seconds: float) -> datetime:
    """Unix seconds as an aware datetime in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
