"""What is given up: visits and runs whose time is over, or for which nobody waits any more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from support.desk import BILLING, REFUND, Support, Ticket, runner

from fsm_orch import Final, Hop, Limits, LLMAgent, Machine, MemoryStore, Runner, ScriptedModel, State, Visit
from fsm_orch.agents import VisitClosed
from fsm_orch.kernel.step import fold


@pytest.mark.looptime
async def test_a_hanging_agent_times_out_into_its_edge() -> None:
    """A visit that outlives its time is given up, and its timeout edge is taken."""
    done = {"handoff": "done", "invoice": None, "answer": "Later."}

    result = await runner(BILLING, REFUND, done).run(Ticket(query="hang"))

    assert Hop("verify", "unsure", "billing") in result.path
    assert 10 <= result.seconds < 12


@pytest.mark.looptime
async def test_the_deadline_lands_a_run() -> None:
    """A run is active for its deadline and no longer, whatever its agents do."""
    limits = Limits(hops=6, deadline_s=4)

    result = await runner(BILLING, REFUND, limits=limits).run(Ticket(query="hang"))

    assert result.landing is not None
    assert result.landing.reason == "deadline"
    assert 4 <= result.seconds < 4.5


@pytest.mark.looptime
async def test_a_callers_cancellation_lands_the_run_and_is_raised_again() -> None:
    """Cancelling settles the ledger in full, lands, stores the whole journal, and still cancels."""
    store = MemoryStore()
    slow = Runner(Support, model=ScriptedModel([BILLING], delay_s=5), store=store)
    task = asyncio.create_task(slow.run(Ticket(query="hello"), run_id="r1"))
    await asyncio.sleep(1)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    end = fold(slow.compiled, await store.load("r1"))
    assert (end.status, end.landing, end.state) == ("finished", "cancelled", "human")
    assert end.ledger.reserved.tokens == 0
    assert end.ledger.settled.tokens > 0


class Stubborn:
    """An agent that will not be cancelled, and calls its model once its visit is over."""

    spec = LLMAgent("x", max_input_tokens=10, max_output_tokens=10).spec
    heard: Sequence[str] = ()

    async def act(self, visit: Visit[Ticket]) -> Any:
        for _ in range(3):
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                continue
        try:
            await visit.model.ask(())
        except VisitClosed as error:
            Stubborn.heard = (*Stubborn.heard, str(error))
            raise


class Obstinate(Machine[Ticket]):
    """One agent that does not let go."""

    work = State(Stubborn(), initial=True)
    done = Final()
    human = Final(fallback=True)
    to_done = work.to(done, "always")


@pytest.mark.looptime
async def test_an_agent_that_ignores_cancellation_is_abandoned() -> None:
    """After its time and a short grace the run goes on without it, and its model is dead."""
    result = await Runner(Obstinate, model=ScriptedModel(["late"])).run(Ticket(query="x"))

    assert result.seconds == pytest.approx(11, abs=0.1)
    assert result.landing is not None
    assert result.landing.reason == "timeout"

    await asyncio.sleep(500)

    assert len(Stubborn.heard) == 1


@pytest.mark.looptime
async def test_leaving_a_stream_early_lands_the_run() -> None:
    """A stream that nobody reads on does not go on spending."""
    store = MemoryStore()
    slow = Runner(Support, model=ScriptedModel([BILLING, REFUND], delay_s=5), store=store)

    async with slow.stream(Ticket(query="please"), run_id="r1") as stream:
        async for _ in stream:
            break

    assert fold(slow.compiled, await store.load("r1")).landing == "cancelled"


@pytest.mark.slow
@pytest.mark.looptime
async def test_a_thousand_runs_share_one_loop() -> None:
    """Runs that wait, wait together: a thousand take no longer than one."""

    async def one(number: int) -> str | None:
        model = ScriptedModel([BILLING, REFUND | {"invoice": f"I{number}"}], delay_s=5)
        return (await Runner(Support, model=model).run(Ticket(query="please"))).context.answer

    began = asyncio.get_running_loop().time()
    answers = await asyncio.gather(*(one(number) for number in range(1_000)))

    assert [f"Refunded I{number}." for number in range(1_000)] == answers
    assert asyncio.get_running_loop().time() - began < 11
