"""Renamed files: their points get the new folders and names, and no more is embedded than that takes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from indexer.catalog import ChunkRecord, DocumentRecord
from indexer.catalog.database import slices
from indexer.ingest.embedding import embed, payload_of, sparse_of
from indexer.library.collection import OpenCollection
from indexer.progress import CancelToken
from indexer.types import Point

BATCH_CHUNKS = 512


@dataclass(frozen=True)
class Renamer:
    """Follows renamings in one collection."""

    collection: OpenCollection
    cancel: CancelToken

    def follow(self, documents: Sequence[DocumentRecord]) -> None:
        """Write new points of ``documents``, then their new names to the catalog.

        Dense vectors hold the title: they are made anew where it was the name of the file, and only there.

        Raises:
            Cancelled: cancelled; the catalog still has the old names, so that the next ingest does it again.
        """
        renamed = {document.id: document for document in documents}
        before = {item.id: item.title for item in self.collection.catalog.documents.records(list(renamed))}
        for part in slices(self.collection.catalog.chunks.of_documents(list(renamed)), BATCH_CHUNKS):
            self.cancel.check()
            moved: list[tuple[DocumentRecord, ChunkRecord]] = []
            retitled: list[tuple[DocumentRecord, ChunkRecord]] = []
            for record in self.collection.catalog.chunks.records(part):
                owner = renamed[record.document_id]
                (moved if owner.title == before[owner.id] else retitled).append((owner, record))
            self.collection.store.upsert(self.collection.record.store_name, self._moved(moved))
            self.collection.store.upsert(self.collection.record.store_name, self._embedded(retitled))
        self.collection.catalog.documents.put(documents)

    def _moved(self, passages: Sequence[tuple[DocumentRecord, ChunkRecord]]) -> list[Point]:
        """The points of these passages with everything but their dense vectors made anew."""
        known = {record.id: (owner, record) for owner, record in passages}
        points = []
        for point in self.collection.store.fetch_points(self.collection.record.store_name, list(known)):
            owner, record = known[point.id]
            payload = payload_of(owner, record.chunk.language)
            points.append(replace(point, sparse=sparse_of(owner, [record])[0], payload=payload))
        return points

    def _embedded(self, passages: Sequence[tuple[DocumentRecord, ChunkRecord]]) -> list[Point]:
        if not passages:
            return []
        return embed(
            self.collection.encoder,
            [owner for owner, _ in passages],
            [record for _, record in passages],
            [sparse_of(owner, [record])[0] for owner, record in passages],
            settings=self.collection.settings,
            on_progress=lambda done: self.cancel.check(),
        )
