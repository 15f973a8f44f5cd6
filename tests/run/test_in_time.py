"""The time of a visit: no attempt begins and no call is sent once it is over, however often either may be tried."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.desk import Ticket

from fsm_orch import CallFailed, Final, Limits, LLMAgent, Machine, Message, Reply, Response, Retry, Runner, State, Visit
from fsm_orch.agents import AgentSpec, PlainAgent
from fsm_orch.amounts import FREE
from fsm_orch.kernel import records
from fsm_orch.models import Request
from fsm_orch.testing import TheoremChecker

VISIT_S = 0.5
SPEC = AgentSpec(kind="llm", name="Own", calls=50, attempts=50, proposes=True, canonical={})


class Clock:
    """The clock of a run, moved by whatever works in it; notes how much time was left whenever something began."""

    def __init__(self, step: float) -> None:
        self.now = 0.0
        self.left: list[float] = []
        self._step = step

    def work(self, left: float) -> None:
        self.left.append(left)
        self.now += self._step


class Own:
    """An agent of the user's own that works, and then does as it is told."""

    spec = SPEC

    def __init__(self, clock: Clock, then: Callable[[], Any]) -> None:
        self._clock, self._then = clock, then

    async def act(self, visit: Visit[Any, Any]) -> Any:
        self._clock.work(visit.seconds_left())
        return self._then()


class OwnPlain(PlainAgent, Own):
    """The same, as one that acts at once."""

    def begin(self, visit: Visit[Any, Any]) -> Any:
        self._clock.work(visit.seconds_left())
        return self._then()


class Model:
    """A model that answers nothing that can be read, or fails for now."""

    name, price = "own:model", FREE

    def __init__(self, clock: Clock, then: Callable[[], Any]) -> None:
        self._clock, self._then, self._ends = clock, then, clock.now + VISIT_S

    async def count(self, request: Request) -> int:
        return 1

    async def complete(self, request: Request) -> Any:
        self._clock.work(self._ends - self._clock.now)
        return self._then()


def fails() -> None:
    raise ValueError("not now")


def lost() -> None:
    raise CallFailed("lost", transient=True)


def refused() -> Reply:
    return Reply(handoff="nowhere")


def prose() -> Response:
    return Response(text="What?", usage=None)


def stand_in(visit: Visit[Ticket]) -> None:
    """Do nothing."""


class Code(Machine[Ticket]):
    """A function that may be tried again."""

    work = State(stand_in, initial=True, attempts=50, timeout_s=VISIT_S)
    done, human = Final(), Final(fallback=True)
    ok, no = work.to(done), work.to(human)


class Desk(Machine[Ticket]):
    """A model that may be asked again."""

    work = State(LLMAgent("Choose.", calls=50, max_input_tokens=9, max_output_tokens=9), initial=True)
    done, human = Final(), Final(fallback=True)
    ok, no = work.to(done, "yes"), work.to(human, "no")
    limits = Limits(tokens=1_000_000, visit_s=VISIT_S)


class Proposing(Machine[Ticket]):
    """An agent of the user's own, that may be tried and asked again."""

    work = State(Own(Clock(0), fails), initial=True)
    done, human = Final(), Final(fallback=True)
    ok, no = work.to(done, "yes"), work.to(human, "no")
    limits = Desk.limits


def runner(clock: Clock, machine: type[Machine[Ticket, None]], agent: Any, **options: Any) -> Runner[Ticket, None]:
    """Make a runner on a clock, in which an agent stands in for the machine's."""
    agents = {} if agent is None else {machine.definition.states["work"]: agent}
    return Runner(machine, agents=agents, retry=Retry(initial_s=0, jitter_s=0), clock=lambda: clock.now, **options)


def function(clock: Clock) -> Runner[Ticket, None]:
    def act(visit: Visit[Ticket]) -> None:
        clock.work(visit.seconds_left())
        fails()

    return runner(clock, Code, act)


def coroutine(clock: Clock) -> Runner[Ticket, None]:
    async def act(visit: Visit[Ticket]) -> None:
        clock.work(visit.seconds_left())
        fails()

    return runner(clock, Code, act)


ENDLESS: dict[str, Callable[[Clock], Runner[Ticket, None]]] = {
    "function": function,
    "coroutine": coroutine,
    "own": lambda clock: runner(clock, Proposing, Own(clock, fails), model=Model(clock, prose)),
    "own plain": lambda clock: runner(clock, Proposing, OwnPlain(clock, fails), model=Model(clock, prose)),
    "refused": lambda clock: runner(clock, Proposing, Own(clock, refused), model=Model(clock, prose)),
    "refused plain": lambda clock: runner(clock, Proposing, OwnPlain(clock, refused), model=Model(clock, prose)),
    "repairs": lambda clock: runner(clock, Desk, None, model=Model(clock, prose)),
    "retries": lambda clock: runner(clock, Desk, None, model=Model(clock, lost)),
}
"""By what is tried again and again, a runner that does so."""


@pytest.mark.parametrize("kind", ENDLESS)
@given(step=st.sampled_from([0.05, 0.1, 0.125, 0.25, 0.3, 0.5, 0.7]))
def test_nothing_begins_once_a_visit_is_over(kind: str, step: float) -> None:
    """Whatever is tried again, and however long each try takes: all begin in time, and the visit ends with the last."""
    clock = Clock(step)
    made = ENDLESS[kind](clock)

    result = made.run_sync(Ticket(query="x"))

    assert result.landing is not None
    assert min(clock.left) > 0
    assert clock.now < VISIT_S + step + 1e-9
    assert len(clock.left) >= VISIT_S / step - 1e-9  # and it was tried for as long as there was time
    TheoremChecker(made.compiled).follow_all(result.journal)


def test_an_agent_is_not_begun_late() -> None:
    """If the time of a visit is over before its agent could begin, it is not begun, and the visit has timed out."""
    clock, acted = Clock(0.0), list[str]()

    def act(visit: Visit[Ticket]) -> None:
        acted.append(visit.key)

    def observe(record: records.Record) -> None:
        if isinstance(record, records.VisitStarted):
            clock.now += VISIT_S

    result = runner(clock, Code, act, observers=[observe]).run_sync(Ticket(query="x"))

    assert [] == acted
    assert result.landing is not None
    assert ("timeout", "the visit's time was over before its agent could begin") == tuple(result.landing)


def test_an_agent_that_took_too_long_has_no_seconds_left() -> None:
    """An agent that works on after its time sees 0, not less: what it hands on as a timeout is none below that."""
    clock, left = Clock(VISIT_S + 1), list[float]()

    def act(visit: Visit[Ticket]) -> None:
        clock.work(visit.seconds_left())
        left.append(visit.seconds_left())

    runner(clock, Code, act).run_sync(Ticket(query="x"))

    assert ([VISIT_S], [0.0]) == (clock.left, left)


async def test_a_call_is_denied_once_its_visit_is_over() -> None:
    """An agent that asks its model after the time of its visit is denied, though nobody could interrupt it."""
    clock, sent = Clock(0.7), list[Request]()

    class Late(Model):
        async def complete(self, request: Request) -> Any:
            sent.append(request)

    class Asks(Own):
        async def act(self, visit: Visit[Any, Any]) -> Any:
            self._clock.work(visit.seconds_left())
            await visit.model.ask((Message(role="user", content="x"),))

    made = runner(clock, Desk, Asks(clock, fails), model=Late(clock, prose))
    result = await made.run(Ticket(query="x"))

    assert ([], ["deadline"]) == (sent, [r.reason for r in result.records if isinstance(r, records.CallDenied)])
