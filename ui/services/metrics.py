"""What a program that watches this one may know: whether it works, and how much and how fast.

Numbers are in the text form of Prometheus; names and units follow its rules.
"""

import time
from collections import Counter as Count
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from indexer.errors import IndexerError
from me5.states import ACTIVE

if TYPE_CHECKING:
    from indexer.library.library import Library

BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 5.0, 20.0)


class Metrics:
    """Counts what this process does, and reads the rest from the library when asked.

    Args:
        library: an open library.
    """

    def __init__(self, library: "Library") -> None:
        self._library = library
        self._registry = CollectorRegistry()
        self._seconds = Histogram(
            "me5_search_seconds",
            "Time of a search, the encoding of its question included",
            ("mode",),
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self._refused = Counter(
            "me5_search_refused", "Searches that were not answered", registry=self._registry
        )
        ProcessCollector(registry=self._registry)
        self._registry.register(_Kept(library))

    @contextmanager
    def searching(self, mode: str) -> Iterator[None]:
        """Time the block as a search."""
        started = time.perf_counter()
        try:
            yield
        except Exception:
            self._refused.inc()
            raise
        self._seconds.labels(mode).observe(time.perf_counter() - started)

    def text(self) -> bytes:
        """All numbers.

        Raises:
            IndexerError: the library cannot be asked.
        """
        return generate_latest(self._registry)

    def trouble(self) -> str | None:
        """Why the library does not work, or None; asks catalog and vectors."""
        try:
            self._library.collections()
            self._library.store.names()
        except IndexerError as error:
            return str(error)
        return None


class _Kept(Collector):
    """Documents, passages and jobs, as the catalog has them."""

    def __init__(self, library: "Library") -> None:
        self._library = library

    def collect(self) -> Iterable[Metric]:
        documents = GaugeMetricFamily("me5_documents", "Documents of a collection", labels=["collection"])
        passages = GaugeMetricFamily("me5_passages", "Passages of a collection", labels=["collection"])
        for info in self._library.collections():
            documents.add_metric([info.name], info.documents)
            passages.add_metric([info.name], info.chunks)
        jobs = GaugeMetricFamily("me5_jobs", "Jobs that wait or run", labels=["state"])
        states = Count(job.state for job in self._library.catalog.jobs.infos(active_only=True))
        for state in ACTIVE:
            jobs.add_metric([state], states[state])
        return documents, passages, jobs

    def describe(self) -> Iterable[Metric]:
        """Nothing is asked when it is registered."""
        return ()
