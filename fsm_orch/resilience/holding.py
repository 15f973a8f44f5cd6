"""Holding what runs may cost: the arithmetic of one account, for all that implement `Holdings`, and one in memory."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from threading import Lock

from msgspec import Struct
from msgspec.structs import replace

from ..amounts import NOTHING, Amount
from ..clock import Clock
from ..errors import Overloaded
from .base import Account


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

    def after(self, before: Held, now: Held) -> Window:
        """Return it with what is kept of one run instead of what was."""
        taken = self.taken + now.charged + now.may_cost - before.charged - before.may_cost
        return replace(self, taken=taken)


def window_of(account: Account, now_s: float) -> Window:
    """Return a window in which nothing has happened yet.

    Args:
        now_s: seconds of the epoch.
    """
    return Window((math.floor(now_s / account.per_s) + 1) * account.per_s)


def check_room(account: Account, window: Window, may_cost: Amount, now_s: float) -> None:
    """Check that an account has room for what a run may cost.

    Raises Overloaded: if it has not.
    """
    most = account.most_tokens, account.most_cost
    taken, more = (window.taken.tokens, window.taken.cost), (may_cost.tokens, may_cost.cost)
    for limit, has, asks, unit in zip(most, taken, more, ("tokens", "micro-dollars"), strict=True):
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
        self._windows: dict[str, Window] = {}
        self._kept: dict[str, dict[str, Held]] = {}
        """By account and run."""
        self._many = _FEW
        """How many windows are looked through for those that are over."""

    async def hold(self, run_id: str, accounts: Sequence[Account], *, settled: Amount, may_cost: Amount) -> None:
        """Hold what a run may still cost, as `Holdings.hold` does."""
        with self._lock:
            now_s = self._clock()
            for account in accounts:
                self._begin(account, now_s)
            new = [each for each in accounts if not self._held(each, run_id).is_open]
            for account in new:
                check_room(account, self._windows[account.name], may_cost, now_s)
            for account in new:
                self._set(account, run_id, self._held(account, run_id).held(settled, may_cost))

    async def settle(self, run_id: str, accounts: Sequence[Account], *, settled: Amount) -> None:
        """Give back what is held for a run, as `Holdings.settle` does."""
        with self._lock:
            now_s = self._clock()
            for account in accounts:
                self._begin(account, now_s)
                if run_id in self._kept[account.name]:
                    self._set(account, run_id, self._held(account, run_id).settled(settled))

    def taken(self, account: Account) -> Amount:
        """Return what the runs of an account were charged in this window and may still cost."""
        with self._lock:
            self._begin(account, self._clock())
            return self._windows[account.name].taken

    def _begin(self, account: Account, now_s: float) -> None:
        """Begin a window if the one before is over, which is forgotten."""
        window = self._windows.get(account.name)
        if window is None or window.ends_at <= now_s:
            self._forget(now_s)
            self._windows[account.name], self._kept[account.name] = window_of(account, now_s), {}

    def _forget(self, now_s: float) -> None:
        """Forget the windows that are over, once there are twice as many as were left the last time."""
        if len(self._windows) >= self._many:
            for name in [name for name, window in self._windows.items() if window.ends_at <= now_s]:
                del self._windows[name], self._kept[name]
            self._many = _FEW + 2 * len(self._windows)

    def _held(self, account: Account, run_id: str) -> Held:
        return self._kept[account.name].get(run_id, _NOTHING_KEPT)

    def _set(self, account: Account, run_id: str, held: Held) -> None:
        window = self._windows[account.name]
        self._windows[account.name] = window.after(self._held(account, run_id), held)
        self._kept[account.name][run_id] = held


_NOTHING_KEPT = Held()

_FEW = 64
