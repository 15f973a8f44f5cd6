"""Holdings in a database: what runs may still cost is held of the same quotas by all processes that are on it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from msgspec import Struct

from ...amounts import Amount
from ...clock import Clock
from ...errors import Overloaded
from ...resilience.base import Account
from ...resilience.holding import Book, Held, Window, hold, settle
from .names import check_names
from .session import Driver, Session
from .statements import Statements


class ToHold(Struct, frozen=True):
    """What is to be held for a run, or settled."""

    run_id: str
    accounts: Sequence[Account]
    settled: Amount
    may_cost: Amount | None
    """What it may still cost; None: it is settled."""
    now_s: float
    """Seconds of the epoch."""


class SqlHoldings:
    """Holds what runs may cost in the database of a store, for the runners of all processes that are on it.

    Args:
        do: has the store do a work.
        clock: seconds of the epoch.
    """

    def __init__(self, do: Callable[[ToHold], Awaitable[Any]], clock: Clock) -> None:
        self._do, self._clock = do, clock  # a method of the store, which is not forgotten while this is used

    async def hold(self, run_id: str, accounts: Sequence[Account], *, settled: Amount, may_cost: Amount) -> None:
        """Hold what a run may still cost, as `Holdings.hold` does.

        Raises StoreError: if the database cannot do it, or hold a name.
        """
        await self._ask(run_id, accounts, settled, may_cost)

    async def settle(self, run_id: str, accounts: Sequence[Account], *, settled: Amount) -> None:
        """Free what is held for a run, as `Holdings.settle` does.

        Raises StoreError: if the database cannot do it, or hold a name.
        """
        await self._ask(run_id, accounts, settled, None)

    async def _ask(self, run_id: str, accounts: Sequence[Account], settled: Amount, may_cost: Amount | None) -> None:
        check_names(run_id, *(account.name for account in accounts))
        if accounts:
            await self._do(ToHold(run_id, accounts, settled, may_cost, self._clock()))


class Books:
    """Keeps the books of accounts in a database."""

    def __init__(self, statements: Statements, driver: Driver) -> None:
        self._sql, self._ids = statements, driver.ids

    def play(self, session: Session, works: Sequence[ToHold]) -> list[Overloaded | None]:
        """Do works in order. Return why each was refused; None: it is done once this is committed."""
        books = self._opened(session, works)
        before = {name: (book.window, dict(book.kept)) for name, book in books.items()}
        came = [_done(books, work) for work in works]
        self._write(session, books, before)
        return came

    def _opened(self, session: Session, works: Sequence[ToHold]) -> dict[str, Book]:
        """Return the books of the accounts, each locked, with what they keep of the runs."""
        names = sorted({account.name for work in works for account in work.accounts})
        wanted = {account.name for work in works if work.may_cost is not None for account in work.accounts}
        books = self._books(session, names)
        if missing := sorted(wanted - books.keys()):  # whoever only settles needs none
            session.each(self._sql.open_quota, [{"account": name} for name in missing])
            books = self._books(session, names)
        run_ids = sorted({work.run_id for work in works})
        values = {"ids": self._ids(sorted(books)), "run_ids": self._ids(run_ids)}
        for name, run_id, ends_at, *kept in session.rows(self._sql.quota_runs, values) if books else ():
            if ends_at == books[name].window.ends_at:
                books[name].kept[run_id] = _held(*kept)
        return books

    def _books(self, session: Session, names: Sequence[str]) -> dict[str, Book]:
        rows = session.rows(self._sql.quotas, {"ids": self._ids(names)})
        return {name: Book(Window(ends_at, Amount(int(tokens), int(cost)))) for name, ends_at, tokens, cost in rows}

    def _write(
        self, session: Session, books: dict[str, Book], before: dict[str, tuple[Window, dict[str, Held]]]
    ) -> None:
        """Write what has changed."""
        windows, runs = list[dict[str, Any]](), list[dict[str, Any]]()
        for name, book in books.items():
            window, kept = before[name]
            if book.window != window:
                taken = {"tokens": str(book.window.taken.tokens), "cost": str(book.window.taken.cost)}
                windows.append({"name": name, "ends_at": book.window.ends_at, **taken})
            runs += [
                {"account": name, "run_id": run_id, "ends_at": book.window.ends_at, **_columns(held)}
                for run_id, held in book.kept.items()
                if book.window.ends_at != window.ends_at or held != kept.get(run_id)
            ]
        if windows:
            session.each(self._sql.set_quota, windows)
        if runs:
            session.each(self._sql.set_quota_run, runs)


def _done(books: dict[str, Book], work: ToHold) -> Overloaded | None:
    """Do one work. Return why it was refused."""
    if work.may_cost is None:
        settle(books, work.run_id, work.accounts, settled=work.settled, now_s=work.now_s)
        return None
    try:
        hold(books, work.run_id, work.accounts, settled=work.settled, may_cost=work.may_cost, now_s=work.now_s)
    except Overloaded as refused:
        return refused
    return None


def _held(*amounts: Any) -> Held:
    """Return what is kept of a run, from its columns."""
    *digits, is_open = amounts
    charged, since, may_cost = (Amount(int(digits[n]), int(digits[n + 1])) for n in (0, 2, 4))
    return Held(charged, since, may_cost, is_open=bool(is_open))


def _columns(held: Held) -> dict[str, Any]:
    """Return the columns of what is kept of a run."""
    amounts = {"charged": held.charged, "since": held.since, "held": held.may_cost}
    tokens = {f"{name}_tokens": str(amount.tokens) for name, amount in amounts.items()}
    cost = {f"{name}_cost": str(amount.cost) for name, amount in amounts.items()}
    return {**tokens, **cost, "is_open": held.is_open}
