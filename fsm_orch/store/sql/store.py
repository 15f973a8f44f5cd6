"""A store in a database."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any
from weakref import finalize

from msgspec.json import decode

from ...amounts import NOTHING, Amount
from ...clock import Clock
from ...errors import StoreError
from ...kernel.codec import input_from_json, to_json
from ...kernel.inputs import Answered, Input, Started
from ..base import PAGE
from ..refusals import json_of, lease_held, nobody_asks
from ..values import RELEASED, Claim, Head, Hold, Listed, News, PaidResponse, Post, RunStatus
from .appends import Append, Appends
from .session import Opened, Session
from .statements import page, statements
from .tables import ready
from .url import opened
from .writer import Writer

Ask = Callable[[Session], Any]


class SqlStore:
    """A store in SQLite or PostgreSQL.

    Nothing is connected before the first use. A database that is away is waited for, while the time of runs stands
    still. Each process has a store of its own: after a fork the child is another worker, with its own connection.

    Args:
        url: `sqlite:///FILE`, with `?sync=normal` for commits that a loss of power may undo, or
            `postgresql://USER:PASSWORD@HOST/DATABASE`, as libpq takes it.
        lease_s: for how many seconds a beat keeps the runs of this worker from others.
        patience_s: for how many seconds a database that is away is waited for.
        wall_clock: seconds of the epoch, as lists show them. Leases go by the clock of the database.

    Raises StartError: if the URL names no database, or a package is missing: the extras are `sql` and `postgres`.
    """

    def __init__(
        self, url: str, *, lease_s: float = 15.0, patience_s: float = 30.0, wall_clock: Clock = time.time
    ) -> None:
        self.lease_s: float | None = lease_s
        """For how many seconds a beat keeps the runs of this worker from others."""
        self._database = opened(url)
        self._patience_s, self._wall_clock = patience_s, wall_clock
        self._statements = statements(self._database.dialect)
        self._left_behind: list[object] = []
        self._open()

    def _open(self) -> None:
        self._process, self._owner = os.getpid(), secrets.token_hex(8)
        self._appends = Appends(self._statements, self._database.driver, self._owner)
        self._writer = _writer(self._database, self._appends, self._patience_s)
        self._end = finalize(self, self._writer.close)

    def __repr__(self) -> str:
        return f"SqlStore({self._database.shown!r})"

    def close(self) -> None:
        """Do what is asked for already, and close the connection; the store takes nothing more."""
        if self._process == os.getpid():
            self._end()

    async def _do(self, work: Append | Ask, *, is_patient: bool = True) -> Any:
        if self._process != os.getpid():
            # the parent's thread is not here, and its connection is the parent's: it may not even be closed
            self._left_behind += [self._writer, self._end]
            self._end.detach()
            self._open()
        return await self._writer.do(work, is_patient=is_patient)

    async def append(
        self,
        run_id: str,
        start: int,
        inputs: Sequence[Input],
        head: Head,
        *,
        epoch: int,
        responses: Sequence[PaidResponse] = (),
        holds: Sequence[Hold] = (),
    ) -> None:
        """Append inputs to a journal and move what is held, as `Store.append` does."""
        first = inputs[0] if inputs and isinstance(inputs[0], Started) else None
        columns = {
            "digest": "" if first is None else first.digest,
            "thread_id": None if first is None else first.thread_id,
            "tenant": None if first is None else first.tenant,
        }
        _check_names(run_id, *columns.values(), head.state)
        append = Append(
            run_id=run_id,
            start=start,
            bodies=[to_json(event).decode() for event in inputs],
            head=head,
            epoch=epoch,
            responses=tuple(responses),
            holds=tuple(holds),
            folds=[event.id for event in inputs if isinstance(event, Answered)],
            first=columns,
            at=self._wall_clock(),
        )
        await self._do(append)

    async def load(self, run_id: str) -> tuple[Input, ...]:
        """Return a whole journal; empty if the run is not known."""
        sql = self._statements
        rows = await self._do(lambda session: session.rows(sql.load, {"run_id": _name(run_id)}))
        return tuple(input_from_json(body) for (body,) in rows)

    async def claim(self, run_id: str) -> Claim | None:
        """Own a run from now on, in a new epoch; None if it is not known.

        Raises LeaseHeld: if another worker owns it, and beats.
        """
        sql, me, of = self._statements, self._owner, {"run_id": _name(run_id)}

        def claim(session: Session) -> Claim | StoreError | None:
            found = session.rows(sql.find, of)
            if not found:
                return None
            ((owner, epoch, *head, is_cancel_asked, is_alive),) = found
            at = Head(*head)
            is_finished = at.status == "finished"
            if is_alive and owner != me and not is_finished:
                return lease_held(run_id, owner)
            if not is_finished:
                epoch += 1
                session.each(sql.claim, [{**of, "me": me, "new_epoch": epoch}])
            return Claim(
                epoch=epoch,
                head=at,
                taken_from=None if is_finished else owner,
                news=News(run_id, self._posts(session, run_id), bool(is_cancel_asked)),
                responses=tuple(PaidResponse(*row) for row in session.rows(sql.responses, of)),
            )

        claimed: Claim | None = await self._do(claim)
        return claimed

    async def release(self, run_id: str, *, epoch: int, is_open: bool = False) -> None:
        """Let go of a run, so that any worker may claim it. A database that is away is not waited for."""
        left = RELEASED if is_open else None
        values = {"run_id": _name(run_id), "my_epoch": epoch, "me": self._owner, "left_to": left}
        await self._do(lambda session: session.each(self._statements.release, [values]), is_patient=False)

    async def beat(self) -> tuple[News, ...]:
        """Keep this worker alive, and return what came for the runs that it owns."""
        sql, me = self._statements, {"me": self._owner}

        def beat(session: Session) -> tuple[News, ...]:
            session.each(sql.beat, [{**me, "lease_s": self.lease_s}])
            return tuple(
                News(run_id, self._posts(session, run_id), bool(is_cancel_asked))
                for run_id, is_cancel_asked in session.rows(sql.news, me)
            )

        news: tuple[News, ...] = await self._do(beat)
        return news

    def _posts(self, session: Session, run_id: str) -> tuple[Post, ...]:
        rows = session.rows(self._statements.posts, {"run_id": run_id})
        return tuple(Post(question, id, decode(body), who) for question, id, body, who in rows)

    async def post(self, run_id: str, question: str, id: str, answer: Any, *, who: str | None = None) -> str:
        """Put an answer into the inbox of a run. Return the id of the answer that counts.

        Raises StoreError: if the run is not known, or has finished, or the answer is no JSON.
        """
        _check_names(run_id, question, id, who)
        sql, of = self._statements, {"run_id": run_id}
        row = {"id": id, "body": json_of(answer).decode(), "who": who, "posted_at": self._wall_clock()}

        def post(session: Session) -> str | StoreError:
            if session.rows(sql.status, of) in ([], [("finished",)]):
                return nobody_asks(run_id)
            session.each(sql.add_post, [{**of, **row, "question": question, "is_folded": False}])
            ((counts,),) = session.rows(sql.counting_post, {**of, "question": question})
            return str(counts)

        counts: str = await self._do(post)
        return counts

    async def ask_cancel(self, run_id: str) -> bool:
        """Ask whoever drives a run to land it. Return whether it is known and has not finished."""
        return bool(
            await self._do(lambda session: session.rows(self._statements.ask_cancel, {"run_id": _name(run_id)}))
        )

    async def charge(self, account: str, amount: Amount) -> None:
        """Add to what is taken of an account. If the answer of the database is lost, it may be charged twice."""
        await self._do(lambda session: self._appends.charge(session, _name(account), amount))

    async def taken(self, account: str) -> Amount:
        """Return what is taken of an account; nothing if it is not known."""
        rows = await self._do(lambda session: session.rows(self._statements.taken, {"account": _name(account)}))
        return Amount(int(rows[0][0]), int(rows[0][1])) if rows else NOTHING

    async def list(
        self,
        *,
        status: RunStatus | None = None,
        digest: str | None = None,
        thread_id: str | None = None,
        tenant: str | None = None,
        expired_before: float | None = None,
        after: str | None = None,
        limit: int = PAGE,
    ) -> Sequence[Listed]:
        """Return runs, the one that began last first; what is given must hold of each."""
        values: dict[str, Any] = {"status": status, "digest": digest, "thread_id": thread_id, "tenant": tenant}
        values |= {"expired_before": expired_before, "after": after, "limit": limit}
        given = {name for name, value in values.items() if value is not None}
        given |= {"open"} if status in ("running", "waiting") else set()
        sql, dialect = self._statements, self._database.dialect

        def listed(session: Session) -> list[Listed]:
            if after is not None:
                place = session.rows(sql.place, {"run_id": after})
                if not place:
                    return []
                values["began_at"] = place[0][0]
                given.add("began_at")
            return [_listed(row) for row in session.rows(page(dialect, frozenset(given)), values)]

        found: Sequence[Listed] = await self._do(listed)
        return found


def _writer(database: Opened, appends: Appends, patience_s: float) -> Writer[Append | Ask]:
    """Return a writer, which must not hold the store: it ends when the store is forgotten."""

    def play(session: Session, works: Sequence[Append | Ask]) -> Sequence[Any]:
        done: list[Any] = []
        together: dict[str, Append] = {}
        for work in works:
            # what is asked for is done in its order; only appends to different runs are done at once
            if together and (not isinstance(work, Append) or work.run_id in together):
                done += appends.play(session, list(together.values()))
                together = {}
            if isinstance(work, Append):
                together[work.run_id] = work
            else:
                done.append(work(session))
        return done + (appends.play(session, list(together.values())) if together else [])

    return Writer(lambda: ready(database), play, driver=database.driver, shown=database.shown, patience_s=patience_s)


def _listed(row: tuple[Any, ...]) -> Listed:
    run_id, state, status, hops, tokens, expires_at, digest, thread_id, tenant, inputs, epoch, owner, *rest = row
    is_cancel_asked, began_at, stored_at = rest
    return Listed(
        run_id=run_id,
        head=Head(state, status, hops, tokens, expires_at),
        digest=digest,
        thread_id=thread_id,
        tenant=tenant,
        inputs=inputs,
        epoch=epoch,
        owner=None if owner == RELEASED else owner,
        is_cancel_asked=bool(is_cancel_asked),
        began_at=began_at,
        stored_at=stored_at,
    )


def _check_names(*names: str | None) -> None:
    for name in names:
        if name is not None:
            _name(name)


def _name(name: str) -> str:
    """Return a name that a database can hold.

    Raises StoreError: if it holds a character that PostgreSQL refuses and SQLite ends texts at.
    """
    if "\x00" in name:
        raise StoreError(f"{name!r} holds the character 0, which databases do not keep: give it another name")
    return name
