"""The queue: a run is stored without an owner, once, with its money moved; any process drives it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from conformance.stores.stores import STORES, Opening
from support.desk import BILLING, REFUND, Support, Ticket
from support.office import forked

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, MemoryStore, Runner, ScriptedModel, State
from fsm_orch.amounts import Amount
from fsm_orch.errors import RunTaken, StartError, StoreError
from fsm_orch.resilience import Breaker, Gate
from fsm_orch.testing import CrashingStore

TICKET = Ticket(query="please")


def runner(store: Any = None, *script: Any, **options: Any) -> Runner[Ticket, None]:
    return Runner(Support, model=ScriptedModel(script), store=store, **options)


class Chats(Machine[Ticket]):
    """A conversation of little money: one run takes most of it."""

    ask = State(LLMAgent("Answer.", reads=Ticket.query, writes=Ticket.answer), initial=True)
    answered, human = Final(), Final(fallback=True)
    done = ask.to(answered, "it is answered")
    limits = Limits(tokens=6_000, thread_tokens=10_000)


@pytest.mark.parametrize("opening", [STORES["memory"], STORES["sqlite"]], ids=["memory", "sqlite"])
async def test_a_queued_run_is_owned_by_nobody_and_goes_on_anywhere(opening: Opening) -> None:
    """Nothing has been done for it yet; whoever resumes it does what `run` would have done."""
    async with opening() as worker:
        run_id = await runner(worker()).enqueue(TICKET, trace_id="t", tenant="acme")
        (queued,) = await worker().list()
        result = await runner(worker(), BILLING, REFUND).resume(run_id)
        (ended,) = await worker().list()

        assert (None, "running", "acme", 1) == (queued.owner, queued.head.status, queued.tenant, queued.inputs)
        assert result.state is Support.answered
        assert ("t", "finished") == (result.records[0].stamp.trace_id, ended.head.status)


async def test_the_same_start_again_is_the_same_run() -> None:
    """However far it has come; another start under its id is refused, and changes nothing."""
    store = MemoryStore()
    for _ in range(2):
        assert "r" == await runner(store).enqueue(TICKET, run_id="r")
    await runner(store, BILLING, REFUND).resume("r")
    journal = await store.load("r")
    assert "r" == await runner(store).enqueue(TICKET, run_id="r")
    for changed in ({"run_id": "r", "tenant": "acme"}, {"run_id": "r", "thread_id": "t"}):
        with pytest.raises(RunTaken, match="a run id names one run"):
            await runner(store).enqueue(TICKET, **changed)  # type: ignore[arg-type]

    assert journal == await store.load("r")


async def test_the_same_start_is_known_whatever_was_shut_when_it_began() -> None:
    """A run that was begun while a state could not be entered is the same that is queued again."""
    store, gate = MemoryStore(), Gate(breaker=Breaker(failures=1, window_s=60, open_s=60))
    assert gate.breaker is not None
    await gate.breaker.leave(await gate.breaker.enter(), "error")
    await runner(store, BILLING, REFUND, gates={Support.billing: gate}).run(TICKET, run_id="r")
    first = (await store.load("r"))[0]

    assert ("billing",) == first.shut  # type: ignore[union-attr]
    assert "r" == await runner(store).enqueue(TICKET, run_id="r")


@pytest.mark.parametrize("opening", [STORES["memory"], STORES["sqlite"]], ids=["memory", "sqlite"])
async def test_a_run_is_not_queued_under_the_id_of_a_fork(opening: Opening) -> None:
    """No worker drives a fork that nobody has named, though it begins as the run would: the caller is told."""
    async with opening() as worker:
        store = worker()
        await runner(store, BILLING, REFUND).run(TICKET, run_id="parent")
        await forked(store, runner(store), "parent", "r")
        with pytest.raises(RunTaken, match="a run id names one run"):
            await runner(store).enqueue(TICKET, run_id="r")


async def test_the_same_start_is_known_when_the_run_before_it_is_forgotten() -> None:
    """Its store could tell what was said before when it was queued first, and cannot any more, or the other way."""
    store = MemoryStore()
    before = await runner(store, BILLING, REFUND).run(TICKET, run_id="before")
    other = await runner(MemoryStore(), BILLING, REFUND).run(TICKET, run_id="other")
    await runner(store).enqueue(TICKET, run_id="r", after=before)
    assert 1 == await store.prune(ended_before=float("inf"))

    assert "r" == await runner(store).enqueue(TICKET, run_id="r", after=before)
    with pytest.raises(RunTaken, match="a run id names one run"):
        await runner(store).enqueue(TICKET, run_id="r", after=other)


@pytest.mark.parametrize("opening", [STORES["memory"], STORES["sqlite"]], ids=["memory", "sqlite"])
async def test_of_many_who_queue_one_run_at_once_all_are_told_its_id(opening: Opening) -> None:
    """It is stored once, and the money of its thread is moved once."""
    async with opening() as worker:
        chats = [Runner(Chats, model=ScriptedModel([]), store=worker()) for _ in range(4)]
        ids = await asyncio.gather(*(chat.enqueue(TICKET, run_id="r", thread_id="t") for chat in chats))

        assert ["r"] * 4 == ids
        assert Amount(6_000) == await worker().taken("thread:t")


async def test_the_money_of_a_thread_is_moved_as_for_a_run() -> None:
    """What a queued run may take is moved when it is queued, and comes back with its end; the next has what is left."""
    store = MemoryStore()
    chat = Runner(Chats, model=ScriptedModel([{"answer": "a"}] * 2), store=store)
    for run_id in ("a", "b"):
        await chat.enqueue(TICKET, run_id=run_id, thread_id="t")
    taken = await store.taken("thread:t")
    results = [await chat.resume(run_id) for run_id in ("a", "b")]

    assert Amount(10_000) == taken
    assert [Chats.answered] * 2 == [result.state for result in results]
    assert Amount(sum(result.charged_tokens for result in results)) == await store.taken("thread:t")


async def test_a_store_that_fails_is_told_and_may_have_kept_it() -> None:
    """If it has, nobody is told of an error: the run is queued."""
    for keeps, count in (("nothing", 0), ("everything", 1)):
        kept = MemoryStore()
        crashing: Any = CrashingStore(kept, writes=0, keeps=keeps)  # type: ignore[arg-type]
        if count:
            assert "r" == await runner(crashing).enqueue(TICKET, run_id="r")
        else:
            with pytest.raises(StoreError, match="crashed"):
                await runner(crashing).enqueue(TICKET, run_id="r")

        assert count == len(await kept.list())


async def test_a_runner_without_a_store_queues_nothing() -> None:
    """It is told what to give; so is a wrong context, before anything is stored."""
    with pytest.raises(StartError, match="this runner has none"):
        await runner().enqueue(TICKET)
    store = MemoryStore()
    with pytest.raises(StartError, match="runs on a Ticket"):
        await runner(store).enqueue(Context())  # type: ignore[arg-type]
    with pytest.raises(StartError, match="tenant= takes text"):
        await runner(store).enqueue(TICKET, tenant=3)  # type: ignore[arg-type]

    assert [] == list(await store.list())


async def test_a_runner_whose_store_keeps_less_queues_nothing() -> None:
    """A worker knows of a queued run what its store keeps, and would have to read what is redacted."""
    store = MemoryStore()
    redacting = Runner(Support, model=ScriptedModel([]), store=store, redact=Ticket.query)

    with pytest.raises(StartError, match="would find query redacted"):
        await redacting.enqueue(TICKET)
    assert [] == list(await store.list())
