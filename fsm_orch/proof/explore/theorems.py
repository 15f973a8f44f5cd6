"""The theorems T1 to T5, said once more from the design and checked after one step, without any rule of the kernel.

They hold at every level of a run: of each machine that runs inside it too, on its share and by its own time.

Of the kernel only its data is used: inputs, records and configurations. Rules that are shared would hide their own
mistakes. An exploration asks after every step that it tries, and a `TheoremChecker` after every input of one run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...amounts import NOTHING
from ...define.definition import Definition
from ...define.guards import Guard
from ...kernel import inputs
from ...kernel.configuration import Configuration
from ...kernel.effects import Path
from ...kernel.engine import CompiledPart, judged
from ...kernel.inputs import Input
from ...kernel.records import (
    Answered,
    CallDenied,
    CallReleased,
    CallReserved,
    CallSettled,
    HandedOff,
    Landed,
    Overspent,
    Record,
)
from ...kernel.requests import RunPart
from ...limits import Limits
from .breach import Breach
from .rounds_kept import asking, clocks, shares


class Theorems:
    """The theorems as they hold for one definition within limits.

    Args:
        parts: the machines that run inside it, by state and name.
    """

    def __init__(
        self, definition: Definition, limits: Limits, parts: Mapping[str, Mapping[str, CompiledPart]] | None = None
    ) -> None:
        self._limits, self._most_cost = limits, limits.cost_micros
        self._initial, self._fallback = definition.initial.name, definition.fallback
        self._edges = {(source, handoff.name): handoff for source, handoff in definition.edges}
        states = definition.states.items()
        self._most_visits = {name: limits.hops if s.max_visits is None else s.max_visits for name, s in states}
        self._specs = {name: state.spec for name, state in states}
        self._exits = {(source, handoff.name) for source, handoff in definition.edges if handoff.kind == "handoff"}
        self._inside = {
            (state, name): Theorems(part.compiled.definition, part.compiled.limits, part.compiled.parts)
            for state, inner in (parts or {}).items()
            for name, part in inner.items()
        }
        self._most_calls = {name: state.spec.calls for name, state in states}
        self._visit_s = {name: state.seconds(limits) for name, state in states}

    def breaches(
        self,
        before: Configuration | None,
        event: Input,
        records: tuple[Record, ...],
        after: Configuration,
        holds: Callable[[Guard[Any]], bool],
    ) -> list[Breach]:
        """Return the theorems that a step broke.

        Args:
            before: the configuration before the step; None for the start of a run.
            records: what the kernel says has happened in it.
            after: the configuration after it.
            holds: returns whether a guard holds on the context that the step committed.
        """
        # what happened inside parts is told by records of their own, each with its path
        every, records = records, tuple([record for record in records if record.stamp.path == after.path])
        return [
            *self._closure(before, records, after, holds),
            *self._termination(after),
            *self._progress(before, event, records, after),
            *self._budget(after),
            *self._books(before, event, records, after),
            *self._deadline(event, records, after),
            *self._landing(event, after),
            *asking(self._specs, self._exits, before, event, records, after),
            *clocks(before, event, after),
            *self._inside_parts(before, event, every, after),
            *self._ended_parts(before, every, after),
        ]

    def _closure(
        self,
        before: Configuration | None,
        made: tuple[Record, ...],
        after: Configuration,
        holds: Callable[[Guard[Any]], bool],
    ) -> Iterator[Breach]:
        """T1: the records lead from where the run stood to where it stands, by declared edges whose guards held."""
        place, hops = (before.state, before.hops) if before else (self._initial, 0)
        edges = self._edges if before else {}  # a start may land, and takes no handoff
        for record in made:
            if isinstance(record, HandedOff):
                edge = edges.get((place, record.handoff))
                if edge is None or (record.source, record.target) != (place, edge.target.name):
                    yield Breach("T1", f"{record.handoff!r} is no handoff from {place!r} to {record.target!r}")
                elif edge.guard is not None and not holds(edge.guard):
                    yield Breach("T1", f"{record.handoff!r} was taken though its guard did not hold")
            elif isinstance(record, Landed):
                if (record.source, record.target) != (place, self._fallback.name):
                    yield Breach("T1", f"landed from {record.source!r} in {record.target!r}, and stood in {place!r}")
            else:
                continue
            place, hops = record.target, hops + 1
        if (place, hops) != (after.state, after.hops):
            yield Breach(
                "T1",
                f"the run stands in {after.state!r} after {after.hops} hops, and its records lead to {place!r}, {hops}",
            )

    def _termination(self, after: Configuration) -> Iterator[Breach]:
        """T2: hops and visits are counted and bounded, and a run that is not over has a hop left to land with."""
        is_over = after.status == "finished"
        under_way = 0 if is_over else 1
        if (after.visit is None, after.state not in self._most_visits) != (is_over, is_over):
            yield Breach("T2", f"the run is {after.status} in {after.state!r}, with the visit {after.visit}")
        if after.hops + under_way > self._limits.hops:
            yield Breach("T2", f"{after.hops} of {self._limits.hops} hops in {after.state!r}: none left to land")
        # a run that was moved too little to pay its first call is landed before it enters a state
        is_unpaid = after.landing == "budget" and not after.visits
        if sum(after.visits.values()) != after.hops + under_way - is_unpaid:
            yield Breach("T2", f"{after.visits} are not the visits of {after.hops} hops")
        for name, visits in after.visits.items():
            if visits > self._most_visits.get(name, 0):
                yield Breach("T2", f"{visits} visits of {name!r}, which may have {self._most_visits.get(name, 0)}")

    def _progress(
        self, before: Configuration | None, event: Input, made: tuple[Record, ...], after: Configuration
    ) -> Iterator[Breach]:
        """T2: every step records something, and an attempt that has ended is under way no longer."""
        if event.path != after.path:
            return
        if not made:
            yield Breach("T2", f"nothing is recorded of {event.kind!r}")
        if isinstance(event, inputs.Replied | inputs.Failed) and before and before.visit and after.visit:
            attempt = before.visit.attempt
            if (before.hops, attempt) == (after.hops, after.visit.attempt):
                yield Breach("T2", f"attempt {attempt} in {after.state!r} has ended, and is due again")

    def _budget(self, after: Configuration) -> Iterator[Breach]:
        """T3: what is settled and reserved is within the limits, and what is reserved is held by the visit."""
        ledger, visit = after.ledger, after.visit
        settled, reserved, overrun = ledger.settled, ledger.reserved, ledger.overrun
        # An overrun is what a provider charged beyond its cap. It is settled, but no reservation can prevent it.
        tokens = settled.tokens - overrun.tokens + reserved.tokens
        micros = settled.cost - overrun.cost + reserved.cost
        if tokens > self._limits.tokens or (self._most_cost is not None and micros > self._most_cost):
            yield Breach("T3", f"{tokens} tokens and {micros} micro-dollars are settled and reserved")
        if overrun != NOTHING and after.status != "finished":
            yield Breach("T3", f"the run went on after an overrun of {overrun}")
        held = sum(visit.open.values(), visit.grant) + shares(visit) if visit else NOTHING
        if held != reserved:
            yield Breach("T3", f"the visit holds {held}, and {reserved} is reserved")
        if visit and visit.calls > self._most_calls.get(after.state, 0):
            yield Breach("T3", f"a visit of {after.state!r} made {visit.calls} calls")

    def _books(
        self, before: Configuration | None, event: Input, made: tuple[Record, ...], after: Configuration
    ) -> Iterator[Breach]:
        """T3: every call is charged once, before its visit ends, and nothing else is charged."""
        held = _held(before)
        charged = before.ledger.settled.tokens if before else 0
        for record in made:
            if isinstance(record, CallReserved):
                held[record.call] = record.input_tokens + record.output_tokens
            elif isinstance(record, CallSettled):
                reserved, charged = held.pop(record.call, 0), charged + record.tokens
                least, most = _charge(event, after.path, record.call, reserved)
                if not least <= record.tokens <= most or record.overrun != max(0, record.tokens - reserved):
                    charge = f"{record.tokens} tokens, {record.overrun} of them beyond the {reserved} reserved"
                    yield Breach("T3", f"call {record.call} was charged {charge}, and used {least} to {most}")
            elif isinstance(record, Overspent):
                charged += record.tokens
                if not isinstance(event, inputs.Overspent) or record.tokens != event.tokens:
                    yield Breach("T3", f"call {record.call} was charged {record.tokens} tokens late, which nobody told")
                elif record.tokens and after.landing != "overrun":
                    yield Breach("T3", f"the run went on after {record.tokens} tokens that came late")
            elif isinstance(record, Answered):
                charged += record.tokens
            elif isinstance(record, CallReleased):
                if not isinstance(event, inputs.CallReleased) or event.call != record.call:
                    yield Breach("T3", f"call {record.call} was released unasked")
                held.pop(record.call, None)
            elif held and isinstance(record, HandedOff | Landed):
                yield Breach("T3", f"calls {sorted(held)} outlived their visit")
            elif isinstance(record, CallDenied) and record.call in held:
                yield Breach("T3", f"call {record.call} was reserved and denied")
        if held != _held(after):
            yield Breach("T3", f"{held} are open by the records, and {_held(after)} by the configuration")
        if charged != after.ledger.settled.tokens:
            yield Breach("T3", f"{charged} tokens were charged, and {after.ledger.settled.tokens} are settled")

    def _deadline(self, event: Input, made: tuple[Record, ...], after: Configuration) -> Iterator[Breach]:
        """T4: once the deadline has passed, no handoff is taken; then, or after a visit's time, no agent is called."""
        deadline, visit = self._limits.deadline_s, after.visit
        if after.at >= deadline:
            for record in made:
                if isinstance(record, HandedOff):
                    yield Breach("T4", f"{record.handoff!r} was taken after the deadline")
        ends = min(deadline, visit.since + self._visit_s.get(after.state, deadline)) if visit else deadline
        if after.status != "running" or after.at < ends:
            return
        over = "the deadline" if after.at >= deadline else "the visit's time"
        is_here = event.path[: len(after.path)] == after.path
        if is_here and isinstance(event, inputs.Replied | inputs.Failed | inputs.Asked | inputs.Answered):
            yield Breach("T4", f"an agent is called in {after.state!r} after {over}")
        if any(isinstance(record, CallReserved) for record in made):
            yield Breach("T4", f"a call was reserved in {after.state!r} after {over}")

    def _landing(self, event: Input, after: Configuration) -> Iterator[Breach]:
        """T5: a run that is cancelled ends in the fallback, and one that ends there has what the fallback sets."""
        fallback = self._fallback
        if (
            isinstance(event, inputs.Cancelled)
            and event.path == after.path
            and (after.status, after.state) != ("finished", fallback.name)
        ):
            yield Breach("T5", f"a cancelled run is {after.status} in {after.state!r}")
        elif after.state == fallback.name:
            for ref, value in fallback.sets.items():
                if getattr(after.context, ref.name) != value:
                    yield Breach("T5", f"landed without the default of {ref!r}")

    def _inside_parts(
        self, before: Configuration | None, event: Input, made: tuple[Record, ...], after: Configuration
    ) -> Iterator[Breach]:
        """Yield what was broken inside the parts, for which all theorems hold too."""
        was = before.visit.asks if before and before.visit and before.hops == after.hops else {}
        for number, ask in after.visit.asks.items() if after.visit else ():
            if ask.child is not None and isinstance(ask.request, RunPart):
                earlier = was[number].child if number in was else None
                inside = self._inside[after.state, ask.request.part]
                yield from inside.breaches(earlier, event, made, ask.child, _on(ask.child))

    def _ended_parts(
        self, before: Configuration | None, made: tuple[Record, ...], after: Configuration
    ) -> Iterator[Breach]:
        """T3 of the parts that ended: each is charged in full where it ran; and T5: none that was landed ended well."""
        was = before.visit.asks if before and before.visit else {}
        asks = after.visit.asks if after.visit and before and before.hops == after.hops else {}
        ended = {
            record.ask: record for record in made if isinstance(record, Answered) and record.stamp.path == after.path
        }
        for number, ask in was.items():
            lives_on = number in asks and asks[number].child is not None
            if ask.child is not None and not lives_on and number not in ended:
                yield Breach("T3", f"the part of ask {number} is gone, and nobody says what it was charged")
        for number, record in ended.items():
            earlier, path = (was[number].child if number in was else None), (*after.path, number)
            inner = [told for told in made if told.stamp.path == path]
            if earlier is None and not inner:  # a tool or a human
                continue
            charged = earlier.ledger.settled.tokens if earlier else 0
            charged += sum(told.tokens for told in inner if isinstance(told, CallSettled | Answered | Overspent))
            if charged != record.tokens:
                yield Breach("T3", f"the part of ask {number} was charged {charged}, and is said to be {record.tokens}")
            held = _held(earlier)
            for told in inner:
                if isinstance(told, CallReserved):
                    held[told.call] = told.input_tokens + told.output_tokens
                elif isinstance(told, CallSettled | CallReleased):
                    held.pop(told.call, None)
            if held:
                yield Breach("T3", f"calls {sorted(held)} outlived the part of ask {number}")
            if record.ok and any(isinstance(told, Landed) for told in inner):
                yield Breach("T5", f"the part of ask {number} was landed, and is said to have ended well")


def _on(now: Configuration) -> Callable[[Guard[Any]], bool]:
    return lambda guard: judged(guard, now.context).holds


def _held(now: Configuration | None) -> dict[int, int]:
    """Return the tokens that each open call of a visit has reserved."""
    return {call: amount.tokens for call, amount in now.visit.open.items()} if now and now.visit else {}


def _charge(event: Input, path: Path, call: int, reserved: int) -> tuple[int, int]:
    """Return the least and the most tokens that a call may be charged as it ends."""
    if not isinstance(event, inputs.CallSettled) or event.usage is None:
        return reserved, reserved
    if event.path == path and event.call == call:
        return event.usage.total_tokens, event.usage.total_tokens
    return reserved, reserved
