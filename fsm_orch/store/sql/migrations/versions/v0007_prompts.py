"""Prompts: what models were asked and answered, for whoever looks for a mistake."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "fsm_prompts",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("visit", sa.Integer, primary_key=True),
        sa.Column("call", sa.Integer, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("fsm_prompts_at", "fsm_prompts", ["at"])


def downgrade() -> None:
    """Drop it, with all that was kept."""
    op.drop_table("fsm_prompts")
