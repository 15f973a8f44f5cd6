"""Holdings that processes share: the arithmetic of `Held` and `Book` as two scripts, with the books in Redis.

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
from ...errors import Overloaded, StartError
from ..base import Account
from ..holding import Book, Held, hold, no_room, settle, window_of
from ..redis import Away
from .link import NOW, Call, Link

_MOST = 2**52
"""More than a run is ever charged: what is more counts as this, and a quota is less. Scripts add in floats."""
_FULL = 2**53
"""What an account has taken counts up to this, and then stays there until its window is over."""
_KEEP_MS = 60_000
"""How long an account is kept after its window, for clocks that are moved back."""

_FEW = 64

# KEYS: of each account a hash of when its window ends, what is taken of it, and seven numbers a run: what that was
# charged in the window, what it had been charged when that was counted last, what is held, and whether anything is
# ARGV: run, tokens and micro-dollars that it was charged
_HEAD = f"""{NOW}
local run, settled = 'run:' .. ARGV[1], {{tonumber(ARGV[2]), tonumber(ARGV[3])}}
local function number(key, name) return tonumber(redis.call('HGET', key, name) or '0') end
local function taken(key, part) return number(key, part == 1 and 'tokens' or 'cost') end
local function kept(key)
  local numbers = {{}}
  for digits in (redis.call('HGET', key, run) or '0 0 0 0 0 0 0'):gmatch('%d+') do
    table.insert(numbers, tonumber(digits))
  end
  return numbers
end
local function keep(key, old, new)
  for part = 1, 2 do
    local sum = taken(key, part)
    if sum < {_FULL} then
      sum = math.min({_FULL}, sum + (new[part] + new[part + 4] - old[part] - old[part + 4]))
    end
    redis.call('HSET', key, part == 1 and 'tokens' or 'cost', text(sum))
  end
  for each, value in ipairs(new) do new[each] = text(value) end
  redis.call('HSET', key, run, table.concat(new, ' '))
end
"""

# ARGV, further: tokens and micro-dollars that it may cost; 1 if that was held elsewhere, so that what is counted stays
# so; then of each account the microseconds of a window, and how many tokens and micro-dollars that has, or nothing
# answers: the account without room, or 0; if there is one: tokens or micro-dollars, how much is taken of them, and for
# how many microseconds
_HOLD = f"""{_HEAD}
local may, new = {{tonumber(ARGV[4]), tonumber(ARGV[5])}}, {{}}
for account, key in ipairs(KEYS) do
  local ends = number(key, 'ends')
  if ends <= now then
    local per = tonumber(ARGV[3 * account + 4])
    ends = (math.floor(now / per) + 1) * per
    redis.call('UNLINK', key)
    redis.call('HSET', key, 'ends', string.format('%.17g', ends))
    redis.call('PEXPIRE', key, text(math.min({_MOST}, math.ceil((ends - now) / 1000) + {_KEEP_MS})))
  end
  local old = kept(key)
  if old[7] == 0 then
    for part = 1, 2 do
      local most = tonumber(ARGV[3 * account + 4 + part])
      if most and taken(key, part) + may[part] > most then
        return {{account, part, text(taken(key, part)), text(ends - now)}}
      end
    end
    table.insert(new, {{key, old}})
  end
end
for _, each in ipairs(new) do
  local key, old = each[1], each[2]
  for part = 1, 2 do
    if ARGV[6] == '1' then settled[part] = math.max(settled[part], old[part + 2]) end
  end
  keep(key, old, {{old[1], old[2], settled[1], settled[2], may[1], may[2], 1}})
end
return {{0}}
"""

_SETTLE = f"""{_HEAD}
for _, key in ipairs(KEYS) do
  if now < number(key, 'ends') and redis.call('HEXISTS', key, run) == 1 then
    local old, new = kept(key), {{0, 0, 0, 0, 0, 0, 0}}
    for part = 1, 2 do
      local beyond = math.max(0, settled[part] - old[part + 2])
      new[part], new[part + 2] = math.min({_MOST}, old[part] + beyond), old[part + 2] + beyond
    end
    keep(key, old, new)
  end
end
"""


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
        self._link, self._clock = link, clock
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
            _check(run_id, account)
        if accounts:
            await self._link.ask(partial(self._hold, run_id, tuple(accounts), settled, may_cost))

    async def settle(self, run_id: str, accounts: Sequence[Account], *, settled: Amount) -> None:
        """Free what is held for a run, as `Holdings.settle` does; while Redis is away, as soon as it is back."""
        if accounts:
            await self._link.tell(partial(self._settle, run_id, tuple(accounts), settled))

    async def beat(self) -> None:
        """Tell Redis what this process holds for itself. What it knows is forgotten here once all have told theirs."""
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
            await self._hold_there(run_id, accounts, settled, may_cost, call=self._link.call)
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
                await self._settle_there(run_id, accounts, settled, call=self._link.call)
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
        """Tell Redis what is new of a run, and forget the run here if Redis goes on with it."""
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
        hold_there = partial(self._hold_there, run_id, only, call=self._link.see, is_told=True)
        charged = held.charged.beyond(told.charged)
        if charged != NOTHING or not held.is_open:
            await hold_there(held.since.beyond(charged), NOTHING)
            await self._settle_there(run_id, only, held.since, call=self._link.see)
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

    async def _hold_there(
        self,
        run_id: str,
        accounts: tuple[Account, ...],
        settled: Amount,
        may_cost: Amount,
        *,
        call: Call,
        is_told: bool = False,
    ) -> None:
        numbers = [
            number
            for each in accounts
            for number in (each.per_s * 1e6, _or_none(each.most_tokens), _or_none(each.most_cost))
        ]
        keys = [self._link.key("quota", each.name) for each in accounts]
        refused, *why = await call(_HOLD, keys, run_id, *_parts(settled), *_parts(may_cost), int(is_told), *numbers)
        if refused:
            part, has, left_us = (float(each) for each in why)
            raise no_room(accounts[refused - 1], int(part) - 1, int(has), may_cost, left_us / 1e6)

    async def _settle_there(self, run_id: str, accounts: tuple[Account, ...], settled: Amount, *, call: Call) -> None:
        await call(_SETTLE, [self._link.key("quota", each.name) for each in accounts], run_id, *_parts(settled))


def _free(account: Account) -> Account:
    return replace(account, most_tokens=None, most_cost=None)


def _share(account: Account, processes: int) -> Account:
    tokens, cost = account.most_tokens, account.most_cost
    return replace(
        account,
        most_tokens=None if tokens is None else tokens // processes,
        most_cost=None if cost is None else cost // processes,
    )


def _parts(amount: Amount) -> tuple[int, int]:
    return min(_MOST, amount.tokens), min(_MOST, amount.cost)


def _or_none(limit: int | None) -> int | str:
    return "" if limit is None else limit


def _check(run_id: str, account: Account) -> None:
    """Check that Redis can count for an account.

    Raises StartError: if it cannot.
    """
    if max(account.most_tokens or 0, account.most_cost or 0) >= _MOST:
        raise StartError(
            f"the quota {account.quota!r} has {_MOST:,} tokens or micro-dollars a window or more, which Redis does not "
            "count: give it less, or keep quotas in the store"
        )
    for name in (run_id, account.name):
        try:
            name.encode()
        except UnicodeEncodeError:
            raise StartError(f"{name!r} is no text that UTF-8 can encode, and Redis keeps no other") from None
