"""The store in memory: the runs that ended first are forgotten, no others. The rest is in conformance/stores."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm_orch import Context, Final, Machine, MemoryStore, Runner, State, Visit
from fsm_orch.errors import StoreError
from fsm_orch.kernel import inputs
from fsm_orch.store import Head, Listed
from fsm_orch.store.kept import Kept

OPEN, ENDED = Head("a"), Head("a", "finished")


def at(seconds: int) -> inputs.Cancelled:
    return inputs.Cancelled(at=float(seconds))


async def test_only_the_newest_ended_runs_are_kept() -> None:
    """Past its size the run that ended longest ago is forgotten; one that has not ended is kept, however old."""
    store = MemoryStore(runs=2)
    for run, start, is_finished in (
        *(("open", 0, False), ("a", 0, False), ("b", 0, True), ("a", 1, True), ("c", 0, True)),
        ("a", 1, True),  # said again, as by a caller that was cut off
    ):
        await store.append(run, start, [at(1)], ENDED if is_finished else OPEN, epoch=1)

    assert [len(await store.load(run)) for run in ("open", "a", "b", "c")] == [1, 2, 0, 1]


async def test_what_is_refused_takes_no_place() -> None:
    """An append that is refused forgets no run, and is no reason to forget one later."""
    store = MemoryStore(runs=2)
    await store.append("a", 0, [at(1)], ENDED, epoch=1)
    for run in "bcd":
        with suppress(StoreError):
            await store.append(run, 1, [at(1)], ENDED, epoch=1)
        await store.append(run, 0, [], ENDED, epoch=1)
    await store.append("e", 0, [at(1)], ENDED, epoch=1)

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
    """More runs at once than a store keeps all end well; afterwards only as many are kept as it keeps."""
    store, word = MemoryStore(runs=2), asyncio.Event()
    runner, runs = Runner(Desk, store=store), [f"r{number}" for number in range(9)]
    under_way = [asyncio.create_task(runner.run(Query(), deps=word, run_id=run)) for run in runs]
    await asyncio.sleep(0)
    word.set()
    results = await asyncio.gather(*under_way)

    assert all(result.state is Desk.done for result in results)
    # Which of them end last is the event loop's choice, so no run is named.
    kept = [run for run in runs if await store.load(run)]
    assert len(kept) == 2
    for run in kept:
        with pytest.raises(StoreError, match=f"run '{run}' has 3 other inputs"):
            await store.append(run, 0, [at(1)], OPEN, epoch=1)


def test_a_store_keeps_something() -> None:
    """A store of no runs is refused."""
    with pytest.raises(ValueError, match="runs= of a MemoryStore takes a whole number of 1 or more, not 0"):
        MemoryStore(runs=0)


async def test_threads_share_a_store() -> None:
    """Appended to from several threads at once, no journal loses an input, and no run too many is kept."""
    store = MemoryStore(runs=3)

    def fills(name: str) -> None:
        async def filling() -> None:
            for number in range(50):
                for start in range(3):
                    await store.append(f"{name}{number}", start, [at(start)], ENDED if start == 2 else OPEN, epoch=1)
            await store.append(f"{name} open", 0, [at(1)], OPEN, epoch=1)

        asyncio.run(filling())

    threads = [Thread(target=fills, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    kept = [len(await store.load(f"{name}{number}")) for name in "abcd" for number in range(50)]
    assert ([3] * 3, 4) == (
        [count for count in kept if count],
        sum([bool(await store.load(f"{name} open")) for name in "abcd"]),
    )


@given(st.data())
@settings(max_examples=50)
def test_of_a_run_that_is_forgotten_nothing_stays(data: st.DataObject) -> None:
    """Neither what was to be told of it, nor its place in a thread; those that are kept are listed as by a scan."""

    async def played() -> None:
        store = MemoryStore(runs=data.draw(st.integers(1, 4)), wall_clock=lambda: 5.0)
        await store.notices.subscribe("hook", ["d"])
        for number in range(data.draw(st.integers(1, 12))):
            thread = data.draw(st.sampled_from([None, "t", "u"]))
            first = inputs.Started(run_id=f"r{number}", context={}, digest="d", thread_id=thread)
            await store.append(f"r{number}", 0, [first], data.draw(st.sampled_from([OPEN, ENDED])), epoch=1)
        if data.draw(st.booleans()):
            await store.prune(ended_before=data.draw(st.sampled_from([1.0, 9.0])))
        rows = await store.list()
        for thread in ("t", "u", "v"):
            assert [row for row in rows if row.thread_id == thread] == await store.list(thread_id=thread)
        assert {row.thread_id for row in rows if row.thread_id} == set(store._threads)
        assert sum(row.head.status == "finished" for row in rows) == store.notices.count

    asyncio.run(played())


async def test_a_conversation_is_found_without_a_look_at_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lists a thread looks at its runs alone: a service does that at each request."""
    store, looked = MemoryStore(), list[str]()
    for number in range(100):
        first = inputs.Started(run_id=f"r{number}", context={}, thread_id=f"t{number // 2}")
        await store.append(f"r{number}", 0, [first], ENDED, epoch=1)
    listed = Kept.listed

    def looking(kept: Kept, run_id: str, is_alive: bool) -> Listed:
        looked.append(run_id)
        return listed(kept, run_id, is_alive)

    monkeypatch.setattr(Kept, "listed", looking)

    assert ["r15", "r14"] == [row.run_id for row in await store.list(thread_id="t7")] == looked
