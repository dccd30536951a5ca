"""What the filters of the search tab say, and what that means to the library."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from indexer.errors import IndexerError
from indexer.types import Filters, SearchMode

ADDED_DAYS: dict[str, int] = {"day": 1, "week": 7, "month": 31, "year": 366}


@dataclass(frozen=True)
class SearchFilters:
    """What the filters of the search tab say, in the page's own terms. Empty means no restriction."""

    mode: SearchMode = "hybrid"
    languages: tuple[str, ...] = ()
    file_types: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    added: str = ""
    document_id: str = ""
    top_k: int = 10

    def where(self, now: datetime | None = None) -> Filters:
        """The same restriction in the library's terms."""
        days = ADDED_DAYS.get(self.added)
        after = (now or datetime.now(UTC)) - timedelta(days=days) if days else None
        documents = (self.document_id,) if self.document_id else ()
        return Filters(self.languages, self.file_types, self.folders, documents, added_after=after)


def to_filters(
    mode: str = "hybrid",
    languages: Sequence[str] | None = None,
    file_types: Sequence[str] | None = None,
    folders: Sequence[str] | None = None,
    added: str | None = None,
    *,
    document_id: str = "",
    top_k: int = 10,
) -> SearchFilters:
    """Filters from the values of the page's controls, which may be empty or missing."""
    if mode not in ("hybrid", "dense", "lexical"):
        raise IndexerError(f"Unknown search mode '{mode}'. Expected hybrid, dense or lexical.")
    return SearchFilters(
        mode=cast(SearchMode, mode),
        languages=tuple(languages or ()),
        file_types=tuple(file_types or ()),
        folders=tuple(folders or ()),
        added=added or "",
        document_id=document_id,
        top_k=max(1, min(int(top_k), 100)),
    )
