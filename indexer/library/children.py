"""Long work in processes of its own, as the list of jobs sees it.

Finding parallel text, evaluating and training run in a child process that survives the app; its folder
reports how far it is and how it ended. Whoever knows these folders implements ``Children``.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from indexer.catalog import Catalog
from indexer.errors import CatalogError
from indexer.types import JobInfo
from me5.states import ACTIVE, State

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5


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


class ChildJobs:
    """Keeps the runs of a data folder among the jobs of the catalog; those that ended long ago stay out.

    Args:
        catalog: has the jobs.
        children: the runs.
        host: id of this machine, or empty.
        clock: unix seconds.
    """

    def __init__(self, catalog: Catalog, children: Children, host: str, clock: Callable[[], float]) -> None:
        self._catalog, self._children, self._host, self._clock = catalog, children, host, clock
        self._looked_at, self._opened_at = float("-inf"), clock()
        self._looking = threading.Lock()

    def cancel(self, job: JobInfo) -> None:
        """Ask the run of a job to stop."""
        assert job.folder is not None
        self._children.cancel(job.kind, Path(job.folder))
        self.look(at_once=True)

    def look(self, *, at_once: bool = False) -> None:
        """Record what is new of the runs, a few times a second at most."""
        with self._looking:
            now = self._clock()
            if not (at_once or now - self._looked_at >= LOOK_EVERY_S):
                return
            self._looked_at = now
            try:
                self._record(now)
            except CatalogError as error:
                logger.warning("Runs in processes of their own cannot be recorded: %s", error)

    def _record(self, now: float) -> None:
        known = {job.folder: job for job in self._catalog.jobs.children(self._host)}
        for run in self._children.look():
            job = known.pop(str(run.folder), None)
            has_ended = run.state not in ACTIVE
            is_old = has_ended and max(run.created_at, run.finished_at or 0) < self._opened_at
            is_unchanged = job is not None and job.state == run.state and has_ended
            if not is_unchanged and not (job is None and is_old):
                self._catalog.jobs.put_child(str(run.folder), _values(run, self._host, now))
        for folder, job in known.items():
            if folder is not None and job.state in ACTIVE:
                state = self._children.gone(job.kind, Path(folder))
                gone = {"state": state, "message": "", "owner": None, "finished_at": now}
                self._catalog.jobs.put_child(folder, gone | {"seconds_left": None})


def _values(run: ChildRun, host: str, now: float) -> dict[str, Any]:
    """The columns of a run."""
    is_active = run.state in ACTIVE
    owner = f"{host}|{run.pid}|{run.process_created_at or 0:.2f}" if run.pid is not None else None
    return {
        "kind": run.kind,
        "collection": "",
        "label": run.label,
        "state": run.state,
        "done": run.done,
        "total": run.total,
        "unit": run.unit,
        "message": run.message,
        "seconds_left": run.seconds_left if is_active else None,
        "owner": owner if is_active else None,
        "host": host,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "updated_at": now,
        "finished_at": None if is_active else (run.finished_at or now),
    }
