"""Holding what runs may cost: the arithmetic of one account, for all that implement `Holdings`, and one in memory."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from threading import Lock

from msgspec import Struct
from msgspec.structs import replace

from ..amounts import NOTHING, Amount
from ..clock import Clock
from ..errors import Overloaded
from .base import Account

UNITS = ("tokens", "micro-dollars")
"""What accounts are kept in."""


class Held(Struct, frozen=True):
    """What an account keeps of one run in a window."""

    charged: Amount = NOTHING
    """What it was charged in this window."""
    since: Amount = NOTHING
    """What it had been charged in all when that was counted last."""
    may_cost: Amount = NOTHING
    """What is held for it."""
    is_open: bool = False
    """Whether anything is held for it, be it that this is nothing."""

    def held(self, settled: Amount, may_cost: Amount) -> Held:
        """Return it with what the run may still cost."""
        # counted from now on: a later run under the same id has been charged less, and takes nothing back
        return Held(self.charged, settled, may_cost, is_open=True)

    def settled(self, settled: Amount) -> Held:
        """Return it with what the run was charged since it was counted last, and nothing held."""
        beyond = settled.beyond(self.since)
        return Held(self.charged + beyond, self.since + beyond)


class Window(Struct, frozen=True):
    """The window of an account: when it ends, and what its runs were charged and may still cost."""

    ends_at: float
    """In seconds of the epoch."""
    taken: Amount = NOTHING


class Book:
    """What one account keeps: its window of now, and of each run what it was charged and may still cost there."""

    def __init__(self, window: Window, kept: Mapping[str, Held] | None = None) -> None:
        self.window, self.kept = window, dict(kept or {})

    def begin(self, account: Account, now_s: float) -> None:
        """Begin a window if this one is over."""
        if self.window.ends_at <= now_s:
            self.window, self.kept = window_of(account, now_s), {}

    def of(self, run_id: str) -> Held:
        """Return what is kept of a run."""
        return self.kept.get(run_id, _NOTHING_KEPT)

    def set(self, run_id: str, held: Held) -> None:
        """Keep this of a run."""
        before = self.of(run_id)
        taken = self.window.taken + held.charged + held.may_cost - before.charged - before.may_cost
        self.window, self.kept[run_id] = replace(self.window, taken=taken), held


def window_of(account: Account, now_s: float) -> Window:
    """Return the window of a moment, in which nothing has happened yet.

    Args:
        now_s: seconds of the epoch.
    """
    ends_at = (math.floor(now_s / account.per_s) + 1) * account.per_s
    # rounded, it may be over already at the moment at which it begins
    return Window(ends_at if ends_at > now_s else ends_at + account.per_s)


def hold(
    books: Mapping[str, Book],
    run_id: str,
    accounts: Sequence[Account],
    *,
    settled: Amount,
    may_cost: Amount,
    now_s: float,
) -> None:
    """Hold what a run may still cost, as `Holdings.hold` does.

    Args:
        books: of the accounts, by name.

    Raises Overloaded: if an account has no room for it; no book has changed then, but that a window may have begun.
    """
    for account in accounts:
        books[account.name].begin(account, now_s)
    new = [account for account in accounts if not books[account.name].of(run_id).is_open]
    for account in new:
        _check_room(account, books[account.name].window, may_cost, now_s)
    for account in new:
        book = books[account.name]
        book.set(run_id, book.of(run_id).held(settled, may_cost))


def settle(
    books: Mapping[str, Book], run_id: str, accounts: Sequence[Account], *, settled: Amount, now_s: float
) -> None:
    """Free what is held for a run, as `Holdings.settle` does.

    Args:
        books: of the accounts, by name; one that is not there keeps nothing.
    """
    for account in accounts:
        book = books.get(account.name)
        if book is not None and run_id in book.kept and now_s < book.window.ends_at:
            book.set(run_id, book.of(run_id).settled(settled))


def _check_room(account: Account, window: Window, may_cost: Amount, now_s: float) -> None:
    most = account.most_tokens, account.most_cost
    taken, more = (window.taken.tokens, window.taken.cost), (may_cost.tokens, may_cost.cost)
    for limit, has, asks, unit in zip(most, taken, more, UNITS, strict=True):
        if limit is not None and has + asks > limit:
            detail = (
                f"the quota {account.quota!r} of {account.key!r} has {max(0, limit - has):,} of {limit:,} {unit} left "
                f"in this window, and this run may cost {asks:,}"
            )
            raise Overloaded("quota", max(1, math.ceil(window.ends_at - now_s)), detail=detail)


class MemoryHoldings:
    """Holds what runs may cost in memory, for the runners of one process.

    Args:
        clock: seconds of the epoch.
    """

    def __init__(self, clock: Clock = time.time) -> None:
        self._clock = clock
        self._lock = Lock()  # for runners in several threads
        self._books: dict[str, Book] = {}
        """By account."""
        self._many = _FEW
        """How many books there may be until those are forgotten whose windows are over."""

    async def hold(self, run_id: str, accounts: Sequence[Account], *, settled: Amount, may_cost: Amount) -> None:
        """Hold what a run may still cost, as `Holdings.hold` does."""
        with self._lock:
            now_s = self._clock()
            for account in accounts:
                if account.name not in self._books:
                    self._forget(now_s)
                    self._books[account.name] = Book(window_of(account, now_s))
            hold(self._books, run_id, accounts, settled=settled, may_cost=may_cost, now_s=now_s)

    async def settle(self, run_id: str, accounts: Sequence[Account], *, settled: Amount) -> None:
        """Free what is held for a run, as `Holdings.settle` does."""
        with self._lock:
            settle(self._books, run_id, accounts, settled=settled, now_s=self._clock())

    def taken(self, account: Account) -> Amount:
        """Return what the runs of an account were charged in this window and may still cost."""
        with self._lock:
            book = self._books.get(account.name)
            return NOTHING if book is None or book.window.ends_at <= self._clock() else book.window.taken

    def _forget(self, now_s: float) -> None:
        if len(self._books) >= self._many:
            self._books = {name: book for name, book in self._books.items() if now_s < book.window.ends_at}
            self._many = _FEW + 2 * len(self._books)


_NOTHING_KEPT = Held()

_FEW = 64
