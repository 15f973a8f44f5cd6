"""Runs that are forks of others say so."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column."""
    op.add_column("fsm_runs", sa.Column("origin", sa.Text))


def downgrade() -> None:
    """Drop the column: forks are then runs as others are."""
    op.drop_column("fsm_runs", "origin")
