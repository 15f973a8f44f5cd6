"""A step while it is computed: it moves, lands or ends the run, and collects records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..amounts import NOTHING, Amount
from ..define.changes import overwritten
from ..define.context import Context
from ..define.states import Final, Handoff
from . import asks, booking, inputs, records
from .configuration import Ask, Configuration, VisitLog
from .engine import CompiledMachine, CompiledPart, CompiledState
from .legal import Objection, legal, menu, next_call, visit_ends
from .reasons import LANDED_SINCE, LandingReason
from .records import Record, Stamp
from .tagged import NO_TIME

OVERRUN = LANDED_SINCE["overrun"]


class Step(Struct, frozen=True):
    """What an input led to."""

    configuration: Configuration
    records: tuple[Record, ...]


class Inside(Struct, frozen=True):
    """A part, in the course of a step of the machine that runs it."""

    course: Course
    ask: Ask
    """Which runs it, before the step."""
    since: float
    """By how much its time is behind that of the machine."""


class Course:
    """A step while it is computed: the only mutable object of the kernel, and gone when the step is done."""

    # It may be mutable since all that it holds are values: if a rule raises halfway, the course is dropped, and the
    # caller still has the configuration that it came with.

    def __init__(self, compiled: CompiledMachine, now: Configuration, made: list[Record] | None = None) -> None:
        self.compiled = compiled
        self.now = now
        self.records: list[Record] = [] if made is None else made
        """Of a part, those of the machine that runs it: one list, in the order in which they were made."""

    def done(self) -> Step:
        """Return the step as a value."""
        return Step(self.now, tuple(self.records))

    # --- what the rules read ---

    @property
    def visit(self) -> VisitLog:
        assert self.now.visit is not None  # only a finished run has none, and it takes no inputs
        return self.now.visit

    @property
    def own(self) -> CompiledState:
        return self.compiled.states[self.now.state]

    @property
    def parts(self) -> Mapping[str, CompiledPart]:
        """The machines that the state may run inside its visits, by name."""
        return self.compiled.parts[self.now.state]

    @property
    def must_land(self) -> bool:
        """Whether a call was larger than its reservation, or the deadline has passed."""
        return self.now.ledger.overrun != NOTHING or self.now.at >= self.compiled.deadline_s

    @property
    def has_time(self) -> bool:
        """Whether another attempt of the visit may begin."""
        return self.now.at < visit_ends(self.compiled, self.now)

    @property
    def stamp(self) -> Stamp:
        return booking.stamp(self.compiled, self.now)

    # --- moving ---

    def record_start(self) -> None:
        """Record that the run began; the first visit is entered after it."""
        definition = self.compiled.definition
        self.records.append(
            records.RunStarted(
                stamp=self.stamp,
                machine=definition.name,
                digest=definition.digest,
                limits=self.compiled.limits.model_copy(),  # the journal's are not an observer's to change
            )
        )

    def enter(self, state: CompiledState) -> None:
        """Begin a visit: reserve the grant, draw the menu, and land without a call if it is empty."""
        now, name, grant = self.now, state.name, state.grant
        visits = {**now.visits, name: now.visits.get(name, 0) + 1}
        self.now = replace(
            now,
            visits=visits,
            # before the menu is drawn, which offers only what can be paid beside this visit's own first call
            ledger=now.ledger if grant is NOTHING else now.ledger.reserve(grant),
            # counted from what is settled: what the last visit reserved and did not use is no longer ahead of the run
            ceiling=now.ledger.settled.tokens + self.compiled.potential.ahead(name, now.hops, visits),
            visit=VisitLog(since=now.at, grant=grant),
        )
        drawn = menu(self.compiled, self.now)
        open_now = tuple([handoff for handoff, against in drawn if against is None])
        handoffs = self.compiled.handoffs
        self.records.append(
            records.VisitStarted(
                stamp=self.stamp,
                visits=visits[name],
                granted=grant.tokens,
                legal=tuple([handoffs[handoff].name for handoff in open_now]),
                is_frequent=visits[name] > records.FEW_VISITS,
            )
        )
        if len(open_now) < len(drawn):
            for handoff, against in drawn:
                if against is not None:
                    self.note_guard(handoff, against)
        self._land_if_idle(open_now, NOTHING)

    def act_again(self) -> None:
        """Let the agent act again in its visit, or land if there is nothing it could lead to."""
        # as if the next call were reserved already: the call itself may take the money that an exit would need
        holding = next_call(self.compiled, self.now)
        self._land_if_idle(legal(self.compiled, self.now, holding=holding), holding)

    def _land_if_idle(self, open_now: tuple[Handoff, ...], holding: Amount) -> None:
        """Land if the deadline has passed or no handoff is open; else the agent is due to act."""
        if self.now.at >= self.compiled.deadline_s:
            self.land("deadline")
        elif not open_now:
            # before any call: whatever the agent replied would be refused, and its call would be paid for nothing
            self.land("shut" if self._is_shut_in(holding) else "no_handoff", f"nothing is legal in {self.now.state!r}")

    def _is_shut_in(self, holding: Amount) -> bool:
        """Return whether a handoff would be legal if nothing were shut."""
        return bool(self.now.shut) and bool(legal(self.compiled, replace(self.now, shut=frozenset()), holding=holding))

    def move(self, handoff: Handoff, reply: inputs.Replied | None, context: Context) -> bool:
        """Fire a handoff and commit the reply's changes with it. Return False if its guard closed."""
        # fired before anything is written, so that no half of a hop is ever left behind
        target = self.compiled.fire(self.now.state, handoff, context)
        if target is None:
            return False
        source, messages = self.now.state, reply.messages if reply else ()
        self.now = replace(
            self.now,
            state=target,
            context=context,
            messages=(*self.now.messages, *messages),
            hops=self.now.hops + 1,
            visit=None,
        )
        self.records.append(
            records.HandedOff(
                stamp=self.stamp,
                handoff=self.compiled.handoffs[handoff].name,
                source=source,
                target=target,
                messages=len(messages),
                written=tuple(reply.changes) if reply else (),
                summaries=sum([said.role == "summary" for said in messages]) if messages else 0,
                waited_s=(reply.waited_s if reply else NO_TIME) or NO_TIME,
            )
        )
        entered = self.compiled.states.get(target)
        if entered is None:
            self._finish(self.compiled.definition.finals[target])
        else:
            self.enter(entered)
        return True

    def land(self, reason: LandingReason, detail: str = "") -> None:
        """Move the run to the fallback, over the landing edge that every state has."""
        # This must never fail, or a run could end in mid-air. So the edge has no guard and no call, and no handoff
        # may take the last hop.
        if self.now.visit is not None:  # a run that cannot pay its first call lands before it enters a state
            self.close_visit()
        source = self.now.state
        self.now = replace(
            self.now,
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
        """End the run, writing the values that the final state sets."""
        values = {ref.name: value for ref, value in final.sets.items()}
        # not validated here: they were when the class was built, and a refusal now would leave the run without an end
        self.now = replace(self.now, status="finished", context=overwritten(self.now.context, values))
        self.records.append(records.RunFinished(stamp=self.stamp, landing=self.now.landing))

    # --- the books of the visit ---

    def book(self, booked: booking.Books) -> None:
        """Take over a configuration and its records from the books."""
        self.now = booked.configuration
        self.records += booked.records

    def charge(self, booked: booking.Books) -> None:
        """Book a charge, and land the run if it was larger than its reservation."""
        self.book(booked)
        # at once: a bound that promised more than it kept cannot be trusted with another call
        if self.now.ledger.overrun != NOTHING:
            self.land("overrun", OVERRUN)

    def close_visit(self) -> None:
        """Charge in full what an attempt left open, end a round that is not over, and release an unused grant."""
        visit = self.visit
        if visit.round is None and not visit.open and visit.grant is NOTHING:
            return
        if visit.round is not None:
            for number in visit.round.numbers:
                if self.visit.asks[number].is_open:
                    self._end_ask(number)
            self.set_visit(round=None)
        self.book(booking.close(self.compiled, self.now))

    def _end_ask(self, number: int) -> None:
        """End an ask that is not needed any more; a part lands, and all that runs in it."""
        part = self.inside(number)
        if part is None:
            self.book(asks.conclude(self.compiled, self.now, number, "unneeded", ok=False, value=asks.UNNEEDED))
        else:
            part.course.land("cancelled", asks.UNNEEDED)
            ended = part.course.now
            self.book(
                asks.keep(self.compiled, self.now, number, ended, ask=part.ask, since=part.since, is_needed=False)
            )

    def inside(self, number: int) -> Inside | None:
        """Return the course of a part that runs in this visit, at its time; None if there is none."""
        now = self.now
        ask = None if now.visit is None else now.visit.asks.get(number)
        if ask is None or ask.child is None:
            return None
        child = ask.child
        at, since = asks.clock(now, ask, child)
        part = asks.part_of(self.compiled, now, ask)
        return Inside(
            Course(part.compiled, child if at == child.at else replace(child, at=at), self.records), ask, since
        )

    def set_visit(self, **changes: Any) -> None:
        """Change the log of the visit that is under way."""
        self.now = replace(self.now, visit=replace(self.visit, **changes))

    def note_guard(self, handoff: Handoff, against: Objection) -> None:
        """Record a guard that raised."""
        # it counts as false, so without a record a broken guard would look like one that says no
        if against.is_raised:
            self.records.append(records.GuardRaised(stamp=self.stamp, handoff=handoff.name, detail=against.detail))
