"""Quotas in Redis that goes away: no run fails for it, shares add up to the quota, and what was held stays held."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from redis import Redis
from support.patience import PATIENCE_S
from support.servers import RedisServer, own_redis
from support.shared import by_clock

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, Runner, ScriptedModel, State
from fsm_orch.amounts import NOTHING, Amount
from fsm_orch.errors import Overloaded, StartError
from fsm_orch.resilience import Account, Quota
from fsm_orch.resilience.shared import SharedGates, SharedHoldings

LONG = Account("tenant", "a", 1e9, most_tokens=100)
"""Its window ends in 2033."""


@pytest.fixture(scope="module")
def started() -> Iterator[RedisServer]:
    """A server that these tests alone stop."""
    server = own_redis()
    yield server
    server.stop()


@pytest.fixture
def server(started: RedisServer) -> Iterator[RedisServer]:
    """The same, which is there again when the test ends."""
    yield started
    started.go_on()
    started.stop()
    started.start()


def gates(server: RedisServer, namespace: str = "", *, processes: int = 1) -> SharedGates:
    """Return gates that are not open, and soon notice all that happens."""
    return SharedGates(
        server.url, namespace=namespace or uuid4().hex, processes=processes, lease_s=2.0, beat_s=0.05, timeout_s=0.5
    )


async def seen(what: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not what():  # noqa: ASYNC110 - nothing tells of it: that is looked at
            await asyncio.sleep(0.005)


async def away(*shared: SharedGates) -> None:
    """Wait until Redis is away."""
    await seen(lambda: all(each._link.is_alone for each in shared))


async def back(*shared: SharedGates) -> None:
    """Wait until Redis is back, and all have told it what they hold."""
    await seen(lambda: not any(each._link.is_alone or each._link.is_settling for each in shared))
    await seen(lambda: not any(each.holdings()._here for each in shared))


async def holds(holdings: SharedHoldings, run_id: str, tokens: int, settled: int = 0) -> bool:
    """Return whether so many tokens are held for a run now."""
    try:
        await holdings.hold(run_id, [LONG], settled=Amount(settled), may_cost=Amount(tokens))
    except Overloaded:
        return False
    return True


async def settles(holdings: SharedHoldings, run_id: str, tokens: int) -> None:
    """Settle what a run was charged in all."""
    await holdings.settle(run_id, [LONG], settled=Amount(tokens))


def taken(server: RedisServer, shared: SharedGates) -> int:
    """Return how many tokens Redis says are taken."""
    with Redis.from_url(server.url) as client:
        return int(client.hget(shared._link.key("quota", LONG.name), "tokens") or 0)  # type: ignore[arg-type]


async def test_while_redis_is_away_each_process_has_its_share(server: RedisServer) -> None:
    """Of 100 two processes have 50 each, and both together never more."""
    namespace = uuid4().hex
    with gates(server, namespace) as one, gates(server, namespace) as two:
        await seen(lambda: one._link.processes == two._link.processes == 2)
        server.stop()
        await away(one, two)
        came = [
            await holds(each.holdings(), f"{name}{number}", 20)
            for name, each in (("a", one), ("b", two))
            for number in range(5)
        ]
        with pytest.raises(Overloaded, match=r"10 of 50 tokens left.* share of this process, while Redis is away"):
            await one.holdings().hold("a5", [LONG], settled=NOTHING, may_cost=Amount(11))

    assert [True, True, False, False, False] * 2 == came


async def test_what_was_held_in_redis_counts_for_its_process_and_stays_held(server: RedisServer) -> None:
    """It is paused: a run that holds 30 there leaves 20 of a share of 50, and is settled once Redis answers."""
    namespace = uuid4().hex
    with gates(server, namespace) as one, gates(server, namespace) as two:
        await seen(lambda: one._link.processes == two._link.processes == 2)
        assert await holds(one.holdings(), "before", 30)
        server.pause()
        await away(one, two)
        came = [await holds(one.holdings(), "more", 21), await holds(one.holdings(), "fits", 20)]
        await settles(one.holdings(), "before", 5)
        came.append(await holds(one.holdings(), "freed", 25))
        server.go_on()
        await back(one, two)

        assert ([False, True, True], 50) == (came, taken(server, one))
        for name, tokens in (("fits", 1), ("freed", 2)):
            await settles(one.holdings(), name, tokens)
        assert 8 == taken(server, two)


async def test_a_redis_that_lost_all_is_told_what_runs_hold_and_were_charged(server: RedisServer) -> None:
    """Of a run that began before it was killed, of one that ended while it was away, and of one that goes on."""
    with gates(server) as shared:
        holdings = shared.holdings()
        await holds(holdings, "before", 30)
        server.stop()
        await away(shared)
        await holds(holdings, "ended", 40)
        await settles(holdings, "ended", 7)
        await holds(holdings, "waited", 20)
        await settles(holdings, "waited", 3)
        await holds(holdings, "waited", 10, settled=3)
        server.start()
        await back(shared)
        assert 30 + 7 + 3 + 10 == taken(server, shared)

        for name, tokens in (("before", 11), ("waited", 5), ("ended", 8)):
            await settles(holdings, name, tokens)
        assert 11 + 8 + 5 == taken(server, shared)


async def test_nobody_takes_what_another_process_has_not_told_yet(server: RedisServer) -> None:
    """Redis lost all; the first that finds it has its share until the others have told theirs."""
    namespace = uuid4().hex

    async def late() -> None:
        """Do nothing."""

    with gates(server, namespace) as one, gates(server, namespace) as two:
        await seen(lambda: one._link.processes == two._link.processes == 2)
        server.stop()
        await away(one, two)
        assert await holds(two.holdings(), "theirs", 50)
        two._link._beat = late  # type: ignore[method-assign]
        server.start()
        await seen(lambda: not one._link.is_alone)
        came = [await holds(one.holdings(), "most", 51), await holds(one.holdings(), "share", 50)]
        del two._link._beat
        await back(one, two)

        assert ([False, True], False, 100) == (came, await holds(one.holdings(), "more", 1), taken(server, one))


async def test_a_share_is_had_once_a_window_however_often_redis_goes(server: RedisServer) -> None:
    """What a process charged while it was away stays taken of its share when it is away again."""
    with gates(server) as shared:
        for number, expected in enumerate((True, False)):
            server.stop()
            await away(shared)
            assert expected == await holds(shared.holdings(), f"run{number}", 60)
            await settles(shared.holdings(), f"run{number}", 60)
            server.start()
            await back(shared)

        assert {} == shared.holdings()._here


async def test_nothing_is_kept_of_runs_that_ended(server: RedisServer) -> None:
    """Neither of those that ended while Redis was there, nor of those it was told of."""
    with gates(server) as shared:
        holdings = shared.holdings()
        for number in range(20):
            if number == 10:
                server.stop()
                await away(shared)
            await holds(holdings, f"run{number}", 1)
            await settles(holdings, f"run{number}", 1)
        server.start()
        await back(shared)

        assert ({}, {}) == (holdings._there, holdings._here)
        assert [{}] == [book.kept for book in holdings._books.values()]


class Query(Context):
    """What is asked."""

    text: str = ""


class Asks(Machine[Query]):
    """One call of a model."""

    draft = State(LLMAgent("Draft.", calls=1), initial=True)
    sent, kept = Final(), Final(fallback=True)
    drafted = draft.to(sent)
    limits = Limits(tokens=2_304)


async def test_no_run_fails_while_redis_is_paused_and_each_is_charged_once(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Runs of one tenant are admitted all the time, all are charged in the end, and it is logged once each way."""
    quota = Quota(tokens=1_000_000, per_s=1e9)
    account = Account("quota", "acme", 1e9, most_tokens=1_000_000)
    with gates(server) as shared:
        runner = Runner(
            Asks, model=ScriptedModel([{}] * 100_000, delay_s=0.02), quotas=quota, holdings=shared.holdings()
        )
        charged, is_over = [0], asyncio.Event()

        async def client() -> None:
            while not is_over.is_set():
                result = await runner.run(Query(), tenant="acme")
                assert result.state is Asks.sent
                charged[0] += result.charged_tokens

        clients = [asyncio.create_task(client()) for _ in range(4)]
        for harm, mend in ((server.pause, server.go_on), (server.pause, server.go_on)):
            await asyncio.sleep(0.3)
            harm()
            await away(shared)
            mend()
            await seen(lambda: not (shared._link.is_alone or shared._link.is_settling))
        is_over.set()
        await asyncio.gather(*clients)
        await back(shared)
        with Redis.from_url(server.url) as client_of:
            kept = int(client_of.hget(shared._link.key("quota", account.name), "tokens") or 0)  # type: ignore[arg-type]

    assert charged[0] == kept
    assert 4 == len([record for record in caplog.records if record.levelno == logging.WARNING])


async def test_a_redis_that_is_not_there_at_the_start_is_waited_for_by_nobody(server: RedisServer) -> None:
    """A process has the share of one of so many as it was told."""
    server.stop()
    with gates(server, processes=4) as shared:
        came = [await holds(shared.holdings(), "one", 26), await holds(shared.holdings(), "two", 25)]

    assert [False, True] == came


async def test_keys_are_gone_a_minute_after_their_window(server: RedisServer) -> None:
    """Of a window of 7 s, and of one that is longer than Redis can count."""
    with gates(server) as shared:
        for per_s in (7.0, 1e300):
            account = Account("tenant", "a", per_s, most_tokens=100)
            await shared.holdings().hold("one", [account], settled=NOTHING, may_cost=Amount(1))
            with Redis.from_url(server.url) as client:
                left_ms = int(client.pttl(shared._link.key("quota", account.name)))  # type: ignore[arg-type]
            assert left_ms <= 67_000 or per_s > 7
            assert left_ms > 59_000
        assert not shared._link.is_alone


async def test_what_redis_does_not_count_is_refused_and_takes_no_gate_with_it(server: RedisServer) -> None:
    """A quota of 2**52 tokens, and names that are no text; a run that may cost more than that fits into none."""
    with gates(server) as shared:
        holdings = shared.holdings()
        for run_id, account in (
            ("one", Account("tenant", "a", 60.0, most_tokens=2**52)),
            ("one", Account("tenant", "a", 60.0, most_cost=2**60)),
            ("\ud800", LONG),
            ("one", Account("tenant", "\ud800", 60.0, most_tokens=5)),
        ):
            with pytest.raises(StartError, match="Redis"):
                await holdings.hold(run_id, [account], settled=NOTHING, may_cost=NOTHING)
        most = Account("tenant", "a", 1e9, most_tokens=2**52 - 1)
        with pytest.raises(Overloaded, match=f"may cost {2**60:,}"):
            await holdings.hold("one", [most], settled=NOTHING, may_cost=Amount(2**60))
        assert not shared._link.is_alone


@pytest.mark.parametrize("tokens", [2**52 - 3, 2**51 + 1])
async def test_large_numbers_are_exact(tokens: int) -> None:
    """A quota that has one token left has it for one run, and then for none."""
    account = Account("tenant", "a", 3600.0, most_tokens=2**52 - 1)
    with by_clock(lambda: 1_800_000_000.0) as shared:
        holdings = shared.holdings()
        await holdings.hold("one", [account], settled=NOTHING, may_cost=Amount(tokens))
        await holdings.hold("two", [account], settled=NOTHING, may_cost=Amount(2**52 - 2 - tokens))
        with pytest.raises(Overloaded, match="has 1 of"):
            await holdings.hold("three", [account], settled=NOTHING, may_cost=Amount(2))
        await holdings.hold("three", [account], settled=NOTHING, may_cost=Amount(1))
        with pytest.raises(Overloaded, match="has 0 of"):
            await holdings.hold("four", [account], settled=NOTHING, may_cost=Amount(1))


async def test_holdings_of_gates_that_are_not_open_say_so(server: RedisServer) -> None:
    """Nothing is held before or after; to settle after the end is no error, since a run may end later."""
    shared = gates(server)
    with pytest.raises(StartError, match="SharedGates are not open in this process"):
        await holds(shared.holdings(), "one", 1)
    with shared:
        assert shared.holdings() is shared.holdings()
        await holds(shared.holdings(), "one", 1)
    await settles(shared.holdings(), "one", 1)
    with pytest.raises(StartError, match="SharedGates are not open in this process"):
        await holds(shared.holdings(), "one", 1)
