"""What a fork has of its parent: money, time, what was said before it, and what is kept beside a journal."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.desk import BILLING, REFUND, Support, Ticket
from support.forks import settled_of, started

from fsm_orch import (
    Final,
    Limits,
    LLMAgent,
    Machine,
    MemoryStore,
    Runner,
    RunResult,
    ScriptedModel,
    State,
    Visit,
)
from fsm_orch.amounts import Amount
from fsm_orch.errors import ForkError
from fsm_orch.store import to_json


class Threaded(Machine[Ticket]):
    """A desk whose threads have a limit."""

    triage = State(LLMAgent("Decide.", reads=Ticket.query, max_input_tokens=600, max_output_tokens=100), initial=True)
    answer = State(
        LLMAgent("Answer.", reads=Ticket.query, writes=Ticket.answer, max_input_tokens=600, max_output_tokens=100)
    )
    answered, human = Final(), Final(fallback=True)
    on, none = triage.to(answer, "a question"), triage.to(human, "anything else")
    done = answer.to(answered)
    limits = Limits(tokens=3_000, thread_tokens=4_000)


ON = {"handoff": "on"}


async def test_a_fork_takes_from_no_thread_and_gives_nothing_back() -> None:
    """What its parent paid is in its ledger; the account of the thread is as the parent left it."""
    it, whole = await started_in_thread(ON, {"answer": "A"})
    left = await it.store.taken("thread:t")
    other: Any = Runner(Threaded, model=ScriptedModel([{"answer": "B"}]), store=it.store)
    fork = await other.fork("p", at=4)
    assert left == await it.store.taken("thread:t")
    result = await other.resume(fork)

    assert Amount(whole.charged_tokens) == left == await it.store.taken("thread:t")
    assert (None, "B") == (result.thread_id, result.context.answer)
    assert result.charged_tokens == settled_of(result.journal) > settled_of(whole.journal[:4]) > 0
    assert ["p"] == [row.run_id for row in await it.store.list(thread_id="t")]


async def started_in_thread(*script: Any) -> tuple[Any, RunResult[Any]]:
    """Return a runner with a run `p` of thread `t`."""
    it: Any = Runner(Threaded, model=ScriptedModel(script), store=MemoryStore())
    return it, await it.run(Ticket(query="x"), run_id="p", thread_id="t")


async def test_a_fork_hears_what_its_parent_heard() -> None:
    """The messages of the run that the parent followed are told to the fork too."""
    it: Any = Runner(Threaded, model=ScriptedModel([ON, {"answer": "A"}, ON, {"answer": "B"}]), store=MemoryStore())
    first = await it.run(Ticket(query="before"), run_id="first", thread_id="t")
    await it.run(Ticket(query="now"), run_id="p", after=first)
    model = ScriptedModel([{"answer": "C"}])
    other: Any = Runner(Threaded, model=model, store=it.store)
    result = await other.resume(await other.fork("p", at=4))
    told = "".join(said.content for said in model.requests[0].messages)

    assert ("before" in told, "A" in told, "C") == (True, True, result.context.answer)
    assert ["before", "now"] == [said.content[10:-2] for said in result.messages if said.role == "user"]


@pytest.mark.looptime
async def test_time_that_passed_since_does_not_land_a_fork() -> None:
    """Its deadline counts the time that its parent was active up to the cut, and then its own."""
    store = MemoryStore()
    slow: Any = {Support.verify: _slow}
    it: Any = Runner(Support, model=ScriptedModel([BILLING, REFUND]), store=store, agents=slow)
    whole = await it.run(Ticket(query="please"), run_id="p")
    await asyncio.sleep(7 * 86_400)
    fork = await it.fork("p", at=7)
    await asyncio.sleep(7 * 86_400)
    result = await it.resume(fork)

    assert (Support.answered, None) == (result.state, result.landing)
    assert (5.0, 0.0) == (whole.seconds, result.seconds)  # what is recorded takes no time


async def _slow(visit: Visit[Ticket]) -> Any:
    await asyncio.sleep(5)
    return {Ticket.verified: True}


async def twice(visit: Visit[Ticket]) -> Any:
    return {Ticket.answer: "".join([(await visit.model.ask(())).text for _ in range(2)])}


class Twice(Machine[Ticket]):
    """Ask twice."""

    work = State(twice, initial=True, writes=Ticket.answer, calls=2, max_input_tokens=90, max_output_tokens=9)
    done, human = Final(), Final(fallback=True)
    on = work.to(done)


async def test_a_fork_has_no_kept_responses_and_misses_none() -> None:
    """An attempt that makes several calls is cut before its first or after its reply, where nothing of it is kept."""

    it, whole = await started(Twice, Ticket(query="x"), "a", "b")
    assert (6, [1, 6]) == (len(whole.journal), [cut.at for cut in await it.cuts("p")])
    await it.fork("p", at=1, new_id="f")
    claim = await it.store.claim("f")
    assert ((), None) == (claim.responses, claim.taken_from)


def secret(visit: Visit[Ticket]) -> Any:
    """Write what nobody may keep."""
    return {Ticket.invoice: "SECRET"}


def repeat(visit: Visit[Ticket]) -> Any:
    """Write it again."""
    return {Ticket.answer: visit.context.invoice}


class Hidden(Machine[Ticket]):
    """A first agent's field is read by the second."""

    first = State(secret, initial=True, writes=Ticket.invoice)
    second = State(repeat, reads=Ticket.invoice, writes=Ticket.answer)
    done, human = Final(), Final(fallback=True)
    flow = first >> second >> done


async def test_a_fork_that_would_read_what_was_redacted_is_refused() -> None:
    """Where nothing of it is to be read any more it is made; what is redacted is not in it."""
    it, _ = await started(Hidden, Ticket(query="x"), redact=Ticket.invoice)
    with pytest.raises(
        ForkError, match=r"could not go on: it would stand in 'second', and 'second' .* reads Ticket\.inv"
    ):
        await it.fork("p", at=2)
    again = await it.resume(await it.fork("p", at=1, effects=True))
    with pytest.raises(ForkError, match="could not go on"):
        await it.fork("p", at=2, sets={Ticket.invoice: "other"})
    plain: Any = Runner(Hidden, store=it.store)
    told = await plain.resume(await plain.fork("p", at=2, sets={Ticket.invoice: "other"}, effects=True))

    assert ("SECRET", "other") == (again.context.answer, told.context.answer)
    kept = [event for row in await it.store.list() for event in (await it.store.load(row.run_id))[:2]]
    assert "SECRET" not in str(list(map(to_json, kept)))
