"""Which process reads a document, whose machine has it, and which processes are at work."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables and the column; nothing is claimed yet."""
    op.add_column("documents", sa.Column("host", sa.String(36)))
    op.create_table(
        "processes",
        sa.Column("owner", sa.String(100), primary_key=True),
        sa.Column("host", sa.String(36), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("seen_at", sa.Float, nullable=False),
    )
    op.create_table(
        "claims",
        sa.Column("document_id", sa.String(36), primary_key=True),
        sa.Column("owner", sa.String(100), nullable=False, index=True),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("claims")
    op.drop_table("processes")
    op.drop_column("documents", "host")
