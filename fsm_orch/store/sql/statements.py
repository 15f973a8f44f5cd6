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

from .schema import OPEN, VERSION_TABLE, accounts, inputs, posts, responses, runs, workers

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
    claim: Statement
    release: Statement
    news: Statement
    posts: Statement
    beat: Statement
    status: Statement
    add_post: Statement
    counting_post: Statement
    ask_cancel: Statement
    place: Statement


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
        "expired_before": sa.and_(OPEN, r.expires_at < _b("expired_before")),
        "began_at": sa.tuple_(r.began_at, r.id) < sa.tuple_(_b("began_at", sa.Double), _b("after", sa.Text)),
        "open": OPEN,
    }
    columns = (
        *(r.id, r.state, r.status, r.hops, r.tokens, r.expires_at, r.digest, r.thread_id, r.tenant, r.position),
        *(r.epoch, r.owner, r.is_cancel_asked, r.began_at, r.stored_at),
    )
    said = [clause for name, clause in wanted.items() if name in given]
    return _text(dialect, sa.select(*columns).where(*said).order_by(r.began_at.desc(), r.id.desc()).limit(_b("limit")))


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


def _clauses(dialect: str) -> dict[str, ClauseElement]:
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    r, now = runs.c, _now(dialect)
    mine = sa.and_(r.id == _b("run_id"), r.epoch == _b("my_epoch"), r.owner == _b("me"))
    is_alive = sa.exists().where(workers.c.id == r.owner, workers.c.expires_at > now)
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
        "find": sa.select(r.owner, r.epoch, *(r[name] for name in _HEAD), r.is_cancel_asked, is_alive)
        .where(r.id == _b("run_id"))
        .with_for_update(),
        "claim": sa.update(runs).where(r.id == _b("run_id")).values(owner=_b("me"), epoch=_b("new_epoch")),
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
        "ask_cancel": sa.update(runs)
        .where(r.id == _b("run_id"), OPEN)
        .values(is_cancel_asked=sa.true())
        .returning(r.id),
        "place": sa.select(r.began_at).where(r.id == _b("run_id")),
    }


_HEAD = ("state", "status", "hops", "tokens", "expires_at")
"""The columns of a head, in the order of its fields."""
