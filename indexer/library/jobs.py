"""Long work outside requests: recorded in the catalog, done by a thread a lane, resumed after a crash.

A *kind* of job is a function of parameters that can be repeated without harm. The parameters are JSON, so
that another process can take up the job.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from indexer.catalog import Catalog
from indexer.catalog.jobs import JobRecord
from indexer.errors import Cancelled, CatalogError, JobError, StoreAwayError
from indexer.ingest.scan import as_paths
from indexer.library.children import ChildJobs, Children
from indexer.library.job_progress import Reporter
from indexer.library.lanes import LANES, lane_of, lane_of_files, must_wait
from indexer.library.presence import Presence
from indexer.progress import CancelToken, waiting
from indexer.types import JobInfo, Lane
from me5.states import ACTIVE

logger = logging.getLogger(__name__)

ON_FILES = frozenset({"add", "sample", "reindex"})
"""Kinds that read files of the machine where they were asked for."""
_IDLE_S = 60.0
_IDLE_SHARED_S = 2.0  # others queue jobs too, and nobody says so
AWAY_S = 10.0
"""Pause before a vector store that does not answer is asked again."""
RETRY_S, MAX_RETRY_S = 1.0, 30.0
"""Pause before a refused write to the catalog is tried again; doubled each time."""

T = TypeVar("T")


@dataclass
class JobContext:
    """What a running job is given.

    ``progress`` and ``cancel`` are for the work; ``params`` and ``collection`` say what the work is,
    ``created_at`` when it was asked for (unix seconds), ``is_quick`` that it is of the quick lane.
    """

    params: Mapping[str, Any]
    collection: str
    progress: Callable[[int, int, str, str], None]
    cancel: CancelToken = field(default_factory=CancelToken)
    created_at: float = 0.0
    is_quick: bool = False


Jobs = list[JobInfo]  # inside JobRunner, ``list`` is a method
Handler = Callable[[JobContext], str]
"""Does the work and returns a sentence about what was done."""


class JobRunner:
    """Queues jobs and runs those of each lane one after the other; see ``lanes``.

    Args:
        catalog: keeps them.
        kinds: the work behind each kind.
        keep: makes the files of ``submit_add(keep_copies=True)`` outlive the request.
        release: deletes those copies of a job, of the given id, that nothing needs once it has ended.
        host: id of this machine, which alone runs its jobs on files; see ``host_id``.
        presence: of this process among others; None where there are none.
        is_store_there: whether the vector store answers now.
        runs: whether this process runs jobs, or leaves them to others.
        shares_copies: whether every machine reaches the copies that ``keep`` makes.
        clock: unix seconds.
    """

    def __init__(
        self,
        catalog: Catalog,
        kinds: Mapping[str, Handler],
        *,
        keep: Callable[[Sequence[Path]], Sequence[tuple[str, str]]] | None = None,
        release: Callable[[str, Sequence[str]], None] | None = None,
        host: str | None = None,
        presence: Presence | None = None,
        is_store_there: Callable[[], bool] = lambda: True,
        runs: bool = True,
        shares_copies: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._catalog, self._kinds, self._keep, self._clock = catalog, dict(kinds), keep, clock
        self._release = release
        self._keeping = threading.Lock()  # no copy is released between its making and its job
        self._presence = presence or Presence(catalog, host, is_shared=False, clock=clock)
        self._owner, self._host, self._runs = self._presence.owner, host, runs
        self._shares_copies, self._is_store_there = shares_copies, is_store_there
        self._waiting_for_store: set[str] = set()  # ids of jobs
        self._children: ChildJobs | None = None
        self._wake = threading.Condition()
        self._current: dict[Lane, tuple[str, CancelToken]] = {}
        self._is_closing = False
        self._threads: Sequence[threading.Thread] = ()

    # What callers use

    def submit(
        self,
        kind: str,
        params: Mapping[str, Any],
        collection: str,
        label: str | None = None,
        *,
        lane: Lane | None = None,
        start: bool = True,
    ) -> JobInfo:
        """Queue a job and return at once; without ``start`` it waits for the next one.

        ``lane``: None takes the usual one of its kind.

        Raises:
            JobError: the kind is unknown.
        """
        if kind not in self._kinds:
            known = ", ".join(sorted(self._kinds))
            raise JobError(f"Unknown kind of job {kind!r}. Known kinds: {known}. Choose one of these.")
        job = self._catalog.jobs.create(
            kind,
            collection=collection,
            label=label or kind,
            params=params,
            created_at=self._clock(),
            host=self._host if self._is_bound(kind, params) else None,
            lane=lane or lane_of(kind),
        )
        if start:
            self.start()
        return job

    def _is_bound(self, kind: str, params: Mapping[str, Any]) -> bool:
        """Whether this machine alone can run a job, having the files."""
        return kind in ON_FILES and self._runs and not (self._shares_copies and "copies" in params)

    def submit_add(
        self,
        paths: str | Path | Sequence[str | Path],
        collection: str = "library",
        *,
        keep_copies: bool = False,
        prune: bool = False,
        label: str | None = None,
    ) -> JobInfo:
        """Index files and folders in the background; see ``Library.add``."""
        places = as_paths(paths)
        params: dict[str, Any] = {"prune": prune}
        if keep_copies and self._keep is not None:
            with self._keeping:
                copies = self._keep(places)
                params["copies"] = [list(pair) for pair in copies]
                lane = lane_of_files(
                    [(source, _size(source)) for _, item in copies if (source := Path(item))]
                )
                return self.submit("add", params, collection, label or _label(places), lane=lane)
        params["paths"] = [str(path.absolute()) for path in places]
        return self.submit("add", params, collection, label or _label(places))

    def submit_remove(self, document_ids: Sequence[str], collection: str = "") -> JobInfo:
        """Remove documents in the background."""
        label = f"Remove {_documents(len(document_ids))}"
        known = self._catalog.documents.records(document_ids)
        params = {"documents": list(document_ids), "places": [[item.path, item.source] for item in known]}
        return self.submit("remove", params, collection, label)

    def submit_reindex(self, document_ids: Sequence[str], collection: str = "") -> JobInfo:
        """Read and index documents again in the background."""
        label = f"Index {_documents(len(document_ids))} again"
        known = self._catalog.documents.records(document_ids)
        lane = lane_of_files([(Path(item.source), item.size_bytes) for item in known])
        return self.submit("reindex", {"documents": list(document_ids)}, collection, label, lane=lane)

    def submit_drop(self, collection: str) -> JobInfo:
        """Delete a collection in the background."""
        return self.submit("drop", {}, collection, f"Delete collection {collection}")

    def list(self) -> Jobs:
        """All jobs that are remembered, newest first; runs in processes of their own are among them."""
        if self._children is not None:
            self._children.look()
        return self._catalog.jobs.infos()

    def get(self, job_id: str) -> JobInfo:
        """One job.

        Raises:
            JobError: there is none with that id.
        """
        if self._children is not None:
            self._children.look()
        result = self._catalog.jobs.find(job_id)
        if result is None:
            raise JobError(f"There is no job {job_id!r}. Expected the id of a job in the list; look there.")
        return result.info

    def cancel(self, job_id: str) -> None:
        """Ask a job to stop; one that waits is cancelled at once. Ended jobs stay as they are."""
        job = self.get(job_id)
        if job.folder is not None:
            if self._children is not None and job.state in ACTIVE:
                self._children.cancel(job)
            return
        self._catalog.jobs.cancel(job_id, self._clock())
        with self._wake:
            for current, token in self._current.values():
                if current == job_id:
                    token.cancel()
        self._release_if_cancelled(job_id)

    def wait(self, job_id: str, timeout_s: float = 600.0) -> JobInfo:
        """The job once it has ended.

        Raises:
            JobError: it still runs after ``timeout_s``.
        """
        deadline = time.monotonic() + timeout_s
        with self._wake:
            while (job := self.get(job_id)).state in ACTIVE:
                if not self._wake.wait(min(1.0, deadline - time.monotonic())) and time.monotonic() > deadline:
                    raise JobError(f"Job {job.label!r} still runs after {timeout_s:.0f} s. Wait longer.")
        return job

    # Processes of their own

    def follow(self, children: Children) -> None:
        """Keep the runs in processes of their own among the jobs; those that ended long ago stay out."""
        self._children = ChildJobs(self._catalog, children, self._host or "", self._clock)
        self._children.look(at_once=True)

    # Starting and stopping

    def resume(self) -> Jobs:
        """Queue again what a process that is gone left running; start when anything waits."""
        back = self._catalog.jobs.requeue_gone(self._presence.is_gone, self._host)
        for job in back:
            logger.info("job %s was interrupted and is resumed", job.label)
            self._release_if_cancelled(job.id)
        if self._catalog.jobs.infos(active_only=True):
            self.start()
        return back

    def start(self) -> None:
        """Start the worker threads, or wake them."""
        with self._wake:
            if self._is_closing or not self._runs:
                return
            if not self._threads:
                self._threads = [
                    threading.Thread(target=self._work, args=(lane,), name=f"{lane} jobs", daemon=True)
                    for lane in LANES
                ]
                for thread in self._threads:
                    thread.start()
            self._wake.notify_all()

    def close(self) -> None:
        """Stop the workers. A running job goes back to the queue, for the next process."""
        with self._wake:
            self._is_closing = True
            for _, token in self._current.values():
                token.cancel(keep_partial=True)
            self._wake.notify_all()
        for thread in self._threads:
            thread.join()

    # The worker threads

    def _work(self, lane: Lane) -> None:
        while (claimed := self._claim(lane)) is not None:
            self._run(*claimed)
            with self._wake:
                del self._current[lane]
                self._wake.notify_all()

    def _claim(self, lane: Lane) -> tuple[JobRecord, CancelToken] | None:
        """Wait for the next job; None when the program closes. A catalog that refuses is asked again."""
        pause = 0.0
        with self._wake:
            while not self._is_closing:
                try:
                    if not self._go_on_with_store():
                        self._wake.wait(AWAY_S)
                        continue
                    if pause:  # it may have handed over a job and failed afterwards
                        self._catalog.jobs.requeue_gone(self._owner.__eq__, self._host, lane)
                    waits = partial(
                        must_wait, owner=self._owner, host=self._host, is_gone=self._presence.is_gone
                    )
                    job = self._catalog.jobs.claim(self._owner, self._clock(), self._host, lane, waits)
                except CatalogError as error:
                    pause = _longer(pause)
                    logger.warning("Jobs cannot be started, tried again in %.0f s: %s", pause, error)
                    self._wake.wait(pause)
                    continue
                if job is not None:
                    self._current[lane] = (job.info.id, CancelToken())
                    return job, self._current[lane][1]
                pause = 0.0
                self._wake.wait(_IDLE_SHARED_S if self._presence.is_shared else _IDLE_S)
        return None

    def _go_on_with_store(self) -> bool:
        """Whether jobs may start; those that the vector store has interrupted go on when it answers again."""
        if not self._waiting_for_store:
            return True
        self._wake.release()  # the question may take seconds
        try:
            is_there = self._is_store_there()
        except Exception:  # the worker must live on
            logger.exception("whether the vector store answers cannot be told")
            is_there = False
        finally:
            self._wake.acquire()
        if is_there:
            for job_id in sorted(self._waiting_for_store):
                self._catalog.jobs.requeue(job_id, "going on: the server answers again", owner=None)
                self._waiting_for_store.discard(job_id)
        return is_there

    def _insist(self, job: JobRecord, ask: Callable[[], T]) -> T | None:
        """The answer of the catalog, asked again while it refuses; None when the program closes meanwhile.

        Whatever is not recorded then is found by the next process: jobs can be repeated without harm.
        """
        pause = 0.0
        while True:
            try:
                return ask()
            except CatalogError as error:
                pause = _longer(pause)
                logger.warning(
                    "How job %s ended cannot be recorded, tried again in %.0f s: %s",
                    job.info.label,
                    pause,
                    error,
                )
            with self._wake:
                if self._is_closing:
                    return None
                self._wake.wait(pause)

    def _run(self, job: JobRecord, cancel: CancelToken) -> None:
        reporter = Reporter(self._catalog, job.info.id, cancel, self._clock)
        context = JobContext(
            job.params,
            job.info.collection,
            reporter,
            cancel,
            created_at=job.info.created_at.timestamp(),
            is_quick=job.lane == "quick",
        )
        told = waiting.set(reporter.wait_for)
        try:
            message = self._kinds[job.info.kind](context)
            state = "done"
        except StoreAwayError as error:
            state, message = "interrupted", f"{error} This goes on by itself when it answers again."
            logger.warning("job %s waits: %s", job.info.label, error)
        except Exception as error:
            if cancel.is_cancelled() or isinstance(error, Cancelled):
                state, message = "cancelled", "cancelled"
            else:
                logger.exception("job %s failed", job.info.label)
                state, message = "failed", _reason(error)
        finally:
            waiting.reset(told)
        reporter.flush()
        if state == "interrupted":
            self._insist(job, lambda: self._give_back(job, message, "interrupted"))
            with self._wake:
                self._waiting_for_store.add(job.info.id)
        elif state == "cancelled" and not self._insist(job, reporter.is_cancel_requested):
            message = "interrupted, resumes at the next start"
            self._insist(job, lambda: self._give_back(job, message, "queued"))
        else:
            self._release_copies(job)
            self._insist(job, lambda: self._catalog.jobs.end(job.info.id, state, message, self._clock()))

    def _give_back(self, job: JobRecord, message: str, state: Literal["queued", "interrupted"]) -> None:
        self._catalog.jobs.requeue(job.info.id, message, owner=self._owner, state=state)

    def _release_if_cancelled(self, job_id: str) -> None:
        job = self._catalog.jobs.find(job_id)
        if job is not None and job.info.state == "cancelled":
            self._release_copies(job)

    def _release_copies(self, job: JobRecord) -> None:
        copies = [str(source) for _, source in job.params.get("copies", ())]
        if not copies or self._release is None:
            return
        try:
            with self._keeping:
                self._release(job.info.id, copies)
        except Exception:  # they are listed by doctor, and the job has done what it could
            logger.exception("uploads of job %s could not be deleted", job.info.label)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _longer(pause_s: float) -> float:
    return min(2 * pause_s, MAX_RETRY_S) or RETRY_S


def _reason(error: Exception) -> str:
    from indexer.errors import IndexerError
    from me5.errors import Me5Error

    if isinstance(error, IndexerError | Me5Error):
        return str(error)
    return f"Something unexpected happened ({type(error).__name__}: {error}). The log has the details."


def _label(paths: Sequence[Path]) -> str:
    names = [path.name or str(path) for path in paths]
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more" if names else "nothing"


def _documents(count: int) -> str:
    return "1 document" if count == 1 else f"{count} documents"
