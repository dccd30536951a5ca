"""Chunks to points: vectors, sparse features and the payload that filters look at."""

from collections.abc import Callable, Sequence

from indexer.catalog import ChunkRecord, DocumentRecord
from indexer.catalog.documents import ancestor_folders
from indexer.search import lexical
from indexer.text.chunking import ChunkSettings, fit_title
from indexer.text.file_names import with_file_name
from indexer.types import Point, SparseVector
from me5.encoder import Encoder
from me5.prefixes import Role

Payload = dict[str, str | int | float | list[str]]


def payload_of(document: DocumentRecord, language: str) -> Payload:
    """The filterable facts of a passage."""
    return {
        "language": language,
        "file_type": document.file_type,
        "folders": ancestor_folders(document.path),
        "document_id": document.id,
        "added_at": document.added_at,
    }


def sparse_of(document: DocumentRecord, records: Sequence[ChunkRecord]) -> list[SparseVector]:
    """The sparse vector of each chunk, with the words of the title and of the file's name."""
    names = with_file_name(document.title, document.path)
    return [lexical.sparse_passage(record.chunk.text, names) for record in records]


def embed(
    encoder: Encoder,
    documents: Sequence[DocumentRecord],
    records: Sequence[ChunkRecord],
    sparse: Sequence[SparseVector],
    *,
    settings: ChunkSettings,
    on_progress: Callable[[int], None] | None = None,
) -> list[Point]:
    """Points of chunks.

    Args:
        encoder: the model of the collection.
        documents: the document of each chunk.
        records: the chunks.
        sparse: the sparse vector of each chunk.
        settings: as the chunks were cut with; decides how much of a long title is kept.
        on_progress: told how many chunks the model has done.
    """
    fitted = {
        item.title: fit_title(item.title, encoder, settings) for item in {d.id: d for d in documents}.values()
    }
    dense_ND = encoder.encode(
        [record.chunk.text for record in records],
        Role.PASSAGE,
        titles=[fitted[document.title] for document in documents],
        on_progress=on_progress,
    )
    return [
        Point(record.id, row_D, features, payload_of(document, record.chunk.language))
        for record, document, row_D, features in zip(records, documents, dense_ND, sparse, strict=True)
    ]
