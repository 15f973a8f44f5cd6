"""The store in memory: the oldest runs are forgotten, unless they are under way. The rest is in conformance/stores."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

import pytest

from fsm_orch import Context, Final, Machine, MemoryStore, Runner, State, Visit
from fsm_orch.errors import StoreError
from fsm_orch.kernel import inputs


def at(seconds: int) -> inputs.Cancelled:
    return inputs.Cancelled(at=float(seconds))


async def test_only_the_newest_runs_are_kept() -> None:
    """Past its size the run that was written longest ago is forgotten."""
    store = MemoryStore(runs=2)
    for run, start in (("a", 0), ("b", 0), ("a", 1), ("c", 0)):
        await store.append(run, start, [at(1)])

    assert [len(await store.load(run)) for run in ("a", "b", "c")] == [2, 0, 1]


async def test_what_is_refused_takes_no_place() -> None:
    """An append that is refused forgets no run, and is no reason to forget one later."""
    store = MemoryStore(runs=2)
    await store.append("a", 0, [at(1)])
    for run in "bcd":
        with suppress(StoreError):
            await store.append(run, 1, [at(1)])
        await store.append(run, 0, [])
    await store.append("e", 0, [at(1)])

    assert [len(await store.load(run)) for run in "abcde"] == [1, 0, 0, 0, 1]


class Query(Context):
    """What is asked."""

    text: str = ""


async def wait(visit: Visit[Query, asyncio.Event]) -> None:
    """Wait for a word."""
    await visit.deps.wait()


class Desk(Machine[Query, asyncio.Event]):
    """Two states that wait."""

    first, second = State(wait, initial=True), State(wait)
    done = Final()
    human = Final(fallback=True)
    on = first.to(second)
    end = second.to(done)


async def test_a_run_under_way_is_not_forgotten() -> None:
    """More runs at once than a store keeps all end well; afterwards only the newest are kept."""
    store, word = MemoryStore(runs=2), asyncio.Event()
    runner = Runner(Desk, store=store)
    under_way = [asyncio.create_task(runner.run(Query(), deps=word, run_id=f"r{number}")) for number in range(9)]
    await asyncio.sleep(0)
    word.set()
    results = await asyncio.gather(*under_way)

    assert all(result.state is Desk.done for result in results)
    assert [result.journal for result in results] == [await store.load(f"r{number}") for number in range(9)]
    with pytest.raises(StoreError, match="run 'r0' has 3 other inputs"):
        await store.append("r0", 0, [at(1)])

    del results, under_way
    await asyncio.sleep(0)  # until then the loop holds what this task was woken with
    gc.collect()
    assert 2 == sum([bool(await store.load(f"r{number}")) for number in range(9)])


def test_a_store_keeps_something() -> None:
    """A store of no runs is refused."""
    with pytest.raises(ValueError, match="a store keeps 1 run or more, not 0"):
        MemoryStore(runs=0)


class Name(str):
    """The name of a run that does something while a store looks it up for the second time."""

    looks = 0
    meanwhile: Callable[[], None]

    def __hash__(self) -> int:
        self.looks += 1
        if self.looks == 2:
            self.meanwhile()
        return super().__hash__()


async def test_a_run_is_not_lost_while_another_thread_takes_its_place() -> None:
    """A store that is shared by threads knows a run at each moment, also in that in which it is set aside."""
    store, first = MemoryStore(runs=1), inputs.Started(run_id="a", context={})
    await store.append("a", 0, [first])

    def takes_the_place() -> None:
        other = Thread(target=lambda: asyncio.run(store.append("b", 0, [at(1)])))
        others.append(other)
        other.start()
        other.join(0.1)

    others, name = list[Thread](), Name("a")
    name.meanwhile = takes_the_place
    await store.append(name, 1, [at(2)])
    for other in others:
        other.join()

    assert 1 == len(others)
    assert (first, at(2)) == await store.load("a")
    assert (at(1),) == await store.load("b")
