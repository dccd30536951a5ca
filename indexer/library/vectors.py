"""The vectors of an open library: the store that is in use, and the way to another one."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

from indexer.catalog import Catalog
from indexer.errors import StoreError
from indexer.library import model_switch
from indexer.library.home import (
    EMBEDDED,
    forget_former,
    former_home,
    in_words,
    is_home,
    keepable,
    record_move,
    recorded_home,
    require_other_home,
)
from indexer.library.jobs import JobRunner
from indexer.library.moving import Move, Moved, discard_vectors
from indexer.library.presence import Presence
from indexer.progress import CancelToken, Progress
from indexer.store.protocol import VectorStore
from indexer.store.settings import Layout, ServerSettings
from indexer.types import JobInfo

OpenHome = Callable[[str | None, ServerSettings | None], VectorStore]
"""Opens the store at an address, or in the data folder."""


class Vectors:
    """Knows the store, moves its content elsewhere and lays it out anew.

    Args:
        catalog: of the library.
        store: in use at first; closed by whoever opened it.
        open_home: opens another one.
        presence: of this process among those that use the library.
        writing: held while nothing may change.
    """

    def __init__(
        self,
        catalog: Catalog,
        store: VectorStore,
        open_home: OpenHome,
        presence: Presence,
        writing: AbstractContextManager[object],
    ) -> None:
        self.store = store
        self._catalog, self._open_home, self._presence, self._writing = catalog, open_home, presence, writing
        self._left: dict[
            str, VectorStore
        ] = {}  # by home: those that were in use, open for searches under way
        self._closing = ExitStack()

    def close(self) -> None:
        """Close the stores that were opened since."""
        self._closing.close()

    def is_there(self) -> bool:
        """Whether the store in use answers now."""
        return self.store.is_there()

    def is_indexing(self, collection: str) -> bool:
        """Whether the store still builds the index of a collection, which can be searched meanwhile."""
        record = self._catalog.collections.find(collection)
        try:
            return record is not None and self.store.is_indexing(record.store_name)
        except StoreError:  # it does not answer, or has nothing of it yet: searches say so
            return False

    def move(
        self,
        address: str | None,
        *,
        server: ServerSettings | None = None,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
    ) -> Moved:
        """Copy the vectors to another home and use them there; the copy in the former one stays.

        Searches go on meanwhile, and what is added while they are copied goes along.

        Args:
            address: of a Qdrant server; None: the data folder.
            server: how collections are laid out there; None: as the library was opened.
            progress: told how many points are done.
            cancel: to stop the work.

        Raises:
            StoreError: they are there already, or the copy is not the same; the former home stays in use.
            Cancelled: ``cancel`` said so.
        """
        former = require_other_home(self._catalog, self._presence, address)
        with ExitStack() as opened:
            target = self._open(address, server, opened)
            move = Move(self._catalog, self.store, target, progress=progress, cancel=cancel)
            seen = move.copy()
            with self._writing:
                moved = move.catch_up(seen)
                record_move(self._catalog, address, former)
                self._left[former], self.store = self.store, target
                self._left.pop(recorded_home(self._catalog) or EMBEDDED, None)
            self._closing.push(opened.pop_all())
        return moved

    def submit_move(self, jobs: JobRunner, address: str | None) -> JobInfo:
        """Do ``move`` in the background. Errors as there; an address with a password in it is refused."""
        require_other_home(self._catalog, self._presence, address)
        home = EMBEDDED if address is None else keepable(address)
        return jobs.submit("move", {"to": home}, "", f"Move the vectors {in_words(home, to=True)}")

    def discard_former(self) -> int:
        """Delete the copy that ``move`` has left; how many sets of vectors.

        Raises:
            StoreError: there is none.
        """
        former = former_home(self._catalog)
        if former is None:
            raise StoreError("No move has left a copy behind. Move the vectors first: move --to ADDRESS.")
        with self._writing, ExitStack() as opened:
            store = self._open(None if former == EMBEDDED else former, None, opened)
            dropped = discard_vectors(self._catalog, store)
            forget_former(self._catalog)
        return dropped

    def tune(
        self,
        collection: str,
        layout: Layout,
        *,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """Change how the vectors of a collection lie on the Qdrant server; see ``VectorStore.tune``.

        Raises:
            CollectionError: there is no such collection.
            StoreError: the vectors are embedded, or the server refuses.
        """
        record = self._catalog.collections.get(collection)
        for kept in model_switch.with_kept(self._catalog, record):
            if self.store.exists(kept.store_name):
                self.store.tune(kept.store_name, layout, progress=progress, cancel=cancel)

    def _open(self, address: str | None, server: ServerSettings | None, opened: ExitStack) -> VectorStore:
        """The store at an address: one that was in use before and is open still, or a new one."""
        for home, store in self._left.items():
            if is_home(home, address):
                return store
        store = self._open_home(address, server)
        opened.callback(store.close)
        return store
