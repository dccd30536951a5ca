"""Who is at work where several machines share a catalog: processes, their signs of life, what they read.

A claim holds as long as its process gives signs of life: ``LEASE_S`` after the last one, others may take it.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, delete, func, literal, or_, select

from indexer.catalog.database import Database, slices, upsert
from indexer.catalog.tables import ClaimRow, ProcessRow

LEASE_S = 60.0
"""A process that gave no sign of life for so long is taken for dead."""
FORGET_S = 86_400.0
"""After so long it is not remembered either."""


@dataclass(frozen=True)
class ProcessRecord:
    """A process that uses the catalog; see ``ProcessRow``."""

    owner: str
    host: str
    name: str
    role: str
    seen_at: float


@dataclass(eq=False)
class ClaimQueries:
    """Queries on processes and what they have claimed."""

    database: Database

    def sign_of_life(self, process: ProcessRecord) -> None:
        """Record that the process is at work at ``process.seen_at``; a server takes its own time instead."""
        values = asdict(process) | {"seen_at": self._clock(process.seen_at)}
        with self.database.write("jobs") as connection:
            connection.execute(
                delete(ProcessRow).where(ProcessRow.seen_at < self._clock(process.seen_at) - FORGET_S)
            )
            statement = upsert(connection, ProcessRow).values(**values)
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[ProcessRow.owner], set_={"seen_at": values["seen_at"]}
                )
            )

    def leave(self, owner: str) -> None:
        """Forget a process and what it has claimed."""
        with self.database.write("jobs") as connection:
            connection.execute(delete(ProcessRow).where(ProcessRow.owner == owner))
            connection.execute(delete(ClaimRow).where(ClaimRow.owner == owner))

    def alive(self, now: float) -> list[ProcessRecord]:
        """The processes that gave a sign of life lately, the latest first; ``now`` as of ``sign_of_life``."""
        columns = [getattr(ProcessRow, field.name) for field in fields(ProcessRecord)]
        query = select(*columns).where(ProcessRow.seen_at >= self._clock(now) - LEASE_S)
        with self.database.read() as connection:
            rows = connection.execute(query.order_by(ProcessRow.seen_at.desc()))
            return [ProcessRecord(*row) for row in rows]

    def owners(self) -> set[str]:
        """The processes that have claimed anything."""
        with self.database.read() as connection:
            return set(connection.execute(select(ClaimRow.owner).distinct()).scalars())

    def of(self, owners: Collection[str]) -> set[str]:
        """The documents that these processes have claimed."""
        with self.database.read() as connection:
            query = select(ClaimRow.document_id).where(ClaimRow.owner.in_(list(owners)))
            return set(connection.execute(query).scalars())

    def claim(self, document_ids: Sequence[str], owner: str, gone: Collection[str]) -> set[str]:
        """Claim documents that nobody has, or a process that is ``gone``; the ids of those held by others."""
        held: set[str] = set()
        free = or_(ClaimRow.owner == owner, ClaimRow.owner.in_(list(gone)))
        for part in slices(document_ids):
            with self.database.write("jobs") as connection:
                statement = upsert(connection, ClaimRow).values(
                    [{"document_id": i, "owner": owner} for i in part]
                )
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=[ClaimRow.document_id], set_={"owner": owner}, where=free
                    )
                )
                others = select(ClaimRow.document_id).where(
                    ClaimRow.document_id.in_(part), ClaimRow.owner != owner
                )
                held |= set(connection.execute(others).scalars())
        return held

    def release(self, document_ids: Sequence[str], owner: str) -> None:
        """Give up claims; those of others stay."""
        for part in slices(document_ids):
            with self.database.write("jobs") as connection:
                mine = (ClaimRow.document_id.in_(part), ClaimRow.owner == owner)
                connection.execute(delete(ClaimRow).where(*mine))

    def held(self, document_ids: Sequence[str], *, except_for: Collection[str]) -> set[str]:
        """Those of the documents that a process has claimed, but for these processes."""
        held: set[str] = set()
        for part in slices(document_ids):
            query = select(ClaimRow.document_id).where(
                ClaimRow.document_id.in_(part), ClaimRow.owner.not_in(list(except_for))
            )
            with self.database.read() as connection:
                held |= set(connection.execute(query).scalars())
        return held

    def _clock(self, now: float) -> ColumnElement[Any]:
        """The time of the server, which all machines ask; ``now`` where there is none."""
        return literal(now) if self.database.is_sqlite else func.extract("epoch", func.clock_timestamp())
