"""SIGTERM and SIGINT as a wish: a run ends its step, writes a checkpoint and says that it was stopped."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class RunStopped(KeyboardInterrupt):
    """Raised when a signal has stopped a run; no Exception, so that no handler takes it for trouble."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}; continue with --resume")
        self.exit_code = 128 + number


class StopRequest:
    """What the signals ask for. Outside ``defer_signals`` the first one ends the work at once.

    A second signal is passed on to whoever handled it before: it ends the process without a checkpoint.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._waits = False
        self._before: dict[signal.Signals, Any] = {}

    def is_made(self) -> bool:
        """True after a signal."""
        return self.number is not None

    def require_done(self, is_done: bool) -> None:
        """Raises RunStopped unless the work is done. The signal may have come to another process."""
        if not is_done:
            raise RunStopped(self.number or signal.SIGTERM)

    @contextmanager
    def defer_signals(self) -> Iterator[None]:
        """Inside, a signal is only remembered."""
        self._waits = True
        try:
            yield
        finally:
            self._waits = False

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():  # signals belong to that one
            self._before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        self._give_back()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            self._give_back()
            signal.raise_signal(number)
            return
        self.number = number
        if not self._waits:
            raise RunStopped(number)

    def _give_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
