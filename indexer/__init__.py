"""indexer: documents to a searchable library, and sentences to parallel text; knows no screens.

``indexer.Library.open(folder)`` is the door; docs/python.md shows it at work. Names are imported when first
used, so that ``import indexer`` stays quick.
"""

from typing import TYPE_CHECKING, Any

from indexer.errors import IndexerError

if TYPE_CHECKING:
    from indexer.ingest.report import AddReport
    from indexer.library.library import Library
    from indexer.types import Filters, Hit, SearchResult

_HOMES = {
    "AddReport": "indexer.ingest.report",
    "Hit": "indexer.types",
    "Library": "indexer.library.library",
    "SearchResult": "indexer.types",
    "Filters": "indexer.types",
}

__all__ = ["AddReport", "Filters", "Hit", "IndexerError", "Library", "SearchResult"]


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'indexer' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
