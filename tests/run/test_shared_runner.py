"""One runner, used by whoever has it: on several loops, in several threads, by readers who leave; nothing is left."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from fsm_orch import Context, Final, Machine, MemoryStore, Runner, State, Visit
from fsm_orch.errors import LeaseHeld
from fsm_orch.run.stream import RunStream
from fsm_orch.store import store_at


class Query(Context):
    """What is asked."""

    text: str = ""


async def wait(visit: Visit[Query]) -> None:
    """Give the loop to others once."""
    await asyncio.sleep(0)


async def hang(visit: Visit[Query]) -> None:
    """Wait for what never comes."""
    await asyncio.Event().wait()


class Desk(Machine[Query]):
    """Ends well."""

    working = State(wait, initial=True)
    done = Final()
    human = Final(fallback=True)
    end = working.to(done)


class Hanging(Machine[Query]):
    """Ends when it is left."""

    working = State(hang, initial=True)
    done = Final()
    human = Final(fallback=True)
    end = working.to(done)


def test_a_runner_belongs_to_no_loop_and_no_thread() -> None:
    """The same runner runs on one loop after another, on loops of several threads at once, and inside another run."""
    runner = Runner(Desk, store=MemoryStore())

    async def from_a_thread_of_a_loop() -> object:
        return (await asyncio.to_thread(runner.run_sync, Query())).state

    with ThreadPoolExecutor(4) as threads:
        in_threads = [result.state for result in threads.map(lambda _: runner.run_sync(Query()), range(40))]
    in_turn = [asyncio.run(runner.run(Query())).state for _ in range(3)]

    assert {Desk.done} == {*in_threads, *in_turn, asyncio.run(from_a_thread_of_a_loop())}


async def leave(events: RunStream[Query]) -> None:
    async for _ in events:
        break


async def close(events: RunStream[Query]) -> None:
    reading = aiter(events)
    await anext(reading)
    await reading.aclose()  # type: ignore[attr-defined]


async def fail(events: RunStream[Query]) -> None:
    async for _ in events:
        raise ZeroDivisionError


async def give_up_waiting(events: RunStream[Query]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(0):
            await events.result()


@pytest.mark.parametrize("reader", [leave, close, fail, give_up_waiting])
async def test_a_reader_may_leave_in_any_way(reader: Callable[[RunStream[Query]], Awaitable[None]]) -> None:
    """However the block of a stream is left, its run has landed by then, its end is stored, and no task is left."""
    store, before = MemoryStore(), asyncio.all_tasks()

    with suppress(ZeroDivisionError):
        async with Runner(Hanging, store=store).stream(Query(), run_id="r") as events:
            await reader(events)

    assert "cancelled" == (await store.load("r"))[-1].kind
    assert before == asyncio.all_tasks()


async def test_a_stream_that_is_dropped_ends_its_run() -> None:
    """A stream that nobody holds any more, and nobody left, does not keep its run alive."""
    store, before = MemoryStore(), asyncio.all_tasks()
    block = Runner(Hanging, store=store).stream(Query(), run_id="r")
    await block.__aenter__()
    await asyncio.sleep(0)

    del block
    gc.collect()
    for _ in range(20):
        await asyncio.sleep(0)

    assert "cancelled" == (await store.load("r"))[-1].kind
    assert before == asyncio.all_tasks()


@pytest.mark.slow
async def test_a_runner_keeps_nothing_of_its_runs() -> None:
    """After thousands of runs and streams there are no more objects than before, and hardly more memory."""
    runner = Runner(Desk, store=MemoryStore(runs=1))

    async def use(times: int) -> None:
        for _ in range(times):
            await runner.run(Query())
            async with runner.stream(Query()) as events:
                await leave(events)

    await use(100)
    gc.collect()
    objects = len(gc.get_objects())
    tracemalloc.start()
    try:
        await use(500)
        gc.collect()
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(gc.get_objects()) - objects < 100
    assert grown < 500 * 100


class Alike(MemoryStore):
    """A store that can be no key."""

    __hash__ = None  # type: ignore[assignment]


class Gate:
    """Says when a visit began, and when it may end."""

    def __init__(self) -> None:
        self.began, self.ends = asyncio.Event(), asyncio.Event()


async def wait_at(visit: Visit[Query, Gate]) -> None:
    """Wait until it may end."""
    visit.deps.began.set()
    await visit.deps.ends.wait()


class Waiting(Machine[Query, Gate]):
    """Ends when it may."""

    working = State(wait_at, initial=True, repeatable=True)
    done = Final()
    human = Final(fallback=True)
    end = working.to(done)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_two_runners_of_one_store_drive_a_run_once(kind: str, tmp_path: Path) -> None:
    """They are one worker to the store, and yet the second is told that the run is driven, as another process is."""
    store = MemoryStore() if kind == "memory" else store_at(f"sqlite:///{tmp_path}/runs.db")
    first, second, gate = Runner(Waiting, store=store), Runner(Waiting, store=store), Gate()
    running = asyncio.ensure_future(first.run(Query(), run_id="r", deps=gate))
    await gate.began.wait()
    with pytest.raises(LeaseHeld, match="driven by another runner on this store"):
        await second.resume("r", deps=gate)
    gate.ends.set()

    assert Waiting.done is (await running).state
    assert Waiting.done is (await second.resume("r", deps=gate)).state


async def test_a_runner_lands_what_another_drives_on_its_store() -> None:
    """At once, also where nobody beats."""
    store, gate = MemoryStore(), Gate()
    running = asyncio.ensure_future(Runner(Waiting, store=store).run(Query(), run_id="r", deps=gate))
    await gate.began.wait()

    assert None is await Runner(Waiting, store=store).cancel("r")
    assert Waiting.human is (await running).state


async def test_a_store_that_can_be_no_key_is_a_store() -> None:
    """Of two runners on it the second is not told what the first drives, and nothing else is different."""
    assert Desk.done is (await Runner(Desk, store=Alike()).run(Query())).state
