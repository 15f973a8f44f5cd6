"""Runs that are forks of others say so."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column, and an index of the runs that are no forks and that somebody should drive."""
    op.add_column("fsm_runs", sa.Column("origin", sa.Text))
    where = sa.text("status = 'running' AND origin IS NULL")
    op.create_index("fsm_runs_running", "fsm_runs", ["began_at", "id"], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """Drop the column: forks are then runs as others are."""
    op.drop_index("fsm_runs_running", "fsm_runs")
    op.drop_column("fsm_runs", "origin")
