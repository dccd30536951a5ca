"""Lets a Qdrant server build its index once, after much was written, and not again and again meanwhile."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from qdrant_client import models

from indexer.errors import StoreError

INDEX_ABOVE_KB = 10_000
"""Vectors of a segment above which the server builds an index; fewer are compared one by one."""
NEVER = 0
"""As a threshold: the server builds no index."""
MUCH = 20_000
"""Points in one bulk from which on the index waits for its end."""

logger = logging.getLogger(__name__)


class DeferredIndexing:
    """Counts what is written to each collection of a server while it is a bulk.

    A process that is killed in a bulk leaves the index unbuilt: all is found, only slower, until any process
    calls ``finish``.

    Args:
        ask: makes a request: the name of a method of the client, its values, its options.
    """

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask
        self._open: Counter[str] = Counter()
        self._written: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def bulk(self, collection: str) -> Iterator[None]:
        """While it lasts, much may be written; at its end the server builds what is missing."""
        with self._lock:
            self._open[collection] += 1
        try:
            yield
        finally:
            with self._lock:
                self._open[collection] -= 1
                was_much = self._written[collection] >= MUCH
            if was_much:
                self._finish_softly(collection)

    def written(self, collection: str, points: int) -> None:
        """Say that points were written."""
        with self._lock:
            if not self._open[collection]:
                return
            before = self._written[collection]
            self._written[collection] += points
            is_much = before < MUCH <= self._written[collection]
        if is_much:
            self._set(collection, NEVER)

    def finish(self, collection: str, *, is_asked_for: bool = False) -> None:
        """Let the server build what is missing, in the background, unless a bulk goes on here."""
        with self._lock:
            if self._open[collection]:
                return
            self._written.pop(collection, None)
        # Looked up, as another process may have deferred it and been killed.
        optimizer = self._ask("get_collection", collection, is_asked_for=is_asked_for).config.optimizer_config
        if optimizer.indexing_threshold == NEVER:
            self._set(collection, INDEX_ABOVE_KB, is_asked_for=is_asked_for)

    def _finish_softly(self, collection: str) -> None:
        """``finish``, and no trouble to whatever ends the bulk, which has its own."""
        try:
            self.finish(collection, is_asked_for=True)
        except StoreError as error:
            logger.warning("The index is built later, and searches take longer until then. %s", error)

    def _set(self, collection: str, threshold_kb: int, *, is_asked_for: bool = False) -> None:
        difference = models.OptimizersConfigDiff(indexing_threshold=threshold_kb)
        self._ask("update_collection", collection, optimizers_config=difference, is_asked_for=is_asked_for)
