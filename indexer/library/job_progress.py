"""How far a job is, written to the catalog now and then."""

import logging
from collections.abc import Callable

from indexer.catalog import Catalog
from indexer.errors import CatalogError
from indexer.progress import CancelToken, TimeLeft

logger = logging.getLogger(__name__)

REPORT_EVERY_S = 0.5


class Reporter:
    """Writes progress to the catalog now and then, and notices a cancellation asked for elsewhere."""

    def __init__(
        self, catalog: Catalog, job_id: str, cancel: CancelToken, clock: Callable[[], float]
    ) -> None:
        self._catalog, self._job_id, self._cancel, self._clock = catalog, job_id, cancel, clock
        self._time_left = TimeLeft()
        self._written = float("-inf")
        self._is_refused = False
        self._latest: tuple[int, int, str, str] = (0, 0, "", "")

    def __call__(self, done: int, total: int, unit: str, message: str) -> None:
        self._latest = (done, total, unit, message)
        if self._clock() - self._written >= REPORT_EVERY_S:
            self.flush()

    def wait_for(self, message: str) -> None:
        """Say what the work waits for, until it goes on."""
        before, self._latest = self._latest, (*self._latest[:3], message)
        self.flush()
        self._latest = before

    def flush(self) -> None:
        """Write the latest progress. The work goes on where it cannot be written."""
        now = self._clock()
        done, total, unit, message = self._latest
        self._written = now
        try:
            asked = self._catalog.jobs.report(
                self._job_id,
                done=done,
                total=total,
                unit=unit,
                message=message,
                seconds_left=self._time_left.seconds(done, total, now),
                now=now,
            )
        except CatalogError as error:
            if not self._is_refused:  # once, not twice a second
                logger.warning("Progress cannot be recorded: %s", error)
            self._is_refused = True
            return
        self._is_refused = False
        if asked:
            self._cancel.cancel()

    def is_cancel_requested(self) -> bool:
        """Whether a person asked for the stop, rather than the program that closes."""
        result = self._catalog.jobs.find(self._job_id)
        return result is not None and result.cancel_requested
