"""Shut states add no behaviour: whatever a run with gates does, a run without them does under a world that may do it.

The twin of a journal has no gates. A reply that was refused since its state is shut proposes a handoff that is not
there; a machine that landed where only shut states were left is cancelled. An exploration plays both everywhere, so
bounds, theorems and policies that it found hold for runs with gates.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from msgspec.structs import replace
from support.anything import any_input, compiled, started
from support.random_machines import PLANS

from fsm_orch.errors import StepError
from fsm_orch.kernel import inputs, records
from fsm_orch.kernel.configuration import Configuration
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.step import step
from fsm_orch.kernel.tree import machine_at
from fsm_orch.testing import Tape, TheoremChecker, tapes


def drawn_shut(tape: Tape, compiled: CompiledMachine) -> tuple[str, ...]:
    return tuple([place for place in compiled.definition.places if tape.chance(3)])


def played(compiled: CompiledMachine, tape: Tape, most: int = 40) -> tuple[TheoremChecker, list[Input]] | None:
    """Play inputs off a tape, gates among them, under a checker of the theorems; None if no run starts."""
    checker, journal = TheoremChecker(compiled), list[Input]()
    first = replace(started(compiled, tape), shut=drawn_shut(tape, compiled) if tape.chance(3) else ())
    at = 0.0
    try:
        checker.follow(first)
    except StepError:
        return None
    journal.append(first)
    for _ in range(most):
        assert checker.now is not None
        if checker.now.status == "finished":
            break
        at += tape.pick([0.0, 0.1, 0.5, 3.0])
        event: Input
        if tape.chance(3):
            event = inputs.GatesSeen(shut=drawn_shut(tape, compiled), at=at)
        else:
            event = any_input(tape, compiled, checker.now, at)
        try:
            checker.follow(event)
        except StepError:
            continue
        journal.append(event)
    return checker, journal


def told(now: Configuration) -> dict[str, Any]:
    """Tell all that a run is, but for why machines landed and in which words work failed."""
    visit = now.visit
    inside = {} if visit is None else {number: ask.child for number, ask in visit.asks.items() if ask.child is not None}
    return {
        "state": (now.status, now.state, now.hops, now.landing is None),
        "said": (now.context, now.messages, now.visits),
        "books": (now.ledger, now.usage, now.ceiling),
        "visit": None if visit is None else (visit.calls, visit.attempt, visit.failures, visit.open, visit.is_answered),
        "inside": {number: told(child) for number, child in inside.items()},
    }


class Twin:
    """A run without gates that follows one with gates."""

    def __init__(self, compiled: CompiledMachine) -> None:
        self.compiled = compiled
        self.gated: Configuration | None = None
        self.plain: Configuration | None = None
        self.changed = 0
        """How many inputs were other ones for the twin."""

    def follow(self, event: Input) -> None:
        """Take an input with gates, and let the twin come to where it leads."""
        stepped = step(self.compiled, self.gated, event)
        self.gated = stepped.configuration
        if isinstance(event, inputs.GatesSeen):
            assert self.plain is not None
            self.plain = replace(self.plain, at=self.gated.at)
            return
        instead = self._unrefused(event, stepped.records)
        landed = [each.stamp.path for each in stepped.records if isinstance(each, records.Landed)]
        for ways in ([instead], [instead, *landed], landed):
            after = self._led(ways, event.at)
            if after is not None and told(after) == told(self.gated):
                self.plain = after
                self.changed += ways != [event]
                return
        raise AssertionError(f"no run without gates follows {event!r}:\n{self.plain!r}\n{self.gated!r}")

    def _unrefused(self, event: Input, made: tuple[records.Record, ...]) -> Input:
        """Return the input; instead of a reply that was refused since its state is shut, one that is nonsense."""
        if isinstance(event, inputs.Replied) and any(
            isinstance(each, records.Refused) and each.reason == "shut" for each in made
        ):
            return replace(event, handoff="no_such_handoff")
        return replace(event, shut=()) if isinstance(event, inputs.Started) else event

    def _led(self, ways: list[Any], at: float) -> Configuration | None:
        """Return where inputs, and cancellations of the machines at paths, lead the twin; None if they do not fit."""
        after = self.plain
        for way in ways:
            is_path = isinstance(way, tuple)
            if is_path and (after is None or not _lives(after, way)):
                continue
            try:
                after = step(self.compiled, after, inputs.Cancelled(at=at, path=way) if is_path else way).configuration
            except StepError:
                return None
        return after


def _lives(now: Configuration, path: tuple[int, ...]) -> bool:
    return now.status == "running" and machine_at(now, path) is not None


@pytest.mark.parametrize(
    "examples", [100, pytest.param(1_000, marks=pytest.mark.slow), pytest.param(12_000, marks=pytest.mark.long)]
)
def test_a_run_without_gates_follows_each_run_with_gates(examples: int) -> None:
    """It stands in the same states with the same contexts, hops and books, at every level, after every input."""
    changed = 0

    @settings(max_examples=examples)
    @given(PLANS, tapes())
    def follows(plan: Tape, tape: Tape) -> None:
        nonlocal changed
        machine = compiled(plan)
        outcome = played(machine, tape)
        if outcome is None:
            return
        twin = Twin(machine)
        for event in outcome[1]:
            twin.follow(event)
        changed += twin.changed

    follows()

    assert changed > examples // 20  # else the gates did nothing, and nothing was shown
