"""Counts kept with the collections, and what lists of documents are sorted and filtered by."""

from collections import defaultdict

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SORTED = ("added_at", "size_bytes", "title_key")
_GROUPED = ("chunk_count", "state", "languages")
_FOLDED = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_KEY_CHARACTERS = 200
_PAGE = 5_000


def upgrade() -> None:
    """Add tables, columns and indexes, and fill them from what is there."""
    for name in ("document_count", "row_count"):
        op.add_column("collections", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "passage_counts",
        sa.Column(
            "collection_id",
            sa.String(36),
            sa.ForeignKey("collections.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("language", sa.String(35), primary_key=True),
        sa.Column("file_type", sa.String(32), primary_key=True),
        sa.Column("folder", sa.Text(), primary_key=True),
        sa.Column("chunk_count", sa.BigInteger(), nullable=False),
    )
    op.add_column("documents", sa.Column("title_key", _FOLDED, nullable=False, server_default=""))
    op.add_column("documents", sa.Column("search_text", sa.Text(), nullable=False, server_default=""))
    op.add_column("documents", sa.Column("languages", sa.Text(), nullable=False, server_default=""))
    op.add_column("documents", sa.Column("warning_count", sa.Integer(), nullable=False, server_default="0"))
    _fill_documents()
    _fill_counts()
    for name in _SORTED:
        op.create_index(f"ix_documents_{name}", "documents", ["collection_id", name])
    for name in _GROUPED:
        op.create_index(f"ix_documents_{name}", "documents", ["collection_id", name, "title_key"])
    op.create_index(
        "ix_documents_search",
        "documents",
        ["collection_id", "search_text", "warning_count"],
        postgresql_where=sa.text("false"),
    )
    op.create_index(
        "ix_documents_warned",
        "documents",
        ["collection_id", "warning_count"],
        sqlite_where=sa.text("warning_count > 0"),
        postgresql_where=sa.text("warning_count > 0"),
    )
    op.create_index("ix_documents_unfinished", "documents", ["path"],
        sqlite_where=sa.text("pending_hash IS NOT NULL"),
        postgresql_where=sa.text("pending_hash IS NOT NULL"),
    )  # fmt: skip


def _fill_documents() -> None:
    documents = sa.table(
        "documents", *map(sa.column, ("id", "path", "title", "file_type", "title_key", "search_text")),
        sa.column("languages"), sa.column("warnings", sa.JSON()), sa.column("warning_count"),
    )  # fmt: skip
    counted = sa.table("document_languages", *map(sa.column, ("document_id", "language", "chunk_count")))
    connection = op.get_bind()
    change = (
        sa.update(documents)
        .where(documents.c.id == sa.bindparam("its_id"))
        .values(
            {name: sa.bindparam(name) for name in ("title_key", "search_text", "languages", "warning_count")}
        )
    )
    last = ""
    while True:
        columns = (
            documents.c.id,
            documents.c.path,
            documents.c.title,
            documents.c.file_type,
            documents.c.warnings,
        )
        page = sa.select(*columns).where(documents.c.id > last).order_by(documents.c.id).limit(_PAGE)
        rows = connection.execute(page).all()
        if not rows:
            return
        languages = defaultdict(list)
        for row in connection.execute(
            sa.select(counted)
            .where(counted.c.document_id.between(rows[0].id, rows[-1].id))
            .order_by(counted.c.chunk_count.desc(), counted.c.language)
        ):
            languages[row.document_id].append(row.language)
        connection.execute(
            change,
            [
                {
                    "its_id": row.id,
                    "title_key": (row.title or row.path).casefold()[:_KEY_CHARACTERS],
                    "search_text": f"{row.title} {row.path} {row.file_type}".casefold(),
                    "languages": ",".join(languages[row.id]),
                    "warning_count": len(row.warnings),
                }
                for row in rows
            ],
        )
        last = rows[-1].id


def _fill_counts() -> None:
    op.execute(
        "INSERT INTO passage_counts (collection_id, language, file_type, folder, chunk_count) "
        "SELECT collection_id, language, file_type, folder, sum(l.chunk_count) "
        "FROM documents d JOIN document_languages l ON l.document_id = d.id "
        "GROUP BY collection_id, language, file_type, folder"
    )
    op.execute(
        "UPDATE collections SET "
        "document_count = (SELECT count(*) FROM documents d WHERE d.collection_id = collections.id), "
        "row_count = (SELECT count(*) FROM chunks c JOIN documents d ON d.id = c.document_id "
        "WHERE d.collection_id = collections.id)"
    )


def downgrade() -> None:
    """Remove them."""
    for name in (*_SORTED, *_GROUPED, "search", "warned", "unfinished"):
        op.drop_index(f"ix_documents_{name}", "documents")
    for name in ("title_key", "search_text", "languages", "warning_count"):
        op.drop_column("documents", name)
    op.drop_table("passage_counts")
    for name in ("document_count", "row_count"):
        op.drop_column("collections", name)
