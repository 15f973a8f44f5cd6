"""The statements of a store, written once against the schema and compiled to each dialect's text.

Values are bound by name. The driver executes the text itself: at one run, SQLAlchemy's own execution costs half again
as much as all the rest of an append.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.sql import ClauseElement, ColumnElement

from .schema import CANCELS, NEWS, OPEN, VERSION_TABLE, accounts, inputs, posts, responses, runs, workers

_DIALECTS: dict[str, Any] = {
    "sqlite": sqlite.dialect(paramstyle="named"),
    "postgresql+psycopg": psycopg.dialect(),  # type: ignore[no-untyped-call]
}


def _b(name: str, kind: Any = None) -> Any:
    return sa.bindparam(name, type_=kind)


@dataclass(frozen=True)
class Statement:
    """One statement: its text, and the values that are always the same."""

    text: str
    fixed: Mapping[str, Any]

    def with_fixed(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return all that is bound."""
        return {**self.fixed, **values} if self.fixed else values


@dataclass(frozen=True)
class Statements:
    """The text of each statement in one dialect."""

    version: Statement
    owned: Statement
    """Some runs as appends judge them, locked."""
    begin: Statement
    go_on: Statement
    add_input: Statement
    kept: Statement
    load: Statement
    add_response: Statement
    drop_responses: Statement
    responses: Statement
    fold_post: Statement
    open_account: Statement
    taken_all: Statement
    """Some accounts, locked."""
    set_account: Statement
    taken: Statement
    find: Statement
    """A run with whether its owner is alive, locked."""
    claimable: Statement
    """Runs that nobody drives and somebody should, as `page` gives them."""
    claim: Statement
    mine: Statement
    """A run that this worker owns, locked."""
    release: Statement
    news: Statement
    posts: Statement
    beat: Statement
    status: Statement
    add_post: Statement
    counting_post: Statement
    drop_post: Statement
    ask_cancel: Statement
    place: Statement
    ended: Statement
    """Some runs that have finished, oldest first, locked."""
    forget_inputs: Statement
    forget_responses: Statement
    forget_posts: Statement
    forget_runs: Statement


def statements(dialect: str) -> Statements:
    """Return the statements of a dialect, as SQLAlchemy names it."""
    return Statements(**{name: _text(dialect, clause) for name, clause in _clauses(dialect).items()})


def page(dialect: str, given: frozenset[str]) -> Statement:
    """Return the statement that lists a page of runs.

    Args:
        given: the names of what must hold, `open` and `began_at` (and `after` with it) among them.
    """
    r = runs.c
    wanted: dict[str, ColumnElement[bool]] = {
        "status": r.status == _b("status"),
        "digest": r.digest == _b("digest"),
        "thread_id": r.thread_id == _b("thread_id"),
        "tenant": r.tenant == _b("tenant"),
        "run_id": r.id == _b("run_id"),
        "expired_before": sa.and_(OPEN, r.expires_at < _b("expired_before")),
        "began_at": sa.tuple_(r.began_at, r.id) < sa.tuple_(_b("began_at", sa.Double), _b("after", sa.Text)),
        "open": OPEN,
    }
    said = [clause for name, clause in wanted.items() if name in given]
    return _text(
        dialect, sa.select(*_listed(dialect)).where(*said).order_by(r.began_at.desc(), r.id.desc()).limit(_b("limit"))
    )


def _text(dialect: str, clause: ClauseElement) -> Statement:
    compiled = clause.compile(dialect=_DIALECTS[dialect])
    return Statement(
        str(compiled), {name: value for name, value in (compiled.params or {}).items() if value is not None}
    )


def _among(dialect: str, column: ColumnElement[str], name: str) -> ColumnElement[bool]:
    """Return whether a column is one of many values, which are bound as one: the text is the same for any number."""
    if dialect == "sqlite":
        return column.in_(sa.select(sa.func.json_each(_b(name, sa.Text)).table_valued("value").c.value))
    return column == sa.any_(_b(name, postgresql.ARRAY(sa.Text)))


def _now(dialect: str) -> ColumnElement[Any]:
    """Return the seconds of the epoch by the database's clock, which all of its workers share."""
    if dialect == "sqlite":
        return sa.literal_column("(julianday('now') - 2440587.5) * 86400.0", sa.Double)
    return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double)


def _is_alive(dialect: str) -> ColumnElement[bool]:
    """Return whether the owner of a run beats."""
    return sa.exists().where(workers.c.id == runs.c.owner, workers.c.expires_at > _now(dialect))


def _clauses(dialect: str) -> dict[str, ClauseElement]:
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    r, now = runs.c, _now(dialect)
    mine = sa.and_(r.id == _b("run_id"), r.epoch == _b("my_epoch"), r.owner == _b("me"))
    beat = insert(workers).values(id=_b("me"), expires_at=now + _b("lease_s", sa.Double))
    has_post = sa.exists().where(posts.c.run_id == r.id, ~posts.c.is_folded)
    return {
        "version": sa.select(sa.column("version_num")).select_from(sa.table(VERSION_TABLE)),
        "owned": sa.select(r.id, r.owner, r.epoch, r.position, r.hops, r.responses)
        .where(_among(dialect, r.id, "ids"))
        .order_by(r.id)
        .with_for_update(),
        "begin": sa.insert(runs),
        "go_on": sa.update(runs)
        .where(r.id == _b("run_id"))
        .values({name: _b(name) for name in (*_HEAD, "position", "responses", "stored_at")}),
        "add_input": sa.insert(inputs),
        "kept": sa.select(inputs.c.body)
        .where(inputs.c.run_id == _b("run_id"), inputs.c.position >= _b("start"))
        .order_by(inputs.c.position)
        .limit(_b("count")),
        "load": sa.select(inputs.c.body).where(inputs.c.run_id == _b("run_id")).order_by(inputs.c.position),
        "add_response": insert(responses).on_conflict_do_nothing(),
        "drop_responses": sa.delete(responses).where(responses.c.run_id == _b("run_id")),
        "responses": sa.select(responses.c.key, responses.c.request, responses.c.body)
        .where(responses.c.run_id == _b("run_id"))
        .order_by(responses.c.number),
        "fold_post": sa.update(posts)
        .where(posts.c.run_id == _b("run_id"), posts.c.id == _b("post_id"))
        .values(is_folded=sa.true()),
        "open_account": insert(accounts).values(id=_b("id"), tokens="0", cost="0").on_conflict_do_nothing(),
        "taken_all": sa.select(accounts.c.id, accounts.c.tokens, accounts.c.cost)
        .where(_among(dialect, accounts.c.id, "ids"))
        .order_by(accounts.c.id)
        .with_for_update(),
        "set_account": sa.update(accounts)
        .where(accounts.c.id == _b("account"))
        .values(tokens=_b("tokens"), cost=_b("cost")),
        "taken": sa.select(accounts.c.tokens, accounts.c.cost).where(accounts.c.id == _b("account")),
        "find": sa.select(r.owner, r.epoch, *(r[name] for name in _HEAD), r.is_cancel_asked, _is_alive(dialect))
        .where(r.id == _b("run_id"))
        .with_for_update(),
        "claimable": _claimable(dialect),
        "claim": sa.update(runs).where(r.id == _b("run_id")).values(owner=_b("me"), epoch=_b("new_epoch")),
        "mine": sa.select(r.is_cancel_asked).where(mine, OPEN).with_for_update(),
        "release": sa.update(runs).where(mine, OPEN).values(owner=_b("left_to")),
        "news": sa.select(r.id, r.is_cancel_asked).where(
            r.owner == _b("me"), OPEN, sa.or_(r.is_cancel_asked, has_post)
        ),
        "posts": sa.select(posts.c.question, posts.c.id, posts.c.body, posts.c.who)
        .where(posts.c.run_id == _b("run_id"), ~posts.c.is_folded)
        .order_by(posts.c.posted_at, posts.c.question),
        "beat": beat.on_conflict_do_update(index_elements=["id"], set_={"expires_at": beat.excluded.expires_at}),
        "status": sa.select(r.status).where(r.id == _b("run_id")),
        "add_post": insert(posts).on_conflict_do_nothing(),
        "counting_post": sa.select(posts.c.id).where(
            posts.c.run_id == _b("run_id"), posts.c.question == _b("question")
        ),
        "drop_post": sa.delete(posts).where(
            posts.c.run_id == _b("run_id"),
            posts.c.question == _b("question"),
            posts.c.id == _b("post_id"),
            ~posts.c.is_folded,
        ),
        "ask_cancel": sa.update(runs)
        .where(r.id == _b("run_id"), OPEN)
        .values(is_cancel_asked=sa.true())
        .returning(r.id),
        "place": sa.select(r.began_at).where(r.id == _b("run_id")),
        # by the index of when runs began: one of when they were stored would be written at every append
        "ended": sa.select(r.id, r.began_at)
        .where(
            sa.tuple_(r.began_at, r.id) > sa.tuple_(_b("began_at", sa.Double), _b("after", sa.Text)),
            r.began_at < _b("ended_before", sa.Double),
            r.stored_at < _b("ended_before", sa.Double),
            ~OPEN,
        )
        .order_by(r.began_at, r.id)
        .limit(_b("limit"))
        .with_for_update(skip_locked=True),
        "forget_inputs": sa.delete(inputs).where(_among(dialect, inputs.c.run_id, "ids")),
        "forget_responses": sa.delete(responses).where(_among(dialect, responses.c.run_id, "ids")),
        "forget_posts": sa.delete(posts).where(_among(dialect, posts.c.run_id, "ids")),
        "forget_runs": sa.delete(runs).where(_among(dialect, r.id, "ids")),
    }


def _listed(dialect: str) -> tuple[ColumnElement[Any], ...]:
    """Return the columns of a run that is listed."""
    r = runs.c
    return (
        *(r.id, r.state, r.status, r.hops, r.tokens, r.expires_at, r.digest, r.thread_id, r.tenant, r.position),
        *(r.epoch, r.owner, sa.and_(OPEN, _is_alive(dialect)), r.is_cancel_asked, r.began_at, r.stored_at),
    )


def _claimable(dialect: str) -> ClauseElement:
    """Return what lists the runs that nobody drives and somebody should, the one that began first first."""
    r, alive = runs.c, sa.select(workers.c.id).where(workers.c.expires_at > _now(dialect))
    free = sa.and_(sa.or_(r.owner.is_(None), r.owner.not_in(alive)), _among(dialect, r.digest, "digests"))
    limit, first = _b("limit", sa.Integer), (r.began_at, r.id)
    # Each is found by an index of its own. In one condition, or in the order of their beginning, all that wait would be
    # looked at; for those that run, that order is the index's.
    runs_on = sa.and_(OPEN, r.status == sa.literal_column("'running'"))
    running = sa.select(r.id).where(runs_on, free).order_by(*first).limit(limit)
    found = sa.union_all(
        sa.select(running.subquery().c.id),
        sa.select(r.id).where(OPEN, r.expires_at < _b("expired_before", sa.Double), free),
        sa.select(r.id).where(CANCELS, free),
        sa.select(r.id).where(OPEN, r.id.in_(sa.select(posts.c.run_id).where(NEWS)), free),
    ).subquery()
    return sa.select(*_listed(dialect)).where(r.id.in_(sa.select(found.c.id))).order_by(*first).limit(limit)


_HEAD = ("state", "status", "hops", "tokens", "expires_at")
"""The columns of a head, in the order of its fields."""
