"""Notices in a database. Triggers note them, in the transaction that stores a run, whichever process that does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..notices import Notice
from .names import check_names
from .session import Driver, Session
from .statements import Statements
from .works import Ask


@dataclass(frozen=True)
class _Works:
    """What is done in a transaction. It does not hold the store, whose writer ends when it is forgotten."""

    sql: Statements
    driver: Driver

    def subscribe(self, session: Session, *, name: str, digests: Sequence[str]) -> None:
        # of whoever stores a run meanwhile, either this sees the run, or its trigger sees the subscriber
        session.each(self.sql.lock_subscribers, [{}])
        session.each(self.sql.subscribe, [{"name": name, "digest": digest} for digest in digests])
        session.each(self.sql.note_waiting, [{"name": name, "digests": self.driver.ids(digests)}])

    def unsubscribe(self, session: Session, *, name: str) -> None:
        # whoever has seen the subscriber has noted its run before the notices are forgotten, or sees it no more
        session.each(self.sql.lock_subscribers, [{}])
        session.each(self.sql.unsubscribe, [{"name": name}])
        session.each(self.sql.forget_notices_to, [{"name": name}])

    def take(
        self, session: Session, *, name: str, digests: Sequence[str], now_s: float, hold_s: float, limit: int
    ) -> Sequence[Notice]:
        values = {"name": name, "digests": self.driver.ids(digests), "now_s": now_s, "limit": limit}
        rows = session.rows(self.sql.due_notices, values)
        if rows:
            ids = self.driver.ids([row[0] for row in rows])
            session.each(self.sql.hold_notices, [{"name": name, "ids": ids, "until_s": now_s + hold_s}])
        return [
            Notice(run_id=run_id, inputs=inputs, told=told, tries=tries + 1, since=since)
            for run_id, inputs, told, tries, since in rows
        ]

    def told(self, session: Session, *, name: str, run_id: str, inputs: int, is_over: bool) -> None:
        values = {"name": name, "run_id": run_id}
        if is_over:
            session.each(self.sql.forget_notice, [values])
        else:
            session.each(self.sql.told, [{**values, "count": inputs}])

    def put_off(self, session: Session, *, name: str, run_id: str, until_s: float) -> None:
        session.each(self.sql.put_off, [{"name": name, "run_id": run_id, "until_s": until_s}])


class SqlNotices:
    """What there is to tell of the runs of a database.

    Args:
        do: does something in a transaction.
    """

    def __init__(self, statements: Statements, driver: Driver, do: Callable[[Ask], Awaitable[Any]]) -> None:
        self._works, self._do = _Works(statements, driver), do

    async def subscribe(self, name: str, digests: Collection[str]) -> None:
        """Note for a subscriber what happens to runs from now on, and which of them wait now."""
        check_names(name, *digests)
        await self._do(partial(self._works.subscribe, name=name, digests=sorted(digests)))

    async def unsubscribe(self, name: str) -> None:
        """Note nothing more for a subscriber, and forget what is noted."""
        check_names(name)
        await self._do(partial(self._works.unsubscribe, name=name))

    async def take(
        self, name: str, digests: Collection[str], *, now_s: float, hold_s: float, limit: int
    ) -> Sequence[Notice]:
        """Take notices, the one that is due longest first."""
        take = partial(self._works.take, name=name, digests=sorted(digests), now_s=now_s, hold_s=hold_s, limit=limit)
        taken: Sequence[Notice] = await self._do(take)
        return taken

    async def told(self, name: str, run_id: str, *, inputs: int, is_over: bool) -> None:
        """Note that a subscriber was told of a run with so many inputs."""
        await self._do(partial(self._works.told, name=name, run_id=run_id, inputs=inputs, is_over=is_over))

    async def put_off(self, name: str, run_id: str, *, until_s: float) -> None:
        """Let nobody take a notice until a moment."""
        await self._do(partial(self._works.put_off, name=name, run_id=run_id, until_s=until_s))
