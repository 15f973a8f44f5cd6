"""Notices: triggers note runs that come to wait, or end, for those who want to be told of it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_NOTE = """
    INSERT INTO fsm_notices (name, run_id, inputs, told, tries, due_at, since)
    SELECT name, NEW.id, NEW.position, 0, 0, 0, NEW.stored_at FROM fsm_subscribers WHERE digest = NEW.digest
    ON CONFLICT (name, run_id) DO UPDATE SET inputs = excluded.inputs, since = excluded.since;
"""
# forks are driven by hand, and nobody waits for them
_IS_NEWS = "NEW.status <> 'running' AND NEW.origin IS NULL"
_EVENTS = {"fsm_note_begun": "INSERT", "fsm_note_gone_on": "UPDATE OF position"}


def upgrade() -> None:
    """Make the tables and the triggers."""
    op.create_table(
        "fsm_subscribers",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "fsm_notices",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("inputs", sa.Integer, nullable=False),
        sa.Column("told", sa.Integer, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
    due = sa.text("told < inputs")
    op.create_index("fsm_notices_due", "fsm_notices", ["name", "due_at"], sqlite_where=due, postgresql_where=due)
    op.create_index("fsm_notices_run", "fsm_notices", ["run_id"])
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    if not is_sqlite:
        op.execute(f"CREATE FUNCTION fsm_note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {_NOTE} RETURN NULL; END$$")
    does = f"BEGIN {_NOTE} END" if is_sqlite else "EXECUTE FUNCTION fsm_note()"
    for name, event in _EVENTS.items():
        op.execute(f"CREATE TRIGGER {name} AFTER {event} ON fsm_runs FOR EACH ROW WHEN ({_IS_NEWS}) {does}")


def downgrade() -> None:
    """Drop them: nobody is told of what is not told yet."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for name in _EVENTS:
        op.execute(f"DROP TRIGGER {name}{'' if is_sqlite else ' ON fsm_runs'}")
    if not is_sqlite:
        op.execute("DROP FUNCTION fsm_note()")
    op.drop_table("fsm_notices")
    op.drop_table("fsm_subscribers")
