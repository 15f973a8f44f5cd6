"""A pace that processes share: the algorithm of `Pace`, with its one number in Redis."""

from __future__ import annotations

import asyncio
from functools import partial

from ..pace import Pace, too_late
from ..redis import Away
from .link import NOW, Link

# ARGV: microseconds between two calls, burst, microseconds left. Answers: has it a turn, in how many microseconds, and
# when the bucket is full again after it
_TURN = f"""{NOW}
local every, burst, left = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local waits = math.max(0, full - (burst - 1) * every - now)
if waits >= left then return {{0, math.ceil(waits), ''}} end
full = string.format('%.17g', full + every)
redis.call('SET', KEYS[1], full, 'PX', math.max(1, math.ceil((tonumber(full) - now) / 1000)))
return {{1, math.ceil(waits), full}}
"""

# ARGV: when the bucket is full after the turn, microseconds between two calls
_GIVE_BACK = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('SET', KEYS[1], string.format('%.17g', ARGV[1] - ARGV[2]), 'KEEPTTL')
end
"""


class SharedPace:
    """A pace that all processes keep together; `SharedGates.pace` makes it."""

    def __init__(self, link: Link, name: str, calls: float, *, per_s: float, burst: int) -> None:
        self._whole = self._local = Pace(calls, per_s=per_s, burst=burst)
        self._link, self._keys = link, [link.key("pace", name)]
        self._every_us = self._whole.every_s * 1e6
        self.act_alone()

    async def wait(self, seconds_left: float) -> float:
        """Wait until the next call is due, and return for how many seconds.

        Raises CallDenied: at once, if that would be later than there is time for; then no turn is taken.
        """
        came = self._link.now()
        try:
            waits, full = await self._link.ask(
                partial(self._turn, seconds_left), undo=lambda turn: partial(self._give_back, turn[1])
            )
        except Away:
            return await self._local.wait(seconds_left - (self._link.now() - came))
        if waits > 0:
            try:
                await asyncio.sleep(waits)
            except BaseException:
                self._link.post(partial(self._give_back, full))
                raise
        return waits

    async def beat(self) -> None:
        """Do nothing: a pace has no state that is looked at."""

    def act_alone(self) -> None:
        """Keep a share of the pace: what it is divided by the processes."""
        processes = self._link.processes
        calls, burst = self._whole.calls / processes, max(1, self._whole.burst // processes)
        if (calls, burst) != (self._local.calls, self._local.burst):  # or each loss would be a new burst
            self._local = Pace(calls, per_s=self._whole.per_s, burst=burst)

    def close(self) -> None:
        """Do nothing: whoever has a turn keeps it."""

    async def _turn(self, seconds_left: float) -> tuple[float, str]:
        has_turn, waits_us, full = await self._link.call(
            _TURN, self._keys, self._every_us, self._whole.burst, seconds_left * 1e6
        )
        if not has_turn:
            raise too_late(waits_us / 1e6, seconds_left)
        return waits_us / 1e6, full

    async def _give_back(self, full: str) -> None:
        """Free a turn that was not used, if nobody took one after it: who did keeps its own."""
        try:
            await self._link.call(_GIVE_BACK, self._keys, full, self._every_us)
        except Away:
            return  # it is lost, as in mid-line
