"""Runs whose inputs are fed to the kernel by hand, in tables of what is seen after them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from fsm_orch import Final, Limits, LLMAgent, Machine, Reply, State, Usage, Visit
from fsm_orch.define.agent_spec import AgentSpec
from fsm_orch.define.parts import Part, ToolSpec
from fsm_orch.errors import StepError
from fsm_orch.kernel import booking, inputs
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.configuration import Configuration
from fsm_orch.kernel.course import Step
from fsm_orch.kernel.due import due
from fsm_orch.kernel.effects import Path
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.reasons import FailureReason
from fsm_orch.kernel.records import AttemptFailed, CallDenied, CallSettled, HandedOff, Refused
from fsm_orch.kernel.requests import AskHuman, Request, RunPart, UseTool
from fsm_orch.kernel.step import step
from fsm_orch.limits import CallLimits

from .desk import Support, Ticket
from .random_machines import Facts, Twins, is_a, is_b

# --- machines ---------------------------------------------------------------------------------------------------


def work(visit: Visit[Facts]) -> None:
    """Stand for any code; the tests feed its replies by hand."""


class Forks(Machine[Facts]):
    """Code with guarded exits, failure edges and retries."""

    fork = State(work, initial=True, writes=(Facts.a, Facts.b), max_visits=2, attempts=2)
    left = State(work, max_visits=1)
    right = State(work)
    done = Final(sets={Facts.note: "done"})
    human = Final(fallback=True, sets={Facts.answer: "default"})

    to_left = fork.to(left, guard=is_a)
    to_right = fork.to(right, guard=is_b)
    again = left.to(fork)
    finish = right.to(done)
    lost = fork.on_failure(right)
    late = fork.on_timeout(done)

    limits = Limits(hops=6, deadline_s=100)


class Narrow(Machine[Facts]):
    """One step from its end."""

    look = State(work, initial=True)
    other = State(work)
    done = Final()
    human = Final(fallback=True)
    finish = (look | other).to(done)
    lost = look.on_failure(other)


class Closed(Machine[Facts]):
    """A model behind a door that is shut."""

    look = State(LLMAgent("Look.", max_input_tokens=10, max_output_tokens=10), initial=True)
    done = Final()
    human = Final(fallback=True)
    go = look.to(done, "when a", guard=is_a)
    stay = look.to(human, "when b", guard=is_b)


class Forgiving(Machine[Facts]):
    """A model that may try three times."""

    look = State(LLMAgent("Look.", calls=3), initial=True)
    done = Final()
    human = Final(fallback=True)
    go = look.to(done, "when a")
    stay = look.to(human, "when b")


class Thirsty(Machine[Facts]):
    """Calls that use up what the next state needs."""

    ask = State(LLMAgent("Ask.", calls=3, max_input_tokens=10, max_output_tokens=10), initial=True)
    twice = State(Twins(calls=3, writes=(), limits=CallLimits(max_input_tokens=10, max_output_tokens=10)))
    check = State(LLMAgent("Check.", max_input_tokens=10, max_output_tokens=10))
    done = Final()
    human = Final(fallback=True)
    to_twice = ask.to(twice, "when in doubt")
    to_check = (ask | twice).to(check, "else")
    finish = check.to(done, "always")
    limits = Limits(tokens=50)


class Asks:
    """An agent that may ask for whatever it is given; the tests say what it does."""

    def __init__(self, **options: Any) -> None:
        given: dict[str, Any] = {"kind": "code", "name": "Asks", "asks": 9, "canonical": {}} | options
        self.spec = AgentSpec(**given)

    async def act(self, visit: Visit[Facts]) -> Reply:
        """Return nothing; the tests say what it does."""
        return Reply()


def part(machine: type[Machine[Any]], most: int = 3, *, name: str = "") -> Part:
    """Return a machine as a part, by default under its own name in small letters."""
    return Part(name=name or machine.__name__.lower(), definition=machine.definition, most=most)


TOOLS = (ToolSpec(name="look_up"), ToolSpec(name="pay", approval=True))


class Asking(Machine[Facts]):
    """Asks a human, twice at most."""

    ask = State(Asks(asks_human=True, asks=2), initial=True, timeout_s=5)
    plain = State(work)
    done = Final()
    human = Final(fallback=True)
    onward = ask.to(plain)
    finish = plain.to(done)


class Errand(Machine[Facts]):
    """A part that makes one call of 100 tokens at most."""

    look = State(
        Twins(calls=1, writes=(Facts.note,), limits=CallLimits(max_input_tokens=50, max_output_tokens=50)), initial=True
    )
    done = Final()
    human = Final(fallback=True)
    finish = look.to(done)


class Approval(Machine[Facts]):
    """A part that asks a human, and has a time of its own."""

    ask = State(Asks(kind="human", asks_human=True, asks=1, must_ask=True, proposes=True), initial=True, expires_s=99)
    late = Final()
    done = Final()
    human = Final(fallback=True)
    yes = ask.to(done, "yes")
    no = ask.to(human, "no")
    expired = ask.on_timeout(late)
    limits = Limits(deadline_s=20, visit_s=8)


class Parent(Machine[Facts]):
    """Runs parts inside a visit: all shares are reserved on entry."""

    fan = State(
        Asks(parts=(part(Errand), part(Approval), part(Closed, 1)), tools=TOOLS, asks_human=True, writes=(Facts.a,)),
        initial=True,
        timeout_s=20,
    )
    more = State(work)
    late = State(work)
    done = Final()
    human = Final(fallback=True)
    finish = fan.to(done)
    over = fan.on_timeout(late)
    failed = fan.on_failure(more)
    rest = (more | late).to(done)
    limits = Limits(tokens=1_000, deadline_s=30)


class Manager(Machine[Facts]):
    """A model that has machines and tools."""

    plan = State(
        Asks(
            kind="llm",
            calls=3,
            call_limits=CallLimits(max_input_tokens=60, max_output_tokens=40),
            parts=(part(Errand, 2),),
            tools=TOOLS,
            asks=3,
            proposes=True,
            must_ask=True,
        ),
        initial=True,
    )
    done = Final()
    human = Final(fallback=True)
    finish = plan.to(done, "done")
    lost = plan.to(human, "lost")
    limits = Limits(tokens=550)


class Each(Machine[Facts]):
    """Runs one part for each item, two at most."""

    each = State(Asks(kind="map", parts=(part(Errand, 2),), asks=2, must_ask=True), initial=True)
    done = Final()
    human = Final(fallback=True)
    finish = each.to(done)


SUPPORT = CompiledMachine(Support.definition)
FORKS = CompiledMachine(Forks.definition)
CLOSED = CompiledMachine(Closed.definition)
FORGIVING = CompiledMachine(Forgiving.definition)
ASKING = CompiledMachine(Asking.definition)
THIRSTY = CompiledMachine(Thirsty.definition)
PARENT = CompiledMachine(Parent.definition)
MAP = CompiledMachine(Each.definition)
MANAGER = CompiledMachine(Manager.definition)


def support(*, tokens: int) -> CompiledMachine:
    """Return the desk, with so many tokens a run."""
    return CompiledMachine(Support.definition, limits=Limits(hops=6, tokens=tokens, deadline_s=60))


# --- inputs -----------------------------------------------------------------------------------------------------


def reserve(call: int, input_tokens: int, output_tokens: int, *, at: float = 0) -> Input:
    """Say that a call is about to be made."""
    return inputs.CallReserved(call=call, input_tokens=input_tokens, output_tokens=output_tokens, at=at)


def settle(call: int, tokens: int | None, output_tokens: int = 0, *, cached: int = 0) -> Input:
    """Say what a call used, and what of its input came from a cache; None if nobody knows."""
    used = None
    if tokens is not None:
        used = Usage(requests=1, input_tokens=tokens, output_tokens=output_tokens, cached_input_tokens=cached)
    return inputs.CallSettled(call=call, usage=used, at=0)


def release(call: int) -> Input:
    """Say that a call was never sent."""
    return inputs.CallReleased(call=call, at=0)


def reply(handoff: str | None = None, *, at: float = 0, **changes: Any) -> Input:
    """Say what an agent replied."""
    return inputs.Replied(handoff=handoff, changes=changes, at=at)


def fail(reason: FailureReason = "error", *, at: float = 0) -> Input:
    """Say that an attempt failed."""
    return inputs.Failed(reason=reason, at=at)


def ask(*requests: Request, need: int = 0, race: bool = False, at: float = 0) -> Input:
    """Say what an agent asks for; nothing given: a human."""
    wanted = requests or (AskHuman(question="May I?"),)
    return inputs.Asked(requests=wanted, need=need, is_race=race, at=at)


def run(part: str, **context: Any) -> Request:
    """Ask for a run of a part."""
    return RunPart(part=part, context=context)


def use(tool: str, **arguments: Any) -> Request:
    """Ask for the use of a tool."""
    return UseTool(name=tool, arguments=arguments)


def answer(number: int = 1, value: object = 1, *, ok: bool = True, id: str = "somebody", at: float = 0) -> Input:
    """Say what a human answered, or under its key what a tool came to."""
    return inputs.Answered(ask=number, id=id, ok=ok, value=value, at=at)


def cancel(*, at: float = 0) -> Input:
    """Say that nobody wants the run any more."""
    return inputs.Cancelled(at=at)


def inside(path: Path | int, event: Input, *, at: float = 0) -> Input:
    """Say that an input is for a machine in the tree, at a time of the run."""
    return replace(event, path=path if isinstance(path, tuple) else (path,), at=at)


def key(number: int) -> str:
    """Return the key of a tool in the first visit, which its answer bears."""
    return f"r:0:{number}"


ERRANDS = ask(run("errand"), run("errand"))
"""Two runs of a part at once."""


# --- runs -------------------------------------------------------------------------------------------------------


class Play:
    """A run fed by hand."""

    def __init__(self, compiled: CompiledMachine, *events: Input, **context: Any) -> None:
        self.compiled = compiled
        query = {"query": "x"} if compiled.definition.context is Ticket else {}
        start = started(compiled, query | context, run_id="r")
        self.last: Step = step(compiled, None, start)
        for event in events:
            self.feed(event)

    def feed(self, event: Input) -> None:
        """Step once."""
        self.last = step(self.compiled, self.now, event)

    @property
    def now(self) -> Configuration:
        """What the run is."""
        return self.last.configuration

    def records(self, kind: type[Any]) -> list[Any]:
        """Return the records of a kind that the last input made."""
        return [record for record in self.last.records if isinstance(record, kind)]

    def seen(self, name: str) -> Any:
        """Return what a table asks for: of the last input's records, else of the run, its ledger or its visit."""
        if name in _RECORDED:
            kind, field = _RECORDED[name]
            return getattr(next(iter(self.records(kind)), None), field, None)
        match name:
            case "tokens":
                return self.now.ledger.settled.tokens, self.now.ledger.reserved.tokens
            case "reserved" | "settled":
                return getattr(self.now.ledger, name)
            case "charged":
                return [(record.call, record.tokens) for record in self.records(CallSettled)]
            case "due":
                return due(self.now)
            case "shares":
                asks = booking.visit_of(self.now).asks.values()
                return [each.child.ledger.limit for each in asks if each.child is not None]
            case "asks":
                return [each.end for each in booking.visit_of(self.now).asks.values()]
            case "values":
                return [each.value for each in booking.visit_of(self.now).asks.values()]
            case "attempt":
                return booking.visit_of(self.now).attempt
            case "under_way":
                return booking.visit_of(self.now).round is not None
            case "kinds":
                return [record.kind for record in self.last.records]
            case "refusals":
                return [refusal.reason for refusal in booking.visit_of(self.now).refusals]
            case _:
                return getattr(self.now, name)


_RECORDED = {
    "denied": (CallDenied, "reason"),
    "refused": (Refused, "reason"),
    "why": (Refused, "detail"),
    "is_repaired": (Refused, "is_repaired"),
    "failed": (AttemptFailed, "reason"),
    "failure": (AttemptFailed, "detail"),
    "is_retried": (AttemptFailed, "is_retried"),
    "taken": (HandedOff, "handoff"),
    "overrun": (CallSettled, "overrun"),
}
"""Which field of the first record of its kind a table asks for."""


Row = Callable[[], None]
"""A row of a table, which checks itself."""


def case(sentence: str, compiled: CompiledMachine, *events: Input, **seen: Any) -> Any:
    """Make a row: what holds, a machine, what happens to its run, and what is seen after the last input."""
    return pytest.param(partial(_holds, compiled, events, seen), id=sentence)


def _holds(compiled: CompiledMachine, events: Sequence[Input], seen: Mapping[str, Any]) -> None:
    play = Play(compiled, *events)

    assert seen == {name: play.seen(name) for name in seen}


def wrong(sentence: str, complaint: str, compiled: CompiledMachine, *events: Input) -> Any:
    """Make a row: what holds, how the last input is refused, a machine, and what happens to its run."""
    return pytest.param(partial(refuses, complaint, compiled, *events), id=sentence)


def refuses(complaint: str, compiled: CompiledMachine, *events: Input) -> None:
    """Check that the last input is refused, and no other, and that the run is as it was."""
    play = Play(compiled, *events[:-1])
    was = play.now

    with pytest.raises(StepError, match=complaint):
        play.feed(events[-1])
    assert was == play.now
