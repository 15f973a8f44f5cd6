"""A store in a database."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from weakref import finalize

from msgspec import json
from msgspec.structs import replace

from ...amounts import NOTHING, Amount
from ...clock import Clock
from ...errors import StoreError
from ...kernel.codec import to_json
from ...kernel.inputs import Answered, Input, Started
from ..base import LEASE_S, PAGE
from ..coded import Codec, Coded
from ..nudges import Nudges
from ..rebound import as_rebound
from ..refusals import json_of
from ..values import UNCLAIMED, Claim, Head, Hold, Listed, News, Origin, PaidResponse, Rebound, RunStatus
from ..waiting import Waiting
from .appends import Append, Appends
from .claims import Claims, ToClaim
from .holdings import Books, SqlHoldings, ToHold
from .inbox import Inbox
from .names import check_names, checked
from .notices import SqlNotices
from .pages import checked as shown
from .pages import counts, page
from .prompts import SqlPrompts
from .prunes import OLDEST, Prunes
from .rebindings import Rebindings
from .session import Session
from .statements import statements
from .tables import ready
from .url import opened
from .works import Ask, Work, Works
from .writer import Writer

_PAUSE_S = 0.01
"""The pause between two parts of a pruning: other processes look again and again for a moment in which SQLite is not
locked."""


class SqlStore:
    """A store in SQLite or PostgreSQL.

    Nothing is connected before the first use. A database that is away is waited for, while the time of runs stands
    still. What is stored in PostgreSQL is told by NOTIFY to who follows runs, over one more connection while they do.
    Each process has a store of its own: after a fork the child is another worker, with its own connection.

    Args:
        url: `sqlite:///FILE`, with `?sync=normal` for commits that a loss of power may undo, or
            `postgresql://USER:PASSWORD@HOST/DATABASE`, as libpq takes it.
        lease_s: for how many seconds a beat keeps the runs of this worker from others.
        is_there: whether a file must be there already; else it is made.
        patience_s: for how many seconds a database that is away is waited for.
        wall_clock: seconds of the epoch, as lists show them and windows of quotas go. Leases go by the clock of the
            database.
        codec: makes what is kept of inputs, of responses with the hashes of their requests, of answers with who gave
            them, and of who cancelled. The other columns stay in clear. None: all texts are kept as they are.

    Raises StartError: if the URL names no database, its file must be there and is not, or a package is missing: the
        extras are `sql` and `postgres`.
    """

    def __init__(
        self,
        url: str,
        *,
        lease_s: float = LEASE_S,
        is_there: bool = False,
        patience_s: float = 30.0,
        wall_clock: Clock = time.time,
        codec: Codec | None = None,
    ) -> None:
        self.lease_s: float | None = lease_s
        """For how many seconds a beat keeps the runs of this worker from others."""
        self._database = opened(url)
        if is_there:
            self._database.driver.check_there()
        self._patience_s, self._wall_clock, self._coded = patience_s, wall_clock, Coded(codec)
        self._statements = statements(self._database.dialect)
        self._left_behind: list[object] = []
        self._open()

    def _open(self) -> None:
        self._process, self._owner = os.getpid(), secrets.token_hex(8)
        sql, driver, coded = self._statements, self._database.driver, self._coded
        self._inbox = Inbox(sql, driver, coded)
        self._rebindings = Rebindings(sql, driver)
        self._claims = Claims(sql, driver, self._owner, coded, self._inbox)
        self._appends = Appends(sql, driver, self._owner, coded)
        self._prunes = Prunes(sql, driver)
        self._writer = self._writing(Works(self._appends, self._claims, Books(sql, driver)).play)
        self._end = finalize(self, self._writer.close)

    def _writing(self, play: Callable[[Session, Sequence[Work]], Sequence[Any]]) -> Writer[Work]:
        """Return what does works with a connection of its own."""
        return Writer(
            partial(ready, self._database),
            play,
            driver=self._database.driver,
            shown=self._database.shown,
            patience_s=self._patience_s,
        )

    def __repr__(self) -> str:
        return f"SqlStore({self._database.shown!r})"

    def close(self) -> None:
        """Do what is asked for already, and close the connection; the store takes nothing more."""
        if self._process == os.getpid():
            self._end()

    @property
    def holdings(self) -> SqlHoldings:
        """Holds of quotas what runs may still cost, for all runners on the database, in whatever process."""
        return SqlHoldings(self._do, self._wall_clock)

    @property
    def notices(self) -> SqlNotices:
        """What there is to tell of its runs."""
        return SqlNotices(self._statements, self._database.driver, self._do)

    @property
    def prompts(self) -> SqlPrompts:
        """What is kept of the prompts of its runs."""
        return SqlPrompts(self._database.dialect, self._coded, self._asked)

    def nudges(self) -> Nudges | None:
        """Return the runs of which something is stored, as PostgreSQL tells it; None: SQLite tells nothing."""
        return self._database.driver.nudges()

    async def _do(self, work: Ask | ToClaim | ToHold, *, is_patient: bool = True) -> Any:
        return await self._asked(work, is_patient=is_patient)

    def _asked(self, work: Work, *, is_patient: bool = True) -> asyncio.Future[Any]:
        if self._process != os.getpid():
            # the parent's thread is not here, and its connection is the parent's: it may not even be closed
            self._left_behind += [self._writer, self._end]
            self._end.detach()
            self._open()
        return self._writer.do(work, is_patient=is_patient)

    # a plain function: a run that waits for the future itself needs no task for it
    def append(
        self,
        run_id: str,
        start: int,
        inputs: Sequence[Input],
        head: Head,
        *,
        epoch: int,
        responses: Sequence[PaidResponse] = (),
        holds: Sequence[Hold] = (),
        is_queued: bool = False,
    ) -> asyncio.Future[None]:
        """Append inputs to a journal and move what is held, as `Store.append` does."""
        append = self._append(
            *(run_id, start, inputs, head), epoch=epoch, responses=responses, holds=holds, is_queued=is_queued
        )
        return self._asked(append)

    def _append(
        self,
        run_id: str,
        start: int,
        inputs: Sequence[Input],
        head: Head,
        *,
        epoch: int,
        responses: Sequence[PaidResponse] = (),
        holds: Sequence[Hold] = (),
        is_queued: bool,
        origin: str | None = None,
    ) -> Append:
        first = _columns(inputs[0] if inputs else None)
        check_names(run_id, head.state, *first.values())
        return Append(
            run_id=run_id,
            start=start,
            bodies=[to_json(event).decode() for event in inputs],
            head=head,
            epoch=epoch,
            responses=tuple(responses),
            holds=tuple(holds),
            folds=[event.id for event in inputs if isinstance(event, Answered)],
            first={**first, "origin": origin},
            is_queued=is_queued,
            at=self._wall_clock(),
        )

    async def fork(self, run_id: str, origin: Origin, inputs: Sequence[Input], head: Head) -> None:
        """Store a new run with its whole journal, which nobody owns.

        Raises StoreError: if there is a run of this id that is another.
        """
        said = json.encode(origin).decode()
        append = self._append(run_id, 0, inputs, head, epoch=UNCLAIMED, is_queued=True, origin=said)
        await self._do(partial(self._appends.fork, append=append))

    async def load(self, run_id: str) -> tuple[Input, ...]:
        """Return a whole journal; empty if the run is not known."""
        sql, coded, rebindings, of = self._statements, self._coded, self._rebindings, {"run_id": checked(run_id)}

        # here and below without `self`: the writer holds what it did last, and would hold a store that is forgotten
        def load(session: Session) -> tuple[Input, ...]:
            rows = session.rows(sql.load, of)
            journal = tuple(coded.input(run_id, position, body) for position, (body, _) in enumerate(rows))
            is_rebound = bool(rows and rows[0][1])
            return as_rebound(journal, rebindings.of(session, [run_id])[run_id]) if is_rebound else journal

        journal: tuple[Input, ...] = await self._do(load)
        return journal

    async def claim(self, run_id: str) -> Claim | None:
        """Own a run from now on, in a new epoch; None if it is not known.

        Raises LeaseHeld: if another worker owns it, and beats.
        """
        claimed: Claim | None = await self._do(ToClaim(checked(run_id)))
        return claimed

    async def claimable(
        self, digests: Collection[str], *, expired_before: float, limit: int = PAGE
    ) -> Sequence[Listed]:
        """Return runs that nobody drives and somebody should, the one that began first first."""
        sql, named = self._statements, self._database.driver.ids(sorted(digests))
        values = {"digests": named, "expired_before": expired_before, "limit": limit, "me": self._owner}
        rebindings = self._rebindings
        found: Sequence[Listed] = await self._do(
            lambda session: rebindings.listed(session, session.rows(sql.claimable, values))
        )
        return found

    async def release(
        self, run_id: str, *, epoch: int, is_open: bool = False, unless_news: bool = False
    ) -> News | None:
        """Let go of a run, so that any worker may claim it, unless something came that keeps it.

        A database that is away is not waited for.
        """
        release = partial(self._claims.release, is_open=is_open, unless_news=unless_news)
        ask = partial(release, run_id=checked(run_id), epoch=epoch)
        kept_by: News | None = await self._do(ask, is_patient=False)
        return kept_by

    async def rebind(self, run_id: str, to: Rebound) -> None:
        """Have a run go on with another version of its machine, as `Store.rebind` does.

        Raises LeaseHeld: if a worker drives it, and beats.
        Raises StoreError: if it may not be rebound.
        """
        check_names(run_id, to.digest, to.was, *to.renames.states.values())
        now = replace(to, at=self._wall_clock())
        await self._do(partial(self._rebindings.rebind, run_id=run_id, to=now))

    async def beat(self) -> tuple[News, ...]:
        """Keep this worker alive, and return what came for the runs that it owns."""
        news: tuple[News, ...] = await self._do(partial(self._claims.beat, lease_s=self.lease_s))
        return news

    async def post(self, run_id: str, question: str, id: str, answer: Any, *, who: str | None = None) -> str:
        """Put an answer into the inbox of a run. Return the id of the answer that counts.

        Raises StoreError: if the run is not known, or has finished, or the answer is no JSON.
        """
        check_names(run_id, question, id, who)
        row, body = {"id": id, "posted_at": self._wall_clock()}, json_of(answer).decode()
        post = partial(self._inbox.post, run_id=run_id, question=question, row=row, body=body, who=who)
        counts: str = await self._do(post)
        return counts

    async def refuse(self, run_id: str, question: str, id: str, *, epoch: int) -> None:
        """Take an answer out of the inbox of a run, so that another may come."""
        check_names(run_id, question, id)
        mine = {"run_id": run_id, "my_epoch": epoch, "me": self._owner}
        await self._do(partial(self._inbox.refuse, mine=mine, question=question, id=id))

    async def ask_cancel(self, run_id: str, *, who: str | None = None) -> bool:
        """Ask whoever drives a run to land it. Return whether it is known and has not finished."""
        check_names(run_id, who)
        return bool(await self._do(partial(self._inbox.ask_cancel, run_id=run_id, who=who)))

    async def charge(self, account: str, amount: Amount) -> None:
        """Add to what is taken of an account. If the answer of the database is lost, it may be charged twice."""
        await self._do(lambda session: self._appends.charge(session, checked(account), amount))

    async def taken(self, account: str) -> Amount:
        """Return what is taken of an account; nothing if it is not known."""
        rows = await self._do(lambda session: session.rows(self._statements.taken, {"account": checked(account)}))
        return Amount(int(rows[0][0]), int(rows[0][1])) if rows else NOTHING

    async def list(
        self,
        *,
        status: RunStatus | None = None,
        digest: str | None = None,
        thread_id: str | None = None,
        tenant: str | None = None,
        run_id: str | None = None,
        expired_before: float | None = None,
        after: str | None = None,
        limit: int = PAGE,
    ) -> Sequence[Listed]:
        """Return runs, the one that began last first; what is given must hold of each."""
        values: dict[str, Any] = {"status": status, "digest": digest, "thread_id": thread_id, "tenant": tenant}
        values |= {"run_id": run_id, "expired_before": expired_before, "after": after, "limit": limit}
        given = {name for name, value in values.items() if value is not None}
        given |= {"open"} if status in ("running", "waiting") else set()
        sql, dialect, rebindings = self._statements, self._database.dialect, self._rebindings

        def look(session: Session) -> list[Listed]:
            if after is not None:
                place = session.rows(sql.place, {"run_id": after})
                if not place:
                    return []
                values["began_at"] = place[0][0]
                given.add("began_at")
            return rebindings.listed(session, session.rows(page(dialect, frozenset(given)), values), shown)

        found: Sequence[Listed] = await self._do(look)
        return found

    async def waiting(self) -> Sequence[Waiting]:
        """Return how many runs wait, by the digest of their machine and their state."""
        counted = counts(self._database.dialect)
        rows = await self._do(lambda session: session.rows(counted, {}), is_patient=False)
        return [Waiting(*row) for row in rows]

    async def beginnings(self, run_ids: Sequence[str]) -> Mapping[str, Input]:
        """Return the first input of each run; one that is not known, or cannot be read, is left out."""
        sql, coded, of = self._statements, self._coded, {"ids": self._database.driver.ids(run_ids)}

        def look(session: Session) -> dict[str, Input]:
            found = dict[str, Input]()
            for run_id, body in session.rows(sql.beginnings, of):
                with suppress(StoreError):  # of another key: the others can be read
                    found[run_id] = coded.input(run_id, 0, body)
            return found

        found: Mapping[str, Input] = await self._do(look)
        return found

    async def prune(self, *, ended_before: float) -> int:
        """Forget runs that have finished, and began and were last stored before a moment; return how many.

        What is kept of windows of quotas that were over by then is forgotten too. Some hundred are one transaction, and
        appends of this and other workers come between.
        """
        count, place = 0, OLDEST
        while place is not None:
            forget = partial(self._prunes.forget, ended_before=ended_before, place=place)
            forgotten, place = await self._do(forget)
            count += forgotten
            await asyncio.sleep(_PAUSE_S if place else 0)
        over, has_more = min(ended_before, self._wall_clock()), True
        while has_more:
            has_more = await self._do(partial(self._prunes.forget_windows, over=over))
            await asyncio.sleep(_PAUSE_S if has_more else 0)
        return count


def _columns(first: Input | None) -> Mapping[str, str | None]:
    """Return the columns of a run by its first input; of any other the same."""
    if not isinstance(first, Started):
        return _NO_COLUMNS
    return {"digest": first.digest, "thread_id": first.thread_id, "tenant": first.tenant}


_NO_COLUMNS: Mapping[str, str | None] = {"digest": "", "thread_id": None, "tenant": None}
