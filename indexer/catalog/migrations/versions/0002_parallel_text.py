"""Parallel text under review: bitexts, their pairs, and what changes can be taken back."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "bitexts",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("source_language", sa.String(35), nullable=False),
        sa.Column("target_language", sa.String(35), nullable=False),
        sa.Column("threshold", sa.Float()),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
    )
    op.create_table(
        "bitext_pairs",
        sa.Column(
            "bitext_id", sa.String(40), sa.ForeignKey("bitexts.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("score", sa.Float()),
        sa.Column("cosine", sa.Float()),
        sa.Column("source_language", sa.String(35), nullable=False),
        sa.Column("target_language", sa.String(35), nullable=False),
        sa.Column("flags", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("source_origin", sa.Text(), nullable=False),
        sa.Column("target_origin", sa.Text(), nullable=False),
        sa.Column("meta", sa.JSON(), nullable=False),
        sa.Column("first_source", sa.Text()),
        sa.Column("first_target", sa.Text()),
    )
    op.create_index("ix_bitext_pairs_score", "bitext_pairs", ["bitext_id", "score"])
    op.create_index("ix_bitext_pairs_state", "bitext_pairs", ["bitext_id", "state"])
    op.create_table(
        "bitext_changes",
        sa.Column(
            "bitext_id", sa.String(40), sa.ForeignKey("bitexts.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("change", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("source", sa.Text()),
        sa.Column("target", sa.Text()),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("bitext_changes", "bitext_pairs", "bitexts"):
        op.drop_table(table)
