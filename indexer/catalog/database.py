"""Open the catalog database: engine, SQLite settings, transactions, schema version."""

import logging
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from indexer.addresses import hide_password, hide_passwords
from indexer.errors import CatalogError

HEAD = "0007"
"""The schema version this code knows: the newest file in ``indexer/catalog/migrations/versions``."""

ID_SLICE = 500
"""Ids per IN list; SQLite builds of old allow 999 variables in one statement."""

Kind = Literal["documents", "chunks", "jobs", "settings", "bitexts"]
"""What a transaction changes; collections and counts belong to the documents."""

_MAX_REMEMBERED = 200
_BUSY_TIMEOUT_MS = 30_000
_MIGRATIONS = Path(__file__).resolve().parent / "migrations"

T = TypeVar("T")


def slices(items: Sequence[T], size: int = ID_SLICE) -> Iterator[Sequence[T]]:
    """``items`` in consecutive slices of at most ``size``."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def upsert(connection: Connection, table: type) -> Any:
    """An INSERT that may say what to do about a row that is there; SQLAlchemy has one for each database."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def batches(items: Iterable[T], size: int = ID_SLICE) -> Iterator[list[T]]:
    """``items``, read as they are wanted, in lists of at most ``size``."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


class Database:
    """An engine with a read and a write transaction, shared by all queries of a ``Catalog``.

    Args:
        url: an SQLAlchemy URL, or the path of an SQLite file; ``sqlite://`` is a database in memory for
            tests.

    Raises:
        CatalogError: the database cannot be reached, or its schema is newer than this code.
    """

    def __init__(self, url: str | Path) -> None:
        self._lock = threading.RLock()
        self._document_changes = 0
        self._passage_changes = 0
        self._never_same = count(1)
        self._remembered: dict[Hashable, object] = {}
        self._remembered_at = 0
        self._remembered_lock = threading.Lock()
        self._shown_url = (
            str(URL.create("sqlite", database=str(url))) if isinstance(url, Path) else hide_password(url)
        )
        try:
            address = _parse(url)
            self._engine = _build_engine(address)
            self.is_sqlite = self._engine.dialect.name == "sqlite"
            migrate(self._engine, self._shown_url)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise CatalogError(
                f"The database address {self._shown_url!r} cannot be used ({hide_passwords(str(error))}). "
                "Expected sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME; PostgreSQL needs "
                "`pip install 'me5-search[postgres]'`."
            ) from None  # the causes may quote the address
        except SQLAlchemyError as error:
            raise self._refusal(error) from error

    def close(self) -> None:
        """Release all connections."""
        self._engine.dispose()

    def describe(self) -> str:
        """The address in one line, without the password."""
        return self._shown_url

    def integrity_problems(self) -> list[str]:
        """What the database itself finds wrong with its file; empty when all is well."""
        if not self.is_sqlite:
            return []
        with self.read() as connection:
            lines = [str(row[0]) for row in connection.execute(text("PRAGMA integrity_check"))]
            broken = connection.execute(text("PRAGMA foreign_key_check")).fetchall()
        problems = [line for line in lines if line != "ok"]
        if broken:
            problems.append(f"{len(broken)} rows point to rows that are gone")
        return problems

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for queries; sees one consistent state."""
        with self._transaction(immediate=False) as connection:
            yield connection

    @contextmanager
    def write(self, kind: Kind = "documents") -> Iterator[Connection]:
        """A connection whose changes are durable when the block ends, or undone when it raises.

        ``kind`` says which tables are changed: answers are remembered until documents are.
        """
        with self._lock:
            with self._transaction(immediate=True) as connection:
                yield connection
            if kind == "documents":
                self._document_changes += 1
            if kind in ("documents", "chunks"):
                self._passage_changes += 1

    def passage_changes(self) -> int:
        """How often passages or their documents were changed through this object.

        Always another number with PostgreSQL, to which other processes may write.
        """
        if self.is_sqlite:
            return self._passage_changes
        return next(self._never_same)

    def remembered(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What ``compute`` gives, remembered until documents or collections are changed.

        Not with PostgreSQL, to which other processes may write.
        """
        if not self.is_sqlite:
            return compute()
        changes = self._document_changes  # before it is computed: a change meanwhile makes it old
        with self._remembered_lock:
            if changes != self._remembered_at or len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered, self._remembered_at = {}, changes
            if key in self._remembered:
                return cast(T, self._remembered[key])
        value = compute()
        with self._remembered_lock:
            if changes == self._remembered_at:
                self._remembered[key] = value
        return value

    @contextmanager
    def _transaction(self, *, immediate: bool) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                connection = connection.execution_options(immediate=immediate)  # noqa: PLW2901 - same one
                with connection.begin():
                    yield connection
        except SQLAlchemyError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: SQLAlchemyError) -> CatalogError:
        cause = hide_passwords(str(getattr(error, "orig", None) or error)).strip().splitlines()[0]
        if "locked" in cause:
            advice = "Another program holds it; close that program and try again."
        elif "malformed" in cause or "not a database" in cause:
            advice = (
                "The file is damaged. Put a copy back from a backup, or move it aside and add your "
                "documents again; the documents themselves are untouched."
            )
        elif "disk" in cause or "full" in cause:
            advice = "Free some disk space and try again; what was complete before is kept."
        else:
            advice = "Check that the address is right and that the database is running and writable."
        return CatalogError(f"The catalog at {self._shown_url} refused: {cause}. {advice}")


def _parse(url: str | Path) -> URL:
    if isinstance(url, Path):
        return URL.create("sqlite", database=str(url))
    before_path = url.partition("://")[2].partition("?")[0].rpartition("@")
    if "@" in before_path[0] and not url.startswith("sqlite"):
        raise ArgumentError("write @ in a password as %40, : as %3A, / as %2F")
    try:
        return make_url(url)
    except ValueError:  # its words quote a part of the address
        raise ArgumentError("the port is not a number; write : in a password as %3A, / as %2F") from None


def _build_engine(address: URL) -> Engine:
    if address.drivername == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    if address.get_backend_name() != "sqlite":
        return create_engine(address, pool_pre_ping=True)
    options: dict[str, Any] = {
        "connect_args": {"check_same_thread": False, "timeout": _BUSY_TIMEOUT_MS / 1000}
    }
    if address.database in (None, "", ":memory:"):
        options["poolclass"] = StaticPool
    engine = create_engine(address, **options)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not start transactions of its own
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {_BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",  # NORMAL may lose the last commits when the power fails
        "foreign_keys = ON",
        "cache_size = -65536",
        "temp_store = MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads and then writes fails at once when another one wrote in between;
    # taking the write lock at the start waits for busy_timeout instead.
    immediate = connection.get_execution_options().get("immediate", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def migrate(engine: Engine, shown_url: str) -> None:
    """Bring the schema to ``HEAD``.

    Raises:
        CatalogError: the schema was made by a newer version of this program.
    """
    version = _schema_version(engine)
    if version == HEAD:
        return
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it announces its own parts
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version is not None and version not in known:
        raise CatalogError(
            f"The catalog at {shown_url} has schema version {version!r}; this program knows versions up to "
            f"{HEAD!r}. It was made by a newer me5-search: update this program, or choose another folder "
            "with --data."
        )
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        with connection.begin():
            command.upgrade(config, HEAD)


def _schema_version(engine: Engine) -> str | None:
    if not inspect(engine).has_table("alembic_version"):
        return None
    with engine.connect() as connection, connection.begin():
        row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return None if row is None else str(row[0])
