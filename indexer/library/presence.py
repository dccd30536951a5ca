"""Processes that share a catalog: who is at work, and what may be taken over from those that are gone.

A process names itself by machine, number and start. It gives signs of life to the catalog while it works; one
of this machine is also looked up among the running processes.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence

import psutil

from indexer.catalog import Catalog
from indexer.catalog.claims import LEASE_S, ProcessRecord
from indexer.errors import CatalogError

logger = logging.getLogger(__name__)

SIGN_EVERY_S = LEASE_S / 4


def owner_name(host: str | None = None) -> str:
    """Names this process so that another can tell whether it still lives; ``host`` as in ``host_id``."""
    process = psutil.Process()
    return f"{host or socket.gethostname()}|{process.pid}|{process.create_time():.2f}"


def host_of(owner: str) -> str:
    """The machine of a process."""
    return owner.partition("|")[0]


def has_ended(owner: str) -> bool:
    """Whether a process of this machine has ended."""
    try:
        _, pid, created = owner.split("|")
        return abs(psutil.Process(int(pid)).create_time() - float(created)) > 1.0
    except (ValueError, psutil.NoSuchProcess):
        return True
    except psutil.AccessDenied:
        return False


class Presence:
    """This process among those that share a catalog.

    Args:
        catalog: that they share.
        host: id of this machine; see ``host_id``.
        is_shared: whether other processes may use the catalog; else all that it names but this one are gone.
        role: what this process does, in a word.
        clock: unix seconds.
    """

    def __init__(
        self,
        catalog: Catalog,
        host: str | None,
        *,
        is_shared: bool,
        role: str = "all",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._catalog, self._host, self._role, self._clock = catalog, host, role, clock
        self.is_shared = is_shared
        self.owner = owner_name(host)
        self._stop = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._after_sign: Callable[[], None] = lambda: None

    @property
    def host(self) -> str | None:
        """Id of this machine, where several share the catalog."""
        return self._host if self.is_shared else None

    def start(self, after_sign: Callable[[], None] | None = None) -> None:
        """Give signs of life until ``close``; ``after_sign`` is called after each."""
        with self._starting:
            if after_sign is not None:
                self._after_sign = after_sign
            if not self.is_shared or self._thread is not None or self._stop.is_set():
                return
            self._sign()
            self._thread = threading.Thread(target=self._work, name="signs of life", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Leave; what this process has claimed is free for others."""
        self._stop.set()
        if self._thread is None:
            return
        self._thread.join()
        try:
            self._catalog.claims.leave(self.owner)
        except CatalogError as error:
            logger.warning("This process stays on the list of those at work for a minute: %s", error)

    def alive(self) -> set[str]:
        """The processes that gave a sign of life lately."""
        return {item.owner for item in self._catalog.claims.alive(self._clock())}

    def gone(self, owners: Iterable[str]) -> set[str]:
        """Those of the processes that work no more."""
        owners = set(owners) - {self.owner}
        if not owners:
            return set()
        here = {self._host, socket.gethostname()}  # earlier versions wrote the name of the host
        ended = {owner for owner in owners if host_of(owner) in here and has_ended(owner)}
        elsewhere = {owner for owner in owners if host_of(owner) not in here}
        if elsewhere:
            elsewhere -= self.alive()
        return ended | elsewhere

    def is_gone(self, owner: str) -> bool:
        """Whether a process works no more."""
        return bool(self.gone([owner]))

    # What this process reads

    def claim(self, document_ids: Sequence[str]) -> set[str]:
        """Claim documents; the ids of those that another process reads."""
        if not self.is_shared:
            return set()
        self.start()
        claims = self._catalog.claims
        held = claims.claim(document_ids, self.owner, gone=())
        return held and claims.claim(sorted(held), self.owner, self.gone(claims.owners()))

    def release(self, document_ids: Sequence[str]) -> None:
        """Give up claims."""
        if self.is_shared and document_ids:
            self._catalog.claims.release(document_ids, self.owner)

    def read_by_others(self, document_ids: Sequence[str]) -> set[str]:
        """Those of the documents that another process reads."""
        if not self.is_shared:
            return set()
        claims = self._catalog.claims
        return claims.held(document_ids, except_for=[self.owner, *self.gone(claims.owners())])

    # In the thread of its own

    def _work(self) -> None:
        while not self._stop.wait(SIGN_EVERY_S):
            try:
                self._sign()
                self._after_sign()
            except CatalogError as error:
                logger.warning("No sign of life could be given: %s", error)
            except Exception:  # a process that is silent loses its work to others
                logger.exception("what others have left could not be looked at")

    def _sign(self) -> None:
        record = ProcessRecord(
            self.owner, host_of(self.owner), socket.gethostname(), self._role, self._clock()
        )
        self._catalog.claims.sign_of_life(record)
