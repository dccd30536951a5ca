"""Jobs: queued, claimed by one worker, kept as history."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, or_, select, text, update

from indexer.catalog.database import Database
from indexer.catalog.records import moment
from indexer.catalog.tables import JobRow
from indexer.types import JobInfo, Lane
from me5.states import ACTIVE

_HISTORY = 200
_BEGUN = ("running", "interrupted")
_LEFT = "the machine that ran this does not answer; it goes on when that machine is back"


@dataclass(frozen=True)
class JobRecord:
    """A job with what its handler needs."""

    info: JobInfo
    params: Mapping[str, Any]
    cancel_requested: bool
    lane: Lane = "long"


@dataclass(frozen=True)
class ActiveJob:
    """A job that has not ended, as whoever decides what may run beside it sees it."""

    id: str
    kind: str
    collection: str
    lane: Lane
    state: Literal["queued", "running"]
    owner: str | None
    host: str | None
    updated_at: float


@dataclass(eq=False)
class JobQueries:
    """Queries on jobs."""

    database: Database

    def create(
        self,
        kind: str,
        *,
        collection: str,
        label: str,
        params: Mapping[str, Any],
        created_at: float,
        host: str | None = None,
        lane: Lane = "long",
    ) -> JobInfo:
        """Queue a job, for one host or for any. Only the newest 200 finished ones are kept."""
        job_id = str(uuid.uuid4())
        with self.database.write("jobs") as connection:
            connection.execute(
                insert(JobRow).values(
                    id=job_id,
                    kind=kind,
                    collection=collection,
                    label=label,
                    params=dict(params),
                    state="queued",
                    cancel_requested=False,
                    done=0,
                    total=0,
                    unit="",
                    message="waiting",
                    host=host,
                    lane=lane,
                    created_at=created_at,
                )
            )
            _forget_old(connection)
        result = self.find(job_id)
        assert result is not None
        return result.info

    def put_child(self, folder: str, values: Mapping[str, Any]) -> None:
        """Record a run in a process of its own, or what is new of it.

        Args:
            folder: tells it from others.
            values: columns of ``JobRow``; for a new one, all that must be known.
        """
        with self.database.write("jobs") as connection:
            known = connection.execute(
                select(JobRow.id).where(JobRow.folder == folder, JobRow.lane == "child")
            ).scalar()
            if known is not None:
                connection.execute(update(JobRow).where(JobRow.id == known).values(**values))
                return
            fixed = {"id": str(uuid.uuid4()), "lane": "child", "params": {}, "cancel_requested": False}
            connection.execute(insert(JobRow).values(**fixed, folder=folder, **values))
            _forget_old(connection)

    def children(self, host: str) -> list[JobInfo]:
        """The recorded runs in processes of their own on a machine."""
        query = select(JobRow.__table__).where(JobRow.lane == "child", JobRow.host == host)
        with self.database.read() as connection:
            return [_info(row) for row in connection.execute(query)]

    def infos(self, *, active_only: bool = False) -> list[JobInfo]:
        """All jobs, newest first."""
        query = select(JobRow.__table__).order_by(JobRow.created_at.desc())
        if active_only:
            query = query.where(JobRow.state.in_(ACTIVE))
        with self.database.read() as connection:
            return [_info(row) for row in connection.execute(query)]

    def find(self, job_id: str) -> JobRecord | None:
        """The job, or None."""
        with self.database.read() as connection:
            row = connection.execute(select(JobRow.__table__).where(JobRow.id == job_id)).first()
        return None if row is None else _record(row)

    def active_params(self, *, except_job: str = "") -> list[Mapping[str, Any]]:
        """The parameters of jobs that are queued or running, but for one."""
        query = select(JobRow.params).where(JobRow.state.in_(ACTIVE), JobRow.id != except_job)
        with self.database.read() as connection:
            return list(connection.execute(query).scalars())

    def claim(
        self,
        owner: str,
        now: float,
        host: str | None = None,
        lane: Lane | None = None,
        must_wait: Callable[[ActiveJob, ActiveJob], bool] = lambda job, earlier: False,
    ) -> JobRecord | None:
        """Take the oldest queued job that may start, or None when there is none.

        Args:
            owner: the process that will run it.
            now: unix seconds.
            host: the machine of that process; jobs of other machines are left to them.
            lane: of the job; None takes any.
            must_wait: whether a job must wait for an earlier one that has not ended.
        """
        with self.database.write("jobs") as connection:
            if not self.database.is_sqlite:  # there, writers take turns
                connection.execute(text("LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE"))
            rows = connection.execute(
                select(*(getattr(JobRow, field.name) for field in fields(ActiveJob)))
                .where(JobRow.state.in_(ACTIVE), JobRow.lane != "child")
                .order_by(JobRow.created_at, JobRow.id)
            ).all()
            active = [_active(row) for row in rows]
            job_id = next(
                (
                    job.id
                    for place, job in enumerate(active)
                    if job.state == "queued"
                    and job.host in (None, host)
                    and lane in (None, job.lane)
                    and not any(must_wait(job, earlier) for earlier in active[:place])
                ),
                None,
            )
            if job_id is None:
                return None
            connection.execute(
                update(JobRow)
                .where(JobRow.id == job_id)
                .values(state="running", owner=owner, started_at=now, updated_at=now, message="starting")
            )
        return self.find(job_id)

    def later(self, created_at: float, collection: str) -> list[JobRecord]:
        """Quick jobs on a collection that were asked for later and have begun, whether or not they ended."""
        query = select(JobRow.__table__).where(
            JobRow.created_at > created_at,
            JobRow.collection == collection,
            JobRow.lane == "quick",
            JobRow.started_at.is_not(None),
        )
        with self.database.read() as connection:
            return [_record(row) for row in connection.execute(query)]

    def report(
        self,
        job_id: str,
        *,
        done: int,
        total: int,
        unit: str,
        message: str,
        seconds_left: float | None,
        now: float,
    ) -> bool:
        """Record progress; True when someone asked for the job to be cancelled."""
        with self.database.write("jobs") as connection:
            connection.execute(
                update(JobRow)
                .where(JobRow.id == job_id)
                .values(
                    done=done,
                    total=total,
                    unit=unit,
                    message=message,
                    seconds_left=seconds_left,
                    updated_at=now,
                )
            )
            asked = connection.execute(select(JobRow.cancel_requested).where(JobRow.id == job_id)).scalar()
        return bool(asked)

    def end(self, job_id: str, state: str, message: str, now: float) -> None:
        """Record how a job ended: ``done``, ``failed`` or ``cancelled``."""
        with self.database.write("jobs") as connection:
            connection.execute(
                update(JobRow)
                .where(JobRow.id == job_id)
                .values(
                    state=state,
                    message=message,
                    seconds_left=None,
                    owner=None,
                    updated_at=now,
                    finished_at=now,
                )
            )

    def cancel(self, job_id: str, now: float) -> None:
        """Cancel a queued job at once; ask a running one to stop."""
        with self.database.write("jobs") as connection:
            connection.execute(
                update(JobRow)
                .where(
                    JobRow.id == job_id, JobRow.state.in_(("queued", "interrupted")), JobRow.lane != "child"
                )
                .values(state="cancelled", message="cancelled before it started", finished_at=now)
            )
            connection.execute(
                update(JobRow)
                .where(JobRow.id == job_id, JobRow.state == "running")
                .values(cancel_requested=True)
            )

    def requeue_gone(
        self, is_gone: Callable[[str], bool], host: str | None = None, lane: Lane | None = None
    ) -> list[JobInfo]:
        """Put jobs that ``host`` may run, and whose owner is gone, back in the queue.

        Args:
            is_gone: answers for an owner.
            host: the machine that asks.
            lane: only of this one.
        """
        query = select(JobRow.__table__).where(
            JobRow.state.in_(_BEGUN), JobRow.lane != "child", _may_run(host)
        )
        if lane is not None:
            query = query.where(JobRow.lane == lane)
        with self.database.read() as connection:
            rows: Sequence[Row] = connection.execute(query).all()
        back = [row for row in rows if is_gone(row.owner or "")]
        for row in back:
            self.requeue(row.id, "resuming after an interruption", owner=row.owner)
        return [_info(row) for row in back]

    def interrupt_gone(self, is_gone: Callable[[str], bool], host: str) -> list[JobInfo]:
        """Call the running jobs interrupted that another machine alone may run, and whose owner is gone."""
        query = select(JobRow.__table__).where(
            JobRow.state == "running", JobRow.lane != "child", JobRow.host.is_not(None), JobRow.host != host
        )
        with self.database.read() as connection:
            rows: Sequence[Row] = connection.execute(query).all()
        left = [row for row in rows if is_gone(row.owner or "")]
        with self.database.write("jobs") as connection:
            for row in left:
                connection.execute(
                    update(JobRow)
                    .where(JobRow.id == row.id, JobRow.state == "running", JobRow.owner == row.owner)
                    .values(state="interrupted", seconds_left=None, message=_LEFT)
                )
        return [_info(row) for row in left]

    def requeue(
        self,
        job_id: str,
        message: str,
        *,
        owner: str | None,
        state: Literal["queued", "interrupted"] = "queued",
    ) -> None:
        """Let a job that has begun go on later; one that was asked to stop becomes cancelled.

        Args:
            job_id: which job.
            message: why it waits.
            owner: the process that has it, None where none has; a job of another one stays as it is.
            state: ``interrupted`` where something has to happen first.
        """
        has_it = JobRow.owner.is_(None) if owner is None else JobRow.owner == owner
        with self.database.write("jobs") as connection:
            item = update(JobRow).where(JobRow.id == job_id, JobRow.state.in_(_BEGUN), has_it)
            connection.execute(
                item.where(JobRow.cancel_requested.is_(True)).values(state="cancelled", message="cancelled")
            )
            connection.execute(
                item.where(JobRow.cancel_requested.is_(False)).values(
                    state=state, owner=None, seconds_left=None, message=message
                )
            )


def _may_run(host: str | None) -> ColumnElement[bool]:
    return or_(JobRow.host.is_(None), JobRow.host == host)


def _forget_old(connection: Connection) -> None:
    old = (
        connection.execute(
            select(JobRow.id)
            .where(JobRow.state.not_in(ACTIVE))
            .order_by(JobRow.created_at.desc())
            .offset(_HISTORY)
        )
        .scalars()
        .all()
    )
    if old:
        connection.execute(delete(JobRow).where(JobRow.id.in_(old)))


def _record(row: Row) -> JobRecord:
    return JobRecord(_info(row), row.params, row.cancel_requested, row.lane)


def _active(row: Row) -> ActiveJob:
    return ActiveJob(
        row.id, row.kind, row.collection, row.lane, row.state, row.owner, row.host, row.updated_at or 0.0
    )


def _info(row: Row) -> JobInfo:
    return JobInfo(
        id=row.id,
        kind=row.kind,
        collection=row.collection,
        state=row.state,
        label=row.label,
        done=row.done,
        total=row.total,
        unit=row.unit,
        message=row.message,
        seconds_left=row.seconds_left,
        created_at=moment(row.created_at),
        started_at=None if row.started_at is None else moment(row.started_at),
        finished_at=None if row.finished_at is None else moment(row.finished_at),
        folder=row.folder,
    )
