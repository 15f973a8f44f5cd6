"""Runs of one thread on several workers that crash, are drained and forget: no money is lost, made, or spent unseen."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from typing import Any

from hypothesis import example, given, settings
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
    Tool,
    Usage,
    Visit,
)
from fsm_orch.amounts import NOTHING, Amount
from fsm_orch.errors import AnswerError, Drained, LeaseHeld, LeaseLost, StartError, StoreError
from fsm_orch.kernel.inputs import Input
from fsm_orch.models.base import Request, Response
from fsm_orch.run.going_on import looked_at
from fsm_orch.run.waiting import open_questions
from fsm_orch.store import Head
from fsm_orch.testing import TheoremChecker, virtual_time

LEASE_S = 6.0
ACCOUNT = "thread:t"
DONE = Counter[str]()
"""How often each effect was made, by its key."""


class Ticket(Context):
    """What is asked."""

    query: str
    answer: str | None = None
    said: str | None = None
    paid: str | None = None
    looked: str | None = None


async def pay(visit: Visit[Ticket, str]) -> Any:
    """Pay, which must not be done twice."""
    await asyncio.sleep(1)
    DONE[f"once {visit.key}"] += 1
    await asyncio.sleep(2)
    return {Ticket.paid: visit.key}


async def look(visit: Visit[Ticket, str]) -> Any:
    """Look, as often as wanted."""
    await asyncio.sleep(2)
    return {Ticket.looked: visit.key}


async def refund(cents: int, *, key: str) -> str:
    """Pay back."""
    await asyncio.sleep(1)
    DONE[f"once {key}"] += 1
    return "paid"


async def big(cents: int, *, key: str) -> str:
    """Pay much back."""
    return await refund(cents, key=key)


class Asks(Machine[Ticket]):
    """A human is asked."""

    ask = State(HumanAgent("And you?", reads=Ticket.query, writes=Ticket.said), initial=True, expires_s=60)
    done, human = Final(), Final(fallback=True)
    on, over = ask.to(done), ask.on_timeout(human)


class Desk(Machine[Ticket, str]):
    """A model with a tool that a human approves; then a model, a payment, a look and a human at once."""

    first = State(
        LLMAgent("Route.", reads=Ticket.query, calls=9, tools=(refund, Tool(big, approval=True))),
        initial=True,
        timeout_s=500,
        expires_s=90,
    )
    both = State(
        Parallel(
            Nested(Asks, writes=Ticket.said),
            State(LLMAgent("Answer.", reads=Ticket.query, writes=Ticket.answer, calls=9), timeout_s=500),
            State(pay, writes=Ticket.paid, timeout_s=500),
            State(look, writes=Ticket.looked, timeout_s=500, repeatable=True),
        ),
        timeout_s=500,
    )
    done, human = Final(), Final(fallback=True)
    on, off = first.to(both, "yes"), first.to(human, "no")
    end, failed = both.to(done), both.on_failure(human)
    limits = Limits(tokens=200_000, deadline_s=1_000, thread_tokens=500_000)


class Counted(Paused):
    """What a worker keeps runs by, which notes what they were charged."""

    ended: dict[str, int]
    """What each run that has ended was charged."""
    late: list[Amount]
    """What was charged after the ends of runs."""

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], head: Head, **options: Any) -> None:
        await super().append(run_id, start, inputs, head, **options)
        if head.status == "finished":
            self.ended[run_id] = head.tokens

    async def charge(self, account: str, amount: Amount) -> None:
        await super().charge(account, amount)
        self.late.append(amount)


class World:
    """Three workers on one store, and what they have sent.

    Args:
        usage: what calls use, in turn.
        replies: what the first model says, in turn.
    """

    def __init__(self, usage: Sequence[int], replies: Sequence[str]) -> None:
        DONE.clear()
        self.usage, self.replies = usage, replies
        self.store = Counted(wall_clock=lambda: asyncio.get_running_loop().time())
        self.store.ended, self.store.late = {}, []
        self.stores = list[Counted]()
        self.sent = Counter[str]()
        """What was used, by run."""
        self.calls = 0
        self.last: RunResult[Ticket] | None = None
        self.going = list[asyncio.Task[None]]()
        self.unknown = list[BaseException]()
        self.runs = list[str]()
        self.workers = [self.worker() for _ in range(3)]

    def worker(self) -> tuple[Runner[Ticket, str], Counted]:
        world, own = self, self.store.beside(lease_s=LEASE_S)
        self.stores.append(own)

        class Model(ScriptedModel):
            async def complete(self, request: Request) -> Response:
                run_id = next(run for run in world.runs if f"<{run}>" in str(request.messages))
                assert own._kept[run_id].owner == own._owner, "it was sent by a worker that does not own its run"
                world.calls += 1
                used = world.usage[world.calls % len(world.usage)]
                text = world.replies[world.calls % len(world.replies)]
                if "Route." not in str(request.messages):
                    text = '{"answer": "well"}'
                world.sent[run_id] += used
                try:
                    await asyncio.sleep(3)
                except asyncio.CancelledError:
                    await asyncio.sleep(0.5)  # and says what it used
                return Response(text=text, usage=Usage(requests=1, input_tokens=used))

        clock = asyncio.get_running_loop().time
        return Runner(Desk, model=Model([]), store=own, wall_clock=clock), own

    def go(self, doing: Coroutine[Any, Any, Any]) -> None:
        async def done() -> None:
            try:
                result = await doing
                if isinstance(result, RunResult) and result.status == "finished":
                    self.last = result
            except (Drained, LeaseLost, AnswerError, LeaseHeld, StartError, asyncio.CancelledError):
                pass
            except StoreError as error:
                if "names one run" not in str(error) and "takes no answer" not in str(error):
                    self.unknown.append(error)
            except BaseException as error:
                self.unknown.append(error)

        self.going.append(asyncio.ensure_future(done()))

    async def answer(self, runner: Runner[Ticket, str], run_id: str, number: int) -> None:
        """Answer what a run asks first; now and then what fits nothing, and under a name that is none."""
        if not await self.store.load(run_id):
            return
        for question in open_questions(await looked_at(runner._driver, run_id))[:1]:
            if number % 5 == 0:
                await self.store.post(run_id, question.key, str(number) * (number % 2), {"said": [number]})
                return
            value = number % 2 == 0 if question.tool is not None else {"said": str(number)}
            await runner.resume(run_id, value, question=question.key, id=f"a{number}", deps="d")


OFTEN = ("run", "enqueue", "wait", "resume", "answer", "pause", "wake", "work")
SELDOM = ("drain", "cancel", "prune", "kill", "stop")
MOVES = st.lists(st.tuples(st.sampled_from([*OFTEN, *OFTEN, *SELDOM]), st.integers(0, 8)), max_size=30)
USE = '{"reply": {"use": {"tool": "refund", "arguments": {"cents": 5}}}}'
BIG = '{"reply": {"use": {"tool": "big", "arguments": {"cents": 5}}}}'
ON = '{"reply": {"handoff": "on"}}'
USAGE = st.lists(st.sampled_from([5, 5, 50, 900, 90_000]), min_size=1)
REPLIES = st.lists(st.sampled_from([ON, ON, USE, BIG, "{}"]), min_size=1, max_size=5)


async def played(world: World, moves: Sequence[tuple[str, int]]) -> None:
    """Play moves, and let everything end."""
    for count, (move, number) in enumerate(moves):
        runner, store = world.workers[number % 3]
        run_id = world.runs[number % len(world.runs)] if world.runs else "r"
        if move == "wait":
            await asyncio.sleep(number)
        elif move in ("run", "enqueue"):
            name = f"r{count}" if number % 4 or not world.runs else run_id
            world.runs.append(name)
            options: Any = {"run_id": name, "thread_id": "t"}
            if number % 3 == 0 and world.last is not None:
                options["after"] = world.last
            ticket = Ticket(query=f"<{name}>")
            world.go(runner.run(ticket, deps="d", **options) if move == "run" else runner.enqueue(ticket, **options))
        elif move == "resume":
            world.go(runner.resume(run_id, deps="d"))
        elif move == "answer":
            world.go(world.answer(runner, run_id, count))
        elif move == "cancel":
            world.go(runner.cancel(run_id))
        elif move == "work":
            world.go(runner.work(deps=lambda run: "d", concurrency=2))
        elif move == "pause":
            store.awake.clear()
        elif move == "wake":
            store.awake.set()
        elif move == "kill":
            store.awake.clear()
            world.workers[number % 3] = world.worker()
        elif move == "drain":
            world.go(runner.drain(grace_s=number))
            world.workers[number % 3] = world.worker()
        elif move == "stop" and world.going:
            world.going[number % len(world.going)].cancel()
        elif move == "prune":
            await world.store.prune(ended_before=float("inf"))
        await asyncio.sleep(0)
    await ended(world)


async def ended(world: World) -> None:
    """Let every run end, and every process that stood still find out."""
    await asyncio.sleep(20)
    runner, _ = world.worker()
    world.go(runner.work(deps=lambda run: "d", concurrency=9))
    await asyncio.sleep(100)
    for store in world.stores:
        store.awake.set()
    for _ in range(4):
        for row in await world.store.list(limit=99):
            if row.head.status != "finished":
                world.go(world.answer(runner, row.run_id, 1_000 + len(world.going)))
        await asyncio.sleep(60)
    for row in await world.store.list(limit=99):
        world.go(runner.cancel(row.run_id))
    await asyncio.sleep(50)
    for task in world.going:
        task.cancel()
    await asyncio.wait(world.going)


@settings(max_examples=60)
@given(MOVES, USAGE, REPLIES)
@example([("run", 1), ("wait", 4), ("kill", 1)], [5], [ON])  # while it pays
def test_the_money_of_a_thread_is_what_its_runs_were_charged(
    moves: list[tuple[str, int]], usage: list[int], replies: list[str]
) -> None:
    """Whatever happens, all runs end, a thread has what they were charged, and what is done once is not done twice."""

    async def story() -> tuple[World, Amount, dict[str, tuple[Input, ...]]]:
        world = World(usage, replies)
        await played(world, moves)
        rows = await world.store.list(limit=99)
        assert {"finished"} >= {row.head.status for row in rows}, rows
        journals = {row.run_id: await world.store.load(row.run_id) for row in rows}
        return world, await world.store.taken(ACCOUNT), journals

    with virtual_time() as loop:
        world, taken, journals = loop.run(story())
    assert [] == world.unknown
    late = NOTHING
    for amount in world.store.late:
        late += amount
    assert Amount(sum(world.store.ended.values())) + late == taken
    assert all(count == 1 for count in DONE.values()), DONE
    if max(usage) < 100:
        for run_id, used in world.sent.items():
            assert world.store.ended[run_id] >= used
    for journal in journals.values():
        assert "finished" == TheoremChecker(world.workers[0][0].compiled).follow_all(journal).status
