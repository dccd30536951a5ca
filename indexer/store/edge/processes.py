"""Which process has which shard: one for all, and one of its own for each shard whose index was rebuilt.

The engine answers nobody while it opens a shard, which takes seconds for a large one. A rebuilt shard is
therefore opened by a new process while the old shard is still searched, and stays there until the store
is closed. Every process holds a lock file of its own; the next owner of the folder waits for all of them.
"""

import contextlib
import itertools
import logging
import os
import signal
import threading
from pathlib import Path
from typing import Any

from indexer.errors import StoreError
from indexer.store.edge.client import EdgeClient
from indexer.store.lock import wait_for_lock

_log = logging.getLogger(__name__)

ORPHAN_PATIENCE_S = 60.0
SHARED_LOCK = "process.lock"
BUILD_LOCK = "build.lock"
"""Held by a process that builds an index; its text is the process id."""


class ShardProcesses:
    """The store processes of one owner.

    Args:
        root: the folder of the vectors, where the lock files are.
        logs: the folder for the log of each process.

    Raises:
        StoreError: a process of an earlier owner does not end.
    """

    def __init__(self, root: Path, logs: Path) -> None:
        self._root = root
        self._logs = logs
        _end_orphaned_build(root / BUILD_LOCK)
        _wait_for_orphans(root)
        self._shared = EdgeClient(root / SHARED_LOCK, logs / "vectors.log")
        self._own: dict[str, EdgeClient] = {}
        self._numbers = itertools.count(2)
        self._lock = threading.Lock()
        self._closed = False

    def call(self, path: str, operation: str, *arguments: object) -> Any:
        """Ask the process that has the shard in ``path``: see ``EdgeClient.call``."""
        return self._client(path).call(operation, path, *arguments)

    def pid(self, path: str) -> int | None:
        """Process id of the running process that has, or would open, the shard."""
        return self._client(path).pid

    def start_own(self, path: str) -> None:
        """Start a process that has only this shard from now on. It is not started again if it dies."""
        with self._lock:
            if self._closed:
                raise StoreError("The vector store is closed. Open it again to use it.")
            number = next(self._numbers)
            client = EdgeClient(
                self._root / f"process-{number}.lock", self._logs / f"vectors-{number}.log", restarts=False
            )
            self._own[path] = client
        # It holds its lock when it answers. Nothing is asked before, so that it never opens
        # files which the next owner of the folder already has.
        client.call("ready")

    def stop_own(self, path: str) -> None:
        """End the shard's own process, if it has one, after it has answered what it was asked."""
        with self._lock:
            client = self._own.pop(path, None)
        if client is not None:
            client.close()
            client.remove_lock()

    def close(self) -> None:
        """Let all processes flush and end."""
        with self._lock:
            self._closed = True
            paths = list(self._own)
        for path in paths:
            self.stop_own(path)
        self._shared.close()

    def _client(self, path: str) -> EdgeClient:
        client = self._own.get(path)
        if client is None:
            return self._shared
        if client.has_ended:
            _log.warning("The process of %s has ended; the shared store process takes over", path)
            with self._lock:
                if self._own.get(path) is client:
                    del self._own[path]
            return self._shared
        return client


def _end_orphaned_build(path: Path) -> None:
    """Kill the build that an earlier owner has left: it would write where the next one is made."""
    try:
        wait_for_lock(path, 0.0).close()
    except TimeoutError:
        pid = path.read_text(encoding="utf-8")
        if pid.isdigit():  # else it has just started, and ends by itself: see ``build``
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGTERM)
        _wait_for(path)


def _wait_for_orphans(root: Path) -> None:
    _wait_for(root / SHARED_LOCK)
    for path in root.glob("process-*.lock"):
        _wait_for(path)
        path.unlink(missing_ok=True)


def _wait_for(path: Path) -> None:
    try:
        wait_for_lock(path, ORPHAN_PATIENCE_S).close()
    except TimeoutError as error:
        raise StoreError(
            f"A store process of an earlier owner still holds {path} after {ORPHAN_PATIENCE_S:.0f} s; "
            "expected it to end with its owner. End it and try again."
        ) from error
