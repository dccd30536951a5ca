"""A collection that can be worked on: its record, its open model, and where its passages live."""

from dataclasses import dataclass

from indexer.catalog import Catalog, CollectionRecord
from indexer.store.protocol import VectorStore
from indexer.text.chunking import ChunkSettings
from me5.encoder import Encoder


@dataclass(frozen=True)
class OpenCollection:
    """What reading, embedding and repairing a collection need; the parts belong to the library.

    Attributes:
        catalog: texts and states.
        store: points, under ``record.store_name``.
        encoder: the model that ``record`` names.
        record: the collection.
        settings: sizes of chunks.
    """

    catalog: Catalog
    store: VectorStore
    encoder: Encoder
    record: CollectionRecord
    settings: ChunkSettings
