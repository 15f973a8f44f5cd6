"""Rebindings in a database: with which version of its machine each run goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import json

from ...errors import StoreError
from ...kernel.renames import Renames
from ...kernel.terms import Terms
from ..rebound import Bound, is_done, objection
from ..values import Listed, Rebound
from .pages import listed
from .session import Driver, Session
from .statements import Statements


class Rebindings:
    """Reads and writes rebindings."""

    def __init__(self, statements: Statements, driver: Driver) -> None:
        self._sql, self._driver = statements, driver

    def of(self, session: Session, run_ids: Sequence[str]) -> dict[str, tuple[Rebound, ...]]:
        """Return to what each of some runs was rebound, the first first."""
        found: dict[str, tuple[Rebound, ...]] = dict.fromkeys(run_ids, ())
        rows = session.rows(self._sql.rebindings, {"ids": self._driver.ids(run_ids)}) if run_ids else ()
        for run_id, _, *row in rows:
            found[run_id] += (_read(*row),)
        return found

    def listed(
        self,
        session: Session,
        rows: Sequence[tuple[Any, ...]],
        read: Callable[[tuple[Any, ...], tuple[Rebound, ...]], Listed] = listed,
    ) -> list[Listed]:
        """Return rows of a list, with what is kept here.

        Args:
            read: reads one of them; the last column says whether its run was rebound.
        """
        found = self.of(session, [row[0] for row in rows if row[-1]])
        return [read(row, found.get(row[0], ())) for row in rows]

    def rebind(self, session: Session, run_id: str, to: Rebound) -> StoreError | None:
        """Have a run go on with another version of its machine. Return why it may not; None: it does."""
        # the row is locked first: until this is committed nobody claims it, or appends to it
        rows = session.rows(self._sql.bound, {"run_id": run_id})
        before = self.of(session, [run_id])[run_id]
        if is_done(before, to):
            return None
        run = _bound(*rows[0]) if rows else None
        refused = objection(run_id, run, to)
        if run is not None and refused is None:
            goes_on = {"digest": to.digest, "state": to.renames.state(rows[0][-1]), "left_to": run.left_to}
            session.each(self._sql.rebind, [{"run_id": run_id, **goes_on}])
            session.each(self._sql.add_rebinding, [{"run_id": run_id, "number": len(before), **_written(to)}])
        return refused


def _bound(
    digest: str, status: Any, inputs: int, owner: str | None, is_alive: object, has_posts: object, _: str
) -> Bound:
    return Bound(
        digest=digest,
        status=status,
        inputs=inputs,
        owner=owner,
        is_alive=bool(is_alive),
        has_posts=bool(has_posts),
    )


def _read(was: str, digest: str, inputs: int, renames: str, terms: str, at: float) -> Rebound:
    return Rebound(
        was=was,
        digest=digest,
        inputs=inputs,
        renames=json.decode(renames, type=Renames),
        terms=json.decode(terms, type=Terms | None),
        at=at,
    )


def _written(to: Rebound) -> dict[str, Any]:
    renames, terms = json.encode(to.renames).decode(), json.encode(to.terms).decode()
    named = {"was": to.was, "digest": to.digest, "inputs": to.inputs}
    return {**named, "renames": renames, "terms": terms, "rebound_at": to.at}
