"""Who may change a library: one thread at a time, where long work lets short work in between its steps.

Long work calls ``pause`` at moments when catalog and store agree but for the documents that it works on; it
stands still until those that came in have left.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from indexer.ingest.left_alone import LeftAlone


@dataclass(frozen=True)
class LongWork:
    """Work that lets others in: on which collection, and what it leaves alone because of them."""

    collection: str
    left_alone: LeftAlone = field(default_factory=LeftAlone)


Admission = Callable[[LongWork], bool]
"""Whether somebody who waits may come in while this work stands still."""


class WriteLock:
    """A lock that its holder may take again; ``with`` waits for the end of everything else."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._owner: int | None = None
        self._depth = 0
        self._waiting: list[Admission] = []
        self._work: LongWork | None = None
        self._is_parked = False

    def __enter__(self) -> Self:
        self._acquire(lambda work: False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    @contextmanager
    def beside(self, may_enter: Admission = lambda work: True) -> Iterator[LongWork | None]:
        """Hold the lock for short work, which long work may let in; gives the work that stands still."""
        self._acquire(may_enter)
        try:
            yield self._work if self._is_parked else None
        finally:
            self._release()

    @contextmanager
    def long(self, work: LongWork) -> Iterator[None]:
        """Hold the lock for work that calls ``pause``."""
        with self:
            before, self._work = self._work, work
            try:
                yield
            finally:
                self._work = before

    def pause(self) -> None:
        """Let in whoever waits and may come in. Only for the holder of ``long``."""
        with self._changed:
            assert self._owner == threading.get_ident()
            if self._depth > 1 or not self._is_anyone_admitted():
                return
            self._owner, self._depth, self._is_parked = None, 0, True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._owner is None and not self._is_anyone_admitted())
            self._owner, self._depth, self._is_parked = threading.get_ident(), 1, False

    def _is_anyone_admitted(self) -> bool:
        work = self._work
        return work is not None and any(may_enter(work) for may_enter in self._waiting)

    def _acquire(self, may_enter: Admission) -> None:
        def is_free() -> bool:
            is_open = not self._is_parked or (self._work is not None and may_enter(self._work))
            return self._owner is None and is_open

        with self._changed:
            if self._owner != threading.get_ident():
                self._waiting.append(may_enter)
                try:
                    self._changed.wait_for(is_free)
                finally:
                    self._waiting.remove(may_enter)
                self._owner = threading.get_ident()
            self._depth += 1

    def _release(self) -> None:
        with self._changed:
            self._depth -= 1
            if not self._depth:
                self._owner = None
                self._changed.notify_all()
