"""Places that processes share: leases in Redis, and one line before them, first come, first served, whoever's it is.

Who gives a place back hands it to the first in line, in the same script. A process sees that at its next look: at once
if it gave the place back itself, else within `LOOK_S`, since it looks that often while something of it waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from itertools import islice
from math import ceil
from typing import Literal

from ...errors import CallDenied
from ..gate import Bulkhead, no_place
from ..redis import Away
from .link import NOW, Call, Link

LOOK_S = 0.02
"""How often a process looks whether it was handed a place, while something of it waits in line."""

_NOWHERE, _WAITS, _HOLDS = 0, 1, 2
"""Where somebody stands."""

# KEYS: leases by when they run out; the line by ticket; the same by when its leases run out; the last ticket
# ARGV: microseconds of a lease, places, how many may wait, then each who is spoken of behind a letter: `-` is gone, `+`
# is at work here, `~` waits here, `?` comes
# answers: how many hold a place, how many wait, then where each stands who waits or comes
_SAY = f"""{NOW}
local lease, places, longest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local ends = text(now + lease)
local function forget(id)
  for key = 1, 3 do redis.call('ZREM', KEYS[key], id) end
end
local function hold(id)
  forget(id)
  redis.call('ZADD', KEYS[1], ends, id)
end
local function wait(id)
  redis.call('ZADD', KEYS[2], 'NX', redis.call('INCR', KEYS[4]), id)
  redis.call('ZADD', KEYS[3], ends, id)
end
local function count(key) return redis.call('ZCARD', KEYS[key]) end
for key = 1, 3, 2 do
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[key], '-inf', text(now))) do forget(id) end
end
local asked = {{}}
for each = 4, #ARGV do
  local what, id = ARGV[each]:sub(1, 1), ARGV[each]:sub(2)
  if what == '-' then forget(id)
  elseif what == '+' then hold(id)
  else
    table.insert(asked, id)
    if what == '~' then
      if not redis.call('ZSCORE', KEYS[1], id) then wait(id) end
    elseif count(2) < longest or (count(1) < places and count(2) == 0) then wait(id) end
  end
end
while count(1) < places and count(2) > 0 do hold(redis.call('ZRANGE', KEYS[2], 0, 0)[1]) end
for key = 1, 4 do redis.call('PEXPIRE', KEYS[key], math.ceil(lease / 1000) + 60000) end
local answer = {{count(1), count(2)}}
for _, id in ipairs(asked) do
  local function stands(key) return redis.call('ZSCORE', KEYS[key], id) end
  table.insert(answer, stands(1) and {_HOLDS} or stands(2) and {_WAITS} or {_NOWHERE})
end
return answer
"""


class SharedPlaces:
    """Places of all processes; `SharedGates.places` makes them. All that it knows is changed in the thread aside."""

    def __init__(self, link: Link, name: str, at_once: int, *, queue: int) -> None:
        Bulkhead(at_once, queue=queue)  # which says what is wrong with its numbers
        self._link, self._at_once, self._queue = link, at_once, queue
        self._keys = [link.key(f"places.{part}", name) for part in ("held", "line", "waiting", "ticket")]
        self._coming = set[str]()
        """Who has asked the server for a place, and has no answer yet."""
        self._held = set[str]()
        """Who is at work here."""
        self._line = dict[str, asyncio.Future[None]]()
        """Who waits here, in order, and what wakes it."""
        self._known = set[str]()
        """Who the server may know of: not those who came and went while it was away, be that for days."""
        self._gone = set[str]()
        """Who is to be forgotten by the server, which does not know it yet."""
        self._looking: asyncio.Task[None] | None = None
        self._seen = (0, 0)
        """How many hold a place, and how many wait, as was last seen."""

    @property
    def is_full(self) -> bool:
        """Whether nobody could even wait for a place now, as was last seen."""
        held, waiting = self._counted
        return waiting >= self._queue and (waiting > 0 or held >= self._share)

    async def take(self, seconds_left: float) -> Callable[[], Awaitable[None]]:
        """Wait for a place, and return what gives it back.

        Raises CallDenied: if the line is full, or no place came free in time.
        """
        who = self._link.number()
        try:
            await self._link.ask(partial(self._take, who, seconds_left))
        except (asyncio.CancelledError, GeneratorExit):  # a loop that ends may drop who waits, and cancel nobody
            self._link.post(partial(self._forget, who))
            raise
        return partial(self._link.tell, partial(self._forget, who))

    async def beat(self) -> None:
        """Keep the leases of this process, or have them again, and see who was handed a place."""
        self._look_out()
        await self._say(() if self._is_alone else self._line, held=self._held, call=self._link.see)

    def act_alone(self) -> None:
        """Go on with a share of the places; whoever is at work here counts as before."""
        for who in list(islice(self._line, max(0, self._share - len(self._held)))):
            self._hand(who)

    def close(self) -> None:
        """Deny a place to all who wait."""
        for who, wake in self._line.items():
            self._drop(who)
            if not wake.done():
                wake.set_exception(CallDenied("full: the gates that processes share were closed while it waited"))
        self._line.clear()

    @property
    def _is_alone(self) -> bool:
        """Whether this process acts for itself: also while others still tell a server that is back what they hold."""
        return self._link.is_alone or self._link.is_settling

    @property
    def _share(self) -> int:
        """How many places there are for those who ask here."""
        return ceil(self._at_once / self._link.processes) if self._is_alone else self._at_once

    async def _take(self, who: str, seconds_left: float) -> None:
        until = self._link.now() + seconds_left
        self._coming.add(who)
        try:
            stands = await self._say((), comes=who)
        except Away:
            stands = self._alone()
            if stands == _NOWHERE:
                self._drop(who)  # it may have been heard all the same
        if who not in self._coming:
            return  # it was called away meanwhile
        self._coming.discard(who)
        if stands == _NOWHERE:
            raise self._no_place("full")
        if stands == _HOLDS:
            self._held.add(who)
            return
        wake = self._line[who] = asyncio.get_running_loop().create_future()
        self._look_out()
        try:
            async with asyncio.timeout(max(0.0, until - self._link.now())):
                await wake
        except TimeoutError:
            if who not in self._held:
                await self._forget(who)
                raise self._no_place("too late") from None

    def _alone(self) -> int:
        """Return where a newcomer stands while this process acts for itself."""
        if not self._line and len(self._held) < self._share:
            return _HOLDS
        return _WAITS if len(self._line) < self._queue else _NOWHERE

    async def _forget(self, who: str) -> None:
        """Forget somebody, wherever it stands, and serve who comes next."""
        self._coming.discard(who)
        self._held.discard(who)
        if (wake := self._line.pop(who, None)) is not None:
            wake.cancel()
        self._drop(who)
        try:
            await self._say(self._line)
        except Away:
            self.act_alone()

    def _drop(self, who: str) -> None:
        if who in self._known:
            self._known.discard(who)
            self._gone.add(who)

    async def _say(
        self, waits: Iterable[str], *, held: Iterable[str] = (), comes: str | None = None, call: Call | None = None
    ) -> int:
        """Report those here to the server, and see who was handed a place. Return where a newcomer stands."""
        if call is None and self._is_alone:
            raise Away
        gone, waiting, newcomers = tuple(self._gone), tuple(waits), () if comes is None else (comes,)
        spoken = [*("-" + who for who in gone), *("+" + who for who in held), *("~" + who for who in waiting)]
        spoken += ["?" + who for who in newcomers]
        self._known.update(held, waiting, newcomers)
        numbers = (self._link.lease_us, self._at_once, self._queue)
        holding, standing, *places = await (call or self._link.call)(_SAY, self._keys, *numbers, *spoken)
        self._gone.difference_update(gone)
        self._seen = (holding, standing)
        for who, stands in zip(waiting, places, strict=False):
            if stands == _HOLDS:
                self._hand(who)
        return int(places[-1]) if newcomers else _NOWHERE

    def _hand(self, who: str) -> None:
        """Hand a place to somebody who still waits."""
        if (wake := self._line.pop(who, None)) is not None and not wake.done():
            self._held.add(who)
            wake.set_result(None)

    def _look_out(self) -> None:
        """See to it that somebody looks while there is a line."""
        if self._line and not self._is_alone and (self._looking is None or self._looking.done()):
            self._looking = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        while self._line and not self._is_alone:
            await asyncio.sleep(LOOK_S)
            try:
                await self._say(self._line)
            except Away:
                return

    @property
    def _counted(self) -> tuple[int, int]:
        """How many hold a place, and how many wait, where this process asks for one."""
        return (len(self._held), len(self._line)) if self._is_alone else self._seen

    def _no_place(self, why: Literal["full", "too late"]) -> CallDenied:
        held, waiting = self._counted
        return no_place(why, held=held, waiting=waiting)
