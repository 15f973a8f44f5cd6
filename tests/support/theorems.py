"""T1 to T6, written down once more from the design, without a line of the kernel's.

A `Witness` follows a run input by input and asserts each theorem after every one of them.
"""

from __future__ import annotations

from fsm_orch import Final, State, events
from fsm_orch.budget import Amount
from fsm_orch.configuration import Configuration
from fsm_orch.context import given_fields
from fsm_orch.engine import Compiled
from fsm_orch.kernel import Step, step


class Witness:
    """Follows one run."""

    def __init__(self, machine: Compiled) -> None:
        self.machine = machine
        self.now: Configuration | None = None
        self.written = set(given_fields(machine.definition.context))
        self.hops = 0
        self.open: dict[int, int] = {}
        self.charged = 0

    def follow(self, event: events.Input) -> Step:
        """Apply an input and assert everything."""
        before, stepped = self.now, step(self.machine, self.now, event)
        self.now = stepped.configuration
        self._closure(before, event, stepped)
        self._commitment(before, event, stepped)
        self._termination()
        self._budget(stepped)
        self._books(before, event, stepped)
        self._deadline(event, stepped)
        self._landing()
        for record in stepped.records:
            if isinstance(record, events.ChildRecord):
                continue
            assert record.stamp.settled + record.stamp.reserved + record.stamp.remaining <= max(
                self.machine.limits.tokens, record.stamp.settled + record.stamp.reserved
            )
        return stepped

    def follow_all(self, journal: tuple[events.Input, ...]) -> Configuration:
        for event in journal:
            self.follow(event)
        assert self.now is not None
        return self.now

    def _closure(self, before: Configuration | None, event: events.Input, stepped: Step) -> None:
        """T1 and T6: what moved was declared, open, and read and wrote what it said."""
        definition = self.machine.definition
        place = before.state if before else definition.initial.name
        if before is None:
            self._reads_were_written(definition.initial)
        for record in stepped.records:
            if isinstance(record, events.HandedOff):
                assert before is not None
                handoff = next(h for h in definition.handoffs if h.name == record.handoff)
                assert place == record.source
                assert record.source in [source.name for source in handoff.sources]
                assert record.target == handoff.target.name
                changes = dict(event.changes) if isinstance(event, events.Replied) and record.written else {}
                committed = before.context.__class__.model_validate({**vars(before.context), **changes})
                assert handoff.guard is None or handoff.guard(committed) is True
                source = definition.states[record.source]
                expected = source.spec.written_names if handoff.kind == "handoff" else frozenset()
                assert expected == set(record.written)
                self.written |= expected
                self._reads_were_written(handoff.target)
                place, self.hops = record.target, self.hops + 1
            elif isinstance(record, events.Landed):
                assert place == record.source
                assert record.target == definition.fallback.name
                place, self.hops = record.target, self.hops + 1
        assert place == stepped.configuration.state
        assert self.hops == stepped.configuration.hops

    def _commitment(self, before: Configuration | None, event: events.Input, stepped: Step) -> None:
        """T6: a handoff commits the reply with it, a final state what it sets, and nothing else is ever written."""
        if before is None:
            return
        now, definition = self._now, self.machine.definition
        kinds = {handoff.name: handoff.kind for handoff in definition.handoffs}
        moved = [record for record in stepped.records if isinstance(record, events.HandedOff)]
        is_committed = isinstance(event, events.Replied) and any(kinds[r.handoff] == "handoff" for r in moved)
        changes = dict(event.changes) if isinstance(event, events.Replied) and is_committed else {}
        said = event.messages if isinstance(event, events.Replied) and is_committed else ()
        sets = definition.finals[now.state].sets if now.status == "finished" else {}
        expected = {**vars(before.context), **changes, **{ref.name: value for ref, value in sets.items()}}
        assert before.context.__class__.model_validate(expected) == now.context
        assert (*before.messages, *said) == now.messages

    def _reads_were_written(self, part: State | Final) -> None:
        if isinstance(part, State):
            assert part.spec.read_names <= self.written

    def _termination(self) -> None:
        """T2: hops and visits are bounded, and what is not final has a hop left."""
        now, definition = self._now, self.machine.definition
        is_final = now.state in definition.finals
        assert is_final == (now.status == "finished") == (now.visit is None)
        assert now.hops + (0 if is_final else 1) <= self.machine.limits.hops
        assert sum(now.visits.values()) == now.hops + (0 if is_final else 1)
        for name, visits in now.visits.items():
            declared = definition.states[name].max_visits
            assert visits <= (self.machine.limits.hops if declared is None else declared)

    def _budget(self, stepped: Step) -> None:
        """T3: nothing is held that could not be paid, and what is held is accounted for."""
        now, limits = self._now, self.machine.limits
        ledger = now.ledger
        cap = Amount(limits.tokens, limits.cost_micros or 0)
        assert ledger.settled.tokens - ledger.overrun.tokens + ledger.reserved.tokens <= cap.tokens
        if limits.cost_micros is not None:
            assert ledger.settled.cost - ledger.overrun.cost + ledger.reserved.cost <= cap.cost
        held = sum(amount.tokens for amount in now.visit.open.values()) + now.visit.grant.tokens if now.visit else 0
        assert held == ledger.reserved.tokens
        if now.visit:
            spec = self.machine.definition.states[now.state].spec
            assert now.visit.calls <= spec.calls
        for call, child in now.children.items():
            assert now.visit is not None
            assert child.ledger.limit.tokens == now.visit.open[call].tokens
            assert child.ledger.is_sound
            assert child.hops <= self.machine.children[now.child_machines[call]].limits.hops
            assert child.context.__class__ is not now.context.__class__ or child.run_id != now.run_id
        if ledger.overrun.tokens:
            assert now.status == "finished"
        for record in stepped.records:
            if isinstance(record, events.CallRefused):
                assert not any(isinstance(other, events.CallAdmitted) for other in stepped.records)

    def _books(self, before: Configuration | None, event: events.Input, stepped: Step) -> None:
        """T3: a call is charged what it used, or all that it had reserved; nothing else is."""
        for record in stepped.records:
            if isinstance(record, events.CallAdmitted):
                self.open[record.call] = record.input_tokens + record.output_tokens
            elif isinstance(record, events.CallFreed):
                assert isinstance(event, events.CallReleased)
                assert event.call == record.call
                del self.open[record.call]
            elif isinstance(record, events.CallCharged):
                held, child = self.open.pop(record.call), before.children.get(record.call) if before else None
                if child is not None:
                    assert child.ledger.settled.tokens <= record.tokens <= child.ledger.held.tokens
                elif isinstance(event, events.CallSettled) and event.usage is not None and event.call == record.call:
                    assert record.tokens == event.usage.input_tokens + event.usage.output_tokens
                else:
                    assert record.tokens == held
                assert record.overrun == max(0, record.tokens - held)
                self.charged += record.tokens
            elif isinstance(record, events.HandedOff | events.Landed):
                assert not self.open
        visit = self._now.visit
        assert self.open == ({call: amount.tokens for call, amount in visit.open.items()} if visit else {})
        assert self.charged == self._now.ledger.settled.tokens

    def _deadline(self, event: events.Input, stepped: Step) -> None:
        """T4: once the deadline has passed, nothing is handed off and no agent is asked again."""
        now = self._now
        for record in stepped.records:
            assert not isinstance(record, events.HandedOff) or record.stamp.at < self.machine.limits.deadline_s
        if isinstance(event, events.Replied | events.Failed | events.Resumed) and now.status == "running":
            assert now.at < self.machine.limits.deadline_s

    def _landing(self) -> None:
        """T5: from here the run could be landed at once, whatever is under way."""
        now = self._now
        if now.status == "finished":
            assert now.ledger.reserved == Amount()
            return
        landed = step(self.machine, now, events.Cancelled(at=now.at)).configuration
        assert landed.status == "finished"
        assert landed.state == self.machine.definition.fallback.name
        assert landed.hops == now.hops + 1 <= self.machine.limits.hops
        assert landed.ledger.reserved == Amount()
        for ref, value in self.machine.definition.fallback.sets.items():
            assert getattr(landed.context, ref.name) == value

    @property
    def _now(self) -> Configuration:
        assert self.now is not None
        return self.now
