"""Long work in processes of its own, as the list of jobs sees it.

Finding parallel text, evaluating and training run in a child process that survives the app; its folder
reports how far it is and how it ended. Whoever knows these folders implements ``Children``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from me5.states import State


@dataclass(frozen=True)
class ChildRun:
    """One run, as its folder reports it. Times are unix seconds.

    ``pid`` and ``process_created_at`` are of the child process, while one is known.
    """

    kind: str
    folder: Path
    label: str
    state: State
    created_at: float
    done: int = 0
    total: int = 0
    unit: str = ""
    message: str = ""
    seconds_left: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    pid: int | None = None
    process_created_at: float | None = None


class Children(Protocol):
    """The runs of a data folder."""

    def look(self) -> Sequence[ChildRun]:
        """All runs there are."""
        ...

    def gone(self, kind: str, folder: Path) -> State:
        """How a run ended whose folder is no longer there."""
        ...

    def cancel(self, kind: str, folder: Path) -> None:
        """Ask a run to stop; its folder reports how it ended."""
        ...
