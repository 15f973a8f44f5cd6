"""Appends of many runs in one transaction: what is stored is read and locked, each is judged, all are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from msgspec import Struct

from ...amounts import Amount
from ...errors import StoreError
from ..coded import Coded
from ..refusals import lease_lost, run_id_taken
from ..values import Head, Hold, PaidResponse, moved
from .session import Driver, Session, Values
from .statements import Statements

_NOT_CANCELLED: Values = {"is_cancel_asked": False, "cancelled_by": None}


class Append(Struct, frozen=True, kw_only=True):
    """What one append stores."""

    run_id: str
    start: int
    bodies: Sequence[str]
    """The inputs, as JSON."""
    head: Head
    epoch: int
    responses: Sequence[PaidResponse]
    holds: Sequence[Hold]
    folds: Sequence[str]
    """The ids of answers that are among the inputs."""
    first: Values
    """The columns of a run that begins."""
    is_queued: bool
    """Whether nobody owns it."""
    at: float
    """Seconds of the epoch."""


class _Owned(NamedTuple):
    """A run as it is stored."""

    id: str
    owner: str | None
    epoch: int
    position: int
    hops: int
    responses: int


@dataclass
class _Writes:
    """What a transaction writes, by statement: one call of the driver for each."""

    begin: list[Values] = field(default_factory=list)
    go_on: list[Values] = field(default_factory=list)
    add_input: list[Values] = field(default_factory=list)
    drop_responses: list[Values] = field(default_factory=list)
    add_response: list[Values] = field(default_factory=list)
    fold_post: list[Values] = field(default_factory=list)


class Appends:
    """Does appends.

    Args:
        owner: this worker.
        coded: makes what is kept of texts.
    """

    def __init__(self, statements: Statements, driver: Driver, owner: str, coded: Coded) -> None:
        self._sql, self._driver, self._owner, self._coded = statements, driver, owner, coded

    def play(self, session: Session, appends: Sequence[Append]) -> list[StoreError | None]:
        """Do appends to different runs. Return why each was refused; None: it is stored once this is committed."""
        # locked, so that nothing that is judged here changes before it is written
        found = session.rows(self._sql.owned, {"ids": self._driver.ids([append.run_id for append in appends])})
        owned = {row[0]: _Owned(*row) for row in found}
        accounts = self._accounts(session, appends)
        before, writes, refused = dict(accounts), _Writes(), list[StoreError | None]()
        for append in appends:
            try:
                self._judge(session, append, owned.get(append.run_id), accounts, writes)
                refused.append(None)
            except StoreError as error:
                refused.append(error)
        for name, values in vars(writes).items():
            if values:
                session.each(getattr(self._sql, name), values)
        self._set(session, {name: amount for name, amount in accounts.items() if amount != before[name]})
        if written := [row["id"] for row in writes.begin] + [row["run_id"] for row in writes.go_on]:
            self._driver.nudge(session, written)
        return refused

    def _judge(
        self, session: Session, append: Append, owned: _Owned | None, accounts: dict[str, Amount], writes: _Writes
    ) -> None:
        """Add what an append writes.

        Raises StoreError: if it is refused; nothing is added then.
        """
        kept = self._kept(session, append, owned)
        if kept >= len(append.bodies):  # all is stored already, or nothing was said of a run that is not known
            return
        bodies, responses = self._bodies(append, kept), self._responses(append)
        accounts.update(moved(accounts, append.holds))  # all of them, or none
        self._write(append, bodies, responses, owned, writes)

    def _kept(self, session: Session, append: Append, owned: _Owned | None) -> int:
        """Return how many of the inputs are stored already.

        Raises StoreError: if the others do not continue the journal, or it is somebody else's.
        """
        if owned is None:
            if append.start:
                raise run_id_taken(append.run_id, 0)
            return 0
        is_mine = (owned.owner, owned.epoch) == (self._owner_of(append), append.epoch)
        if not is_mine and append.start:
            raise lease_lost(append.run_id, owned.owner, owned.epoch, mine=append.epoch)
        if not is_mine or append.start > owned.position:
            raise run_id_taken(append.run_id, owned.position)
        count = min(owned.position - append.start, len(append.bodies))
        # what is stored already is compared, not trusted: a second run under this id must not go on with this journal
        if count and append.bodies[:count] != self._stored(session, append, count):
            raise run_id_taken(append.run_id, owned.position)
        return count

    def _owner_of(self, append: Append) -> str | None:
        return None if append.is_queued else self._owner

    def _stored(self, session: Session, append: Append, count: int) -> Sequence[str]:
        values = {"run_id": append.run_id, "start": append.start, "count": count}
        rows = session.rows(self._sql.kept, values)
        # decoded: of one text a codec may make another at each time
        return [
            self._coded.decode(append.run_id, "input", position, body)
            for position, (body,) in enumerate(rows, append.start)
        ]

    def _bodies(self, append: Append, kept: int) -> list[Values]:
        """Return the rows of the inputs that are not stored."""
        run_id, first, encode = append.run_id, append.start + kept, self._coded.encode
        return [
            {"run_id": run_id, "position": position, "body": encode(run_id, "input", position, body)}
            for position, body in enumerate(append.bodies[kept:], first)
        ]

    def _responses(self, append: Append) -> list[Values]:
        run_id, encode = append.run_id, self._coded.encode
        return [
            {
                "run_id": run_id,
                "key": each.key,
                "request": encode(run_id, "request", each.key, each.request),
                "body": encode(run_id, "response", each.key, each.body),
            }
            for each in append.responses
        ]

    def _write(
        self,
        append: Append,
        bodies: Sequence[Values],
        responses: Sequence[Values],
        owned: _Owned | None,
        writes: _Writes,
    ) -> None:
        run_id, head, end = append.run_id, append.head, append.start + len(append.bodies)
        has_hopped = owned is not None and owned.hops != head.hops
        before = 0 if owned is None or has_hopped else owned.responses
        row = {
            "state": head.state,
            "status": head.status,
            "hops": head.hops,
            "tokens": head.tokens,
            "expires_at": head.expires_at,
            "position": end,
            "responses": before + len(append.responses),
            "stored_at": append.at,
        }
        if owned is None:
            new = {"id": run_id, "epoch": append.epoch, "owner": self._owner_of(append), **_NOT_CANCELLED}
            writes.begin.append({**append.first, **row, **new, "began_at": append.at})
        else:
            writes.go_on.append({**row, "run_id": run_id})
        writes.add_input += bodies
        if has_hopped and owned is not None and owned.responses:
            writes.drop_responses.append({"run_id": run_id})
        writes.add_response += [{**row, "number": before + place} for place, row in enumerate(responses)]
        writes.fold_post += [{"run_id": run_id, "post_id": id} for id in append.folds]

    def _accounts(self, session: Session, appends: Sequence[Append]) -> dict[str, Amount]:
        """Return what is taken of the accounts that appends move, each opened and locked."""
        names = sorted({hold.account for append in appends for hold in append.holds})
        if not names:
            return {}
        session.each(self._sql.open_account, [{"id": name, "tokens": "0", "cost": "0"} for name in names])
        rows = session.rows(self._sql.taken_all, {"ids": self._driver.ids(names)})
        return {name: Amount(int(tokens), int(cost)) for name, tokens, cost in rows}

    def fork(self, session: Session, append: Append) -> StoreError | None:
        """Store a run that is a fork, as its beginning. Return why it was refused; None: it is stored."""
        for origin, position in session.rows(self._sql.origin, {"run_id": append.run_id}):
            if (origin, position) != (append.first["origin"], len(append.bodies)):
                return run_id_taken(append.run_id, position)
        return self.play(session, [append])[0]

    def charge(self, session: Session, account: str, amount: Amount) -> None:
        """Add to what is taken of an account."""
        session.each(self._sql.open_account, [{"id": account, "tokens": "0", "cost": "0"}])
        ((_, tokens, cost),) = session.rows(self._sql.taken_all, {"ids": self._driver.ids([account])})
        self._set(session, {account: Amount(int(tokens), int(cost)) + amount})

    def _set(self, session: Session, accounts: dict[str, Amount]) -> None:
        values: list[dict[str, Any]] = [
            {"account": name, "tokens": str(amount.tokens), "cost": str(amount.cost)}
            for name, amount in accounts.items()
        ]
        if values:
            session.each(self._sql.set_account, values)
