"""Values that cross package borders: frozen, without behaviour, without rows or handles.

The *extracted text* of a document is the concatenation of its blocks, with nothing between them. All
offsets are characters (Python ``str`` indices) into that text. Chunks cover it without gaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from me5.states import State

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DocumentState = Literal["pending", "indexed", "failed"]
SearchMode = Literal["hybrid", "dense", "lexical"]
Fusion = Literal["rrf", "dbsf"]
Confidence = Literal["strong", "likely", "weak", "none"]


@dataclass(frozen=True)
class Block:
    """A piece of extracted text and where it came from. Blocks are consecutive and leave no gap."""

    text: str
    start: int
    page: int | None = None
    section: str | None = None


@dataclass(frozen=True)
class ReadInfo:
    """What a reader learned about a file besides its text. ``title`` is empty where the file states none."""

    file_type: str
    title: str
    encoding: str | None = None
    pages: int | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class LanguageGuess:
    """BCP-47 code (``und`` when unsure), ISO 15924 script (``Zyyy`` when none), confidence in 0..1."""

    language: str
    script: str
    confidence: float


@dataclass(frozen=True)
class Chunk:
    """A span of a document's extracted text, the unit that is embedded and found."""

    ordinal: int
    start: int
    end: int
    text: str
    page: int | None = None
    section: str | None = None
    token_count: int = 0
    language: str = "und"
    script: str = "Zyyy"
    language_confidence: float = 0.0


@dataclass(frozen=True)
class SparseVector:
    """Feature ids (uint32, unique, ascending) and positive weights (float32) of the same length."""

    indices: NDArray[np.uint32]
    values: NDArray[np.float32]


@dataclass(frozen=True)
class Point:
    """One chunk as the vector store keeps it. ``id`` is a uuid5 string."""

    id: str
    dense: NDArray[np.float32]
    sparse: SparseVector
    payload: Mapping[str, str | int | float | list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class ScoredPoint:
    """A point that answers a query; ``score`` as the store ranked it, ``dense`` when asked for."""

    id: str
    score: float
    dense: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Filters:
    """Filters of a search. Empty means no restriction; several values of one field are alternatives."""

    languages: tuple[str, ...] = ()
    file_types: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    added_after: datetime | None = None
    added_before: datetime | None = None


@dataclass(frozen=True)
class CollectionInfo:
    """A collection as people see it."""

    id: str
    name: str
    model: str
    contract: str
    documents: int
    chunks: int
    languages: Mapping[str, int]
    created_at: datetime


@dataclass(frozen=True)
class DocumentInfo:
    """A catalogued document. ``warnings`` are what its reader had to leave out or guess."""

    id: str
    collection: str
    path: str
    title: str
    file_type: str
    size_bytes: int
    state: DocumentState
    error: str | None
    chunks: int
    pages: int | None
    languages: Mapping[str, int]
    added_at: datetime
    stored_path: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class DocumentPage:
    """The first documents of a list, how many are in it, and how many of those have warnings."""

    documents: tuple[DocumentInfo, ...]
    matching: int
    warned: int


@dataclass(frozen=True)
class Origin:
    """Where a passage comes from."""

    document_id: str
    language: str


@dataclass(frozen=True)
class ChunkInfo:
    """A catalogued chunk with the identity of its document."""

    id: str
    document_id: str
    collection: str
    document: str
    title: str
    file_type: str
    chunk: Chunk


@dataclass(frozen=True)
class Hit:
    """A found passage. ``evidence`` are offsets into ``text`` of the sentence that matches best."""

    chunk_id: str
    document_id: str
    document: str
    title: str
    collection: str
    score: float
    cosine: float | None
    confidence: Confidence
    language: str
    file_type: str
    page: int | None
    section: str | None
    start: int
    end: int
    text: str
    evidence: tuple[int, int] | None
    more_in_document: int = 0


@dataclass(frozen=True)
class SearchResult:
    """Ranked hits, best first, with what the query was taken to be.

    ``can_tell`` is off where meaning cannot tell relevant passages from others in this collection: then the
    hits are the closest passages, and their ``confidence`` only says how many words of the query they have.
    """

    query: str
    language: str
    took_ms: float
    hits: tuple[Hit, ...]
    weak_hits: tuple[Hit, ...]
    facets: Mapping[str, Mapping[str, int]]
    notices: tuple[str, ...] = ()
    can_tell: bool = True


def closest_first(result: SearchResult) -> tuple[Hit, ...]:
    """All hits by score, whatever their confidence: the order where ``can_tell`` is off."""
    return tuple(sorted((*result.hits, *result.weak_hits), key=lambda hit: -hit.score))


Lane = Literal["quick", "long", "child"]
"""Of jobs: quick ones do not wait for long ones; a child is a process of its own."""


@dataclass(frozen=True)
class JobInfo:
    """Long work as the catalog records it; ``done`` and ``total`` count ``unit``.

    ``folder`` is that of a run in a process of its own, such as a training.
    """

    id: str
    kind: str
    collection: str
    state: State
    label: str
    done: int
    total: int
    unit: str
    message: str
    seconds_left: float | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    folder: str | None = None
