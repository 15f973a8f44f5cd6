"""One attempt: the desk it books at, its menu, and how it is given up."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from itertools import pairwise
from typing import Any

import pytest
from support.desk import Support, Ticket

from fsm_orch import Final, Limits, Machine, Message, Reply, Response, Runner, ScriptedModel, State, Usage, Visit
from fsm_orch.agents import VisitClosed
from fsm_orch.define.agent_spec import AgentSpec
from fsm_orch.kernel import VERSION, inputs
from fsm_orch.kernel.due import due
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.limits import CallLimits
from fsm_orch.observe import Record
from fsm_orch.run.desk import AttemptDesk
from fsm_orch.run.writer import Run


def run_of(machine: type[Machine[Any, Any]], limits: Limits | None = None) -> Run:
    compiled = CompiledMachine(machine.definition, limits=limits)
    started = inputs.Started(
        run_id="r",
        context={"query": "x"},
        digest=machine.definition.digest,
        kernel=VERSION,
        limits=compiled.limits,
    )
    return Run(compiled, [started], clock=lambda: 0.0)


def desk_of(run: Run) -> AttemptDesk:
    """Return the desk of what is due in a run."""
    (effect,) = due(run.now)
    return AttemptDesk(run, effect)


USES: tuple[Callable[[AttemptDesk], object], ...] = (
    lambda desk: desk.check(),
    lambda desk: desk.reserve(1, 1),
    lambda desk: desk.legal(),
    lambda desk: desk.most_offered(),
)


@pytest.mark.parametrize("use", USES, ids=["check", "reserve", "legal", "most_offered"])
@pytest.mark.parametrize(
    "end", [lambda run, desk: desk.close(), lambda run, desk: run.cancel("x")], ids=["closed", "landed"]
)
def test_nothing_is_booked_once_an_attempt_has_ended(
    use: Callable[[AttemptDesk], object], end: Callable[[Run, AttemptDesk], object]
) -> None:
    """A closed desk, or that of a run that landed, takes nothing: another visit's call may bear the same number."""
    run = run_of(Support)
    desk = desk_of(run)
    desk.reserve(5, 5)
    end(run, desk)
    before = list(run.journal)

    with suppress(VisitClosed):
        use(desk)

    assert before == run.journal


@pytest.mark.parametrize("use", [USES[0], USES[3], AttemptDesk.check], ids=["reserve", "legal", "check"])
def test_an_attempt_that_has_ended_is_told_so(use: Callable[[AttemptDesk], object]) -> None:
    """Who wants to go on at a closed desk gets an exception; who settles a call there has nothing to be told."""
    desk = desk_of(run_of(Support))
    desk.close()

    with pytest.raises(VisitClosed, match="Return from the agent"):
        use(desk)


@pytest.mark.parametrize(("limit", "expected"), [(1_700, ("to_billing", "resolved")), (1_699, ("resolved",))])
def test_the_first_menu_counts_the_first_call_once(limit: int, expected: tuple[str, ...]) -> None:
    """Before the first call its grant of 700 is held already, and billing's 1,000 must fit beside it."""
    desk = desk_of(run_of(Support, Limits(hops=6, tokens=limit, deadline_s=60)))

    assert expected == tuple(handoff.name for handoff in desk.legal())


@pytest.mark.parametrize(("limit", "expected"), [(1_710, ("to_billing", "resolved")), (1_709, ("resolved",))])
def test_a_further_menu_counts_the_call_it_is_drawn_for(limit: int, expected: tuple[str, ...]) -> None:
    """After a call of 10 tokens, the next may take 700, and billing's 1,000 must fit beside both."""
    desk = desk_of(run_of(Support, Limits(hops=6, tokens=limit, deadline_s=60)))
    desk.settle(desk.reserve(50, 100), Usage(requests=1, input_tokens=10))

    assert expected == tuple(handoff.name for handoff in desk.legal())


class Greedy:
    """An agent that makes one call more than it may."""

    spec = AgentSpec(
        canonical={},
        kind="llm",
        name="Greedy",
        calls=2,
        call_limits=CallLimits(max_input_tokens=9, max_output_tokens=9),
    )

    async def act(self, visit: Visit[Ticket]) -> Reply:
        for _ in range(3):
            await visit.model.ask(())
        return Reply()


class Feast(Machine[Ticket]):
    """One greedy agent."""

    eat = State(Greedy(), initial=True)
    done = Final()
    human = Final(fallback=True)
    finish = eat.to(done)


async def test_a_call_beyond_the_declared_number_is_not_sent() -> None:
    """The third call of an agent that declares two never reaches the model, and the run lands as denied."""
    model = ScriptedModel(["a", "b", "c"])

    result = await Runner(Feast, model=model).run(Ticket(query="x"))

    assert len(model.requests) == 2
    assert result.landing is not None
    assert result.landing.reason == "denied"


done_late: list[str] = []


async def acts_late(visit: Visit[Ticket]) -> None:
    await asyncio.sleep(5)
    done_late.append(visit.key)


class Tardy(Machine[Ticket]):
    """Code that does something to the world, later."""

    work = State(acts_late, initial=True)
    done = Final()
    human = Final(fallback=True)
    finish = work.to(done)


@pytest.mark.looptime
async def test_a_cancelled_run_leaves_no_agent_at_work() -> None:
    """When the caller cancels, the attempt under way is cancelled too: nothing is done after the landing."""
    done_late.clear()
    task = asyncio.create_task(Runner(Tardy).run(Ticket(query="x")))
    await asyncio.sleep(1)

    task.cancel()
    await asyncio.wait({task})
    await asyncio.sleep(100)

    assert [] == done_late


class Clinging:
    """An agent that will not be cancelled, and asks its model long after its visit."""

    spec = AgentSpec(
        canonical={},
        kind="llm",
        name="Clinging",
        calls=1,
        call_limits=CallLimits(max_input_tokens=9, max_output_tokens=9),
    )

    async def act(self, visit: Visit[Ticket]) -> Reply:
        for _ in range(2):
            try:
                await asyncio.sleep(12)
            except asyncio.CancelledError:
                continue
        await visit.model.ask(())
        return Reply()


class Idle:
    """An agent that may make a call, and makes none."""

    spec = AgentSpec(
        canonical={},
        kind="llm",
        name="Idle",
        calls=1,
        call_limits=CallLimits(max_input_tokens=9, max_output_tokens=9),
    )

    async def act(self, visit: Visit[Ticket]) -> Reply:
        await asyncio.sleep(50)
        return Reply()


class Succession(Machine[Ticket]):
    """The run goes on while its first agent clings to life."""

    first = State(Clinging(), initial=True)
    second = State(Idle(), timeout_s=100)
    done = Final()
    human = Final(fallback=True)
    finish = first.to(done)
    over = second.to(done)
    late = first.on_timeout(second)
    limits = Limits(deadline_s=200)


@pytest.mark.looptime
async def test_an_abandoned_agent_cannot_spend_in_the_next_visit() -> None:
    """While the next agent works, the model of the one that was given up is dead, and its end troubles nobody."""
    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, about: reported.append(about))
    model = ScriptedModel(["late"])

    result = await Runner(Succession, model=model).run(Ticket(query="x"))
    await asyncio.sleep(100)
    gc.collect()

    assert result.state is Succession.done
    assert (model.requests, result.charged_tokens, reported) == ([], 0, [])


seen: ContextVar[str] = ContextVar("seen", default="nothing")


def note(visit: Visit[Ticket]) -> dict[Any, Any]:
    seen.set(visit.state.name)
    return {Ticket.answer: seen.get()}


def gives_up(visit: Visit[Ticket]) -> None:
    raise asyncio.CancelledError


class Plain(Machine[Ticket]):
    """Two plain functions, the second of which raises what a cancelled task would."""

    first = State(note, initial=True, writes=(Ticket.answer,))
    second = State(gives_up)
    done = Final()
    human = Final(fallback=True)
    on = first.to(second)
    end = second.to(done)


async def test_what_a_plain_agent_sets_stays_with_it() -> None:
    """A plain agent acts in a context of its own, although it has no task: no other visit sees what it sets."""
    result = await Runner(Plain).run(Ticket(query="x"))

    assert "first" == result.context.answer
    assert "nothing" == seen.get()


async def test_a_plain_agent_cannot_cancel_its_run() -> None:
    """A plain agent that raises a cancellation has failed; nobody cancelled the run."""
    result = await Runner(Plain).run(Ticket(query="x"))

    assert result.landing is not None
    assert "failure" == result.landing.reason
    assert result.landing.detail.endswith("the agent cancelled itself")


def step_on(visit: Visit[Ticket]) -> None:
    """Do nothing, at once."""


class Chain(Machine[Ticket]):
    """A long chain of plain agents that await nothing."""

    left = State(step_on, initial=True, max_visits=30)
    right = State(step_on, max_visits=30)
    done = Final()
    human = Final(fallback=True)
    over = left.to(right)
    back = right.to(left)
    end = right.to(done)
    limits = Limits(hops=50)


async def test_a_chain_of_plain_agents_shares_the_loop() -> None:
    """However long a chain of plain agents is, and though no time passes, other tasks get a turn every 16 hops."""
    turns: list[str] = []

    async def neighbour() -> None:
        while True:
            turns.append("neighbour")
            await asyncio.sleep(0)

    runner = Runner(Chain, observers=[lambda record: turns.append(record.kind)], clock=lambda: 0.0)
    task = asyncio.create_task(neighbour())
    await runner.run(Ticket(query="x"))
    task.cancel()

    stretches = "".join("n" if turn == "neighbour" else "v" for turn in turns if turn in ("neighbour", "visit_started"))
    assert turns.count("visit_started") == 50
    assert max(map(len, stretches.split("n"))) <= 17  # the first visit is entered as the run begins


async def test_a_run_that_takes_its_time_shares_the_loop() -> None:
    """Where each hop takes a millisecond, other tasks get a turn at every hop."""
    turns: list[str] = []
    seconds = [0.0]

    def observe(record: Record) -> None:
        if record.kind == "visit_started":
            turns.append("visit")
            seconds[0] += 0.001

    async def neighbour() -> None:
        while True:
            turns.append("neighbour")
            await asyncio.sleep(0)

    task = asyncio.create_task(neighbour())
    await Runner(Chain, observers=[observe], clock=lambda: seconds[0]).run(Ticket(query="x"))
    task.cancel()

    assert 50 == turns.count("visit")
    assert ("visit", "visit") not in set(pairwise(turns))


async def test_a_reader_leaves_before_the_next_agent_acts() -> None:
    """A reader that leaves at a hop ends the run there, though plain agents await nothing."""
    acted: list[str] = []
    counting = lambda visit: acted.append(visit.state.name)  # noqa: E731
    runner = Runner(Chain, agents={Chain.left: counting, Chain.right: counting})

    async with runner.stream(Ticket(query="x")) as stream:
        async for record in stream:
            if record.kind == "handed_off":
                break

    assert ["left"] == acted


def traced(visit: Visit[Ticket]) -> Any:
    """Set a variable at once and reset it when the work is done, as a decorator that traces does."""
    token = seen.set("begun")

    async def work() -> dict[Any, Any]:
        await asyncio.sleep(0)
        found = seen.get()
        seen.reset(token)
        return {Ticket.answer: found}

    return work()


class Traced(Machine[Ticket]):
    """A plain function that returns a coroutine."""

    first = State(traced, initial=True, writes=(Ticket.answer,))
    done = Final()
    human = Final(fallback=True)
    end = first.to(done)


async def test_what_a_function_begins_its_coroutine_ends() -> None:
    """A function that returns a coroutine shares one context with it."""
    result = await Runner(Traced).run(Ticket(query="x"))

    assert (None, "begun") == (result.landing, result.context.answer)


async def test_an_agent_without_a_call_left_sees_its_whole_menu() -> None:
    """After its last call an agent is told what is legal, and nothing is held for a call that cannot come."""
    menus: list[tuple[str, ...]] = []

    class Asks:
        spec = AgentSpec(
            kind="llm",
            name="Asks",
            calls=1,
            call_limits=CallLimits(max_input_tokens=900, max_output_tokens=100),
            canonical={},
        )

        async def act(self, visit: Visit[Any, Any]) -> Reply:
            await visit.model.ask((Message(role="user", content="x" * 900),))
            menus.append(tuple(handoff.name for handoff in visit.legal()))
            return Reply()

    class Pair(Machine[Ticket]):
        """Two states of one call each, and a limit of just two calls."""

        first = State(Asks(), initial=True)
        second = State(Asks())
        done = Final()
        human = Final(fallback=True)
        on = first.to(second)
        end = second.to(done)
        limits = Limits(hops=2, tokens=2_000)

    dear = [Response(text="", usage=Usage(requests=1, input_tokens=900, output_tokens=100))] * 2
    result = await Runner(Pair, model=ScriptedModel(dear)).run(Ticket(query="x"))

    assert (None, [("on",), ("end",)]) == (result.landing, menus)
