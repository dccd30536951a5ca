"""Work in processes of its own is recorded among the jobs, with its folder."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; jobs of before have none."""
    op.add_column("jobs", sa.Column("folder", sa.Text))


def downgrade() -> None:
    """Remove the column, and the jobs that an earlier version would take for its own."""
    op.execute("DELETE FROM jobs WHERE lane = 'child'")
    op.drop_column("jobs", "folder")
