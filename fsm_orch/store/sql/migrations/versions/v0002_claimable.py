"""Find the runs that wait and have an answer, or a cancellation that was asked for, among many that do not."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the indexes."""
    # in the words of the statements, or SQLite would not use them
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    wished = sa.text(f"is_cancel_asked{' = 1' * is_sqlite} AND status <> 'finished'")
    op.create_index("fsm_runs_cancels", "fsm_runs", ["id"], sqlite_where=wished, postgresql_where=wished)
    news = sa.text("is_folded = 0" if is_sqlite else "NOT is_folded")
    op.create_index("fsm_posts_news", "fsm_posts", ["run_id"], sqlite_where=news, postgresql_where=news)


def downgrade() -> None:
    """Drop the indexes."""
    op.drop_index("fsm_posts_news", "fsm_posts")
    op.drop_index("fsm_runs_cancels", "fsm_runs")
