"""Runs that somebody outside of them asks to land: while a worker drives them, or nobody does."""

from __future__ import annotations

import asyncio

import pytest
from support.asking import DONE, Claim, Refunds
from support.beside import LEASE_S, WHEN, Beside, begun, now, worker
from support.desk import Support, Ticket

from fsm_orch import MemoryStore, Message, Reply, Runner, ScriptedModel, StartError, Visit


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    """Begin with nothing done in the world."""
    DONE.clear()
    WHEN.clear()


@pytest.mark.looptime
async def test_a_run_that_is_driven_is_cancelled_from_outside() -> None:
    """It lands at the next beat, its agents are stopped, and whoever waits for it gets the result."""
    store = MemoryStore()
    task = await begun(worker(store), 2.5)
    assert None is await worker(store).cancel("r", who="ann@example.org")
    assert None is await worker(store).cancel("r", who="bob@example.org")
    result = await task

    assert (Beside.human, 4.0) == (result.state, now())
    assert result.landing is not None
    assert "cancelled" == result.landing.reason
    assert "it was cancelled from outside, by ann@example.org" == result.landing.detail
    assert [("stopped", 4.0)] == WHEN
    assert result.journal == await store.load("r")
    again = await worker(store).cancel("r")
    assert again is not None
    assert result.journal == again.journal


@pytest.mark.looptime
async def test_the_first_who_cancels_is_the_one_who_is_told() -> None:
    """Also if the second asks the runner that drives the run, which has not heard of the first yet."""
    store = MemoryStore()
    runner = worker(store)
    task = await begun(runner, 2.5)
    await worker(store).cancel("r", who="ann")
    await runner.cancel("r", who="bob")
    result = await task

    assert result.landing is not None
    assert "it was cancelled from outside, by ann" == result.landing.detail


async def test_an_empty_name_cancels_nothing() -> None:
    """Who cancels says who they are, or nothing."""
    with pytest.raises(StartError, match="'' names nobody"):
        await worker(MemoryStore()).cancel("r", who="")


@pytest.mark.looptime
async def test_a_run_that_nobody_drives_is_cancelled_here() -> None:
    """It waits, or its worker is dead: it lands, and its result is given."""
    store = MemoryStore(wall_clock=now)
    waits = Runner(Refunds, store=store.beside(lease_s=LEASE_S))
    await waits.run(Claim(query="x"), run_id="w")
    dead = await begun(worker(store), 2.5)
    dead._coro.close()  # type: ignore[attr-defined]  # as a process that is killed
    await asyncio.sleep(20)
    landed = [await waits.cancel("w"), await worker(store).cancel("r")]

    assert [("cancelled", "finished")] * 2 == [
        (one.landing.reason, one.status) for one in landed if one is not None and one.landing is not None
    ]
    with pytest.raises(StartError, match="knows of no run"):
        await waits.cancel("of nobody")


@pytest.mark.looptime
async def test_a_wish_to_cancel_is_folded_by_whoever_goes_on() -> None:
    """The store was asked, and nobody drove the run then: to resume it lands it, and does nothing else."""
    store = MemoryStore()
    runner = Runner(Refunds, store=store.beside(lease_s=LEASE_S))
    (question,) = (await runner.run(Claim(query="x"), run_id="r")).waiting
    await store.post("r", question.key, "a", {"handoff": "yes", "note": "ok"})
    await store.ask_cancel("r")
    result = await runner.resume("r")

    assert (Refunds.human, []) == (result.state, DONE)


class Thinks:
    """An agent that thinks for three seconds before it asks its model: nothing of its run is stored until then."""

    spec = Support.triage.spec

    async def act(self, visit: Visit[Ticket]) -> Reply:
        await asyncio.sleep(3)
        await visit.model.ask((Message(role="user", content="x"),))
        return Reply(Support.resolved)


@pytest.mark.looptime
@pytest.mark.parametrize("lease_s", [LEASE_S, None])
async def test_a_run_is_cancelled_before_its_store_knows_it(lease_s: float | None) -> None:
    """A run of one's own lands whenever it is cancelled, be it that nothing of it is stored: nothing is sent for it."""
    store, model = MemoryStore(), ScriptedModel(["x"])
    runner = Runner(
        Support,
        model=model,
        store=store if lease_s is None else store.beside(lease_s=lease_s),
        agents={Support.triage: Thinks()},
    )
    for seconds in (0, 1):
        running = asyncio.ensure_future(runner.run(Ticket(query="x"), run_id=f"r{seconds}"))
        await asyncio.sleep(seconds)
        assert () == await store.load(f"r{seconds}")
        for who in ("ann", "bob"):
            assert None is await runner.cancel(f"r{seconds}", who=who)
        result = await running

        assert result.landing is not None
        assert ("cancelled", []) == (result.landing.reason, model.requests)
        assert "it was cancelled from outside, by ann" == result.landing.detail
        assert result.journal == await store.load(f"r{seconds}")
