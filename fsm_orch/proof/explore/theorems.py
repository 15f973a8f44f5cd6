"""The theorems T1 to T5, checked after one step from the definition alone, without any rule of the kernel.

Of the kernel only its data is used: inputs, records and configurations. Rules that are shared would hide their own
mistakes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

from ...define.definition import Definition
from ...define.guards import Guard
from ...kernel import inputs
from ...kernel.configuration import Configuration
from ...kernel.inputs import Input
from ...kernel.records import HandedOff, Landed, Record
from ...limits import Limits

Theorem = Literal["T1", "T2", "T3", "T4", "T5"]
THEOREMS: dict[Theorem, str] = {
    "T1": "closure: every transition is a declared handoff whose guard held, or the landing edge",
    "T2": "termination: no more hops than the limit, no more visits of a state than it declares",
    "T3": "budget: settled and reserved together are within the limits",
    "T4": "deadline: nothing is handed off, and no agent called, once it has passed",
    "T5": "landing: from everywhere the run can be landed in the fallback, within its hops",
}


class Breach(NamedTuple):
    """A theorem that did not hold after a step."""

    theorem: Theorem
    detail: str
    """What was seen instead."""


class Theorems:
    """The theorems as they hold for one definition within limits."""

    def __init__(self, definition: Definition, limits: Limits) -> None:
        self._limits = limits
        self._cost = limits.cost_micros
        self._initial, self._fallback = definition.initial.name, definition.fallback.name
        self._edges = {(source.name, h.name): h for h in definition.handoffs for source in h.sources}
        self._scarce = [(name, s.max_visits) for name, s in definition.states.items() if s.max_visits is not None]

    def breaches(
        self,
        before: Configuration | None,
        event: Input,
        after: Configuration,
        records: tuple[Record, ...],
        holds: Callable[[Guard[Any]], bool],
    ) -> list[Breach]:
        """Return the theorems that a step broke.

        Args:
            before: the configuration before the step; None for the start of a run.
            after: the configuration after it.
            records: what the kernel says has happened in it.
            holds: returns whether a guard holds on the context that the step committed.
        """
        found: list[Breach] = []
        place, hops = (before.state, before.hops) if before else (self._initial, 0)
        for record in records:
            if isinstance(record, HandedOff):
                found += self._handed_off(record, place, after.at, holds)
                place, hops = record.target, hops + 1
            elif isinstance(record, Landed):
                if record.target != self._fallback or record.source != place:
                    found.append(Breach("T1", f"landed from {record.source!r} in {record.target!r}"))
                place, hops = record.target, hops + 1
        if place != after.state or hops != after.hops:
            found.append(Breach("T1", f"the run stands at {after.state!r}, and its records lead to {place!r}"))
        found += self._bounded(after)
        found += self._in_time(event, after)
        if isinstance(event, inputs.Cancelled) and (after.state != self._fallback or after.status != "finished"):
            found.append(Breach("T5", f"a cancelled run stands in {after.state!r}, {after.status}"))
        return found

    def _handed_off(
        self, record: HandedOff, place: str, at: float, holds: Callable[[Guard[Any]], bool]
    ) -> Iterator[Breach]:
        edge = self._edges.get((place, record.handoff))
        if edge is None or edge.target.name != record.target or record.source != place:
            yield Breach("T1", f"{record.handoff!r} is not a handoff from {place!r} to {record.target!r}")
        elif edge.guard is not None and not holds(edge.guard):
            yield Breach("T1", f"{record.handoff!r} was taken though its guard did not hold")
        if at >= self._limits.deadline_s:
            yield Breach("T4", f"{record.handoff!r} was taken after the deadline")

    def _bounded(self, after: Configuration) -> list[Breach]:
        """Check hops and visits, and that the ledger keeps the limits whatever calls are open."""
        found = []
        is_over, ledger = after.status == "finished", after.ledger
        settled, reserved, overrun = ledger.settled, ledger.reserved, ledger.overrun
        # A run that is not over needs one more hop: the one in which it lands.
        if after.hops + (not is_over) > self._limits.hops:
            found.append(
                Breach("T2", f"{after.hops} of {self._limits.hops} hops in {after.state!r}: none left to land")
            )
        for name, most in self._scarce:
            if after.visits.get(name, 0) > most:
                found.append(Breach("T2", f"{after.visits[name]} visits of {name!r}, which declares {most}"))
        # An overrun is what a provider charged beyond its cap. It is settled, but no reservation can prevent it.
        tokens, cost = settled.tokens - overrun.tokens + reserved.tokens, self._cost
        micros = settled.cost - overrun.cost + reserved.cost
        if tokens > self._limits.tokens or (cost is not None and micros > cost):
            found.append(Breach("T3", f"{tokens} tokens and {micros} micro-dollars are settled and reserved"))
        if is_over and (reserved.tokens or reserved.cost):
            found.append(Breach("T3", f"the run ended and {reserved} is still reserved"))
        return found

    def _in_time(self, event: Input, after: Configuration) -> list[Breach]:
        if after.at < self._limits.deadline_s or after.status == "finished":
            return []
        ends = isinstance(event, inputs.Replied | inputs.Failed | inputs.Resumed)
        return [Breach("T4", f"an agent is called in {after.state!r} after the deadline")] if ends else []
