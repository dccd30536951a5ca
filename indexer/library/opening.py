"""Opens what a library stands on: the lock of its folder, the catalog, and the vectors where they are."""

import os
from contextlib import ExitStack
from pathlib import Path

from indexer.catalog import Catalog
from indexer.library.home import choose_home, claim_embedded_home, record_home
from indexer.library.host import host_id
from indexer.library.leftovers import tidy
from indexer.store import open_store
from indexer.store.lock import OwnerLock
from indexer.store.protocol import VectorStore
from indexer.store.settings import ServerSettings

API_KEY = "QDRANT_API_KEY"


def open_stores(
    data_dir: Path,
    opened: ExitStack,
    *,
    qdrant_url: str | None,
    database_url: str | None,
    store: VectorStore | None,
    server: ServerSettings | None,
    reserve_bytes: int,
) -> tuple[Catalog, VectorStore, OwnerLock | None]:
    """Catalog, vectors, and the lock of the folder where one is held; ``opened`` closes them.

    One process owns a folder with a catalog or with vectors in it. The catalog knows where the vectors are.

    Raises:
        StoreLockedError: another process owns the folder.
        StoreError: the vectors are elsewhere than ``qdrant_url`` says, or their home cannot be used.
        CatalogError: the database cannot be used.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    lock: OwnerLock | None = None
    if store is None and database_url is None:
        lock = _locked(data_dir, opened)
    elif store is not None:
        opened.callback(store.close)
    tidy(data_dir)
    catalog = Catalog.open(database_url or data_dir / "catalog.sqlite3")
    opened.callback(catalog.close)
    if store is None:
        address = choose_home(catalog, qdrant_url)
        if address is None and database_url is not None:
            claim_embedded_home(catalog, host_id(data_dir))
        if address is None and lock is None:
            lock = _locked(data_dir, opened)
        store = open_home(data_dir, address, reserve_bytes=reserve_bytes, server=server, lock=lock)
        opened.callback(store.close)
        record_home(catalog, address)
    return catalog, store, lock


def open_home(
    data_dir: Path,
    address: str | None,
    *,
    reserve_bytes: int,
    server: ServerSettings | None,
    lock: OwnerLock | None,
) -> VectorStore:
    """The vectors at an address, or those in the data folder. Errors as of ``open_store``."""
    return open_store(
        data_dir,
        qdrant_url=address,
        api_key=os.environ.get(API_KEY),
        reserve_bytes=reserve_bytes,
        server=server,
        lock=lock,
    )


def _locked(data_dir: Path, opened: ExitStack) -> OwnerLock:
    lock = OwnerLock(data_dir)
    opened.callback(lock.release)
    return lock
