"""Documents taken out of collections: chosen by what a person calls them, or because their files are gone."""

from collections.abc import Sequence
from pathlib import Path

from indexer.catalog import Catalog
from indexer.errors import QueryError
from indexer.ingest.find import named_documents
from indexer.ingest.losses import file_of, is_below
from indexer.ingest.scan import is_missing
from indexer.library.blobs import BlobStore


def choose_documents(
    catalog: Catalog, files: BlobStore, names: Sequence[str], collection: str, folder: Path
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
        result = named_documents(places, name, files, folder)
        chosen |= {item.id: item.path for item in result}
        if not result:
            unknown.append(name)
    if unknown:
        raise QueryError(
            f"Collection {collection!r} has no document {', '.join(map(repr, unknown))}. Expected a file or "
            "folder that was added, or a document as search shows it. Nothing was done."
            f"{_elsewhere(catalog, files, unknown, collection, folder)}"
        )
    return chosen


def _elsewhere(
    catalog: Catalog, files: BlobStore, names: Sequence[str], collection: str, folder: Path
) -> str:
    """A hint at other collections that have these documents."""
    others: list[str] = []
    for other in catalog.collections.records():
        if other.name != collection:
            places = catalog.documents.places(other.id)
            if any(named_documents(places, name, files, folder) for name in names):
                others.append(other.name)
    return f" Found in {', '.join(map(repr, others))}: choose it with --collection." if others else ""


def lost_documents(catalog: Catalog, files: BlobStore, job_id: str, collection: str) -> list[str]:
    """Ids of the documents whose files are no longer in the folders that a job has indexed.

    Raises:
        CollectionError: there is no such collection.
    """
    job = catalog.jobs.find(job_id)
    paths = [Path(path) for path in job.params.get("paths", ())] if job else []
    places = catalog.documents.places(catalog.collections.get(collection).id)
    located = {place.id: file for place in places if (file := file_of(place, files))}
    return [
        document_id for document_id, file in located.items() if is_below(file, paths) and is_missing(file)
    ]
