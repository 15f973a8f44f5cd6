"""A run has one writer, on its own event loop: what comes from another thread or loop is refused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from support.desk import Support, Ticket

from fsm_orch import Limits, Message, Reply, Runner, ScriptedModel, Visit
from fsm_orch.errors import VisitClosed, VisitError

HELLO = (Message(role="user", content="x"),)


class Elsewhere:
    """An agent that lets its model be asked in some other way, and then asks it itself."""

    spec = Support.triage.spec

    def __init__(self, way: Callable[[Visit[Ticket]], Coroutine[Any, Any, object]]) -> None:
        self._way = way
        self.raised: BaseException | None = None

    async def act(self, visit: Visit[Ticket]) -> Reply:
        try:
            await self._way(visit)
        except Exception as error:
            self.raised = error
        await visit.model.ask(HELLO)
        return Reply(handoff="resolved")


def on_a_loop_of_its_own(visit: Visit[Ticket]) -> object:
    return asyncio.run(visit.model.ask(HELLO))


def by_hand(visit: Visit[Ticket]) -> object:
    return visit.model.ask(HELLO).send(None)


async def in_a_thread(visit: Visit[Ticket]) -> None:
    await asyncio.to_thread(on_a_loop_of_its_own, visit)


async def by_hand_in_a_thread(visit: Visit[Ticket]) -> None:
    await asyncio.to_thread(by_hand, visit)


async def menu_in_a_thread(visit: Visit[Ticket]) -> None:
    await asyncio.to_thread(visit.legal)


WAYS = [in_a_thread, by_hand_in_a_thread, menu_in_a_thread]


@pytest.mark.parametrize("way", WAYS)
async def test_another_thread_is_refused(way: Callable[[Visit[Ticket]], Coroutine[Any, Any, object]]) -> None:
    """Nothing is counted, booked or sent for it, it is told what to do, and the agent's own call is as ever."""
    agent, model = Elsewhere(way), ScriptedModel(["x", "x"])

    result = await Runner(Support, model=model, agents={Support.triage: agent}).run(Ticket(query="x"))

    assert type(agent.raised) is VisitError
    assert "run_coroutine_threadsafe(visit.model.ask(...), loop)" in str(agent.raised)
    assert (Support.answered, 1) == (result.state, len(model.requests))
    assert [1] == [event.call for event in result.journal if event.kind == "call_reserved"]


async def test_what_a_refusal_says_to_do_works() -> None:
    """A thread that hands its call over to the run's loop gets the reply, and the call is booked like any other."""

    async def handed_over(visit: Visit[Ticket]) -> None:
        loop = asyncio.get_running_loop()
        answer = await asyncio.to_thread(
            lambda: asyncio.run_coroutine_threadsafe(visit.model.ask(HELLO), loop).result()
        )
        assert answer.text == "from a thread"

    agent, model = Elsewhere(handed_over), ScriptedModel(["from a thread", "x"])
    result = await Runner(Support, model=model, agents={Support.triage: agent}).run(Ticket(query="x"))

    assert agent.raised is None
    assert 2 == len([event for event in result.journal if event.kind == "call_settled"])


def test_eight_threads_send_nothing() -> None:
    """However many threads ask at once, none of their calls is taken, so the limit holds."""
    model = ScriptedModel(["x"] * 9)

    async def eight(visit: Visit[Ticket]) -> None:
        def ask() -> None:
            barrier.wait()
            with pytest.raises(VisitError):
                on_a_loop_of_its_own(visit)

        barrier, threads = threading.Barrier(8), [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        await asyncio.to_thread(lambda: [thread.join() for thread in threads])

    runner = Runner(
        Support, model=model, agents={Support.triage: Elsewhere(eight)}, limits=Limits(tokens=1_800, hops=6)
    )
    result = runner.run_sync(Ticket(query="x"))

    assert (Support.answered, 1) == (result.state, len(model.requests))


async def test_a_thread_may_ask_for_the_time_that_is_left() -> None:
    """Blocking work may look at its visit's time, which books nothing."""
    left: list[float] = []

    async def looks(visit: Visit[Ticket]) -> None:
        left.append(await asyncio.to_thread(visit.seconds_left))

    await Runner(Support, model=ScriptedModel(["x"]), agents={Support.triage: Elsewhere(looks)}).run(Ticket(query="x"))

    assert 9 < left[0] <= 10


def test_a_model_outlives_neither_its_loop_nor_its_visit() -> None:
    """A model that an agent gave away is refused on a later loop too."""
    kept: list[Visit[Ticket]] = []

    async def keeps(visit: Visit[Ticket]) -> None:
        kept.append(visit)

    model = ScriptedModel(["x", "x"])
    Runner(Support, model=model, agents={Support.triage: Elsewhere(keeps)}).run_sync(Ticket(query="x"))

    with pytest.raises(VisitError) as caught:
        on_a_loop_of_its_own(kept[0])

    assert not isinstance(caught.value, VisitClosed)
    assert 1 == len(model.requests)


@pytest.mark.looptime
async def test_a_visit_that_has_ended_has_no_seconds_left() -> None:
    """Work that was given up looks at the time of its own visit, and not at that of the visit that came after."""
    kept: list[Visit[Ticket]] = []

    class Keeps:
        def __init__(self, spec: Any, handoff: str, changes: dict[str, Any]) -> None:
            self.spec, self._handoff, self._changes = spec, handoff, changes

        async def act(self, visit: Visit[Ticket]) -> Reply:
            kept.append(visit)
            left.append([one.seconds_left() for one in kept])
            await asyncio.sleep(1)
            return Reply(handoff=self._handoff, changes=self._changes)

    left: list[list[float]] = []
    agents = {
        Support.triage: Keeps(Support.triage.spec, "to_billing", {}),
        Support.billing: Keeps(Support.billing.spec, "settled", {"invoice": None, "answer": "x"}),
    }
    await Runner(Support, model=ScriptedModel([]), agents=agents).run(Ticket(query="x"))

    assert [[10.0], [0.0, 10.0]] == left[:2]
    assert {0.0} == {visit.seconds_left() for visit in kept}
