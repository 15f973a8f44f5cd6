"""Quotas over a Redis that comes and goes: whatever happens when, each charge is counted once, and shares are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any
from uuid import uuid4

from hypothesis import example, given, settings
from hypothesis import strategies as st
from redis import Redis
from support.servers import redis

from fsm_orch.amounts import Amount
from fsm_orch.errors import Overloaded
from fsm_orch.resilience import Account
from fsm_orch.resilience.redis import Away
from fsm_orch.resilience.shared import SharedHoldings

ACCOUNT = Account("tenant", "a", 1e9, most_tokens=100)
"""Its window ends in 2033."""


@cache
def client() -> Redis:
    """Return a client of the server of all tests."""
    return Redis.from_url(redis().url)


class Line:
    """A link of a process to Redis that a test cuts: what is under way then is heard, or not, and never answered."""

    processes = 2

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self.is_alone = self.is_settling = False
        self.is_cut = self.is_heard = False
        self.on_lost: Callable[[], None] = lambda: None

    def key(self, *names: str) -> str:
        return ":".join([self._namespace, *names])

    async def ask(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return await work()

    tell = ask

    async def call(self, script: str, keys: list[str], *values: Any) -> Any:
        if self.is_alone:
            raise Away
        return await self.see(script, keys, *values)

    async def see(self, script: str, keys: list[str], *values: Any) -> Any:
        if not self.is_cut or (self.is_heard and not self.is_alone):
            answer: Any = client().eval(script, len(keys), *keys, *values)
            if not self.is_cut:
                return answer
        if not self.is_alone:
            self.is_alone = True
            self.on_lost()
        raise Away


class Process:
    """One of two processes, and its runs: what each was charged, and what is held for it."""

    def __init__(self, namespace: str, name: str) -> None:
        self.line, self.name = Line(namespace), name
        self.holdings = SharedHoldings(self.line)  # type: ignore[arg-type]
        self.line.on_lost = self.holdings.act_alone
        self.charged, self.held = dict[str, int](), dict[str, int]()
        self.lost = dict[str, int]()
        """What Redis may hold for runs that were refused here, since its answer was lost: until the window is over."""

    @property
    def taken(self) -> int:
        return sum(self.charged.values()) + sum(self.held.values())

    async def hold(self, run: str, tokens: int) -> None:
        if run in self.held or run in self.lost:
            return
        is_lost = self.line.is_cut and self.line.is_heard and not self.line.is_alone
        amounts = {"settled": Amount(self.charged.get(run, 0)), "may_cost": Amount(tokens)}
        try:
            await self.holdings.hold(self.name + run, [ACCOUNT], **amounts)
        except Overloaded:
            if is_lost:
                self.lost[run] = tokens
            return
        self.held[run] = tokens

    async def settle(self, run: str, tokens: int) -> None:
        if run in self.held:
            used = min(tokens, self.held.pop(run))
            self.charged[run] = self.charged.get(run, 0) + used
            await self.holdings.settle(self.name + run, [ACCOUNT], settled=Amount(self.charged[run]))


async def come_back(processes: list[Process], *, is_settled: bool) -> None:
    """Let Redis answer again, and all tell it what they hold."""
    for each in processes:
        line = each.line
        line.is_settling = line.is_alone or line.is_settling
        line.is_cut = False
        await each.holdings.beat()
        line.is_alone = False
    if is_settled:
        for each in processes:
            each.line.is_settling = False
            await each.holdings.beat()


def taken(namespace: str) -> int:
    """Return what Redis says is taken."""
    found: Any = client().hget(f"{namespace}:quota:{ACCOUNT.name}", "tokens")
    return int(found or 0)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("hold"), st.integers(0, 1), st.sampled_from("abcd"), st.integers(0, 60)),
        st.tuples(st.just("settle"), st.integers(0, 1), st.sampled_from("abcd"), st.integers(0, 60)),
        st.tuples(st.just("cut"), st.integers(0, 1), st.booleans(), st.just(0)),
        st.tuples(st.just("back"), st.booleans(), st.just(0), st.just(0)),
    ),
    max_size=40,
)


@given(STEPS)
@example([("cut", 0, False, 0), ("hold", 0, "a", 0), ("settle", 0, "a", 0)])
@settings(max_examples=200, deadline=None)
def test_what_runs_were_charged_is_counted_once_and_no_more_is_taken_than_twice_the_quota(steps: list[Any]) -> None:
    """Once Redis is back for good it has what all runs were charged; it never had to be right about who was cut off."""
    asyncio.run(_played(steps))


async def _played(steps: list[Any]) -> None:
    namespace = uuid4().hex
    processes = [Process(namespace, "p"), Process(namespace, "q")]
    for what, which, value, tokens in steps:
        if what == "hold":
            await processes[which].hold(value, tokens)
        elif what == "settle":
            await processes[which].settle(value, tokens)
        elif what == "cut":
            processes[which].line.is_cut, processes[which].line.is_heard = True, value
        else:
            await come_back(processes, is_settled=which)
        assert sum(each.taken for each in processes) <= 200
    await come_back(processes, is_settled=True)
    assert sum(each.taken for each in processes) <= taken(namespace)
    for each in processes:
        for run in list(each.held):
            await each.settle(run, 7)
    await come_back(processes, is_settled=True)

    charged, lost = (sum(each.taken for each in processes), sum(sum(each.lost.values()) for each in processes))
    assert charged <= taken(namespace) <= charged + lost
    assert [{}, {}] == [each.holdings._here for each in processes]
