"""Where the vectors of passages live: one protocol, two homes.

Qdrant Edge, embedded and owned by one child process, is the default; a Qdrant server or cluster is
reached by its address. Everything about texts, models and languages is left to the callers.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from indexer.store.disk import DEFAULT_RESERVE_BYTES

if TYPE_CHECKING:
    from indexer.store.lock import OwnerLock
    from indexer.store.protocol import VectorStore
    from indexer.store.settings import ServerSettings

__all__ = ["DEFAULT_RESERVE_BYTES", "open_store"]


def open_store(
    data_dir: Path,
    *,
    qdrant_url: str | None = None,
    api_key: str | None = None,
    reserve_bytes: int = DEFAULT_RESERVE_BYTES,
    server: "ServerSettings | None" = None,
    lock: "OwnerLock | None" = None,
) -> "VectorStore":
    """Open the vector store of a data folder.

    Args:
        data_dir: the data folder; made when missing.
        qdrant_url: address of a Qdrant server. None keeps the vectors in ``data_dir/vectors``;
            ``":memory:"`` is a store for tests that ends with the process.
        api_key: key for that server.
        reserve_bytes: free disk below which the embedded store refuses to write.
        server: layout of new collections on a server: shards, replicas, quantisation.
        lock: of the data folder, where the caller holds it.

    Raises:
        StoreLockedError: another process owns the data folder (embedded store only).
        StoreError: the server does not answer.
    """
    if qdrant_url is None:
        from indexer.store.edge.store import EdgeStore

        return EdgeStore(data_dir, reserve_bytes=reserve_bytes, lock=lock)
    from indexer.store.qdrant import QdrantStore

    return QdrantStore(qdrant_url, api_key=api_key, settings=server)
