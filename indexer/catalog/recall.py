"""Rows that were read last, remembered by id until the tables they are of change."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Recall(Generic[T]):
    """Values by id. Thread-safe.

    Args:
        keep: how many values; the longest unread go first.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._known: OrderedDict[str, T] = OrderedDict()
        self._of = 0
        self._lock = threading.Lock()

    def get(
        self,
        ids: Sequence[str],
        changes: Callable[[], int],
        read: Callable[[Sequence[str]], Mapping[str, T]],
    ) -> dict[str, T]:
        """The values of ``ids``, without those that there are not.

        Args:
            ids: wanted.
            changes: how often the tables have changed so far.
            read: gives the values of ids that are not remembered.
        """
        now = changes()  # before anything is read: a change meanwhile makes it old
        with self._lock:
            if now != self._of:
                self._known.clear()
                self._of = now
            results = {item: self._known[item] for item in ids if item in self._known}
            for item in results:
                self._known.move_to_end(item)
        missing = [item for item in ids if item not in results]
        if not missing:
            return results
        new = read(missing)
        with self._lock:
            if now == self._of == changes():
                self._known.update(new)
                while len(self._known) > self._keep:
                    self._known.popitem(last=False)
        return {**results, **new}
