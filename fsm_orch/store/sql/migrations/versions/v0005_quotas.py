"""Quotas: what the runs of each account were charged in the window of now, and may still cost."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "fsm_quotas",
        sa.Column("account", sa.Text, primary_key=True),
        sa.Column("ends_at", sa.Double, nullable=False),
        sa.Column("tokens", sa.Text, nullable=False),
        sa.Column("cost", sa.Text, nullable=False),
    )
    op.create_table(
        "fsm_quota_runs",
        sa.Column("account", sa.Text, primary_key=True),
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("ends_at", sa.Double, nullable=False),
        sa.Column("charged_tokens", sa.Text, nullable=False),
        sa.Column("charged_cost", sa.Text, nullable=False),
        sa.Column("since_tokens", sa.Text, nullable=False),
        sa.Column("since_cost", sa.Text, nullable=False),
        sa.Column("held_tokens", sa.Text, nullable=False),
        sa.Column("held_cost", sa.Text, nullable=False),
        sa.Column("is_open", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("fsm_quota_runs_over", "fsm_quota_runs", ["ends_at"])


def downgrade() -> None:
    """Drop the tables: nothing is held any more, and all accounts have all of their quotas again."""
    op.drop_table("fsm_quota_runs")
    op.drop_table("fsm_quotas")
