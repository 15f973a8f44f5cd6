"""A worker: it drives what nobody drives, as much at once as it may; nothing raised stops it or makes it spin."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import pytest
from support.asking import Claim, Refunds
from support.kept import keep
from support.paused import Paused
from support.working import UNKNOWN, Job, Works, finished, kept, runner, working

from fsm_orch import Final, Machine, MemoryStore, Runner, State, Visit
from fsm_orch.errors import LeaseHeld, StartError, StoreError
from fsm_orch.kernel import inputs
from fsm_orch.run.worker import REST_S
from fsm_orch.store import Listed

pytestmark = pytest.mark.looptime


async def stays(visit: Visit[Job, Any]) -> Any:
    """Take twenty seconds."""
    await asyncio.sleep(20)
    return {Job.by: str(visit.deps)}


class Stays(Machine[Job, Any]):
    """One long piece of work, which may be done again."""

    first = State(stays, writes=Job.by, initial=True, repeatable=True, timeout_s=60)
    end, fallback = Final(), Final(fallback=True)
    done = first.to(end)


def nothing(visit: Visit[Job]) -> None:
    """Do nothing."""


class Others(Machine[Job]):
    """Another machine."""

    only = State(nothing, initial=True)
    end, fallback = Final(), Final(fallback=True)
    done = only.to(end)


async def left(store: MemoryStore, name: str) -> None:
    """Store the beginning of a run whose worker has died when its first state was left."""
    whole = await Runner(Works).run(Job(name=name), run_id=name, deps="")
    place = next(n for n, event in enumerate(whole.journal) if isinstance(event, inputs.Replied))
    await keep(runner(store), name, whole.journal[: place + 1])


async def test_it_drives_what_is_queued_as_many_at_once_as_it_may() -> None:
    """No more, and no fewer while there are any; the one that began first first."""
    store, loop = kept(), asyncio.get_running_loop()
    at_once: list[int] = []

    @contextmanager
    def counted(run: Listed) -> Iterator[str]:
        at_once.append(at_once[-1] + 1 if at_once else 1)
        yield run.run_id
        at_once.append(at_once[-1] - 1)

    for n in range(30):
        await runner(store).enqueue(Job(), run_id=f"r{n:02}")
    began = loop.time()
    async with working(runner(store), deps=counted, concurrency=10):
        ended = await finished(store, 30)

    assert 10 == max(at_once)
    assert 6 <= loop.time() - began < 8
    assert [f"r{n:02}" for n in range(30)] == [run.run_id for run in sorted(ended, key=lambda run: run.stored_at)]


async def test_it_looks_again_after_a_pause() -> None:
    """What is queued while it has nothing to do is begun within the pause, and it asks no more often."""
    store, looks = kept(), list[float]()
    loop, worker = asyncio.get_running_loop(), runner(store)
    claimable = worker.store.claimable
    worker.store.claimable = lambda *a, **k: looks.append(loop.time()) or claimable(*a, **k)  # type: ignore[func-returns-value]
    async with working(worker, poll_s=0.5):
        await asyncio.sleep(3.1)
        await runner(store).enqueue(Job())
        await finished(store, 1)

    assert 5.1 <= loop.time() < 5.7
    assert len(looks) == len(set(looks)) <= 12


async def test_runs_of_other_machines_are_left_alone() -> None:
    """They are driven by a worker that is given their machine too."""
    store = kept()
    await runner(store).enqueue(Job(), run_id="mine")
    await runner(store, Others).enqueue(Job(), run_id="theirs")
    async with working(runner(store)):
        await finished(store, 1)
        await asyncio.sleep(5)
        (free,) = await store.list(status="running")
    worker = runner(store)
    async with working(worker, also=[Runner(Others, store=worker.store)]):
        await runner(store).enqueue(Job(), run_id="next")
        ended = await finished(store, 3)

    assert ("theirs", None, 1) == (free.run_id, free.owner, free.inputs)
    assert ["mine", "theirs", "next"] == [run.run_id for run in ended]


async def test_a_run_whose_lease_is_over_is_taken() -> None:
    """Not before, and within the pause after."""
    store, loop = kept(), asyncio.get_running_loop()
    dead = store.beside(lease_s=20)
    await dead.beat()
    await Runner(Works, store=dead).enqueue(Job(), run_id="r")
    await dead.claim("r")
    async with working(runner(store)):
        await finished(store, 1)

    assert 22 <= loop.time() < 23.2


async def test_questions_that_expire_are_swept() -> None:
    """A run whose human never came goes on by the edge for that; one that waits is left alone."""
    store, loop = kept(), asyncio.get_running_loop()
    await runner(store, Refunds).enqueue(Claim(query="x"), run_id="late")
    async with working(runner(store, Refunds)):
        await asyncio.sleep(3_000)
        (waiting,) = await store.list()
        await runner(store, Refunds).enqueue(Claim(query="x"), run_id="later")
        (late,) = await finished(store, 1)
        rows = await store.list()

    assert 3_600 <= loop.time() < 3_602
    assert ("waiting", None, "declined") == (waiting.head.status, waiting.owner, late.head.state)
    assert ["later"] == [row.run_id for row in rows if row.head.status == "waiting"]


@pytest.mark.parametrize("came", ["an answer", "a cancellation", "both"])
async def test_what_came_for_a_run_that_waits_is_folded(came: str) -> None:
    """Within the pause, though nobody drove it; a run for which nothing came waits on."""
    store, loop = kept(), asyncio.get_running_loop()
    for name in ("r", "other"):
        await runner(store, Refunds).enqueue(Claim(query="x"), run_id=name)
    async with working(runner(store, Refunds)):
        await asyncio.sleep(10.5)
        (question,) = runner(store, Refunds).replay(await store.load("r")).waiting
        if came != "a cancellation":
            await store.post("r", question.key, "1", {"handoff": "yes", "note": "ok"}, who="ann")
        if came != "an answer":
            await store.ask_cancel("r")
        (ended,) = await finished(store, 1)
        (waits,) = await store.list(status="waiting")

    assert 10.5 <= loop.time() < 12
    assert ("r", "paid" if came == "an answer" else "human") == (ended.run_id, ended.head.state)
    assert ("other", None) == (waits.run_id, waits.owner)


async def test_a_run_that_cannot_go_on_is_told_and_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Others go on meanwhile; it is tried again after a while, and goes on once it can."""
    store = kept()
    for name in ("drifts", "fine"):
        await left(store, name)
    UNKNOWN.add("drifts")
    try:
        async with working(runner(store), concurrency=1):
            (fine,) = await finished(store, 1)
            await asyncio.sleep(3 * REST_S)
            told = [record.message for record in caplog.records]
            UNKNOWN.clear()
            await finished(store, 2)
    finally:
        UNKNOWN.clear()

    assert "fine" == fine.run_id
    assert 4 == len(told)
    assert all(
        "run drifts could not go on: Drifted: the journal of run 'drifts' was stored at 'second'" in line
        for line in told
    )
    assert "It is left alone for 30 s" in told[0]


async def test_an_agent_that_interrupts_ends_its_run_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Its run has landed, as for `run`; the worker goes on."""
    store = kept()
    for name in ("interrupt", "fine"):
        await runner(store).enqueue(Job(name=name), run_id=name)
    async with working(runner(store), concurrency=1):
        ended = await finished(store, 2)

    assert [("interrupt", "fallback"), ("fine", "end")] == [(run.run_id, run.head.state) for run in ended]
    assert "run interrupt could not go on: KeyboardInterrupt. " in caplog.text


async def test_an_answer_that_does_not_fit_makes_no_worker_spin(caplog: pytest.LogCaptureFixture) -> None:
    """It is refused, and its run is looked at no more for it."""
    store = kept()
    await runner(store, Refunds).run(Claim(query="x"), run_id="r")
    await store.post("r", "nobody asked", "1", True)
    worker, claims = runner(store, Refunds), list[str]()
    claim = worker.store.claim
    worker.store.claim = lambda run_id: claims.append(run_id) or claim(run_id)  # type: ignore[func-returns-value]
    async with working(worker):
        await asyncio.sleep(3 * REST_S)

    assert ["r"] == claims
    assert "run r: the answer '1' to 'nobody asked' was refused" in caplog.text


async def test_a_run_that_stands_where_it_stood_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever its store says of it, it is not claimed again and again."""
    store = kept()
    await runner(store, Refunds).run(Claim(query="x"), run_id="r")
    worker, claims = runner(store, Refunds), list[str]()
    claim = worker.store.claim
    worker.store.claim = lambda run_id: claims.append(run_id) or claim(run_id)  # type: ignore[func-returns-value]
    worker.store.claimable = lambda *words, **options: store.list()
    async with working(worker):
        await asyncio.sleep(3 * REST_S)

    assert 3 == len(claims)
    assert "run r stands where it stood" in caplog.text


async def test_a_store_that_fails_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    """After each pause, until it answers."""
    store, fails = kept(), 3
    worker = runner(store)
    claimable = worker.store.claimable

    async def failing(*words: Any, **options: Any) -> Any:
        nonlocal fails
        fails -= 1
        if fails >= 0:
            raise StoreError("the database is away")
        return await claimable(*words, **options)

    worker.store.claimable = failing
    await runner(store).enqueue(Job())
    async with working(worker):
        await finished(store, 1)

    assert 3 == caplog.text.count("the store could not be asked for runs: StoreError: the database is away")
    assert 5 <= asyncio.get_running_loop().time() < 5.2


@pytest.mark.parametrize("lost", ["claim", "release"])
async def test_what_the_store_did_unheard_loses_no_run(lost: str) -> None:
    """A claim whose answer is lost, and a release that never comes: the worker lives, and finds it again by itself."""
    store, times = kept(), 1
    await runner(store).enqueue(Job(), run_id="lost")
    worker, loop = runner(store), asyncio.get_running_loop()
    claim, load = worker.store.claim, worker.store.load

    async def unheard(run_id: str, **options: Any) -> Any:
        nonlocal times
        if times and run_id == "lost":
            times -= 1
            if lost == "claim":
                await claim(run_id)
            raise StoreError("nothing was heard")
        return await (claim(run_id) if lost == "claim" else load(run_id))

    async def never(run_id: str, **options: Any) -> Any:
        raise StoreError("it never came")

    if lost == "claim":
        worker.store.claim = unheard
    else:
        worker.store.load, worker.store.release = unheard, never
    with worker._driver.heart.beating():  # as long as it has anything to drive
        async with working(worker):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(5):
                    await finished(store, 1)
            async with asyncio.timeout(2 * REST_S):
                await finished(store, 1)

    assert loop.time() < 1.1 * REST_S + 5


async def test_two_workers_share_what_there_is(caplog: pytest.LogCaptureFixture) -> None:
    """Each run is driven once; together they are twice as fast, and who was second says nothing."""
    store, by = kept(), list[str]()

    def named(name: str) -> Any:
        return lambda run: by.append(f"{run.run_id}") or name

    for n in range(40):
        await runner(store).enqueue(Job(), run_id=f"r{n}")
    async with (
        working(runner(store), deps=named("a"), concurrency=10),
        working(runner(store), deps=named("b"), concurrency=10),
    ):
        ended = await finished(store, 40)
    journals = [await store.load(run.run_id) for run in ended]

    assert "" == caplog.text
    assert 4 <= asyncio.get_running_loop().time() < 6
    assert [2] * 40 == [sum(isinstance(event, inputs.Replied) for event in journal) for journal in journals]


async def test_workers_that_look_at_one_queue_try_little_in_vain() -> None:
    """Each looks at more runs than it has places, and tries some of them, once others were faster at many."""
    store, claims = kept(), Counter[bool]()
    for n in range(200):
        await runner(store).enqueue(Job(), run_id=f"r{n:03}")

    def counted(worker: Any) -> Any:
        claim = worker.store.claim

        async def claims_it(run_id: str) -> Any:
            await asyncio.sleep(0.01)  # a store that is far away
            try:
                claimed = await claim(run_id)
            except LeaseHeld:
                claims[False] += 1
                raise
            claims[True] += 1
            return claimed

        worker.store.claim = claims_it
        return worker

    async with AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(working(counted(runner(store)), concurrency=5))
        await finished(store, 200)

    assert claims.total() - 200 < 150  # to claim a run that has ended is in vain too, and succeeds


async def test_no_run_waits_for_ever_in_a_queue_that_is_never_empty() -> None:
    """Though workers try what others do not: what began first is among it, again and again."""
    store, begun = kept(), dict[str, float]()
    loop = asyncio.get_running_loop()

    def noted(run: Listed) -> str:
        begun.setdefault(run.run_id, loop.time() - run.began_at)
        return "x"

    async with AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(working(runner(store), deps=noted, concurrency=2))
        for n in range(300):
            await runner(store).enqueue(Job(), run_id=f"r{n:03}")
            await asyncio.sleep(0.35)  # they can do one in a third of a second
        await finished(store, 300)

    assert max(begun.values()) < 30


async def test_what_no_worker_can_do_is_refused_at_once() -> None:
    """Before anything is driven: no store, two stores, no dependencies, no places."""
    store = MemoryStore()
    mine: Any = Runner(Works, store=store)
    for options, why in (
        ({}, "Works has dependencies: give them as deps="),
        ({"deps": print, "also": [Runner(Others, store=MemoryStore())]}, "a worker has one store"),
    ):
        with pytest.raises(StartError, match=why):
            await mine.work(**options)
    with pytest.raises(StartError, match="Others has no dependencies"):
        await Runner(Others, store=store).work(deps=print)  # type: ignore[arg-type]
    with pytest.raises(StartError, match="this runner has none"):
        await Runner(Others).work()
    for options in ({"concurrency": 0}, {"poll_s": 0.0}, {"poll_s": float("nan")}):
        with pytest.raises(ValueError, match="a worker drives 1 run or more at once"):
            await mine.work(deps=print, **options)


@pytest.mark.parametrize("how", ["drained", "cancelled", "cancelled twice"])
async def test_a_drained_worker_lets_go_of_its_runs(how: str, caplog: pytest.LogCaptureFixture) -> None:
    """What was under way ends, nothing begins after it, all is stored and free, and another worker ends it."""
    store, loop = kept(), asyncio.get_running_loop()
    worker = runner(store)
    for n in range(9):
        await runner(store).enqueue(Job(), run_id=f"r{n}")
    task = asyncio.ensure_future(worker.work(deps=str, concurrency=5))
    await asyncio.sleep(0.5)
    if how == "drained":
        await worker.drain()
        await task
    else:
        for _ in range(1 + (how == "cancelled twice")):
            task.cancel()
            await asyncio.sleep(0.1)
        with pytest.raises(asyncio.CancelledError):
            await task
    stopped, rows = loop.time(), await store.list()
    async with working(runner(store)):
        ended = await finished(store, 9)

    assert 1 <= stopped < 2.1
    assert [(None, "running")] * 9 == [(row.owner, row.head.status) for row in rows]
    assert {"first": 4, "second": 5} == {
        state: [row.head.state for row in rows].count(state) for state in ("first", "second")
    }
    assert {"end"} == {run.head.state for run in ended}
    assert "could not" not in caplog.text


async def test_a_worker_that_has_nothing_to_do_ends_when_it_is_drained() -> None:
    """Within the pause; and one that was drained before drives nothing."""
    worker = runner(kept())
    task = asyncio.ensure_future(worker.work(deps=str))
    await asyncio.sleep(0.5)
    await worker.drain()
    await task
    await worker.work(deps=str)

    assert asyncio.get_running_loop().time() <= 1.1


class Stopped(Paused):
    """A worker's store that does not let go of a run either while its process stands still."""

    async def release(self, *args: Any, **options: Any) -> Any:
        await self.awake.wait()
        return await super().release(*args, **options)


@pytest.mark.parametrize("when", [0.3, 1.7, 5.4, 9.9])
@pytest.mark.parametrize("how", ["killed", "stopped and woken"])
async def test_a_run_is_taken_over_within_a_lease_and_a_poll(
    how: str, when: float, caplog: pytest.LogCaptureFixture
) -> None:
    """Not before its worker has missed its lease, and no later than a pause after it; who wakes up is fenced."""
    caplog.set_level(logging.INFO, "fsm_orch")
    lease_s, poll_s, loop = 6.0, 2.0, asyncio.get_running_loop()
    store, begun = Stopped(wall_clock=loop.time), list[tuple[str, float]]()

    def named(name: str) -> Any:
        return lambda run: begun.append((name, loop.time())) or name

    def worker(name: str) -> tuple[Stopped, asyncio.Task[None]]:
        own = store.beside(lease_s=lease_s)
        by = Runner(Stays, store=own, wall_clock=loop.time)
        return own, asyncio.ensure_future(by.work(deps=named(name), poll_s=poll_s))

    await Runner(Stays, store=store.beside(lease_s=lease_s), wall_clock=loop.time).enqueue(Job(), run_id="r")
    own, first = worker("first")
    await asyncio.sleep(0.1)
    other, second = worker("second")
    await asyncio.sleep(when)
    own.awake.clear()
    stopped_at = loop.time()
    while len(begun) < 2:  # noqa: ASYNC110 - of any worker
        await asyncio.sleep(0.1)
    if how != "killed":
        own.awake.set()
    (ended,) = await finished(store, 1)
    for each in (own, other):
        each.awake.set()
    for task in (second, first):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    replies = [event for event in await store.load("r") if isinstance(event, inputs.Replied)]

    assert ["first", "second"] == [name for name, _ in begun]
    assert lease_s * 2 / 3 - 0.1 <= begun[1][1] - stopped_at <= lease_s + poll_s + 0.1
    assert "end" == ended.head.state
    assert 1 == len(replies)
    (lost,) = [record for record in caplog.records if "was claimed since" in record.getMessage()]
    (taken,) = [record for record in caplog.records if "is taken over" in record.getMessage()]
    names = {name: store._owner for name, store in (("dead", own), ("alive", other))}
    assert (logging.WARNING, logging.INFO) == (lost.levelno, taken.levelno)
    assert (
        f"worker {names['alive']} owns it, in epoch {ended.epoch}, and this append is of epoch {ended.epoch - 1}."
        in lost.getMessage()
    )
    stale = rf"it was last stored \d+ s ago, and goes on in epoch {ended.epoch}"
    assert re.fullmatch(f"run r is taken over from worker {names['dead']}: {stale}", taken.getMessage())
