"""Stores without a thread or a clock of their own: each method is done at once, at the time of the simulation."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Protocol

from fsm_orch import MemoryStore
from fsm_orch.clock import Clock
from fsm_orch.store import Store
from fsm_orch.store.sql import SqlStore
from fsm_orch.store.sql.dialect import Statement
from fsm_orch.store.sql.session import Session
from fsm_orch.store.sql.tables import ready
from fsm_orch.store.sql.url import opened
from fsm_orch.store.sql.works import Work

_NOW = "(julianday('now') - 2440587.5) * 86400.0"


class Shared(Protocol):
    """A store that many workers share."""

    def of(self, lease_s: float, skew_s: float) -> Store:
        """Return it as one more worker has it, whose clock is off."""
        ...


class InMemory:
    """The store in memory.

    Args:
        clock: of the store.
        kind: a subclass, with a fault planted in it.
    """

    def __init__(self, clock: Clock, kind: type[MemoryStore] = MemoryStore) -> None:
        self.store = kind(wall_clock=clock)

    def of(self, lease_s: float, skew_s: float) -> Store:
        """Return it as one more worker has it."""
        return self.store.beside(lease_s=lease_s)


class InSqlite:
    """The statements of the store in SQLite, on one connection: its logic, without its thread.

    That of PostgreSQL asks a server, which has its own clock and cannot be put on virtual time.
    """

    def __init__(self, clock: Clock, file: Path) -> None:
        self._file = file
        database = opened(f"sqlite:///{file}?sync=normal")
        ready(database).close()
        self.connection: sqlite3.Connection = database.driver.connect()
        self.connection.create_function("virtual_now", 0, clock)
        self._session, self._clock = database.driver.session(self.connection), clock

    def of(self, lease_s: float, skew_s: float) -> Store:
        """Return it as one more worker has it."""
        return _Inline(self._file, self._session, self._clock, lease_s)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


class _Inline(SqlStore):
    def __init__(self, file: Path, session: Session, clock: Clock, lease_s: float) -> None:
        self._session = session
        super().__init__(f"sqlite:///{file}", lease_s=lease_s, wall_clock=clock)

    def _open(self) -> None:
        texts = {each.name: getattr(self._statements, each.name) for each in fields(self._statements)}
        self._statements = replace(self._statements, **{name: _timed(text) for name, text in texts.items()})
        super()._open()

    def _writing(self, play: Any) -> Any:
        return _AtOnce(play, self._session)


class _AtOnce:
    """Does each work alone when it is asked for, on a connection that is the other workers' too."""

    def __init__(self, play: Callable[[Session, Sequence[Work]], Sequence[Any]], session: Session) -> None:
        self._play, self._session = play, session

    def close(self) -> None:
        """Do nothing."""

    def do(self, work: Work, *, is_patient: bool) -> asyncio.Future[Any]:
        """Do a work, and return a future of what came of it."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._session.begin()
        try:
            (came,) = self._play(self._session, [work])
            self._session.commit()
        except BaseException as error:
            self._session.rollback()
            came = error
        if isinstance(came, BaseException):
            future.set_exception(came)
        else:
            future.set_result(came)
        return future


def _timed(statement: Statement) -> Statement:
    return replace(statement, text=statement.text.replace(_NOW, "virtual_now()"))


def at_once(asked: Callable[[], Awaitable[Any]]) -> Any:
    """Return what a store says, which waits for nothing."""
    awaited = asked()
    if isinstance(awaited, asyncio.Future):
        return awaited.result()
    steps = awaited.__await__()
    try:
        next(steps)
    except StopIteration as end:
        return end.value
    raise AssertionError("a store of a simulation does not wait")
