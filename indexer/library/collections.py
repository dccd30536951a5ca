"""Collections made for a model, and checked against one."""

import time

from indexer.catalog import Catalog, CollectionRecord
from indexer.errors import CollectionError
from indexer.store.protocol import VectorStore
from me5.encoder import Encoder


def create_collection(catalog: Catalog, store: VectorStore, encoder: Encoder, name: str) -> CollectionRecord:
    """Make a collection whose passages ``encoder`` embeds.

    Raises:
        CollectionError: the name is taken or cannot be used.
    """
    record = catalog.collections.create(
        name,
        model=encoder.spec.name,
        contract=encoder.contract.to_json(),
        contract_digest=encoder.contract.digest,
        dimension=encoder.dimension,
        created_at=time.time(),
    )
    store.ensure(record.store_name, record.dimension)
    return record


def require_model(collection: CollectionRecord, encoder: Encoder) -> None:
    """Refuse a collection that another model than ``encoder`` has made.

    Raises:
        CollectionError: it was made with another model.
    """
    if collection.contract_digest == encoder.contract.digest:
        return
    raise CollectionError(
        f"Collection {collection.name!r} was made with the model {collection.model!r} (contract "
        f"{collection.contract_digest}), asked for was {encoder.spec.name!r} (contract "
        f"{encoder.contract.digest}). Vectors of two models cannot be compared. Start with "
        f"--model {collection.model}, or without --model, or have the collection embedded again: "
        f"use {encoder.spec.name} --collection {collection.name}."
    )
