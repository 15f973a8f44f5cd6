"""A ready stateful suite: Hypothesis plays the world against a machine, one input of the kernel at a time.

No agent of the machine acts and no model is called: whatever agents, models, clocks and callers could do is drawn,
sensible or not. Guards and validators are the machine's own. After every input the checker asserts T1 to T6.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, TypeVar, get_args

from hypothesis import assume, note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from msgspec.structs import replace

from ..amounts import Amount, Price, Usage
from ..define.agent_spec import AgentSpec
from ..define.changes import journaled
from ..define.context import Context, given_fields
from ..define.machine import AnyMachine, definition_of
from ..define.states import State
from ..errors import StepError
from ..kernel import inputs
from ..kernel.begin import started
from ..kernel.codec import input_from_json, to_json
from ..kernel.configuration import Configuration
from ..kernel.due import due
from ..kernel.effects import Act, AskHuman
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input
from ..kernel.legal import legal
from ..kernel.reasons import FailureReason, Refusal, RefusalReason
from ..kernel.requests import AskHuman as HumanRequest
from ..kernel.requests import Request, RunPart, UseTool
from ..kernel.step import fold, journal_digest
from ..kernel.tree import Level, levels
from ..limits import Limits
from ..run.outcome import replied
from .strategies import contexts, fitting, replies_in, starts
from .theorem_checker import TheoremChecker

F = TypeVar("F", bound=Callable[..., Any])


def RoutingSafety(  # noqa: N802 - it returns a class, and is read as one
    machine: AnyMachine,
    *,
    limits: Limits | None = None,
    prices: Mapping[str, Price] | None = None,
) -> type[RuleBasedStateMachine]:
    """Return a stateful suite for a machine: whatever happens, T1 to T6 hold, and a replay ends where the run did.

    TestSupport = RoutingSafety(Support).TestCase

    `TestSupport.settings = hypothesis.settings(max_examples=1_000)` searches longer.

    Args:
        machine: the machine.
        limits: instead of the machine's.
        prices: by state, what its model costs; the model of a state that is not named is free.
    """
    compiled = CompiledMachine(definition_of(machine, "RoutingSafety"), limits=limits, prices=prices)
    name = f"{machine.__name__}Safety"
    return type(
        name, (_Suite,), {"__doc__": f"Routing safety of {machine.__name__}.", "machine": machine, "compiled": compiled}
    )


_RARELY = st.integers(0, 9)
"""The luck of a step: rare things happen at 0, which Hypothesis draws once in about ten times."""


def _requests(spec: AgentSpec) -> st.SearchStrategy[Request]:
    """Draw one thing that an agent may ask for, or a tool that there is not."""
    found: list[st.SearchStrategy[Request]] = [
        st.sampled_from([*(tool.name for tool in spec.tools), "nothing"]).map(lambda name: UseTool(name=name))
    ]
    if spec.asks_human:
        found.append(st.just(HumanRequest(question="May I?")))
    found += [starts(part.definition.context).map(partial(_run, part.name)) for part in spec.parts]
    return st.one_of(found)


def _run(part: str, context: Context) -> RunPart:
    return RunPart(part=part, context=journaled(context, given_fields(type(context))))


def _is(*statuses: str) -> Callable[[F], F]:
    """Return the mark of a rule that applies only while the run has one of these statuses."""
    return precondition(lambda suite: suite.status in statuses)


class _Suite(RuleBasedStateMachine):
    """One example: runs of a machine, one after the other."""

    machine: ClassVar[AnyMachine]
    compiled: ClassVar[CompiledMachine]

    def __init__(self) -> None:
        super().__init__()
        self.checker = TheoremChecker(self.compiled)
        self.journal: list[Input] = []
        self.at = 0.0
        self.turn = 0

    @property
    def now(self) -> Configuration:
        assert self.checker.now is not None, "every example starts with a run"
        return self.checker.now

    @property
    def status(self) -> str:
        return self.checker.now.status if self.checker.now else "unborn"

    @property
    def here(self) -> Level:
        """The machine of the tree for whose agent the rules speak: one whose agent is due to act, or the run itself."""
        acting = [effect.path for effect in due(self.now) if isinstance(effect, Act)]
        return levels(self.compiled, self.now, acting[self.turn % len(acting)] if acting else ())[-1]

    @property
    def state(self) -> State:
        compiled, now, *_ = self.here
        return compiled.definition.states[now.state]

    @property
    def spec(self) -> AgentSpec:
        return self.state.spec

    def follow(self, event: Input) -> None:
        """Take an input, and let the checker look at the step; an input that the kernel does not admit is skipped."""
        try:
            self.checker.follow(event)
        except StepError as error:
            note(f"  not admitted: {error}")
            return
        except AssertionError:
            self.journal.append(event)  # or `teardown` replays less than was run, and reports that instead
            raise
        self.journal.append(event)
        ledger = self.now.ledger
        spent = f"{ledger.settled.tokens:,} tokens settled, {ledger.reserved.tokens:,} reserved"
        landing = f", landed: {self.now.landing}" if self.now.landing else ""
        note(f"  {event.kind}: at {self.now.state!r} after {self.now.hops} hops, {spent}{landing}")
        if self.status == "finished":
            self.replay()

    def follow_here(self, event: Input) -> None:
        """Take an input for the machine for whose agent the rules speak."""
        self.follow(replace(event, path=self.here.now.path))

    def replay(self) -> None:
        """Assert that the journal leads to where the run stands, also after a trip through JSON."""
        read = [input_from_json(to_json(event)) for event in self.journal]
        assert fold(self.compiled, self.journal) == self.now, "replay: the journal leads elsewhere than the run went"
        assert fold(self.compiled, read) == self.now, "replay: the journal read back from JSON leads elsewhere"
        assert journal_digest(read) == journal_digest(self.journal), (
            "replay: the journal changed on its way through JSON"
        )

    def teardown(self) -> None:
        if self.journal:
            self.replay()

    # --- the caller ---

    @initialize(data=st.data())
    def start(self, data: st.DataObject) -> None:
        """Start a run on any context, wherever runs may start."""
        context = data.draw(contexts(self.machine), label="context")
        self.checker, self.journal, self.at = TheoremChecker(self.compiled), [], 0.0
        fields, starts = journaled(context, type(context).__pydantic_fields__), self.compiled.definition.starts
        state = data.draw(st.sampled_from(starts), label="start") if len(starts) > 1 else None
        self.follow(replace(started(self.compiled, fields, run_id="r", state=state), shut=self._shut(data)))
        assume(self.checker.now is not None)  # limits that admit no start are told by the runner

    @_is("finished")
    @rule(data=st.data())
    def start_anew(self, data: st.DataObject) -> None:
        """Start another run."""
        self.start(data)

    @_is("running")
    @rule(luck=_RARELY)
    def cancel(self, luck: int) -> None:
        """Cancel, once in a while: the run, or a part of it alone."""
        if luck == 0:
            self.follow(inputs.Cancelled(at=self.at))
        elif luck == 1 and self.here.now.path:
            self.follow_here(inputs.Cancelled(at=self.at))

    @rule(part=st.sampled_from([0.01, 0.3, 1.1]), luck=_RARELY)
    def wait(self, part: float, luck: int) -> None:
        """Let a moment pass, or part of a visit's time; once in a while, part of the whole run's."""
        limits = self.compiled.limits
        self.at += {0: limits.deadline_s, 1: limits.visit_s, 2: limits.visit_s}.get(luck, 0.1) * part

    # --- the gates ---

    @_is("running")
    @rule(data=st.data(), luck=_RARELY)
    def see_gates(self, data: st.DataObject, luck: int) -> None:
        """See, once in a while, that other states are shut."""
        if luck < 2:
            self.follow(inputs.GatesSeen(shut=self._shut(data), at=self.at))

    def _shut(self, data: st.DataObject) -> tuple[str, ...]:
        """Draw the places of states, at any depth, that nobody may enter; mostly none."""
        places = st.sampled_from(list(self.compiled.definition.places))
        return tuple(data.draw(st.just([]) | st.lists(places, unique=True, max_size=3), label="shut"))

    # --- the agent ---

    @_is("running")
    @rule(data=st.data())
    def reply(self, data: st.DataObject) -> None:
        """Reply, by the rules or not."""
        compiled, now, *_ = self.here
        said = data.draw(replies_in(compiled.definition, self.state), label="reply")
        self.follow_here(replied(now.context, self.state, said, at=self.at))

    @_is("running")
    @rule(data=st.data())
    def reply_from_the_menu(self, data: st.DataObject) -> None:
        """Reply by the rules, with a handoff from the menu; without this rule runs would end early."""
        compiled, now, *_ = self.here
        names = [handoff.name for handoff in legal(compiled, now)]
        said = data.draw(fitting(compiled.definition, self.state, names), label="reply")
        self.follow_here(replied(now.context, self.state, said, at=self.at))

    @_is("running")
    @rule(data=st.data())
    def press_on(self, data: st.DataObject) -> None:
        """Reply by the rules with a handoff to another state, if there is one: limits are reached only by long runs."""
        compiled, now, *_ = self.here
        states = compiled.definition.states
        names = [handoff.name for handoff in self.state.exits if handoff.target.name in states]
        if names:
            said = data.draw(fitting(compiled.definition, self.state, names), label="reply")
            said = replace(said, handoff=said.handoff or names[0])
            self.follow_here(replied(now.context, self.state, said, at=self.at))

    @_is("running")
    @rule(reason=st.sampled_from(["not_json", "truncated", "two_decisions", "declined"]), luck=_RARELY)
    def babble(self, reason: RefusalReason, luck: int) -> None:
        """Reply what nobody can read, once in a while."""
        if luck < 3:
            self.follow_here(inputs.Replied(refusal=Refusal(reason, "unreadable"), at=self.at))

    @_is("running")
    @rule(reason=st.sampled_from(get_args(FailureReason)), luck=_RARELY)
    def fail(self, reason: FailureReason, luck: int) -> None:
        """Fail, once in a while."""
        if luck < 3:
            self.follow_here(inputs.Failed(reason=reason, at=self.at))

    @_is("running")
    @rule(data=st.data())
    def ask_for(self, data: st.DataObject) -> None:
        """Ask for a round of tools, parts and humans, mostly no more of them than are declared."""
        if not self.spec.asks:
            return
        wanted = data.draw(st.lists(_requests(self.spec), max_size=self.spec.asks + 1), label="requests")
        need, is_race = data.draw(st.integers(0, len(wanted)), label="need"), data.draw(st.booleans(), label="race")
        self.follow_here(inputs.Asked(requests=tuple(wanted), need=need, is_race=is_race and need > 0, at=self.at))

    @_is("running")
    @rule(which=st.integers(0, 31), is_good=st.booleans())
    def answer(self, which: int, is_good: bool) -> None:
        """Answer as a tool or as a human, whoever is asked."""
        asked = [effect for effect in due(self.now) if not isinstance(effect, Act)]
        if asked:
            effect = asked[which % len(asked)]
            own = levels(self.compiled, self.now, effect.path)[-1].now.key_of(effect.ask)
            by = "somebody" if isinstance(effect, AskHuman) else own
            self.follow(inputs.Answered(ask=effect.ask, id=by, ok=is_good, value=True, at=self.at, path=effect.path))

    @_is("running")
    @rule(turn=st.integers(0, 31))
    def take_turns(self, turn: int) -> None:
        """Speak for another agent, where several are at work."""
        self.turn = turn

    # --- the model ---

    @_is("running")
    @rule(part=st.sampled_from([1.0, 1.0, 1.0, 0.5, 0.0, 1.5]))
    def ask(self, part: float) -> None:
        """Reserve a call: the agent's whole input cap, less, or more."""
        if self.spec.calls:
            caps, visit = self.spec.call_limits, self.here.now.visit
            tokens = int(part * caps.max_input_tokens)
            number = visit.calls + 1 if visit else 1
            self.follow_here(
                inputs.CallReserved(call=number, input_tokens=tokens, output_tokens=caps.max_output_tokens, at=self.at)
            )

    @_is("running")
    @rule(part=st.sampled_from([1.0, 1.0, 1.0, 0.0, 0.5, None]), lies=_RARELY, oldest=st.booleans())
    def settle(self, part: float | None, lies: int, oldest: bool) -> None:
        """End an open call, with usage that is true, unknown or, once in a while, too high."""
        held = self._open_calls
        if held:
            call = min(held) if oldest else max(held)
            tokens = None if part is None else int(part * held[call].tokens) + (1_000 if lies == 0 else 0)
            used = None if tokens is None else Usage(requests=1, input_tokens=tokens)
            self.follow_here(inputs.CallSettled(call=call, usage=used, at=self.at))

    @_is("running")
    @rule()
    def release(self) -> None:
        """Release a call that was not sent."""
        held = self._open_calls
        if held:
            self.follow_here(inputs.CallReleased(call=min(held), at=self.at))

    @_is("running")
    @rule(tokens=st.sampled_from([1, 700, 0]), cost=st.sampled_from([0, 9]), luck=_RARELY)
    def overspend(self, tokens: int, cost: int, luck: int) -> None:
        """Report, once in a while, that a call of before used more than it was charged."""
        if luck == 0:
            state = self.here.now.state
            self.follow_here(inputs.Overspent(source=state, visit=0, call=1, tokens=tokens, cost=cost, at=self.at))

    @property
    def _open_calls(self) -> Mapping[int, Amount]:
        visit = self.here.now.visit
        return visit.open if visit else {}

    # --- a damaged journal ---

    @rule(data=st.data())
    def misfit(self, data: st.DataObject) -> None:
        """Send an input that does not fit, and check that the kernel refuses it."""
        misfits: list[Input] = [
            inputs.Started(run_id="again", context={}, at=self.at),
            inputs.CallSettled(call=99, usage=None, at=self.at),
            inputs.CallReserved(call=0, input_tokens=1, output_tokens=1, at=self.at),
            inputs.Replied(at=float("nan")),
        ]
        if self.status == "finished":
            misfits += [
                inputs.Replied(at=self.at),
                inputs.Cancelled(at=self.at),
                inputs.Overspent(source="x", visit=0, call=1, tokens=1, at=self.at),
                inputs.GatesSeen(at=self.at),
                inputs.Failed(reason="error", at=self.at),
            ]
        if self.status == "running":
            misfits += [inputs.Answered(ask=99, id="somebody", at=self.at), inputs.GatesSeen(at=self.at, path=(1,))]
        event = data.draw(st.sampled_from(misfits), label="misfit")
        try:
            self.checker.follow(event)
        except StepError:
            return
        raise AssertionError(f"the kernel took {event.kind!r}, which does not fit a run that is {self.status}")
