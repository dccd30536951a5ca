"""Questions to a library, and what is shown of a passage. No gradio."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.types import ChunkInfo, SearchResult
from ui.filters import SearchFilters
from ui.questions import read_queries

if TYPE_CHECKING:
    from indexer.library.library import Library

PREVIEW_WIDTH = 900
NEIGHBOURS = 3


def search(library: "Library", query: str, collection: str, filters: SearchFilters) -> SearchResult:
    """Ranked hits. The collection must exist."""
    return library.search(
        query, collection=collection, mode=filters.mode, top_k=filters.top_k, where=filters.where()
    )


def run_queries(
    library: "Library", path: Path, collection: str, filters: SearchFilters
) -> Iterator[SearchResult]:
    """Search for every question of a file, in its order."""
    for query in read_queries(path):
        yield search(library, query, collection, filters)


def similar(library: "Library", chunk_id: str, collection: str, *, in_other_languages: bool) -> SearchResult:
    """What is nearest in meaning to a passage, in other documents of its collection."""
    return library.similar([chunk_id], collection=collection, in_other_languages=in_other_languages)


def context(library: "Library", chunk_id: str) -> list[ChunkInfo]:
    """A passage with its neighbours, in reading order."""
    return library.context(chunk_id, before=NEIGHBOURS, after=NEIGHBOURS)


def page_png(library: "Library", chunk_id: str) -> tuple[bytes, int] | None:
    """The PDF page that a passage stands on, or nothing when its document has no pages to show."""
    passage = library.chunk(chunk_id)
    page = passage.chunk.page
    if passage.file_type != "pdf" or page is None:
        return None
    document = next(iter(library.documents_by_id([passage.document_id])), None)
    if document is None:
        return None
    from indexer.library.page_image import page_image

    return page_image(Path(document.stored_path), page, PREVIEW_WIDTH), page
