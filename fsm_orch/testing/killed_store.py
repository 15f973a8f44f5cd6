"""A store in a database under the eyes of a witness, which may end its process before, in and after each commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..store.nudges import Nudges
from ..store.sql import SqlStore
from ..store.sql.dialect import Statement
from ..store.sql.session import Driver, Meaning, Session, Values
from ..store.values import Claim
from .witness import Witness


class KilledStore(SqlStore):
    """A store whose writes are seen. Whoever drove a run before is known to be dead: nobody waits for its lease.

    Args:
        url: of the database.
        witness: sees.
    """

    def __init__(self, url: str, witness: Witness) -> None:
        self._witness = witness
        super().__init__(url)

    def _open(self) -> None:
        driver = _WitnessedDriver(self._database.driver, self._witness)
        self._database = replace(self._database, driver=driver)
        super()._open()

    async def claim(self, run_id: str) -> Claim | None:
        """Own a run from now on."""
        rows = await self.list(run_id=run_id)
        if rows and rows[0].is_driven:
            # a beat that lasts for nothing, of that worker alone: others on the database may be alive
            over = {"me": rows[0].owner, "lease_s": 0.0}
            await self._do(lambda session: session.rows(self._statements.beat, over))
        return await super().claim(run_id)


class _WitnessedDriver:
    def __init__(self, driver: Driver, witness: Witness) -> None:
        self._driver, self._witness = driver, witness

    def check_there(self) -> None:
        self._driver.check_there()

    def connect(self) -> Any:
        return self._driver.connect()

    def session(self, connection: Any) -> Session:
        return _WitnessedSession(self._driver.session(connection), self._witness)

    def nudge(self, session: Session, run_ids: Sequence[str]) -> None:
        self._driver.nudge(session, run_ids)

    def nudges(self) -> Nudges | None:
        return self._driver.nudges()

    def ids(self, ids: Sequence[str]) -> Any:
        return self._driver.ids(ids)

    def meaning(self, error: Exception) -> Meaning:
        return self._driver.meaning(error)

    def advice(self, error: Exception) -> str:
        return self._driver.advice(error)


class _WitnessedSession:
    """A session that tells of its transactions, if they write."""

    def __init__(self, session: Session, witness: Witness) -> None:
        self._session, self._witness = session, witness
        self._writes = 0

    def begin(self) -> None:
        self._writes = 0
        self._session.begin()

    def rows(self, statement: Statement, values: Values) -> Sequence[tuple[Any, ...]]:
        return self._session.rows(statement, values)

    def each(self, statement: Statement, values: Sequence[Values]) -> None:
        self._session.each(statement, values)
        self._writes += 1
        if self._writes == 1:
            self._witness.reached("in a transaction")

    def commit(self) -> None:
        if self._writes:
            self._witness.reached("before a commit")
        self._session.commit()
        if self._writes:
            self._witness.reached("after a commit")

    def rollback(self) -> None:
        self._session.rollback()

    def close(self) -> None:
        self._session.close()
