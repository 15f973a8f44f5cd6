"""A checker that follows one run, input by input, and asserts T1 to T6 after every one of them.

T1 to T5 are those of `fsm_orch.proof.explore.theorems`, which speak of one step. What only a whole run shows is added
here, and of T6 in `written`, without a line of the kernel's: a shared mistake would hide itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from ..define.context import Context
from ..define.guards import Guard
from ..kernel import inputs, records
from ..kernel.configuration import Configuration
from ..kernel.course import Step
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input
from ..kernel.requests import RunPart
from ..kernel.step import step
from ..proof.explore.theorems import Theorems
from .written import Written


class TheoremChecker:
    """A checker that follows one run.

    Args:
        compiled: the machine of the run, with the limits that it was started on.

    Raises AssertionError: if branches do not come together as T6 says; and from `follow`, with the name of the theorem
        that is broken.
    """

    def __init__(self, compiled: CompiledMachine) -> None:
        self.compiled = compiled
        self.now: Configuration | None = None
        """Where the run stands; None before it started."""
        self.most: int | None = None
        """The most that the run may be charged by its end, by its last record."""
        self._written = Written(compiled.definition)
        self._theorems = Theorems(compiled.definition, compiled.limits, compiled.parts)
        self._exits = {handoff.name for state in compiled.definition.states.values() for handoff in state.exits}

    def follow(self, event: Input) -> Step:
        """Apply an input, assert every theorem, and return the step.

        Raises StepError: if the kernel does not admit the input; then nothing has changed.
        """
        before, stepped = self.now, step(self.compiled, self.now, event)
        now = self.now = stepped.configuration
        self._one_step(before, event, stepped)
        self._commitment(before, event, stepped)
        self._parts(now, self.compiled)
        self._stamps(stepped)
        if now.status != "finished":  # it could be landed from here at once, whatever is under way
            cancelled = inputs.Cancelled(at=now.at)
            self._one_step(now, cancelled, step(self.compiled, now, cancelled))
        return stepped

    def follow_all(self, journal: Iterable[Input]) -> Configuration:
        """Apply the inputs of a journal, and return where the run stands after them."""
        for event in journal:
            self.follow(event)
        assert self.now is not None, "no input has been followed"
        return self.now

    def _one_step(self, before: Configuration | None, event: Input, stepped: Step) -> None:
        """T1 to T5, as far as one step shows them."""
        reply = self._committed(event, stepped)

        def holds(guard: Guard[Any]) -> bool:
            assert before is not None, "T1: a handoff came before the start"
            return _holds(guard, _made(before.context, reply.changes if reply else {}))

        broken = self._theorems.breaches(before, event, stepped.records, stepped.configuration, holds)
        assert not broken, "; ".join(map(str, broken))

    def _committed(self, event: Input, stepped: Step) -> inputs.Replied | None:
        """Return the reply that a step committed; None if there is none, as where a failure edge was taken."""
        taken = {record.handoff for record in _of_the_run(stepped) if isinstance(record, records.HandedOff)}
        return event if isinstance(event, inputs.Replied) and not taken.isdisjoint(self._exits) else None

    def _commitment(self, before: Configuration | None, event: Input, stepped: Step) -> None:
        """T6: what is read was written; a handoff commits its reply, a final state what it sets; nothing else is."""
        now, definition, reply = stepped.configuration, self.compiled.definition, self._committed(event, stepped)
        self._written.follow(stepped.records)
        if before is None:
            return
        sets = definition.finals[now.state].sets if now.status == "finished" else {}
        written = {**(reply.changes if reply else {}), **{ref.name: value for ref, value in sets.items()}}
        kept = _made(before.context, written)
        assert kept == now.context, f"T6: the context is {now.context!r}, and what was committed {kept!r}"
        said = reply.messages if reply else ()
        assert (*before.messages, *said) == now.messages, "T6: messages came or went without a handoff"

    def _parts(self, now: Configuration, compiled: CompiledMachine) -> None:
        """T2, and the names, of the machines inside a visit, at every level; what they hold is checked with T3."""
        for number, ask in (now.visit.asks if now.visit else {}).items():
            if ask.child is None:
                continue
            assert isinstance(ask.request, RunPart), "T1: a machine runs that nobody asked for"
            inside = compiled.parts[now.state][ask.request.part].compiled
            assert ask.child.hops < inside.limits.hops, "T2: a part has no hop left to land with"
            assert ask.child.run_id == f"{now.run_id}:{now.hops}.{number}", "T1: a part has another name"
            assert ask.child.path == (*now.path, number), "T1: a part is elsewhere in the tree"
            self._parts(ask.child, inside)

    def _stamps(self, stepped: Step) -> None:
        """T3: no record shows more than the limit, and the most that a run may be charged by its end never rises."""
        for record in stepped.records:
            if record.stamp.path:
                continue
            stamp = record.stamp
            held = stamp.settled + stamp.reserved
            assert held + stamp.remaining <= max(self.compiled.limits.tokens, held), "T3: more is left than there was"
            assert stamp.ahead >= 0, "T3: less than nothing is ahead"
            most = held + stamp.ahead - stepped.configuration.ledger.overrun.tokens
            assert self.most is None or most <= self.most, (
                f"T3: settled + reserved + ahead rose from {self.most:,} to {most:,} tokens, on {record.kind!r}"
            )
            self.most = most


def _of_the_run(stepped: Step) -> tuple[records.Record, ...]:
    """Return the records of a step that are not of a part."""
    return tuple([record for record in stepped.records if not record.stamp.path])


def _holds(guard: Guard[Any], context: Context) -> bool:
    """Return whether a guard holds; one that raises does not."""
    try:
        return guard(context) is True
    except (Exception, SystemExit, asyncio.CancelledError):
        return False


def _made(context: Context, values: Mapping[str, object]) -> Context:
    """Return a context with other values.

    Validated anew: `model_copy` does not validate, and keeps unknown keys.
    """
    held = {name: vars(context)[name] for name in type(context).__pydantic_fields__}
    return type(context).model_validate({**held, **values}, by_alias=False, by_name=True)
