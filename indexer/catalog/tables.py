"""The tables of the catalog. Rows never leave the catalog package; ``records`` holds what does.

Times are unix seconds (float), so that SQLite and PostgreSQL keep the same value. A change here needs
a migration in ``indexer/catalog/migrations/versions``; a test compares the two.
"""

from typing import Any

from sqlalchemy import JSON, BigInteger, Float, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SORTED = ("added_at", "size_bytes", "title_key")
GROUPED = ("chunk_count", "state", "languages")
"""Columns that lists of documents are sorted by; those of the second kind have few values, each of many."""


FOLDED = Text().with_variant(Text(collation="C"), "postgresql")
"""Casefolded text, in the order of its characters."""


class Base(DeclarativeBase):
    """Parent of all tables."""


class CollectionRow(Base):
    """A named set of documents, embedded with one model contract."""

    __tablename__ = "collections"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    model: Mapped[str] = mapped_column(Text)
    contract: Mapped[str] = mapped_column(Text)
    contract_digest: Mapped[str] = mapped_column(String(64))
    dimension: Mapped[int]
    created_at: Mapped[float] = mapped_column(Float)
    document_count: Mapped[int] = mapped_column(BigInteger, server_default="0")
    row_count: Mapped[int] = mapped_column(BigInteger, server_default="0")


class PassageCountRow(Base):
    """How many chunks of complete passes a collection has of a language, file type and folder; never 0."""

    __tablename__ = "passage_counts"

    collection_id: Mapped[str] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True
    )
    language: Mapped[str] = mapped_column(String(35), primary_key=True)
    file_type: Mapped[str] = mapped_column(String(32), primary_key=True)
    folder: Mapped[str] = mapped_column(Text, primary_key=True)
    chunk_count: Mapped[int] = mapped_column(BigInteger)


class DocumentRow(Base):
    """A file. ``generation`` is the pass whose chunks count; a pass under way writes the next one.

    ``content_hash`` belongs to ``generation``, ``pending_hash`` to the pass under way. ``title_key``,
    ``search_text``, ``languages`` (most frequent first) and ``warning_count`` are what lists are sorted and
    filtered by; see ``listing``. ``host`` is the machine that reads ``source``, where several share the
    catalog.
    """

    __tablename__ = "documents"
    __table_args__ = (
        UniqueConstraint("collection_id", "path"),
        Index("ix_documents_source", "collection_id", "source"),
        Index("ix_documents_hash", "collection_id", "content_hash"),
        Index("ix_documents_facets", "collection_id", "file_type", "folder", "chunk_count"),
        *(Index(f"ix_documents_{name}", "collection_id", name) for name in SORTED),
        *(Index(f"ix_documents_{name}", "collection_id", name, "title_key") for name in GROUPED),
        Index(  # read from end to end by filters; PostgreSQL has no room for long texts in an index
            "ix_documents_search",
            "collection_id",
            "search_text",
            "warning_count",
            postgresql_where=text("false"),
        ),
        Index(
            "ix_documents_warned",
            "collection_id",
            "warning_count",
            sqlite_where=text("warning_count > 0"),
            postgresql_where=text("warning_count > 0"),
        ),
        Index(
            "ix_documents_unfinished",
            "path",
            sqlite_where=text("pending_hash IS NOT NULL"),
            postgresql_where=text("pending_hash IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    collection_id: Mapped[str] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(Text)
    folder: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    file_type: Mapped[str] = mapped_column(String(32))
    encoding: Mapped[str | None] = mapped_column(String(32))
    pages: Mapped[int | None]
    warnings: Mapped[list[str]] = mapped_column(JSON)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    content_hash: Mapped[str | None] = mapped_column(String(64))
    pending_hash: Mapped[str | None] = mapped_column(String(64))
    generation: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    error: Mapped[str | None] = mapped_column(Text)
    chunk_count: Mapped[int]
    added_at: Mapped[float] = mapped_column(Float)
    title_key: Mapped[str] = mapped_column(FOLDED, server_default="")
    search_text: Mapped[str] = mapped_column(Text, server_default="")
    languages: Mapped[str] = mapped_column(Text, server_default="")
    warning_count: Mapped[int] = mapped_column(server_default="0")
    host: Mapped[str | None] = mapped_column(String(36))


class DocumentLanguageRow(Base):
    """How many chunks of a document are in a language; written when a document is finished."""

    __tablename__ = "document_languages"

    document_id: Mapped[str] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True)
    language: Mapped[str] = mapped_column(String(35), primary_key=True)
    chunk_count: Mapped[int]


class ChunkRow(Base):
    """A passage: text, place and language. ``state`` is ``pending`` until the vector store holds it.

    ``kept_from`` is the complete pass that had the same chunk, while a pass under way takes it over.
    """

    __tablename__ = "chunks"
    __table_args__ = (
        Index("ix_chunks_document", "document_id", "generation", "ordinal"),
        Index(
            "ix_chunks_pending",
            "document_id",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    document_id: Mapped[str] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    generation: Mapped[int]
    kept_from: Mapped[int | None]
    ordinal: Mapped[int]
    start: Mapped[int] = mapped_column(BigInteger)
    end: Mapped[int] = mapped_column(BigInteger)
    text: Mapped[str] = mapped_column(Text)
    page: Mapped[int | None]
    section: Mapped[str | None] = mapped_column(Text)
    token_count: Mapped[int]
    language: Mapped[str] = mapped_column(String(35))
    script: Mapped[str] = mapped_column(String(8))
    language_confidence: Mapped[float] = mapped_column(Float)
    state: Mapped[str] = mapped_column(String(16))


class JobRow(Base):
    """Long work, its progress and its owner (host, pid and start of the process that runs it).

    ``host`` is the only machine that may run it, because the work is on files there; null: any may. Jobs of a
    ``lane`` run one after the other; those of the lane ``child`` are processes of their own, which report in
    ``folder``.
    """

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_state", "state", "created_at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    collection: Mapped[str] = mapped_column(Text)
    label: Mapped[str] = mapped_column(Text)
    params: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(16))
    cancel_requested: Mapped[bool]
    done: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger)
    unit: Mapped[str] = mapped_column(String(32))
    message: Mapped[str] = mapped_column(Text)
    seconds_left: Mapped[float | None] = mapped_column(Float)
    owner: Mapped[str | None] = mapped_column(Text)
    host: Mapped[str | None] = mapped_column(String(36))
    lane: Mapped[str] = mapped_column(String(8), server_default="long")
    folder: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[float] = mapped_column(Float)
    started_at: Mapped[float | None] = mapped_column(Float)
    updated_at: Mapped[float | None] = mapped_column(Float)
    finished_at: Mapped[float | None] = mapped_column(Float)


class ProcessRow(Base):
    """A process that uses the catalog, where several machines do.

    ``owner`` tells it from all others, ``host`` is the id of its machine and ``name`` what people call that,
    ``role`` what it does, ``seen_at`` its last sign of life.
    """

    __tablename__ = "processes"

    owner: Mapped[str] = mapped_column(String(100), primary_key=True)
    host: Mapped[str] = mapped_column(String(36))
    name: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(String(16))
    seen_at: Mapped[float] = mapped_column(Float)


class ClaimRow(Base):
    """The process that reads a document, or has begun to; the document need not be recorded yet."""

    __tablename__ = "claims"

    document_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    owner: Mapped[str] = mapped_column(String(100), index=True)


class SettingRow(Base):
    """A small JSON value; ``scope`` is a collection id, or empty for the whole data folder."""

    __tablename__ = "settings"

    scope: Mapped[str] = mapped_column(String(36), primary_key=True)
    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)
