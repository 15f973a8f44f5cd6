"""Runs that are to be landed say who has asked for it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column."""
    op.add_column("fsm_runs", sa.Column("cancelled_by", sa.Text))


def downgrade() -> None:
    """Drop it: nobody is told who asked."""
    op.drop_column("fsm_runs", "cancelled_by")
