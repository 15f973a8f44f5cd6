"""Lists of runs: their statements, and what their rows say."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.sql import ClauseElement, ColumnElement

from ...errors import StoreError
from ..values import RELEASED, Head, Listed, Origin, Rebound
from .dialect import Statement, among, bound, is_alive, now, text_of
from .schema import CANCELS, NEWS, OPEN, RUNNING, posts, rebindings, runs, workers


@cache  # it is compiled in the writer's thread, where appends wait for it
def page(dialect: str, given: frozenset[str]) -> Statement:
    """Return the statement that lists a page of runs.

    Args:
        given: the names of what must hold, `open` and `began_at` (and `after` with it) among them.
    """
    r = runs.c
    wanted: dict[str, ColumnElement[bool]] = {
        "status": r.status == bound("status"),
        "digest": r.digest == bound("digest"),
        "thread_id": r.thread_id == bound("thread_id"),
        "tenant": r.tenant == bound("tenant"),
        "run_id": r.id == bound("run_id"),
        "expired_before": sa.and_(OPEN, r.expires_at < bound("expired_before")),
        "began_at": sa.tuple_(r.began_at, r.id) < sa.tuple_(bound("began_at", sa.Double), bound("after", sa.Text)),
        "open": OPEN,
    }
    said = [clause for name, clause in wanted.items() if name in given]
    return text_of(
        dialect,
        sa.select(*_columns(dialect)).where(*said).order_by(r.began_at.desc(), r.id.desc()).limit(bound("limit")),
    )


@cache
def counts(dialect: str) -> Statement:
    """Return the statement that counts the runs that wait; it reads them alone, however many there are."""
    r = runs.c
    of = r.digest, r.state
    waits = sa.and_(OPEN, r.status == sa.literal_column("'waiting'"), r.origin.is_(None))
    counted = sa.select(*of, sa.func.count(), sa.func.min(r.stored_at)).where(waits)
    return text_of(dialect, counted.group_by(*of).order_by(*of))


def _columns(dialect: str) -> tuple[ColumnElement[Any], ...]:
    """Return the columns of a run that is listed."""
    r = runs.c
    return (
        *(r.id, r.state, r.status, r.hops, r.tokens, r.expires_at, r.digest, r.thread_id, r.tenant, r.position),
        *(r.epoch, r.owner, sa.and_(OPEN, is_alive(dialect)), r.is_cancel_asked, r.began_at, r.stored_at, r.origin),
        sa.exists().where(rebindings.c.run_id == r.id),  # what most runs have not is asked for apart
    )


def claimable(dialect: str) -> ClauseElement:
    """Return what lists the runs that nobody drives and somebody should, the one that began first first."""
    r, alive = runs.c, sa.select(workers.c.id).where(workers.c.expires_at > now(dialect))
    is_anyones = sa.or_(r.owner.is_(None), r.owner == bound("me", sa.Text), r.owner.not_in(alive))
    free = sa.and_(is_anyones, among(dialect, r.digest, "digests"), r.origin.is_(None))
    limit, first = bound("limit", sa.Integer), (r.began_at, r.id)
    # Each is found by an index of its own. In one condition, or in the order of their beginning, all that wait would be
    # looked at; for those that run, that order is the index's.
    running = sa.select(r.id).where(RUNNING, free).order_by(*first).limit(limit)
    found = sa.union_all(
        sa.select(running.subquery().c.id),
        sa.select(r.id).where(OPEN, r.expires_at < bound("expired_before", sa.Double), free),
        sa.select(r.id).where(CANCELS, free),
        sa.select(r.id).where(OPEN, r.id.in_(sa.select(posts.c.run_id).where(NEWS)), free),
    ).subquery()
    return sa.select(*_columns(dialect)).where(r.id.in_(sa.select(found.c.id))).order_by(*first).limit(limit)


def checked(row: tuple[Any, ...], rebound: tuple[Rebound, ...]) -> Listed:
    """Return a row of a list for a person, once it was checked.

    Raises StoreError: if it holds what no store would write. A worker reads it all the same, or nobody would be driven.
    """
    found = listed(row, rebound)
    try:
        # bytes as they are: a column of text that holds them was not written by a store
        return msgspec.convert(msgspec.to_builtins(found, builtin_types=(bytes,)), Listed)
    except msgspec.ValidationError as error:
        raise StoreError(
            f"the row of run {found.run_id!r} in {runs.name} cannot be read, it was changed by something else than a "
            f"store: {error}. Mend it; nothing has changed"
        ) from None


def listed(row: tuple[Any, ...], rebound: tuple[Rebound, ...]) -> Listed:
    """Return a row of a list.

    Args:
        rebound: to what its run was rebound.
    """
    run_id, state, status, hops, tokens, expires_at, digest, thread_id, tenant, inputs, epoch, owner, *rest = row
    is_driven, is_cancel_asked, began_at, stored_at, origin, _ = rest
    return Listed(
        run_id=run_id,
        head=Head(state, status, hops, tokens, expires_at),
        digest=digest,
        rebound=rebound,
        thread_id=thread_id,
        tenant=tenant,
        inputs=inputs,
        epoch=epoch,
        owner=None if owner == RELEASED else owner,
        is_driven=bool(is_driven),
        is_cancel_asked=bool(is_cancel_asked),
        began_at=began_at,
        stored_at=stored_at,
        origin=origin_of(origin),
    )


def origin_of(text: str | None) -> Origin | None:
    """Return what a fork was made of; None of any other run."""
    return None if text is None else msgspec.json.decode(text, type=Origin)
