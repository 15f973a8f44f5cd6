"""The tables of a journal in a database; how they came to be is in `migrations`."""

from __future__ import annotations

import sqlalchemy as sa

VERSION_TABLE = "fsm_version"
"""Where Alembic writes down how far a database was migrated."""

VERSION = "0008"
"""The newest of `migrations/versions`."""

metadata = sa.MetaData()

runs = sa.Table(
    "fsm_runs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("thread_id", sa.Text),
    sa.Column("tenant", sa.Text),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("hops", sa.Integer, nullable=False),
    sa.Column("tokens", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.Double),
    sa.Column("position", sa.Integer, nullable=False),  # how many inputs are stored
    sa.Column("responses", sa.Integer, nullable=False),  # how many are kept for the visit under way
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("owner", sa.Text),
    sa.Column("is_cancel_asked", sa.Boolean, nullable=False),
    sa.Column("began_at", sa.Double, nullable=False),
    sa.Column("stored_at", sa.Double, nullable=False),
    sa.Column("origin", sa.Text),  # of a fork: the JSON of what it was made of
    sa.Column("cancelled_by", sa.Text),  # the first who asked for it and said who they are
)
OPEN = runs.c.status != sa.literal_column("'finished'")  # bound, it would match no index of these
sa.Index("fsm_runs_began", runs.c.began_at, runs.c.id)
sa.Index("fsm_runs_thread", runs.c.thread_id, runs.c.began_at)
sa.Index("fsm_runs_tenant", runs.c.tenant, runs.c.began_at)
sa.Index("fsm_runs_open", runs.c.status, runs.c.began_at, sqlite_where=OPEN, postgresql_where=OPEN)
ASKS = runs.c.expires_at.is_not(None)
sa.Index("fsm_runs_expires", runs.c.expires_at, sqlite_where=ASKS, postgresql_where=ASKS)
sa.Index("fsm_runs_owner", runs.c.owner, sqlite_where=OPEN, postgresql_where=OPEN)

RUNNING = runs.c.status == sa.literal_column("'running'")
# without forks, which no worker takes: any number of them may wait to be asked for
_WORK = sa.and_(RUNNING, runs.c.origin.is_(None))
sa.Index("fsm_runs_running", runs.c.began_at, runs.c.id, sqlite_where=_WORK, postgresql_where=_WORK)

CANCELS = sa.and_(runs.c.is_cancel_asked, OPEN)
sa.Index("fsm_runs_cancels", runs.c.id, sqlite_where=CANCELS, postgresql_where=CANCELS)

inputs = sa.Table(
    "fsm_inputs",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),  # the public JSON of an input; never changed
    sqlite_with_rowid=False,
)

rebindings = sa.Table(
    "fsm_rebindings",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("was", sa.Text, nullable=False),  # digests
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("inputs", sa.Integer, nullable=False),  # how many were stored
    sa.Column("renames", sa.Text, nullable=False),  # JSON
    sa.Column("terms", sa.Text, nullable=False),
    sa.Column("rebound_at", sa.Double, nullable=False),
    sqlite_with_rowid=False,
)

responses = sa.Table(
    "fsm_responses",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)

posts = sa.Table(
    "fsm_posts",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("question", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("who", sa.Text),
    sa.Column("posted_at", sa.Double, nullable=False),
    sa.Column("is_folded", sa.Boolean, nullable=False),
)
NEWS = ~posts.c.is_folded
sa.Index("fsm_posts_news", posts.c.run_id, sqlite_where=NEWS, postgresql_where=NEWS)

workers = sa.Table(
    "fsm_workers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("expires_at", sa.Double, nullable=False),
)

accounts = sa.Table(
    "fsm_accounts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tokens", sa.Text, nullable=False),  # digits: what is moved may be larger than any integer column
    sa.Column("cost", sa.Text, nullable=False),
)

quotas = sa.Table(
    "fsm_quotas",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("ends_at", sa.Double, nullable=False),  # of its window, in seconds of the epoch
    sa.Column("tokens", sa.Text, nullable=False),  # digits: what its runs were charged in the window and may still cost
    sa.Column("cost", sa.Text, nullable=False),
)

quota_runs = sa.Table(
    "fsm_quota_runs",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("ends_at", sa.Double, nullable=False),  # of the window that this is of
    sa.Column("charged_tokens", sa.Text, nullable=False),
    sa.Column("charged_cost", sa.Text, nullable=False),
    sa.Column("since_tokens", sa.Text, nullable=False),
    sa.Column("since_cost", sa.Text, nullable=False),
    sa.Column("held_tokens", sa.Text, nullable=False),
    sa.Column("held_cost", sa.Text, nullable=False),
    sa.Column("is_open", sa.Boolean, nullable=False),
    sqlite_with_rowid=False,
)
sa.Index("fsm_quota_runs_over", quota_runs.c.ends_at)

subscribers = sa.Table(
    "fsm_subscribers",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
    sqlite_with_rowid=False,
)

notices = sa.Table(  # written by triggers, which are in `migrations`
    "fsm_notices",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),  # of the subscriber
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("inputs", sa.Integer, nullable=False),
    sa.Column("told", sa.Integer, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("due_at", sa.Double, nullable=False),
    sa.Column("since", sa.Double, nullable=False),
    sqlite_with_rowid=False,
)
UNTOLD = notices.c.told < notices.c.inputs
sa.Index("fsm_notices_due", notices.c.name, notices.c.due_at, sqlite_where=UNTOLD, postgresql_where=UNTOLD)
sa.Index("fsm_notices_run", notices.c.run_id)

prompts = sa.Table(
    "fsm_prompts",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("path", sa.Text, primary_key=True),  # numbers with dots between them; empty: the run itself
    sa.Column("visit", sa.Integer, primary_key=True),
    sa.Column("call", sa.Integer, primary_key=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("body", sa.Text, nullable=False),  # JSON
)
sa.Index("fsm_prompts_at", prompts.c.at)
