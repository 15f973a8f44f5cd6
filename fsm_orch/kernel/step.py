"""The kernel: `legal` says what may happen next, `step` makes it happen. Both are pure.

There is no clock, no I/O and no randomness here: time arrives as a field of inputs. Folding the inputs of a run
through `step` is resume, replay, time travel and audit; nothing else moves a run.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import Any, NamedTuple, assert_never

from ..amounts import NOTHING, Allowance, Usage
from ..define.changes import changed, overwritten, taken_ahead, validated
from ..define.context import Context
from ..define.states import EdgeKind, Final, Handoff, State
from ..errors import ContextError, StepError
from . import booking, effects, inputs, records
from .configuration import Configuration, VisitLog
from .effects import Effect
from .engine import Compiled
from .inputs import INPUTS, Input
from .ledger import Ledger
from .legal import Objection, legal, menu, next_call, objection
from .reasons import LANDS_AS, FailureReason, LandingReason, Refusal
from .records import Record, Stamp

VERSION = 1
"""Rises whenever the same journal would fold into other configurations."""

_OVERRUN = "a call used more than it had reserved"


class Step(NamedTuple):
    """What an input led to."""

    configuration: Configuration
    records: tuple[Record, ...]
    effects: tuple[Effect, ...]


def step(machine: Compiled, now: Configuration | None, event: Input) -> Step:
    """Apply one input.

    Args:
        now: the configuration it happened in; None for `Started`, which begins a run.

    Raises StepError: if the input does not fit the configuration; nothing has changed then.
    """
    if not 0 <= event.at < math.inf:
        raise StepError(f"{event.kind} at {event.at}: time is a finite number of seconds, 0 or more")
    if isinstance(event, inputs.Started):
        if now is not None:
            raise StepError(f"run {now.run_id} has started already")
        return _start(machine, event, Ledger(Allowance(machine.limits.tokens, machine.limits.cost_micros)))
    if now is None:
        raise StepError(f"{event.kind!r} came first: a journal begins with 'started'")
    if now.status == "finished":
        raise StepError(f"{event.kind!r} came after run {now.run_id} had finished")
    if (now.status == "waiting") != isinstance(event, inputs.Resumed) and not isinstance(event, inputs.Cancelled):
        raise StepError(f"{event.kind!r} came while run {now.run_id} is {now.status}: only a waiting run is resumed")
    return _Course(machine, now if event.at <= now.at else now._replace(at=event.at)).take(event)


def fold(machine: Compiled, journal: Iterable[Input]) -> Configuration:
    """Fold a journal into the configuration it ends in.

    Raises StepError: if it is empty, damaged, or of another machine or kernel.
    """
    now: Configuration | None = None
    for event in journal:
        now = step(machine, now, event).configuration
    if now is None:
        raise StepError("the journal is empty: it begins with 'started'")
    return now


def journal_digest(journal: Iterable[Input]) -> str:
    """Name a journal: the version of the kernel that folds it, and SHA-256 over its inputs as JSON lines."""
    digest = hashlib.sha256()
    for event in journal:
        digest.update(INPUTS.dump_json(event) + b"\n")
    return f"k{VERSION}:{digest.hexdigest()}"


def _start(machine: Compiled, event: inputs.Started, ledger: Ledger) -> Step:
    definition, limits = machine.definition, machine.limits
    if (event.digest, event.kernel, event.limits) != (definition.digest, VERSION, limits):
        raise StepError(
            f"run {event.run_id} was started on definition {event.digest[:12]!r}, kernel {event.kernel} and "
            f"{event.limits!r}; this is {definition.digest[:12]!r}, kernel {VERSION} and {limits!r}"
        )
    if limits.hops < 1 or not ledger.affords(machine.grants[definition.initial.name]):
        raise StepError(f"{definition.name} cannot start with {ledger.limit} and {limits.hops} hops")
    try:
        context = validated(definition.context, event.context)
    except ContextError as error:
        raise StepError(f"run {event.run_id} cannot start on this context: {error}") from None
    if ahead := taken_ahead(context):
        raise StepError(
            f"run {event.run_id} cannot start with {', '.join(ahead)} set: only agents write what is not Given"
        )
    course = _Course(
        machine,
        Configuration(
            run_id=event.run_id,
            thread_id=event.thread_id,
            trace_id=event.trace_id or event.run_id,
            status="running",
            state=definition.initial.name,
            context=context,
            messages=event.messages,
            visits={},
            hops=0,
            ledger=ledger,
            usage=Usage(),
            ceiling=machine.potential.ahead(definition.initial.name, 0, {definition.initial.name: 1}),
            at=event.at,
            visit=None,
        ),
    )
    course.record_start()
    course.enter(definition.initial)
    return course.done()


class _Course:
    """One step in the making: the only thing here that changes, and gone when the step is made."""

    def __init__(self, machine: Compiled, now: Configuration) -> None:
        self.machine = machine
        self.now = now
        self.records: list[Record] = []
        self.effects: list[Effect] = []

    def take(self, event: Input) -> Step:
        match event:
            case inputs.CallReserved():
                self._book(booking.reserve(self.machine, self.now, event))
            case inputs.CallSettled():
                self._charge(booking.settle(self.machine, self.now, event.call, event.usage))
            case inputs.CallReleased():
                self._book(booking.release(self.machine, self.now, event.call))
            case inputs.Replied():
                self._reply(event)
            case inputs.Failed():
                self._attempt_failed(event.reason, event.detail)
            case inputs.Paused():
                self._pause(event.question)
            case inputs.Resumed():
                self._resume(event.answer)
            case inputs.Cancelled():
                self._land("cancelled", event.detail)
            case inputs.Split():
                self._split(event)
            case inputs.ChildInput():
                self._step_child(event.call, event.input)
            case inputs.Merged():
                self._charge(booking.merge(self.machine, self.now, event.call))
            case inputs.Started():
                raise StepError(f"run {self.now.run_id} has started already")
            case _:
                assert_never(event)
        return self.done()

    def done(self) -> Step:
        return Step(self.now, tuple(self.records), tuple(self.effects))

    # --- what it looks at ---

    @property
    def visit(self) -> VisitLog:
        return booking.visit_of(self.now)

    @property
    def state(self) -> State:
        return self.machine.definition.states[self.now.state]

    @property
    def stamp(self) -> Stamp:
        return booking.stamp(self.machine, self.now)

    # --- moving ---

    def record_start(self) -> None:
        definition = self.machine.definition
        self.records.append(
            records.RunStarted(
                stamp=self.stamp, machine=definition.name, digest=definition.digest, limits=self.machine.limits
            )
        )

    def enter(self, state: State) -> None:
        """Begin a visit: reserve the grant, draw the menu, and land without a call if it is empty."""
        now, grant = self.now, self.machine.grants[state.name]
        visits = {**now.visits, state.name: now.visits.get(state.name, 0) + 1}
        self.now = now._replace(
            visits=visits,
            ledger=now.ledger if grant is NOTHING else now.ledger.reserve(grant),
            ceiling=now.ledger.settled.tokens + self.machine.potential.ahead(state.name, now.hops, visits),
            visit=VisitLog(since=now.at, grant=grant),
        )
        drawn = menu(self.machine, self.now)
        open_now = tuple([handoff for handoff, against in drawn if against is None])
        self.records.append(
            records.VisitStarted(
                stamp=self.stamp,
                visits=visits[state.name],
                granted=grant.tokens,
                legal=tuple([handoff.name for handoff in open_now]),
            )
        )
        for handoff, against in drawn:
            self._note_guard(handoff, against)
        self._call_agent(open_now)

    def _call_again(self) -> None:
        """Let the agent act once more in its visit; its menu is drawn as if its next call were reserved."""
        self._call_agent(legal(self.machine, self.now, holding=next_call(self.machine, self.now)))

    def _call_agent(self, open_now: tuple[Handoff, ...]) -> None:
        """Let the agent act, if there is anything it could lead to."""
        if self.now.at >= self.machine.limits.deadline_s:
            self._land("deadline")
        elif not open_now:
            self._land("no_handoff", f"nothing is legal in {self.now.state!r}")
        else:
            key = f"{self.now.run_id}:{self.now.hops}"
            self.effects.append(effects.CallAgent(self.now.state, self.visit.attempt, key))

    def _move(self, handoff: Handoff, reply: inputs.Replied | None, context: Context) -> bool:
        """Fire a handoff; what the reply changes is committed with it, or neither is."""
        target = self.machine.fire(self.now.state, handoff, context)
        if target is None:
            return False
        source, messages = self.now.state, reply.messages if reply else ()
        self.now = self.now._replace(
            state=target,
            context=context,
            messages=(*self.now.messages, *messages),
            hops=self.now.hops + 1,
            visit=None,
        )
        self.records.append(
            records.HandedOff(
                stamp=self.stamp,
                handoff=handoff.name,
                source=source,
                target=target,
                messages=len(messages),
                written=tuple(reply.changes) if reply else (),
            )
        )
        if isinstance(handoff.target, Final):
            self._finish(handoff.target)
        else:
            self.enter(handoff.target)
        return True

    def _land(self, reason: LandingReason, detail: str = "") -> None:
        """Take the edge that every state has; it is always possible, since its hop was kept."""
        self._close_visit()
        source = self.now.state
        self.now = self.now._replace(
            state=self.machine.land(source),
            hops=self.now.hops + 1,
            visit=None,
            landing=reason,
        )
        self.records.append(
            records.Landed(stamp=self.stamp, source=source, target=self.now.state, reason=reason, detail=detail)
        )
        self._finish(self.machine.definition.fallback)

    def _finish(self, final: Final) -> None:
        """End the run, writing what the final state sets; its values were checked when the class was built."""
        sets = {ref.name: value for ref, value in final.sets.items()}
        self.now = self.now._replace(status="finished", context=overwritten(self.now.context, sets))
        self.records.append(records.RunFinished(stamp=self.stamp, landing=self.now.landing))
        self.effects.append(effects.Finish())

    # --- the end of an attempt ---

    def _reply(self, reply: inputs.Replied) -> None:
        if self._is_over() or self._is_late():
            return
        chosen = reply.refusal or self._accept(reply)
        if isinstance(chosen, Refusal):
            self._refuse(reply.handoff, chosen)

    def _is_over(self) -> bool:
        """Close the attempt's calls, and land if they or the deadline say so."""
        self._close_visit()
        if self.now.ledger.overrun != NOTHING:
            self._land("overrun", _OVERRUN)
        elif self.now.at >= self.machine.limits.deadline_s:
            self._land("deadline")
        return self.now.status == "finished"

    def _is_late(self) -> bool:
        """Fail a visit whose agent came back after its time; what it says then is not believed."""
        is_late = self.now.at - self.visit.since > (self.state.timeout_s or self.machine.limits.visit_s)
        if is_late:
            self._attempt_ended("timeout", "the reply came after the visit's time")
        return is_late

    def _accept(self, reply: inputs.Replied) -> Refusal | None:
        """Check a reply and commit it; returns why it was refused, or None."""
        misfit = self._misfit(reply)
        if misfit is not None:
            return misfit
        try:
            context = changed(self.now.context, reply.changes)
        except ContextError as error:
            return Refusal("wrong_type", str(error))
        chosen = self._chosen(reply.handoff, context)
        if chosen is None:
            self._land("no_handoff", f"no guard of {self.now.state!r} holds")
            return None
        if isinstance(chosen, Refusal):
            return chosen
        against = objection(self.machine, self.now, chosen, written=context)
        self._note_guard(chosen, against)
        if against is not None:
            return Refusal(against.reason, f"{chosen.name!r} is not legal now: {against.detail}")
        if not self._move(chosen, reply, context):
            return Refusal("guard", f"the guard of {chosen.name!r} changed its answer: guards are pure")
        return None

    def _misfit(self, reply: inputs.Replied) -> Refusal | None:
        """Hold the fields a reply writes against those its agent declares."""
        declared, written = self.state.spec.written_names, reply.changes.keys()
        if declared == written:
            return None
        if written - declared:
            names = ", ".join(sorted(written - declared))
            return Refusal("undeclared_write", f"{names}: this agent writes {sorted(declared)} and no more")
        names = ", ".join(sorted(declared - written))
        return Refusal("missing_field", f"{names}: every reply writes every declared field")

    def _chosen(self, name: str | None, context: Context) -> Handoff | Refusal | None:
        """Tell the handoff that was proposed, or else the first whose guard holds; None if none does."""
        exits = self.machine.exits[self.now.state]
        if name is not None:
            known = self.machine.named[self.now.state].get(name)
            return known or Refusal("unknown_handoff", f"{name[:64]!r} does not leave {self.now.state!r}")
        if self.state.spec.proposes and len(exits) > 1:
            return Refusal("no_handoff", f"Choose one of: {', '.join(handoff.name for handoff in exits)}.")
        for handoff in exits:
            if handoff.guard is None:
                return handoff
            judgement = self.machine.holds(handoff, context)
            if judgement.holds:
                return handoff
            if judgement.error:
                self.records.append(records.GuardRaised(stamp=self.stamp, handoff=handoff.name, detail=judgement.error))
        return None

    def _note_guard(self, handoff: Handoff, against: Objection | None) -> None:
        if against is not None and against.is_raised:
            self.records.append(records.GuardRaised(stamp=self.stamp, handoff=handoff.name, detail=against.detail))

    def _refuse(self, handoff: str | None, refusal: Refusal) -> None:
        """Refuse a reply: have a model repair it if a call is left, else fail the visit."""
        spec, visit = self.state.spec, self.visit
        has_call_left = max(visit.calls, visit.attempt) < spec.calls and not visit.is_denied
        is_repaired = spec.proposes and has_call_left and refusal.reason not in LANDS_AS
        self.records.append(
            records.Refused(
                stamp=self.stamp,
                handoff=handoff,
                reason=refusal.reason,
                detail=refusal.detail,
                is_repaired=is_repaired,
            )
        )
        if is_repaired:
            self._set_visit(refusals=(*visit.refusals, refusal), attempt=visit.attempt + 1)
            self._call_again()
        else:
            self._fail("refusal", LANDS_AS.get(refusal.reason, "refusal"), refusal.detail)

    def _attempt_failed(self, reason: FailureReason, detail: str) -> None:
        if not self._is_over():
            self._attempt_ended(reason, detail)

    def _attempt_ended(self, reason: FailureReason, detail: str) -> None:
        """Try again if the agent declares more attempts and it raised; what timed out may have had its effect."""
        visit = self.visit
        is_retried = reason == "error" and visit.failures + 1 < self.state.spec.attempts
        self.records.append(
            records.AttemptFailed(stamp=self.stamp, reason=reason, detail=detail, is_retried=is_retried)
        )
        if is_retried:
            self._set_visit(failures=visit.failures + 1, attempt=visit.attempt + 1)
            self._call_again()
        else:
            kinds: dict[FailureReason, tuple[EdgeKind, LandingReason]] = {
                "error": ("failure", "failure"),
                "timeout": ("timeout", "timeout"),
                "denied": ("failure", "denied"),
            }
            self._fail(*kinds[reason], detail)

    def _fail(self, kind: EdgeKind, reason: LandingReason, detail: str) -> None:
        """Take the state's failure edge with the context of entry if it is legal, else land."""
        edges = self.machine.failure_edges[self.now.state]
        edge = edges.get(kind) or edges.get("failure")
        is_legal = edge is not None and objection(self.machine, self.now, edge) is None
        if edge is None or not is_legal or not self._move(edge, None, self.now.context):
            self._land(reason, detail)

    # --- calls, children and humans ---

    def _book(self, booked: booking.Booked) -> None:
        self.now = booked.configuration
        self.records += booked.records

    def _charge(self, booked: booking.Booked) -> None:
        """Book a charge; one beyond its reservation ends the run, so that no further call is made."""
        self._book(booked)
        if self.now.ledger.overrun != NOTHING:
            self._land("overrun", _OVERRUN)

    def _close_visit(self) -> None:
        """Charge what an attempt left open in full, end its children, and give back an unused grant."""
        if not self.now.children and not self.visit.open and self.visit.grant is NOTHING:
            return
        for call in tuple(self.now.children):
            child = self.now.children[call]
            if child.status != "finished":
                self._step_child(call, inputs.Cancelled(detail="its visit ended", at=child.at))
            self._book(booking.merge(self.machine, self.now, call))
        self._book(booking.close(self.machine, self.now))

    def _split(self, event: inputs.Split) -> None:
        """Start a child machine on a share of the ledger; it takes the place of one call."""
        machine = self.machine.children.get(event.machine)
        if machine is None:
            raise StepError(f"no child machine {event.machine!r}. Children: {sorted(self.machine.children)}")
        booked, ledger = booking.split(self.machine, self.now, event)
        self._book(booked)
        if ledger is None:
            return
        started = inputs.Started(
            run_id=f"{self.now.run_id}:{self.now.hops}.{event.call}",
            thread_id=self.now.thread_id,
            trace_id=self.now.trace_id,
            context=event.context,
            digest=machine.definition.digest,
            kernel=VERSION,
            limits=machine.limits,
        )
        self._keep_child(event.call, event.machine, _start(machine, started, ledger))

    def _step_child(self, call: int, event: Input) -> None:
        child = self.now.children.get(call)
        if child is None:
            raise StepError(f"{event.kind!r} is for child {call}, which is not running in this visit")
        name = self.now.child_machines[call]
        self._keep_child(call, name, step(self.machine.children[name], child, event))

    def _keep_child(self, call: int, name: str, stepped: Step) -> None:
        self.now = self.now._replace(
            children={**self.now.children, call: stepped.configuration},
            child_machines={**self.now.child_machines, call: name},
        )
        self.records += [records.ChildRecord(stamp=self.stamp, call=call, record=r) for r in stepped.records]
        self.effects += [effects.ForChild(call, effect) for effect in stepped.effects]

    def _pause(self, question: str) -> None:
        """Wait for a human, if the agent declares that it may."""
        if self._is_over() or self._is_late():
            return
        visit, spec = self.visit, self.state.spec
        if visit.pauses >= spec.pauses:
            self._attempt_ended("error", f"the agent waited more often than the {spec.pauses} times it declares")
            return
        self.now = self.now._replace(status="waiting")
        self._set_visit(pauses=visit.pauses + 1)
        self.records.append(records.RunWaiting(stamp=self.stamp, question=question))
        self.effects.append(effects.AwaitHuman(question))

    def _resume(self, answer: object) -> None:
        self.now = self.now._replace(status="running")
        self.records.append(records.RunResumed(stamp=self.stamp))
        self._set_visit(answer=answer, attempt=self.visit.attempt + 1)
        self._call_again()

    def _set_visit(self, **changes: Any) -> None:
        self.now = self.now._replace(visit=self.visit._replace(**changes))
