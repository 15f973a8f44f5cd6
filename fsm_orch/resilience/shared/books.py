"""The books of quotas in Redis: the arithmetic of `Held` and `Book` as two scripts."""

from __future__ import annotations

from ...amounts import Amount
from ...errors import StartError
from ..base import Account
from ..holding import no_room
from .link import NOW, Call, Link

_MOST = 2**52
"""More than a run is ever charged: what is more counts as this, and a quota is less. Scripts add in floats."""
_FULL = 2**53
"""What an account has taken counts up to this, and then stays there until its window is over."""
_KEEP_MS = 60_000
"""How long an account is kept after its window, for clocks that are moved back."""

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


class SharedBooks:
    """Keeps the books of accounts in Redis."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def hold(
        self,
        run_id: str,
        accounts: tuple[Account, ...],
        settled: Amount,
        may_cost: Amount,
        *,
        call: Call,
        is_told: bool = False,
    ) -> None:
        """Hold what a run may still cost, as `Holdings.hold` does.

        Args:
            call: runs a script.
            is_told: whether that was held elsewhere meanwhile: what is counted already stays so.

        Raises Away: if Redis does not answer; it may be held all the same.
        Raises Overloaded: if an account has no room.
        """
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

    async def settle(self, run_id: str, accounts: tuple[Account, ...], settled: Amount, *, call: Call) -> None:
        """Free what is held for a run, as `Holdings.settle` does.

        Raises Away: if Redis does not answer; it may be settled all the same.
        """
        await call(_SETTLE, [self._link.key("quota", each.name) for each in accounts], run_id, *_parts(settled))


def _parts(amount: Amount) -> tuple[int, int]:
    return min(_MOST, amount.tokens), min(_MOST, amount.cost)


def _or_none(limit: int | None) -> int | str:
    return "" if limit is None else limit


def check_counted(run_id: str, account: Account) -> None:
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
