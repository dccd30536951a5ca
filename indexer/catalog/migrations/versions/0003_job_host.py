"""Jobs on files of one machine name it, so that another one leaves them alone."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; jobs of before may be run by any machine."""
    op.add_column("jobs", sa.Column("host", sa.String(36)))


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("jobs", "host")
