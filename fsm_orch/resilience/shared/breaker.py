"""A breaker that processes share: failures of all count, and one probe of all decides. It is kept in Redis."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from ...errors import CallDenied
from ..base import Came, Why
from ..breaker import IS_SHUT, Breaker
from ..redis import Away
from .link import NOW, Link

# KEYS: a hash of `until`, while it is open, and of the number and lease of the probe; the last failures
_HEAD = f"""{NOW}
local function at(field) return tonumber(redis.call('HGET', KEYS[1], field) or '0') end
local function is_open() return redis.call('HEXISTS', KEYS[1], 'until') == 1 end
local number = 0
"""
# answers: the number of who enters, -1 if nobody may; is it open, for how many microseconds, and is a probe out
_TAIL = """
return {number, is_open() and 1 or 0, math.max(0, at('until') - now), at('lease') > now and 1 or 0}
"""
_KEEP_MS = 7 * 86_400_000
"""How long it is known that a breaker is open whose agent nobody asks for."""

_LOOK = _HEAD + _TAIL

# ARGV: microseconds of a lease
_ENTER = f"""{_HEAD}
if is_open() then
  if now < at('until') or now < at('lease') then
    number = -1
  else
    number = math.max(now, at('last') + 1)
    redis.call('HSET', KEYS[1], 'probe', text(number), 'last', text(number), 'lease', text(now + ARGV[1]))
  end
end
{_TAIL}"""

# ARGV: microseconds of a lease, the number of a probe
_RENEW = f"""{_HEAD}
if redis.call('HGET', KEYS[1], 'probe') == ARGV[2] then
  redis.call('HSET', KEYS[1], 'lease', text(now + ARGV[1]))
end
{_TAIL}"""

# ARGV: number, what it came to, how many failures open it, microseconds of their window and of being open
_LEAVE = f"""{_HEAD}
if ARGV[1] ~= '0' then
  if redis.call('HGET', KEYS[1], 'probe') == ARGV[1] then
    redis.call('HDEL', KEYS[1], 'probe', 'lease')
    if ARGV[2] == 'failed' then
      redis.call('HSET', KEYS[1], 'until', text(now + ARGV[5]))
    elseif ARGV[2] == 'ok' then
      redis.call('DEL', KEYS[1], KEYS[2])
    end
  end
elseif ARGV[2] == 'failed' and not is_open() then
  redis.call('ZADD', KEYS[2], text(now), ARGV[6])
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. text(now - ARGV[4]))
  redis.call('PEXPIRE', KEYS[2], math.ceil(ARGV[4] / 1000))
  if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[3]) then
    redis.call('HSET', KEYS[1], 'until', text(now + ARGV[5]))
    redis.call('DEL', KEYS[2])
  end
end
redis.call('PEXPIRE', KEYS[1], {_KEEP_MS} + math.ceil(ARGV[5] / 1000))
{_TAIL}"""


class SharedBreaker:
    """A breaker of all processes; `SharedGates.breaker` makes it."""

    def __init__(
        self, link: Link, name: str, *, failures: int, window_s: float, open_s: float, counts: Iterable[Why]
    ) -> None:
        self._link, self._keys = link, [link.key("breaker", name), link.key("breaker.failed", name)]
        self._numbers = (failures, round(window_s * 1e6), round(open_s * 1e6))
        self._local = Breaker(failures=failures, window_s=window_s, open_s=open_s, counts=counts, clock=link.now)
        self._seen: tuple[float | None, bool] = (None, False)
        """Until when it is open, None if it is not, and whether a probe is out, as was last seen."""
        self._probes = set[int]()
        """The numbers of the probes of this process."""

    @property
    def is_shut(self) -> bool:
        """Whether nobody may enter now, as was last seen."""
        if self._link.is_alone:
            return self._local.is_shut
        until, is_probed = self._seen
        return until is not None and (is_probed or self._link.now() < until)

    async def enter(self) -> int:
        """Return the number under which an attempt enters; 0, but for a probe.

        Raises CallDenied: if nobody may enter.
        """
        return await self._link.ask(self._enter, undo=lambda number: partial(self._leave, number, None))

    async def leave(self, number: int, came: Came) -> None:
        """Count what an attempt came to; one that says nothing gives the probe back."""
        await self._link.tell(partial(self._leave, number, came))

    async def beat(self) -> None:
        """Keep the lease of a probe of this process, and see whether the breaker is open."""
        self._see(await self._link.see(_LOOK, self._keys))
        for number in tuple(self._probes):
            self._see(await self._link.see(_RENEW, self._keys, self._link.lease_us, number))

    def act_alone(self) -> None:
        """Go on from what was last seen: while it is open it stays so, and then this process has a probe of its own."""
        until = self._seen[0]
        self._local.restart(None if until is None else until - self._link.now())

    def close(self) -> None:
        """Do nothing: the lease of a probe that is still out runs out."""

    async def _enter(self) -> int:
        try:
            answer = await self._link.call(_ENTER, self._keys, self._link.lease_us)
        except Away:
            return -await self._local.enter()  # no number of the server is negative
        number = self._see(answer)
        if number < 0:
            raise CallDenied(IS_SHUT)
        if number:
            self._probes.add(number)
        return number

    async def _leave(self, number: int, came: Came) -> None:
        self._probes.discard(number)
        has_failed = came in self._local.counts
        if number < 0:
            await self._local.leave(-number, came)
        elif number or has_failed:  # else there is nothing to count
            said = "failed" if has_failed else "nothing" if came is None else "ok"
            try:
                answer = await self._link.call(_LEAVE, self._keys, number, said, *self._numbers, self._link.number())
            except Away:
                await self._local.leave(number, came)
            else:
                self._see(answer)

    def _see(self, answer: tuple[int, int, int, int]) -> int:
        number, is_open, left_us, is_probed = answer
        self._seen = (self._link.now() + left_us / 1e6 if is_open else None, bool(is_probed))
        return number
