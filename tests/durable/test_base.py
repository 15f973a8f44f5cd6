"""What engines need of us, whichever delivers."""

from __future__ import annotations

import asyncio
from math import inf
from typing import Any

import pytest
from support.working import Job, Works, kept, runner

from fsm_orch import Final, Machine, MemoryStore, Runner, State, Visit
from fsm_orch.durable.base import Runners, has_begun, run_of, ticket_of
from fsm_orch.errors import StartError, StepError, Withheld
from fsm_orch.store.values import Listed, Rebound

pytestmark = pytest.mark.looptime


def nothing(visit: Visit[Job]) -> None:
    """Do nothing."""


class Others(Machine[Job]):
    """Another machine."""

    only = State(nothing, initial=True)
    end, fallback = Final(), Final(fallback=True)
    done = only.to(end)


def runners(store: MemoryStore) -> Runners:
    """Return those of one process."""
    return Runners(runner(store), deps=lambda run: "deps")


async def test_a_run_that_is_queued_is_handed_over_until_it_has_ended(caplog: pytest.LogCaptureFixture) -> None:
    """It is stored whatever the engine says, and no word of an error that is not ours is logged."""
    here, handed = runners(kept()), list[tuple[str, bool]]()

    async def hand(run: Listed) -> None:
        handed.append((run.run_id, has_begun(run)))
        raise RuntimeError("secret")

    for _ in range(2):
        assert "r" == await here.enqueue(Job(), {"run_id": "r"}, hand, engine="It")
    await here.deliver("r")
    await here.enqueue(Job(), {"run_id": "r"}, hand, engine="It")

    assert [("r", False)] * 2 == handed
    assert ["run r is stored, and It is told of it later: RuntimeError"] * 2 == caplog.messages[:2]


async def test_a_run_is_driven_by_one_of_many_deliveries() -> None:
    """The others say so, be they of this process or another, at once or late."""
    store = kept()
    here, there = runners(store), runners(store)
    await runner(store).enqueue(Job(), run_id="r")
    came = await asyncio.gather(*(each.deliver("r") for each in (here, here, there)))
    late = await there.deliver("r")

    assert (["driven already", "driven already", "finished"], "finished") == (sorted(came), late)


async def test_what_is_repeated_ends_with_its_event_and_not_with_the_pause() -> None:
    """It is done at once, and then after each pause."""
    at, is_over, loop = list[float](), asyncio.Event(), asyncio.get_running_loop()
    began = loop.time()

    async def look() -> None:
        at.append(loop.time() - began)

    looking = asyncio.ensure_future(runners(kept()).repeat(look, every_s=10, until=is_over))
    await asyncio.sleep(25)
    is_over.set()
    await looking

    assert ([0, 10, 20], 25) == (at, loop.time() - began)


async def test_a_run_that_is_driven_here_is_owed_to_nobody() -> None:
    """The store would give it to this worker again, and it hides no other run."""
    store = kept()
    here, there = runners(store), runners(store)
    for run_id in ("a", "b"):
        await runner(store).enqueue(Job(), run_id=run_id)
    driving = asyncio.ensure_future(here.deliver("a"))
    await asyncio.sleep(0.5)
    owed = [[row.run_id for row in await each.owed(1)] for each in (here, there)]

    assert ([["b"], ["b"]], "finished") == (owed, await driving)


async def test_a_run_that_was_rebound_has_another_ticket() -> None:
    """The one that it had waits where workers of the old version look; one of them says where the run is now."""
    store = kept()
    old, new = runners(store), Runners(Runner(Others, store=store.beside(lease_s=15)))
    await runner(store).enqueue(Job(), run_id="r:1")
    (row,) = await store.list(run_id="r:1")
    await store.rebind("r:1", Rebound(was=row.digest, digest=new.first.definition.digest, inputs=1))
    (after,) = await new.owed(1)

    assert ticket_of(row) != ticket_of(after)
    assert "r:1" == run_of(ticket_of(after))
    with pytest.raises(StepError, match="'r:1' was rebound from digest"):
        await old.deliver("r:1")


async def test_a_run_that_is_drained_says_so_and_goes_on_elsewhere() -> None:
    """So does one that is delivered to a process that begins nothing any more."""
    store = kept()
    drained, other = runners(store), runners(store)
    await runner(store).enqueue(Job(), run_id="r")
    driving = asyncio.ensure_future(drained.deliver("r"))
    await asyncio.sleep(0.5)
    await drained.drain(10)

    assert ("drained", "drained") == (await driving, await drained.deliver("r"))
    assert "finished" == await other.deliver("r")


async def test_a_runner_that_somebody_else_drains_drives_nothing_here() -> None:
    """What is delivered to it is handed back as drained, and is no error: another process drives it."""
    store = kept()
    mine, other = runner(store), runners(store)
    here = Runners(mine, deps=lambda run: "deps")
    await mine.enqueue(Job(), run_id="r")
    assert not here.is_draining
    await mine.drain()

    assert (True, "drained", "finished") == (here.is_draining, await here.deliver("r"), await other.deliver("r"))


async def test_a_run_that_the_store_has_forgotten_is_no_error() -> None:
    """A ticket may outlive its run."""
    assert "not known" == await runners(kept()).deliver("r")


async def test_a_run_of_another_machine_is_refused_by_name() -> None:
    """It is said what to do."""
    store = kept()
    await Runner(Others, store=store).enqueue(Job(), run_id="r")
    with pytest.raises(StartError, match="'r' is of another machine than these runners drive: add one of it to also="):
        await runners(store).deliver("r")


async def test_no_engine_begins_an_effect_of_a_fork() -> None:
    """None is owed one; who hands it over all the same is told how it goes on, and it stays as it is, and free."""
    store = MemoryStore()
    other = Runner(Others, store=store)
    await other.run(Job(), run_id="p")
    await other.fork("p", at=1, new_id="f")
    await store.prune(ended_before=inf)
    engine = Runners(other)
    with pytest.raises(Withheld, match=r"await runner.resume\('f', effects=True\)"):
        await engine.deliver("f")

    assert () == tuple(await engine.owed(10))
    assert [("f", 1, None)] == [(row.run_id, row.inputs, row.owner) for row in await store.list()]


def test_runners_of_an_engine_share_a_store() -> None:
    """Without a store there is nothing to drive from, and dependencies are asked for before a run needs them."""
    store: Any = MemoryStore()
    with pytest.raises(StartError, match="this runner has none"):
        Runners(Runner(Others))
    with pytest.raises(StartError, match="give each runner of also= the same"):
        Runners(Runner(Others, store=store), also=[Runner(Works, store=MemoryStore())], deps=str)
    with pytest.raises(StartError, match="give them as deps="):
        Runners(Runner(Others, store=store), also=[Runner(Works, store=store)])
