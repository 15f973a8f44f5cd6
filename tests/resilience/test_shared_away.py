"""Redis away, restarted or paused: each process acts for itself, no run fails or hangs, and then all is had again."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from support.loaded import Fetches, Wish, gated, load
from support.patience import PATIENCE_S
from support.servers import RedisServer, own_redis

from fsm_orch.errors import CallDenied, StartError
from fsm_orch.resilience.shared import SharedGates


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


@pytest.mark.slow
async def test_no_run_fails_while_redis_is_killed_restarted_and_paused(server: RedisServer) -> None:
    """Eight at once go on through all of it; none is landed, and none hangs."""
    with gates(server) as shared:
        runner = gated(shared)
        async with load(runner) as seen_of:
            await asyncio.sleep(1.0)
            for harm, mend, seconds in [
                (server.stop, server.start, 2.0), (server.pause, server.go_on, 5.0), (server.stop, server.start, 0.0)
            ]:  # fmt: skip
                count = len(seen_of.runs)
                harm()
                await asyncio.sleep(seconds)
                await seen(lambda count=count, more=20 * seconds: len(seen_of.runs) >= count + more)  # type: ignore[misc]
                mend()
                await seen(lambda: not shared._link.is_alone)
                await asyncio.sleep(0.5)

    assert [] == seen_of.failed
    assert max(seen_of.waited()) < 5.0


async def test_who_waits_in_line_goes_on_when_redis_goes_away(server: RedisServer) -> None:
    """Eight places of two processes are four for each then, and whoever waits there has the next that comes free."""
    namespace = uuid4().hex
    with gates(server, namespace) as shared, gates(server, namespace) as other:
        places, others = shared.places("agent", 8, queue=20), other.places("agent", 8, queue=20)
        held = [await others.take(5.0) for _ in range(7)] + [await places.take(5.0)]
        await seen(lambda: shared._link.processes == other._link.processes == 2)
        waiting = [asyncio.create_task(places.take(20.0)) for _ in range(5)]
        await asyncio.sleep(0.1)
        assert not any(task.done() for task in waiting)

        server.stop()
        served = await asyncio.gather(*waiting[:3])
        assert not any(task.done() for task in waiting[3:])
        await held.pop()()
        served += [await waiting[3]]
        with pytest.raises(CallDenied, match="full: no place came free, 4 attempts are at work, and 1 wait"):
            await places.take(0.1)
        await served.pop()()
        served += [await waiting[4]]
        for give_back in (*held, *served):
            await give_back()


async def test_what_is_at_work_has_its_places_again(server: RedisServer) -> None:
    """Redis comes back with nothing, and two processes that held three places each still do; two more are free."""
    namespace = uuid4().hex
    with gates(server, namespace) as shared, gates(server, namespace) as other:
        places, others = shared.places("agent", 8), other.places("agent", 8)
        held = [await each.take(5.0) for each in (places, others) for _ in range(3)]
        server.stop()
        await seen(lambda: shared._link.is_alone and other._link.is_alone)
        server.start()
        await seen(lambda: not (shared._link.is_alone or other._link.is_alone))
        await seen(lambda: others._seen == places._seen == (6, 0))
        await seen(lambda: not (shared._link.is_settling or other._link.is_settling))

        held += [await places.take(1.0), await others.take(1.0)]
        with pytest.raises(CallDenied, match="full: 8 attempts are at work"):
            await places.take(1.0)
        for give_back in held:
            await give_back()
        await seen(lambda: others._seen == places._seen == (0, 0))


async def test_eight_places_are_never_nine_when_redis_comes_back(server: RedisServer) -> None:
    """It has lost all leases, and the first process that finds it does not take the places of another one."""
    namespace = uuid4().hex

    async def late() -> None:
        """Do nothing."""

    with gates(server, namespace) as shared, gates(server, namespace) as other:
        places, others = shared.places("agent", 8), other.places("agent", 8)
        await seen(lambda: shared._link.processes == other._link.processes == 2)
        server.stop()
        await seen(lambda: shared._link.is_alone and other._link.is_alone)
        held = [await each.take(1.0) for each in (places, others) for _ in range(4)]
        other._link._beat = late  # type: ignore[method-assign]
        server.start()
        await seen(lambda: not shared._link.is_alone)
        with pytest.raises(CallDenied, match="full: 4 attempts are at work, and 0 wait"):
            await places.take(1.0)

        del other._link._beat
        await seen(lambda: others._seen == places._seen == (8, 0))
        for give_back in held:
            await give_back()


async def test_a_place_that_was_given_back_meanwhile_is_free(server: RedisServer) -> None:
    """Redis was only paused, so it still has the lease; it is told as soon as it answers."""
    with gates(server) as shared:
        places = shared.places("agent", 1)
        give_back = await places.take(5.0)
        server.pause()
        await seen(lambda: shared._link.is_alone)
        await give_back()
        assert not places.is_full
        server.go_on()
        await seen(lambda: not shared._link.is_alone)
        assert (0, 0) == places._seen
        await (await places.take(1.0))()


async def test_nothing_is_kept_of_those_who_came_and_went_meanwhile(server: RedisServer) -> None:
    """Redis may be away for days, and is told of none of them when it is back, since it never knew them."""
    with gates(server) as shared:
        places = shared.places("agent", 1)
        known = await places.take(5.0)
        server.stop()
        await seen(lambda: shared._link.is_alone)
        await known()
        for _ in range(100):
            await (await places.take(1.0))()

        assert (1, 0) == (len(places._gone), len(places._known))
        server.start()
        await seen(lambda: not shared._link.is_alone)
        assert not places._gone


async def test_who_is_denied_while_redis_does_not_answer_is_forgotten_there(server: RedisServer) -> None:
    """Redis may have heard it all the same, and given it a place."""
    with gates(server) as shared:
        places = shared.places("agent", 1)
        give_back = await places.take(5.0)
        server.pause()
        with pytest.raises(CallDenied, match="full: 1 attempts are at work"):
            await places.take(0.1)
        assert (1, 1) == (len(places._known), len(places._gone))
        await give_back()
        server.go_on()
        await seen(lambda: not shared._link.is_alone)
        assert (0, 0) == places._seen
        assert not places._gone


async def test_a_breaker_goes_on_from_what_was_last_seen(server: RedisServer) -> None:
    """One that is open stays so for its time, then this process has a probe; one that is closed counts for itself."""
    with gates(server) as shared:
        opened, closed = (shared.breaker(name, failures=2, open_s=1.5) for name in ("opened", "closed"))
        for _ in range(2):
            await opened.leave(await opened.enter(), "error")
        server.stop()
        await seen(lambda: shared._link.is_alone)
        assert opened.is_shut
        with pytest.raises(CallDenied, match="shut: its agent has failed too often"):
            await opened.enter()
        await seen(lambda: not opened.is_shut)
        probe = await opened.enter()
        assert probe < 0
        assert opened.is_shut
        await opened.leave(probe, "ok")
        assert not opened.is_shut

        for _ in range(2):
            assert not closed.is_shut
            await closed.leave(await closed.enter(), "error")
        assert closed.is_shut


@pytest.mark.parametrize("came", ["ok", "error", None])
async def test_a_probe_that_comes_back_while_redis_is_away_decides_here(server: RedisServer, came: str | None) -> None:
    """What it came to is what this process goes by."""
    with gates(server) as shared:
        breaker = shared.breaker("agent", failures=1, open_s=0.3)
        await breaker.leave(await breaker.enter(), "error")
        await seen(lambda: not breaker.is_shut)
        probe = await breaker.enter()
        server.stop()
        await seen(lambda: shared._link.is_alone)
        await breaker.leave(probe, came)  # type: ignore[arg-type]

        assert (came == "error") == breaker.is_shut
        if came == "ok":
            assert 0 == await breaker.enter()


async def test_a_pace_is_divided_by_the_processes(server: RedisServer) -> None:
    """Of 10 a second two processes have 5 each while they cannot ask."""
    namespace = uuid4().hex
    with gates(server, namespace) as shared, gates(server, namespace):
        pace = shared.pace("agent", 10, burst=4)
        await seen(lambda: shared._link.processes == 2)
        server.stop()
        await seen(lambda: shared._link.is_alone)
        waited = await asyncio.gather(*(pace.wait(5.0) for _ in range(4)))

        assert [0.0, 0.0, 0.2, 0.4] == pytest.approx(waited, abs=0.1)
        with pytest.raises(CallDenied, match="pace: the next call is due in"):
            await pace.wait(0.1)


async def test_nobody_asks_a_server_that_is_away(server: RedisServer) -> None:
    """The first who comes may wait for an answer; a thousand after it wait for none."""
    with gates(server) as shared:
        breaker = shared.breaker("agent")
        server.pause()
        began = time.monotonic()
        assert [0] * 50 == await asyncio.gather(*(breaker.enter() for _ in range(50)))
        assert time.monotonic() - began < 2.0
        began = time.monotonic()
        for _ in range(1_000):
            assert 0 == await breaker.enter()
        assert time.monotonic() - began < 1_000 * 0.2 / 10


async def test_it_is_told_once_that_it_is_away_and_once_that_it_is_back(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Both with its host and port."""
    with gates(server) as shared:
        breaker = shared.breaker("agent")
        server.stop()
        await seen(lambda: shared._link.is_alone)
        for _ in range(5):
            await breaker.enter()
        await asyncio.sleep(1.2)
        server.start()
        await seen(lambda: not shared._link.is_alone)

    away, back = [record for record in caplog.records if record.name == "fsm_orch"]
    assert (logging.WARNING, logging.WARNING) == (away.levelno, back.levelno)
    assert (
        f"Redis at 127.0.0.1:{server.port} is away (ConnectionError): until it is back this process acts"
        in away.message
    )
    assert f"Redis at 127.0.0.1:{server.port} is back after " in back.message


async def test_a_server_that_is_not_there_at_the_start_is_waited_for_by_nobody(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Each process acts for itself, as one of so many as it was told, and shares as soon as Redis is there."""
    server.stop()
    with gates(server, processes=4) as shared:
        places = shared.places("agent", 8)
        held = [await places.take(0.0) for _ in range(2)]
        assert places.is_full
        assert 1 == len([record for record in caplog.records if "is away" in record.message])
        server.start()
        await seen(lambda: not (shared._link.is_alone or shared._link.is_settling))
        await seen(lambda: shared._link.processes == 1)
        held += [await places.take(0.5) for _ in range(6)]
        assert places.is_full
        for give_back in held:
            await give_back()


def test_who_may_not_come_in_is_told_at_the_start_and_no_password_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A server that refuses is a mistake; what is said of it, and logged, holds no password, right or wrong."""
    server = own_redis("--requirepass", "right-secret")
    host = f"127.0.0.1:{server.port}"
    wrong = SharedGates(f"redis://user:wrong-secret@{host}/0", namespace="x")
    none = SharedGates(f"redis://{host}/0", namespace="x")
    for shared in (wrong, none):
        with pytest.raises(StartError, match=f"Redis at {host} lets nobody in with this URL") as raised:
            shared.open()
        assert "secret" not in str(raised.value)
    with SharedGates(f"redis://:right-secret@{host}/0", namespace="x") as right:
        assert not right._link.is_alone
        server.stop()
    with SharedGates(f"redis://:right-secret@{host}/0", namespace="x") as right:
        assert right._link.is_alone

    assert "secret" not in caplog.text
    assert "secret" not in repr(right) + repr(right._link._server)


@pytest.mark.parametrize(
    "url",
    ["", "localhost:6379", "http://:secret@localhost", "redis://:se/cret@localhost", "redis://:secret@localhost:x/0",
     "redis://:12/secret@localhost"],
)  # fmt: skip
def test_what_is_no_url_is_refused_without_being_told(url: str) -> None:
    """What is wrong with it may be its password."""
    with pytest.raises(ValueError, match="no URL of Redis: give redis://host:6379/0") as raised:
        SharedGates(url, namespace="x")
    assert "cret" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


async def test_gates_that_are_not_open_say_so(server: RedisServer) -> None:
    """Nobody enters before they are opened, or after they are closed; whoever is inside then leaves without a word."""
    shared = gates(server)
    places, breaker, pace = shared.places("a", 1), shared.breaker("a"), shared.pace("a", 1)
    asks = [lambda: places.take(1.0), breaker.enter, lambda: pace.wait(1.0)]
    for ask in asks:
        with pytest.raises(StartError, match="SharedGates are not open in this process"):
            await ask()
    with shared:
        give_back, number = await places.take(1.0), await breaker.enter()
        with pytest.raises(StartError, match="opened once"):
            shared.open()
    shared.close()
    await give_back()
    await breaker.leave(number, "error")
    for ask in asks:
        with pytest.raises(StartError, match="SharedGates are not open in this process"):
            await ask()


async def test_who_waits_for_a_place_when_gates_are_closed_is_denied(server: RedisServer) -> None:
    """It does not hang, and the line in Redis is empty at once."""
    namespace = uuid4().hex
    with gates(server, namespace) as other:
        others = other.places("agent", 1, queue=3)
        with gates(server, namespace) as shared:
            held = await others.take(1.0)
            waiting = asyncio.create_task(shared.places("agent", 1, queue=3).take(30.0))
            await seen(lambda: others._seen == (1, 1))
        with pytest.raises(CallDenied, match="closed while it waited"):
            await waiting
        await seen(lambda: others._seen == (1, 0))
        await held()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_has_them_not_open(server: RedisServer) -> None:
    """It is told so, and does not hang."""
    with gates(server) as shared:
        breaker = shared.breaker("agent")
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(breaker.enter())
            except StartError:
                os._exit(7)
            os._exit(1)
        assert 7 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_event_loops_come_and_go(server: RedisServer) -> None:
    """A runner with shared gates runs in one loop after the other, and what is shared outlives them."""
    with gates(server) as shared:
        runner = gated(shared)
        for _ in range(3):
            assert runner.run_sync(Wish()).state is Fetches.done


def test_a_name_has_one_set_of_numbers(server: RedisServer) -> None:
    """The same name and numbers are the same object; other numbers are refused, with both."""
    shared = gates(server)

    assert shared.pace("router", 60, per_s=60) is shared.pace("router", 60, per_s=60)
    assert shared.breaker("router") is shared.breaker("router")
    assert shared.places("router", 8) is shared.places("router", 8)
    with pytest.raises(ValueError, match=r"pace 'router' has other numbers already: \(60, 60, 1\), not \(90, 60, 1\)"):
        shared.pace("router", 90, per_s=60)


@pytest.mark.parametrize(
    "numbers",
    [
        {"processes": 0},
        {"beat_s": 0.0},
        {"timeout_s": -1.0},
        {"lease_s": 0.9},
        {"namespace": ""},
        {"namespace": "{a}"},
        {"namespace": "\ud800"},
        {"lease_s": 1e10},
        {"lease_s": float("inf")},
        {"lease_s": float("nan")},
    ],
)
def test_numbers_of_shared_gates_make_sense(numbers: dict[str, float]) -> None:
    """A lease that runs out before the next beat, or none of what is needed, is refused."""
    with pytest.raises(ValueError, match=r"give|takes a"):
        SharedGates("redis://localhost", **{"namespace": "x", **numbers})  # type: ignore[arg-type]


def test_what_the_server_could_not_be_told_is_refused_at_once(server: RedisServer) -> None:
    """An error of it later would be one of all that is shared: each process would act for itself from then on."""
    shared = gates(server)
    for make in (
        lambda: shared.pace("slow", 1, per_s=1e18),
        lambda: shared.pace("slow", 5e-324),
        lambda: shared.pace("slow", 1, per_s=float("inf")),
        lambda: shared.breaker("long", window_s=1e300),
        lambda: shared.breaker("long", open_s=float("inf")),
        lambda: shared.places("\ud800", 1),
        lambda: shared.breaker("\udfff"),
    ):
        with pytest.raises(ValueError, match=r"give a|takes a"):
            make()
