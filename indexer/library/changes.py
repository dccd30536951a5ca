"""Which documents of a collection have changed since somebody looked."""

from collections.abc import Mapping

from indexer.catalog import Catalog

Fingerprints = Mapping[str, int]
"""By document: a number that changes with whatever its points hold. Of this process only."""


def fingerprints(catalog: Catalog, collection_id: str) -> Fingerprints:
    """As the documents are now."""
    return {
        record.id: hash((record.generation, record.path, record.title, record.pending_hash))
        for record in catalog.documents.iter_records(collection_id)
    }


def changed_documents(catalog: Catalog, collection_id: str, seen: Fingerprints) -> list[str]:
    """The documents that are new or different since ``seen``."""
    now = fingerprints(catalog, collection_id)
    return [document for document, number in now.items() if seen.get(document) != number]
