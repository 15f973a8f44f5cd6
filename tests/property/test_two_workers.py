"""Two workers on one store, paused, taken over, told things and drained, in any order: a run has one driver."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.paused import Paused

from fsm_orch import (
    Context,
    Final,
    HumanAgent,
    Limits,
    LLMAgent,
    Machine,
    Nested,
    Parallel,
    Runner,
    RunResult,
    ScriptedModel,
    State,
    Usage,
)
from fsm_orch.errors import AnswerError, Drained, LeaseHeld, LeaseLost, StartError
from fsm_orch.kernel.inputs import Answered, CallReserved
from fsm_orch.models.base import Request, Response
from fsm_orch.testing import TheoremChecker, virtual_time

LEASE_S = 6.0
KEY = "r:1.1:0:1"


class Ticket(Context):
    """What is asked."""

    query: str
    answer: str | None = None
    said: str | None = None


class Asks(Machine[Ticket]):
    """A human is asked."""

    ask = State(HumanAgent("And you?", reads=Ticket.query, writes=Ticket.said), initial=True)
    done, human = Final(), Final(fallback=True)
    on = ask.to(done)


class Desk(Machine[Ticket]):
    """A model is asked; then another, and a human beside it."""

    first = State(LLMAgent("Route.", reads=Ticket.query, calls=9), initial=True, timeout_s=500)
    both = State(
        Parallel(
            Nested(Asks, writes=Ticket.said),
            State(LLMAgent("Answer.", reads=Ticket.query, writes=Ticket.answer, calls=9), timeout_s=500),
        ),
        timeout_s=500,
    )
    done, human = Final(), Final(fallback=True)
    on, off = first.to(both, "yes"), first.to(human, "no")
    end = both.to(done)
    limits = Limits(tokens=200_000, deadline_s=1_000)


class World:
    """Two workers, and what they have sent."""

    def __init__(self) -> None:
        self.store = Paused(wall_clock=lambda: asyncio.get_running_loop().time())
        self.stores: list[Paused] = []
        self.sent: list[tuple[int, int]] = []
        """Who sent each request, and the epoch of the run then."""
        self.results: list[RunResult[Ticket]] = []
        self.going: list[asyncio.Task[None]] = []
        self.counted: list[str] = []
        """Ids of answers of which it was said that they are first."""
        self.workers = [self.worker(number) for number in range(2)]

    def worker(self, number: int) -> tuple[Runner[Ticket, None], Paused]:
        world, own = self, self.store.beside(lease_s=LEASE_S)
        self.stores.append(own)

        class Model(ScriptedModel):
            async def complete(self, request: Request) -> Response:
                kept = own._kept["r"]
                assert kept.owner == own._owner, "a request was sent by a worker that does not own its run"
                assert own.awake.is_set()
                world.sent.append((number, kept.epoch))
                await asyncio.sleep(3)
                text = '{"handoff": "on"}' if "'on'" in str(request.schema) else '{"answer": "well"}'
                return Response(text=text, usage=Usage(requests=1, input_tokens=5, output_tokens=5))

        return Runner(Desk, model=Model([]), store=own), own

    def go(self, doing: Any, id: str | None = None) -> None:
        async def done() -> None:
            try:
                result = await doing
                if result is not None:
                    self.results.append(result)
                if id is not None:
                    self.counted.append(id)
            except LeaseHeld as error:
                if id is not None and "in its inbox" in str(error):
                    self.counted.append(id)
            except (Drained, LeaseLost, AnswerError):
                pass
            except StartError as error:
                if "under way" not in str(error) and "drained" not in str(error):
                    raise

        self.going.append(asyncio.ensure_future(done()))


MOVES = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 9)),
    st.tuples(
        st.sampled_from(["pause", "wake", "resume", "drain", "answer", "post bad", "ask cancel"]), st.integers(0, 1)
    ),
)


async def played(moves: Sequence[tuple[str, int]]) -> World:
    """Play moves, and let everything end."""
    world = World()
    runner, _ = world.workers[0]
    world.go(runner.run(Ticket(query="x"), run_id="r"))
    await asyncio.sleep(0.1)
    for count, (move, number) in enumerate(moves):
        runner, store = world.workers[number % 2]
        if move == "wait":
            await asyncio.sleep(number)
        elif move == "pause":
            store.awake.clear()
        elif move == "wake":
            store.awake.set()
        elif move == "resume":
            world.go(runner.resume("r"))
        elif move == "drain":
            world.go(runner.drain(grace_s=2))
            world.workers[number] = world.worker(number)  # a new process in its place
        elif move == "answer":
            world.go(runner.resume("r", {"said": str(count)}, id=str(count)), str(count))
        elif "r" in world.store._kept and world.store._kept["r"].head.status != "finished":
            if move == "post bad":
                await world.store.post("r", KEY, f"bad {count}", {"said": ["none of its form"]})
            else:
                await world.store.ask_cancel("r")
        await asyncio.sleep(0)
    for store in world.stores:
        store.awake.set()
    await asyncio.sleep(3 * LEASE_S)
    for ids in ("last", "later"):
        last, _ = world.workers[1]
        world.go(last.resume("r"))
        await asyncio.sleep(5 * LEASE_S)
        world.go(last.resume("r", {"said": "last"}, id=ids), ids)
        await asyncio.sleep(5 * LEASE_S)
    return world


@settings(max_examples=60)
@given(st.lists(MOVES, max_size=14))
def test_a_run_has_one_driver_whatever_happens(moves: list[tuple[str, int]]) -> None:
    """Nothing is sent but by its owner, it ends, all results of it are one, and one answer of those told so counts."""

    async def story() -> World:
        world = await played(moves)
        for task in world.going:
            if not task.done():
                task.cancel()
        await asyncio.gather(*world.going, return_exceptions=True)
        for task in world.going:
            assert task.cancelled() or task.exception() is None, task
        return world

    with virtual_time() as loop:
        world = loop.run(story())
    kept = world.store._kept["r"]
    journal = tuple(kept.journal)
    ended = [result for result in world.results if result.status == "finished"]
    answers = [event.id for event in journal if isinstance(event, Answered)]
    assert "finished" == kept.head.status
    assert all(result.journal == journal for result in ended)
    assert "finished" == TheoremChecker(world.workers[0][0].compiled).follow_all(journal).status
    assert len(world.sent) <= sum(isinstance(event, CallReserved) for event in journal)
    assert len(answers) <= 1
    assert len(set(world.counted)) <= 1
    assert not answers or answers[0] in world.counted
