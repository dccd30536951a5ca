"""Jobs have a lane: quick ones do not wait for long ones."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of the jobs of before, removals are quick."""
    op.add_column("jobs", sa.Column("lane", sa.String(8), nullable=False, server_default="long"))
    op.execute("UPDATE jobs SET lane = 'quick' WHERE kind IN ('remove', 'drop')")


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("jobs", "lane")
