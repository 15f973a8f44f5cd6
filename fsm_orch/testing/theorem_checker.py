"""T1 to T6, written once more from the design, without a line of the kernel's: a shared mistake would hide itself.

A `TheoremChecker` follows a run input by input and asserts each theorem after every one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..amounts import Amount
from ..define.context import Context, first_readable
from ..define.states import Final, State
from ..kernel import inputs, records
from ..kernel.configuration import Configuration
from ..kernel.course import Step
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input
from ..kernel.step import step


class TheoremChecker:
    """A checker that follows one run.

    Args:
        compiled: the machine of the run, with the limits that it was started on.

    Raises AssertionError: from `follow`, with the name of the theorem that is broken.
    """

    def __init__(self, compiled: CompiledMachine) -> None:
        self.compiled = compiled
        self.now: Configuration | None = None
        """Where the run stands; None before it started."""
        self.written = set(first_readable(compiled.definition.context))
        self.hops = 0
        self.open: dict[int, int] = {}
        self.charged = 0
        self.most: int | None = None
        """The most that the run may be charged by its end, by its last record."""

    def follow(self, event: Input) -> Step:
        """Apply an input, assert every theorem, and return the step.

        Raises StepError: if the kernel does not admit the input; then nothing has changed.
        """
        before, stepped = self.now, step(self.compiled, self.now, event)
        self.now = stepped.configuration
        self._closure(before, event, stepped)
        self._commitment(before, event, stepped)
        self._termination()
        self._budget(stepped)
        self._books(before, event, stepped)
        self._deadline(event, stepped)
        self._landing()
        self._stamps(stepped)
        return stepped

    def follow_all(self, journal: Iterable[Input]) -> Configuration:
        """Apply the inputs of a journal, and return where the run stands after them."""
        for event in journal:
            self.follow(event)
        return self._now

    def _closure(self, before: Configuration | None, event: Input, stepped: Step) -> None:
        """T1 and T6: every move was declared, its guard held, and it read and wrote what it declared."""
        definition = self.compiled.definition
        place = before.state if before else definition.initial.name
        if before is None:
            self._reads_were_written(definition.initial)
        for record in stepped.records:
            if isinstance(record, records.HandedOff):
                assert before is not None, "T1: a handoff came before the start"
                handoff = next(h for h in definition.handoffs if h.name == record.handoff)
                assert place == record.source, (
                    f"T1: {record.handoff!r} left {record.source!r}, and the run stood in {place!r}"
                )
                assert record.source in [source.name for source in handoff.sources], f"T1: {handoff!r} left elsewhere"
                assert record.target == handoff.target.name, f"T1: {handoff!r} led to {record.target!r}"
                changes = dict(event.changes) if isinstance(event, inputs.Replied) and record.written else {}
                committed = _made(before.context, changes)
                assert handoff.guard is None or handoff.guard(committed) is True, (
                    f"T1: {record.handoff!r} was taken and its guard does not hold on {committed!r}"
                )
                source = definition.states[record.source]
                expected = source.spec.written_names if handoff.kind == "handoff" else frozenset()
                assert expected == set(record.written), f"T6: {record.handoff!r} wrote {record.written}"
                self.written |= expected
                self._reads_were_written(handoff.target)
                place, self.hops = record.target, self.hops + 1
            elif isinstance(record, records.Landed):
                assert place == record.source, f"T1: landed from {record.source!r}, and the run stood in {place!r}"
                assert record.target == definition.fallback.name, f"T1: landed in {record.target!r}"
                place, self.hops = record.target, self.hops + 1
        assert place == stepped.configuration.state, "T1: the run moved without a record"
        assert self.hops == stepped.configuration.hops, "T2: a hop was not counted"

    def _commitment(self, before: Configuration | None, event: Input, stepped: Step) -> None:
        """T6: a handoff commits its reply and a final state what it sets; nothing else is ever written."""
        if before is None:
            return
        now, definition = self._now, self.compiled.definition
        kinds = {handoff.name: handoff.kind for handoff in definition.handoffs}
        moved = [record for record in stepped.records if isinstance(record, records.HandedOff)]
        is_committed = isinstance(event, inputs.Replied) and any(kinds[r.handoff] == "handoff" for r in moved)
        changes = dict(event.changes) if isinstance(event, inputs.Replied) and is_committed else {}
        said = event.messages if isinstance(event, inputs.Replied) and is_committed else ()
        sets = definition.finals[now.state].sets if now.status == "finished" else {}
        expected = _made(before.context, {**changes, **{ref.name: value for ref, value in sets.items()}})
        assert expected == now.context, f"T6: the context is {now.context!r}, and what was committed {expected!r}"
        assert (*before.messages, *said) == now.messages, "T6: messages came or went without a handoff"

    def _reads_were_written(self, part: State | Final) -> None:
        if isinstance(part, State):
            unwritten = sorted(part.spec.read_names - self.written)
            assert not unwritten, f"T6: {part!r} reads {unwritten}, which no visit has written"

    def _termination(self) -> None:
        """T2: hops and visits are bounded, and a run that has not ended has a hop left."""
        now, definition = self._now, self.compiled.definition
        is_final = now.state in definition.finals
        assert is_final == (now.status == "finished") == (now.visit is None), f"T2: {now.status} in {now.state!r}"
        assert now.hops + (0 if is_final else 1) <= self.compiled.limits.hops, f"T2: no hop is left after {now.hops}"
        assert sum(now.visits.values()) == now.hops + (0 if is_final else 1), "T2: a visit was not counted"
        for name, visits in now.visits.items():
            declared = definition.states[name].max_visits
            most = self.compiled.limits.hops if declared is None else declared
            assert visits <= most, f"T2: {name!r} was visited {visits} times, and may be {most} times"

    def _budget(self, stepped: Step) -> None:
        """T3: nothing is reserved that could not be paid, and the ledger accounts for all that is reserved."""
        now, limits = self._now, self.compiled.limits
        ledger = now.ledger
        cap = Amount(limits.tokens, limits.cost_micros or 0)
        assert ledger.settled.tokens - ledger.overrun.tokens + ledger.reserved.tokens <= cap.tokens, f"T3: {ledger}"
        if limits.cost_micros is not None:
            assert ledger.settled.cost - ledger.overrun.cost + ledger.reserved.cost <= cap.cost, f"T3: {ledger}"
        held = sum(amount.tokens for amount in now.visit.open.values()) + now.visit.grant.tokens if now.visit else 0
        assert held == ledger.reserved.tokens, f"T3: calls hold {held} tokens, and {ledger}"
        if now.visit:
            spec = self.compiled.definition.states[now.state].spec
            assert now.visit.calls <= spec.calls, f"T3: a visit of {now.state!r} made {now.visit.calls} calls"
        for call, child in now.children.items():
            assert now.visit is not None, "T3: a child outlived its visit"
            assert child.ledger.limit.tokens == now.visit.open[call].tokens, (
                "T3: a child has not the share that was split off"
            )
            assert child.ledger.is_sound, f"T3: in a child, {child.ledger}"
            assert child.hops <= self.compiled.children[now.child_machines[call]].limits.hops, "T2: in a child"
            assert child.run_id != now.run_id, "T1: a child has the name of its parent"
        if ledger.overrun.tokens:
            assert now.status == "finished", "T3: the run went on after an overrun"
        for record in stepped.records:
            if isinstance(record, records.CallDenied):
                admitted = any(isinstance(other, records.CallReserved) for other in stepped.records)
                assert not admitted, "T3: a call was refused and admitted"

    def _books(self, before: Configuration | None, event: Input, stepped: Step) -> None:
        """T3: a call is charged what it used or its whole reservation; nothing else is charged."""
        for record in stepped.records:
            if isinstance(record, records.CallReserved):
                self.open[record.call] = record.input_tokens + record.output_tokens
            elif isinstance(record, records.CallReleased):
                is_asked = isinstance(event, inputs.CallReleased) and event.call == record.call
                assert is_asked, f"T3: call {record.call} was given back unasked"
                del self.open[record.call]
            elif isinstance(record, records.CallSettled):
                held, child = self.open.pop(record.call), before.children.get(record.call) if before else None
                if child is not None:
                    assert child.ledger.settled.tokens <= record.tokens <= child.ledger.held.tokens, f"T3: {record}"
                elif isinstance(event, inputs.CallSettled) and event.usage is not None and event.call == record.call:
                    assert record.tokens == event.usage.total_tokens, f"T3: {record.tokens} charged for {event.usage}"
                else:
                    assert record.tokens == held, f"T3: {record.tokens} charged where {held} were reserved"
                assert record.overrun == max(0, record.tokens - held), f"T3: {record}"
                self.charged += record.tokens
            elif isinstance(record, records.HandedOff | records.Landed):
                assert not self.open, f"T3: calls {sorted(self.open)} outlived their visit"
        visit = self._now.visit
        held_now = {call: amount.tokens for call, amount in visit.open.items()} if visit else {}
        assert self.open == held_now, f"T3: {self.open} are open by the records, {held_now} by the configuration"
        assert self.charged == self._now.ledger.settled.tokens, f"T3: {self.charged} were charged, {self._now.ledger}"

    def _deadline(self, event: Input, stepped: Step) -> None:
        """T4: after the deadline no handoff is taken and no agent is asked."""
        now = self._now
        deadline_s = self.compiled.limits.deadline_s
        for record in stepped.records:
            is_late = isinstance(record, records.HandedOff) and record.stamp.at >= deadline_s
            assert not is_late, f"T4: a handoff at {record.stamp.at} s, after the deadline of {deadline_s} s"
        if isinstance(event, inputs.Replied | inputs.Failed | inputs.Resumed) and now.status == "running":
            assert now.at < deadline_s, f"T4: an agent was asked at {now.at} s, after the deadline of {deadline_s} s"

    def _landing(self) -> None:
        """T5: the run could be landed from here at once, whatever is under way."""
        now = self._now
        if now.status == "finished":
            assert now.ledger.reserved == Amount(), "T5: the run ended with calls open"
            return
        landed = step(self.compiled, now, inputs.Cancelled(at=now.at)).configuration
        assert landed.status == "finished", "T5: the run could not be landed"
        assert landed.state == self.compiled.definition.fallback.name, f"T5: landed in {landed.state!r}"
        assert landed.hops == now.hops + 1 <= self.compiled.limits.hops, "T5: no hop was left to land with"
        assert landed.ledger.reserved == Amount(), "T5: landed with calls open"
        for ref, value in self.compiled.definition.fallback.sets.items():
            assert getattr(landed.context, ref.name) == value, f"T5: landed without the default of {ref!r}"

    def _stamps(self, stepped: Step) -> None:
        """T3: no record shows more than the limit, and the most that a run may be charged by its end never rises."""
        for record in stepped.records:
            if isinstance(record, records.ChildRecord):
                continue
            stamp = record.stamp
            held = stamp.settled + stamp.reserved
            assert held + stamp.remaining <= max(self.compiled.limits.tokens, held), "T3: more is left than there was"
            assert stamp.ahead >= 0, "T3: less than nothing is ahead"
            most = held + stamp.ahead - self._now.ledger.overrun.tokens
            assert self.most is None or most <= self.most, (
                f"T3: settled + reserved + ahead rose from {self.most:,} to {most:,} tokens, on {record.kind!r}"
            )
            self.most = most

    @property
    def _now(self) -> Configuration:
        assert self.now is not None, "no input has been followed"
        return self.now


def _made(context: Context, values: Mapping[str, object]) -> Context:
    """Return a context with other values.

    Validated anew: `model_copy` does not validate, and keeps unknown keys.
    """
    held = {name: vars(context)[name] for name in type(context).__pydantic_fields__}
    return type(context).model_validate({**held, **values}, by_alias=False, by_name=True)
