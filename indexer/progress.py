"""How long work tells how far it is, how long it will still take, and is asked to stop."""

import threading
from collections.abc import Callable
from contextvars import ContextVar
from math import exp

from indexer.errors import Cancelled

waiting: ContextVar[Callable[[str], None]] = ContextVar("waiting", default=lambda _: None)
"""Told, in the thread that works, what the work waits for."""
Progress = Callable[[int, int, str, str], None]
"""Called with (done, total, unit, message); ``done`` and ``total`` count ``unit``."""

LONG_S = 600.0
"""Work that takes longer is worth a faster way."""
SETTLED_S = 10.0
"""Estimates of the first seconds hold the opening of the model."""

_MEMORY_S = 20.0


class CancelToken:
    """A request to stop, looked at between batches."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.keeps_partial = False

    def cancel(self, *, keep_partial: bool = False) -> None:
        """Ask for the stop; ``keep_partial`` when the work is to be resumed later."""
        self.keeps_partial = keep_partial
        self._event.set()

    def is_cancelled(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()

    def check(self) -> None:
        """Stop here if asked.

        Raises:
            Cancelled: the work was cancelled.
        """
        if self._event.is_set():
            raise Cancelled("The work was cancelled. What was complete is kept; start it again to resume.")


class TimeLeft:
    """Seconds left, from a rate that forgets what is older than some twenty seconds."""

    def __init__(self) -> None:
        self._rate: float | None = None
        self._last: tuple[float, int] | None = None

    def seconds(self, done: int, total: int, now: float) -> float | None:
        """The estimate after ``done`` of ``total`` at ``now`` (monotonic seconds); None when unknown."""
        if self._last is None or done < self._last[1]:
            self._last, self._rate = (now, done), None
            return None
        elapsed = now - self._last[0]
        if elapsed > 0 and done > self._last[1]:
            rate = (done - self._last[1]) / elapsed
            weight = exp(-elapsed / _MEMORY_S)
            self._rate = rate if self._rate is None else weight * self._rate + (1 - weight) * rate
            self._last = (now, done)
        if not self._rate:
            return None
        return max(0.0, (total - done) / self._rate - (now - self._last[0]))


def duration(seconds: float) -> str:
    """A time span in words: ``a few seconds``, ``about 40 seconds``, ``about 3 minutes``."""
    if seconds < 8:
        return "a few seconds"
    if seconds < 55:
        return f"about {max(10, round(seconds / 10) * 10)} seconds"
    minutes = round(seconds / 60)
    if minutes < 60:
        return "about a minute" if minutes <= 1 else f"about {minutes} minutes"
    hours = round(seconds / 3600)
    if hours < 36:
        return "about an hour" if hours <= 1 else f"about {hours} hours"
    return f"about {round(seconds / 86400)} days"
