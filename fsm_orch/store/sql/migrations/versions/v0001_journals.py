"""Journals, leases, inboxes and accounts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "fsm_runs",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("thread_id", sa.Text),
        sa.Column("tenant", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("hops", sa.Integer, nullable=False),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.Double),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("responses", sa.Integer, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("is_cancel_asked", sa.Boolean, nullable=False),
        sa.Column("began_at", sa.Double, nullable=False),
        sa.Column("stored_at", sa.Double, nullable=False),
    )
    is_open = sa.text("status <> 'finished'")
    op.create_index("fsm_runs_began", "fsm_runs", ["began_at", "id"])
    op.create_index("fsm_runs_thread", "fsm_runs", ["thread_id", "began_at"])
    op.create_index("fsm_runs_tenant", "fsm_runs", ["tenant", "began_at"])
    op.create_index("fsm_runs_open", "fsm_runs", ["status", "began_at"], sqlite_where=is_open, postgresql_where=is_open)
    asks = sa.text("expires_at IS NOT NULL")
    op.create_index("fsm_runs_expires", "fsm_runs", ["expires_at"], sqlite_where=asks, postgresql_where=asks)
    op.create_index("fsm_runs_owner", "fsm_runs", ["owner"], sqlite_where=is_open, postgresql_where=is_open)
    op.create_table(
        "fsm_inputs",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "fsm_responses",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "fsm_posts",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("question", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("who", sa.Text),
        sa.Column("posted_at", sa.Double, nullable=False),
        sa.Column("is_folded", sa.Boolean, nullable=False),
    )
    op.create_table(
        "fsm_workers", sa.Column("id", sa.Text, primary_key=True), sa.Column("expires_at", sa.Double, nullable=False)
    )
    op.create_table(
        "fsm_accounts",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("tokens", sa.Text, nullable=False),
        sa.Column("cost", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables, and all that they hold."""
    for table in ("accounts", "workers", "posts", "responses", "inputs", "runs"):
        op.drop_table(f"fsm_{table}")
