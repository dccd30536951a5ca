"""Documents taken out of a collection by what a person calls them."""

from collections.abc import Sequence
from pathlib import Path

from indexer.catalog import Catalog
from indexer.errors import QueryError
from indexer.ingest.find import named_documents
from indexer.library.blobs import KeptFiles


def choose_documents(
    catalog: Catalog, files: KeptFiles, names: Sequence[str], collection: str, folder: Path
) -> dict[str, str]:
    """Paths of the documents that are named, by id.

    Args:
        catalog, files: of the library.
        names: ids, paths as search shows them, files, folders or archives that were added.
        collection: name or id.
        folder: where relative paths begin.

    Raises:
        CollectionError: there is no such collection.
        QueryError: a name means no document.
    """
    places = catalog.documents.places(catalog.collections.get(collection).id)
    chosen: dict[str, str] = {}
    unknown = []
    for name in names:
        found = named_documents(places, name, files, folder)
        chosen |= {one.id: one.path for one in found}
        if not found:
            unknown.append(name)
    if unknown:
        raise QueryError(
            f"Collection {collection!r} has no document {', '.join(map(repr, unknown))}. Expected a file or "
            "folder that was added, or a document as search shows it. Nothing was removed."
            f"{_elsewhere(catalog, files, unknown, collection, folder)}"
        )
    return chosen


def _elsewhere(
    catalog: Catalog, files: KeptFiles, names: Sequence[str], collection: str, folder: Path
) -> str:
    """A hint at other collections that have these documents."""
    others: list[str] = []
    for other in catalog.collections.records():
        if other.name != collection:
            places = catalog.documents.places(other.id)
            if any(named_documents(places, name, files, folder) for name in names):
                others.append(other.name)
    return f" Found in {', '.join(map(repr, others))}: choose it with --collection." if others else ""
