"""One step in the making: where a run is moved, landed and finished, and what that leaves behind."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..amounts import NOTHING
from ..define.changes import overwritten
from ..define.context import Context
from ..define.states import Final, Handoff, State
from . import booking, effects, inputs, records
from .configuration import Configuration, VisitLog
from .effects import Effect
from .engine import CompiledMachine
from .legal import Objection, legal, menu, next_call
from .reasons import LandingReason
from .records import Record, Stamp

OVERRUN = "a call used more than it had reserved"


class Step(NamedTuple):
    """What an input led to."""

    configuration: Configuration
    records: tuple[Record, ...]
    effects: tuple[Effect, ...]


class Course:
    """One step in the making: the only thing here that changes, and gone when the step is made."""

    def __init__(self, compiled: CompiledMachine, now: Configuration) -> None:
        self.compiled = compiled
        self.now = now
        self.records: list[Record] = []
        self.effects: list[Effect] = []

    def done(self) -> Step:
        """Return the step as a value."""
        return Step(self.now, tuple(self.records), tuple(self.effects))

    # --- what it looks at ---

    @property
    def visit(self) -> VisitLog:
        return booking.visit_of(self.now)

    @property
    def state(self) -> State:
        return self.compiled.definition.states[self.now.state]

    @property
    def stamp(self) -> Stamp:
        return booking.stamp(self.compiled, self.now)

    # --- moving ---

    def record_start(self) -> None:
        """Record that the run began; the first visit is entered after it."""
        definition = self.compiled.definition
        self.records.append(
            records.RunStarted(
                stamp=self.stamp, machine=definition.name, digest=definition.digest, limits=self.compiled.limits
            )
        )

    def enter(self, state: State) -> None:
        """Begin a visit: reserve the grant, draw the menu, and land without a call if it is empty."""
        now, grant = self.now, self.compiled.grants[state.name]
        visits = {**now.visits, state.name: now.visits.get(state.name, 0) + 1}
        self.now = now._replace(
            visits=visits,
            ledger=now.ledger if grant is NOTHING else now.ledger.reserve(grant),
            ceiling=now.ledger.settled.tokens + self.compiled.potential.ahead(state.name, now.hops, visits),
            visit=VisitLog(since=now.at, grant=grant),
        )
        drawn = menu(self.compiled, self.now)
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
            self.note_guard(handoff, against)
        self._call_agent(open_now)

    def call_again(self) -> None:
        """Let the agent act once more in its visit; its menu is drawn as if its next call were reserved."""
        self._call_agent(legal(self.compiled, self.now, holding=next_call(self.compiled, self.now)))

    def _call_agent(self, open_now: tuple[Handoff, ...]) -> None:
        """Let the agent act, if there is anything it could lead to."""
        if self.now.at >= self.compiled.limits.deadline_s:
            self.land("deadline")
        elif not open_now:
            self.land("no_handoff", f"nothing is legal in {self.now.state!r}")
        else:
            key = f"{self.now.run_id}:{self.now.hops}"
            self.effects.append(effects.CallAgent(self.now.state, self.visit.attempt, key))

    def move(self, handoff: Handoff, reply: inputs.Replied | None, context: Context) -> bool:
        """Fire a handoff; what the reply changes is committed with it, or neither is."""
        target = self.compiled.fire(self.now.state, handoff, context)
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

    def land(self, reason: LandingReason, detail: str = "") -> None:
        """Take the edge that every state has; it is always possible, since its hop was kept."""
        self.close_visit()
        source = self.now.state
        self.now = self.now._replace(
            state=self.compiled.land(source),
            hops=self.now.hops + 1,
            visit=None,
            landing=reason,
        )
        self.records.append(
            records.Landed(stamp=self.stamp, source=source, target=self.now.state, reason=reason, detail=detail)
        )
        self._finish(self.compiled.definition.fallback)

    def _finish(self, final: Final) -> None:
        """End the run, writing what the final state sets; its values were checked when the class was built."""
        sets = {ref.name: value for ref, value in final.sets.items()}
        self.now = self.now._replace(status="finished", context=overwritten(self.now.context, sets))
        self.records.append(records.RunFinished(stamp=self.stamp, landing=self.now.landing))
        self.effects.append(effects.Finish())

    # --- the books of the visit ---

    def book(self, booked: booking.Books) -> None:
        """Take over what the books say now."""
        self.now = booked.configuration
        self.records += booked.records

    def charge(self, booked: booking.Books) -> None:
        """Book a charge; one beyond its reservation ends the run, so that no further call is made."""
        self.book(booked)
        if self.now.ledger.overrun != NOTHING:
            self.land("overrun", OVERRUN)

    def close_visit(self) -> None:
        """Charge what an attempt left open in full, end its children, and give back an unused grant."""
        if not self.now.children and not self.visit.open and self.visit.grant is NOTHING:
            return
        for call in tuple(self.now.children):
            child = self.now.children[call]
            if child.status != "finished":
                name = self.now.child_machines[call]
                ended = Course(self.compiled.children[name], child)
                ended.land("cancelled", "its visit ended")
                self.keep_child(call, name, ended.done())
            self.book(booking.merge(self.compiled, self.now, call))
        self.book(booking.close(self.compiled, self.now))

    def keep_child(self, call: int, name: str, stepped: Step) -> None:
        """Put a child's step into its parent: its configuration, and its records and effects as the parent's own."""
        self.now = self.now._replace(
            children={**self.now.children, call: stepped.configuration},
            child_machines={**self.now.child_machines, call: name},
        )
        self.records += [records.ChildRecord(stamp=self.stamp, call=call, record=r) for r in stepped.records]
        self.effects += [effects.ForChild(call, effect) for effect in stepped.effects]

    def set_visit(self, **changes: Any) -> None:
        """Change the log of the visit that is under way."""
        self.now = self.now._replace(visit=self.visit._replace(**changes))

    def note_guard(self, handoff: Handoff, against: Objection | None) -> None:
        """Record a guard that raised."""
        if against is not None and against.is_raised:
            self.records.append(records.GuardRaised(stamp=self.stamp, handoff=handoff.name, detail=against.detail))
