"""The statements of a store, written once against the schema and compiled to each dialect's text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ClauseElement

from .dialect import Statement, among, bound, is_alive, now, text_of
from .pages import claimable
from .schema import (
    OPEN,
    UNTOLD,
    VERSION_TABLE,
    accounts,
    inputs,
    notices,
    posts,
    prompts,
    quota_runs,
    quotas,
    rebindings,
    responses,
    runs,
    subscribers,
    workers,
)


@dataclass(frozen=True)
class Statements:
    """The text of each statement in one dialect."""

    version: Statement
    owned: Statement
    """Some runs as appends judge them, locked."""
    origin: Statement
    """What a run was made of, and how many inputs it has."""
    begin: Statement
    go_on: Statement
    add_input: Statement
    kept: Statement
    load: Statement
    """A journal, each input with whether its run was rebound."""
    beginnings: Statement
    """The first inputs of some runs."""
    add_response: Statement
    drop_responses: Statement
    responses: Statement
    """Those of some runs."""
    fold_post: Statement
    open_account: Statement
    taken_all: Statement
    """Some accounts, locked."""
    set_account: Statement
    taken: Statement
    find: Statement
    """Some runs as claims judge them, locked."""
    claimable: Statement
    """Runs that nobody drives and somebody should, as `pages.page` gives them."""
    claim: Statement
    """Some runs, which `find` has locked."""
    mine: Statement
    """A run that this worker owns, locked."""
    release: Statement
    news: Statement
    posts: Statement
    """The answers to some runs that no append has folded."""
    bound: Statement
    """A run as it is judged when it is to be rebound, locked."""
    rebind: Statement
    add_rebinding: Statement
    rebindings: Statement
    """Those of some runs."""
    beat: Statement
    bury: Statement
    """Forgets workers whose lease has been over for long."""
    status: Statement
    add_post: Statement
    counting_post: Statement
    drop_post: Statement
    ask_cancel: Statement
    place: Statement
    ended: Statement
    """Some runs that have finished, oldest first, locked."""
    last_open: Statement
    """Of some threads, when the last of their runs that have not finished began."""
    forget_inputs: Statement
    forget_responses: Statement
    forget_posts: Statement
    forget_rebindings: Statement
    forget_notices: Statement
    forget_prompts: Statement
    forget_runs: Statement
    open_quota: Statement
    quotas: Statement
    """The windows of some accounts, locked in the order of their names."""
    quota_runs: Statement
    """What some accounts keep of some runs, which `quotas` has locked."""
    set_quota: Statement
    set_quota_run: Statement
    forget_quota_runs: Statement
    """Some of what is kept of windows that are over."""
    forget_quotas: Statement
    """Some accounts whose windows are over, but those that somebody holds of now."""
    lock_subscribers: Statement
    """Waits for whoever stores a run that waits, or has ended, and keeps others from it."""
    subscribe: Statement
    note_waiting: Statement
    """Notes the runs that wait for a subscriber that has no notice of them."""
    unsubscribe: Statement
    forget_notices_to: Statement
    """Those to a subscriber."""
    due_notices: Statement
    """Locked; what others have locked is left out."""
    hold_notices: Statement
    told: Statement
    forget_notice: Statement
    put_off: Statement


@cache  # to compile them takes 10 ms
def statements(dialect: str) -> Statements:
    """Return the statements of a dialect, as SQLAlchemy names it."""
    return Statements(**{name: text_of(dialect, clause) for name, clause in _clauses(dialect).items()})


def _clauses(dialect: str) -> dict[str, ClauseElement]:
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    r, over, idle = runs.c, quota_runs.alias(), quotas.alias()
    mine = sa.and_(r.id == bound("run_id"), r.epoch == bound("my_epoch"), r.owner == bound("me"))
    beat = insert(workers).values(id=bound("me"), expires_at=now(dialect) + bound("lease_s", sa.Double))
    keep = insert(quota_runs).values({column.name: bound(column.name) for column in quota_runs.c})
    has_post = sa.exists().where(posts.c.run_id == r.id, ~posts.c.is_folded)
    return {
        "version": sa.select(sa.column("version_num")).select_from(sa.table(VERSION_TABLE)),
        "owned": sa.select(r.id, r.owner, r.epoch, r.position, r.hops, r.responses)
        .where(among(dialect, r.id, "ids"))
        .order_by(r.id)
        .with_for_update(),
        "origin": sa.select(r.origin, r.position).where(r.id == bound("run_id")),
        "begin": sa.insert(runs),
        "go_on": sa.update(runs)
        .where(r.id == bound("run_id"))
        .values({name: bound(name) for name in (*_HEAD, "position", "responses", "stored_at")}),
        "add_input": sa.insert(inputs),
        "kept": sa.select(inputs.c.body)
        .where(inputs.c.run_id == bound("run_id"), inputs.c.position >= bound("start"))
        .order_by(inputs.c.position)
        .limit(bound("count")),
        "load": sa.select(inputs.c.body, sa.exists().where(rebindings.c.run_id == bound("run_id")))
        .where(inputs.c.run_id == bound("run_id"))
        .order_by(inputs.c.position),
        "beginnings": sa.select(inputs.c.run_id, inputs.c.body).where(
            among(dialect, inputs.c.run_id, "ids"), inputs.c.position == sa.literal_column("0")
        ),
        "add_response": insert(responses).on_conflict_do_nothing(),
        "drop_responses": sa.delete(responses).where(responses.c.run_id == bound("run_id")),
        "responses": sa.select(responses.c.run_id, responses.c.key, responses.c.request, responses.c.body)
        .where(among(dialect, responses.c.run_id, "ids"))
        .order_by(responses.c.number),
        "fold_post": sa.update(posts)
        .where(posts.c.run_id == bound("run_id"), posts.c.id == bound("post_id"))
        .values(is_folded=sa.true()),
        "open_account": insert(accounts).values(id=bound("id"), tokens="0", cost="0").on_conflict_do_nothing(),
        "taken_all": sa.select(accounts.c.id, accounts.c.tokens, accounts.c.cost)
        .where(among(dialect, accounts.c.id, "ids"))
        .order_by(accounts.c.id)
        .with_for_update(),
        "set_account": sa.update(accounts)
        .where(accounts.c.id == bound("account"))
        .values(tokens=bound("tokens"), cost=bound("cost")),
        "taken": sa.select(accounts.c.tokens, accounts.c.cost).where(accounts.c.id == bound("account")),
        "find": sa.select(
            *(r.id, r.owner, r.epoch, r.responses, has_post, r.is_cancel_asked, r.cancelled_by, is_alive(dialect)),
            *(r[name] for name in (*_HEAD, "position", "stored_at")),
            r.origin,
        )
        .where(among(dialect, r.id, "ids"))
        .order_by(r.id)
        .with_for_update(),
        "claimable": claimable(dialect),
        "claim": sa.update(runs).where(among(dialect, r.id, "ids")).values(owner=bound("me"), epoch=r.epoch + 1),
        "mine": sa.select(r.is_cancel_asked, r.cancelled_by).where(mine, OPEN).with_for_update(),
        "release": sa.update(runs).where(mine, OPEN).values(owner=bound("left_to")),
        "news": sa.select(r.id, r.is_cancel_asked, r.cancelled_by).where(
            r.owner == bound("me"), OPEN, sa.or_(r.is_cancel_asked, has_post)
        ),
        "posts": sa.select(posts.c.run_id, posts.c.question, posts.c.id, posts.c.body, posts.c.who)
        .where(among(dialect, posts.c.run_id, "ids"), ~posts.c.is_folded)
        .order_by(posts.c.posted_at, posts.c.question),
        "bound": sa.select(r.digest, r.status, r.position, r.owner, is_alive(dialect), has_post, r.state)
        .where(r.id == bound("run_id"))
        .with_for_update(),
        "rebind": sa.update(runs)
        .where(r.id == bound("run_id"))
        .values(digest=bound("digest"), state=bound("state"), owner=bound("left_to"), epoch=r.epoch + 1),
        "add_rebinding": sa.insert(rebindings),
        "rebindings": sa.select(rebindings)
        .where(among(dialect, rebindings.c.run_id, "ids"))
        .order_by(rebindings.c.run_id, rebindings.c.number),
        "beat": beat.on_conflict_do_update(index_elements=["id"], set_={"expires_at": beat.excluded.expires_at}),
        "bury": sa.delete(workers).where(workers.c.expires_at < now(dialect) - bound("over_s", sa.Double)),
        "status": sa.select(r.status).where(r.id == bound("run_id")),
        "add_post": insert(posts).on_conflict_do_nothing(),
        "counting_post": sa.select(posts.c.id).where(
            posts.c.run_id == bound("run_id"), posts.c.question == bound("question")
        ),
        "drop_post": sa.delete(posts).where(
            posts.c.run_id == bound("run_id"),
            posts.c.question == bound("question"),
            posts.c.id == bound("post_id"),
            ~posts.c.is_folded,
        ),
        "ask_cancel": sa.update(runs)
        .where(r.id == bound("run_id"), OPEN)
        .values(is_cancel_asked=sa.true(), cancelled_by=sa.func.coalesce(r.cancelled_by, bound("who", sa.Text)))
        .returning(r.id),
        "place": sa.select(r.began_at).where(r.id == bound("run_id")),
        # by the index of when runs began: one of when they were stored would be written at every append
        "ended": sa.select(r.id, r.began_at, r.thread_id)
        .where(
            sa.tuple_(r.began_at, r.id) > sa.tuple_(bound("began_at", sa.Double), bound("after", sa.Text)),
            r.began_at < bound("ended_before", sa.Double),
            r.stored_at < bound("ended_before", sa.Double),
            ~OPEN,
        )
        .order_by(r.began_at, r.id)
        .limit(bound("limit"))
        .with_for_update(skip_locked=True),
        "last_open": sa.select(r.thread_id, sa.func.max(r.began_at))
        .where(among(dialect, r.thread_id, "threads"), OPEN)
        .group_by(r.thread_id),
        "forget_inputs": sa.delete(inputs).where(among(dialect, inputs.c.run_id, "ids")),
        "forget_responses": sa.delete(responses).where(among(dialect, responses.c.run_id, "ids")),
        "forget_posts": sa.delete(posts).where(among(dialect, posts.c.run_id, "ids")),
        "forget_rebindings": sa.delete(rebindings).where(among(dialect, rebindings.c.run_id, "ids")),
        "forget_notices": sa.delete(notices).where(among(dialect, notices.c.run_id, "ids")),
        "forget_prompts": sa.delete(prompts).where(among(dialect, prompts.c.run_id, "ids")),
        "forget_runs": sa.delete(runs).where(among(dialect, r.id, "ids")),
        "open_quota": insert(quotas)
        .values(account=bound("account"), ends_at=0.0, tokens="0", cost="0")
        .on_conflict_do_nothing(),
        "quotas": sa.select(quotas)
        .where(among(dialect, quotas.c.account, "ids"))
        .order_by(quotas.c.account)
        .with_for_update(),
        "quota_runs": sa.select(quota_runs).where(
            among(dialect, quota_runs.c.account, "ids"), among(dialect, quota_runs.c.run_id, "run_ids")
        ),
        "set_quota": sa.update(quotas)
        .where(quotas.c.account == bound("name"))
        .values(ends_at=bound("ends_at"), tokens=bound("tokens"), cost=bound("cost")),
        "set_quota_run": keep.on_conflict_do_update(
            index_elements=["account", "run_id"],
            set_={column.name: keep.excluded[column.name] for column in quota_runs.c if not column.primary_key},
        ),
        "forget_quota_runs": sa.delete(quota_runs)
        .where(
            quota_runs.c.ends_at <= bound("over", sa.Double),
            quota_runs.c.run_id.in_(
                sa.select(over.c.run_id).where(over.c.ends_at <= bound("over", sa.Double)).limit(bound("limit"))
            ),
        )
        .returning(quota_runs.c.run_id),
        "forget_quotas": sa.delete(quotas)
        .where(
            quotas.c.ends_at <= bound("over", sa.Double),
            quotas.c.account.in_(
                sa.select(idle.c.account)
                .where(idle.c.ends_at <= bound("over", sa.Double))
                .limit(bound("limit"))
                .with_for_update(skip_locked=True)
            ),
        )
        .returning(quotas.c.account),
        **_of_notices(dialect),
    }


def _of_notices(dialect: str) -> dict[str, ClauseElement]:
    insert, r, n = sqlite.insert if dialect == "sqlite" else postgresql.insert, runs.c, notices.c
    lock = "DELETE FROM fsm_subscribers WHERE false"  # in SQLite one process writes at a time anyway
    if dialect != "sqlite":
        lock = "LOCK TABLE fsm_subscribers IN ACCESS EXCLUSIVE MODE"
    mine = sa.and_(n.name == bound("name"), n.run_id == bound("run_id"))
    waiting = sa.select(bound("name", sa.Text), r.id, r.position, *map(sa.literal_column, "000"), r.stored_at).where(
        r.status == sa.literal_column("'waiting'"), among(dialect, r.digest, "digests"), r.origin.is_(None)
    )
    return {
        "lock_subscribers": sa.text(lock),
        "subscribe": insert(subscribers).values(name=bound("name"), digest=bound("digest")).on_conflict_do_nothing(),
        "note_waiting": insert(notices).from_select([each.name for each in n], waiting).on_conflict_do_nothing(),
        "unsubscribe": sa.delete(subscribers).where(subscribers.c.name == bound("name")),
        "forget_notices_to": sa.delete(notices).where(n.name == bound("name")),
        "due_notices": sa.select(n.run_id, n.inputs, n.told, n.tries, n.since)
        .join_from(notices, runs, r.id == n.run_id)
        .where(n.name == bound("name"), UNTOLD, n.due_at <= bound("now_s", sa.Double))
        .where(among(dialect, r.digest, "digests"))
        .order_by(n.due_at)
        .limit(bound("limit"))
        .with_for_update(skip_locked=True, of=notices),
        "hold_notices": sa.update(notices)
        .where(n.name == bound("name"), among(dialect, n.run_id, "ids"))
        .values(due_at=bound("until_s"), tries=n.tries + 1),
        "forget_notice": sa.delete(notices).where(mine),
        "told": sa.update(notices)
        .where(mine)
        .values(told=sa.case((n.told < bound("count", sa.Integer), bound("count", sa.Integer)), else_=n.told))
        .values(tries=0, due_at=0.0),
        "put_off": sa.update(notices).where(mine).values(due_at=bound("until_s")),
    }


_HEAD = ("state", "status", "hops", "tokens", "expires_at")
"""The columns of a head, in the order of its fields."""
