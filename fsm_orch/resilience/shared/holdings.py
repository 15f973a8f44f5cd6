"""Holdings that processes share, with their books in Redis.

While Redis is away each process keeps books of its own, with its share of every limit, and tells Redis of them when it
is back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from msgspec.structs import replace

from ...amounts import NOTHING, Amount
from ...clock import Clock
from ...errors import Overloaded
from ..base import Account
from ..holding import Book, Held, hold, settle, window_of
from ..redis import Away
from .books import SharedBooks, check_counted
from .link import Link

_FEW = 64


@dataclass(frozen=True)
class _There:
    """A run of this process that holds something in Redis."""

    accounts: tuple[Account, ...]
    settled: Amount
    may_cost: Amount
    at_s: float
    """When that was held."""

    def still(self, now_s: float) -> list[Account]:
        """Return the accounts whose window is the same."""
        return [each for each in self.accounts if window_of(each, self.at_s) == window_of(each, now_s)]


@dataclass
class _Here:
    """A run that is in the books of this process, and what Redis knows of that, by account and end of window."""

    accounts: tuple[Account, ...]
    told: dict[tuple[str, float], Held] = field(default_factory=dict)


class SharedHoldings:
    """Holdings of all processes; `SharedGates.holdings` makes them. All that they know is changed in the thread aside.

    Args:
        clock: seconds of the epoch, for what this process holds for itself.
    """

    def __init__(self, link: Link, clock: Clock = time.time) -> None:
        self._link, self._clock, self._shared = link, clock, SharedBooks(link)
        self._there = dict[str, _There]()
        self._many = _FEW
        """How many there may be until those are forgotten whose windows are over."""
        self._here = dict[str, _Here]()
        self._books = dict[str, Book]()
        """What this process holds for itself, by account. What it was charged stays taken when Redis knows of it."""

    async def hold(self, run_id: str, accounts: Sequence[Account], *, settled: Amount, may_cost: Amount) -> None:
        """Hold what a run may still cost, as `Holdings.hold` does; while Redis is away, within this process's share.

        Raises StartError: if the gates are not open, or an account or a name is none that Redis counts.
        """
        for account in accounts:
            check_counted(run_id, account)
        if accounts:
            await self._link.ask(partial(self._hold, run_id, tuple(accounts), settled, may_cost))

    async def settle(self, run_id: str, accounts: Sequence[Account], *, settled: Amount) -> None:
        """Free what is held for a run, as `Holdings.settle` does; while Redis is away, as soon as it is back."""
        if accounts:
            await self._link.tell(partial(self._settle, run_id, tuple(accounts), settled))

    async def beat(self) -> None:
        """Report to Redis what this process holds for itself. Once all have told theirs, that is forgotten here."""
        now_s = self._clock()
        self._books = {name: book for name, book in self._books.items() if now_s < book.window.ends_at}
        if len(self._there) >= self._many:  # those that went on elsewhere are never settled here
            self._there = {run_id: there for run_id, there in self._there.items() if there.still(now_s)}
            self._many = _FEW + 2 * len(self._there)
        await asyncio.gather(*(self._tell(run_id, here) for run_id, here in tuple(self._here.items())))

    def act_alone(self) -> None:
        """Keep books of its own, which begin with what its runs hold in Redis."""
        now_s = self._clock()
        for run_id, there in self._there.items():
            if still := there.still(now_s):
                self._hold_here(run_id, tuple(map(_free, still)), there.settled, there.may_cost)
        self._there.clear()

    def close(self) -> None:
        """Do nothing: what is held stays until its window is over."""

    @property
    def _is_alone(self) -> bool:
        """Whether this process acts for itself: also while others still tell a server that is back what they hold."""
        return self._link.is_alone or self._link.is_settling

    async def _hold(self, run_id: str, accounts: tuple[Account, ...], settled: Amount, may_cost: Amount) -> None:
        try:
            if self._is_alone or run_id in self._here:
                raise Away
            await self._shared.hold(run_id, accounts, settled, may_cost, call=self._link.call)
        except Away:
            shares = tuple(_share(account, self._link.processes) for account in accounts)
            try:
                self._hold_here(run_id, shares, settled, may_cost)
            except Overloaded as refused:
                detail = f"{refused.detail}; that is the share of this process, while Redis is away"
                raise Overloaded(refused.reason, refused.retry_after_s, detail=detail) from None
        else:
            self._there[run_id] = _There(accounts, settled, may_cost, self._clock())

    async def _settle(self, run_id: str, accounts: tuple[Account, ...], settled: Amount) -> None:
        if run_id not in self._here:
            try:
                await self._shared.settle(run_id, accounts, settled, call=self._link.call)
                self._there.pop(run_id, None)
                return
            except Away:  # it is in the books of this process now
                pass
        settle(self._books, run_id, accounts, settled=settled, now_s=self._clock())

    def _hold_here(self, run_id: str, accounts: tuple[Account, ...], settled: Amount, may_cost: Amount) -> None:
        now_s = self._clock()
        for account in accounts:
            self._books.setdefault(account.name, Book(window_of(account, now_s)))
        hold(self._books, run_id, accounts, settled=settled, may_cost=may_cost, now_s=now_s)
        self._here.setdefault(run_id, _Here(accounts)).accounts = accounts

    async def _tell(self, run_id: str, here: _Here) -> None:
        """Report to Redis what is new of a run, and forget the run here if Redis goes on with it."""
        for account in here.accounts:
            if (book := self._books.get(account.name)) is None or run_id not in book.kept:
                continue
            window, held = (account.name, book.window.ends_at), book.of(run_id)
            if held != (told := here.told.get(window)):
                await self._tell_one(run_id, account, held, told or Held())
                here.told[window] = held
        if not self._is_alone and self._is_told(run_id, here):
            self._forget(run_id, here)

    async def _tell_one(self, run_id: str, account: Account, held: Held, told: Held) -> None:
        only = (_free(account),)  # it is held already, be there room or not
        hold_there = partial(self._shared.hold, run_id, only, call=self._link.see, is_told=True)
        charged = held.charged.beyond(told.charged)
        if charged != NOTHING or not held.is_open:
            await hold_there(held.since.beyond(charged), NOTHING)
            await self._shared.settle(run_id, only, held.since, call=self._link.see)
        if held.is_open:
            await hold_there(held.since, held.may_cost)

    def _kept(self, run_id: str, here: _Here) -> dict[Account, Held]:
        """Return what the books keep of a run, by account."""
        books = {each: self._books.get(each.name) for each in here.accounts}
        return {each: book.kept[run_id] for each, book in books.items() if book is not None and run_id in book.kept}

    def _is_told(self, run_id: str, here: _Here) -> bool:
        return all(
            here.told.get((account.name, self._books[account.name].window.ends_at)) == held
            for account, held in self._kept(run_id, here).items()
        )

    def _forget(self, run_id: str, here: _Here) -> None:
        kept = self._kept(run_id, here)
        for account, held in kept.items():
            book = self._books[account.name]
            book.set(run_id, Held(held.charged))
            del book.kept[run_id]
        del self._here[run_id]
        is_open = {account: held for account, held in kept.items() if held.is_open}
        if is_open:
            held = next(iter(is_open.values()))
            self._there[run_id] = _There(tuple(is_open), held.since, held.may_cost, self._clock())


def _free(account: Account) -> Account:
    return replace(account, most_tokens=None, most_cost=None)


def _share(account: Account, processes: int) -> Account:
    tokens, cost = account.most_tokens, account.most_cost
    return replace(
        account,
        most_tokens=None if tokens is None else tokens // processes,
        most_cost=None if cost is None else cost // processes,
    )
