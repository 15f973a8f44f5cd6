"""What a check tells of agents that are away is what runs do: of random machines, nests, and the whole gallery."""

from __future__ import annotations

import importlib
import itertools
import pkgutil
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from msgspec.structs import replace
from support.anything import any_input, compiled, started
from support.lanes import in_both_lanes

import machines
from fsm_orch import Machine
from fsm_orch.define.states import Final, Handoff
from fsm_orch.errors import CallDenied, StepError
from fsm_orch.kernel import inputs, records
from fsm_orch.kernel.begin import compiled_as
from fsm_orch.kernel.configuration import Configuration
from fsm_orch.kernel.course import Course
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.legal import menu, objection
from fsm_orch.kernel.step import step
from fsm_orch.kernel.tree import Level, levels
from fsm_orch.proof.away import Turned, away
from fsm_orch.resilience import Gate
from fsm_orch.store import MemoryStore
from fsm_orch.testing import Tape, tapes
from fsm_orch.testing.clock import virtual_time
from fsm_orch.testing.strategies import contexts
from fsm_orch.testing.whole_runs import World, pools

USED_UP = ("visits", "hops", "budget", "deadline")


class Told:
    """What was told of one state, held against each step of a run while that state alone is shut."""

    def __init__(self, compiled: CompiledMachine, place: str) -> None:
        self.compiled, self.place = compiled, place
        (self.told,) = [each for each in away(compiled.definition) if each.place == place]
        self.inside, _, self.name = place.rpartition(".")
        self.seen = Counter[str]()
        self.now: Configuration | None = None

    def follow(self, event: Input) -> None:
        """Take an input, and compare what each machine of the tree that holds the state does with what was told."""
        before, stepped = self.now, step(self.compiled, self.now, event)
        self.now = stepped.configuration
        is_shut = self.now.shut == {self.place}
        for record, after in itertools.pairwise([*stepped.records, None]):
            level = self._level(before, record)
            if level is None or after is None or after.stamp.path != record.stamp.path:
                continue
            if isinstance(record, records.AttemptFailed) and not record.is_retried:
                if record.reason != "timeout" and level.now.state == self.name and is_shut:
                    self._is("in it", level, event, self.told.edge, after)
            elif isinstance(record, records.Refused) and not record.is_repaired and record.reason == "shut":
                self._is("refused", level, event, self._turned(level.now.state).edge, after)
        for record, after in itertools.pairwise(stepped.records):
            self._landed_at_once(record, after)
        self._menus()

    def _level(self, before: Configuration | None, record: records.Record) -> Level | None:
        """Return the machine that a record is of, as it was before the step; None if it does not hold the state."""
        if before is None:
            return None
        found = levels(self.compiled, before, record.stamp.path)
        return found[-1] if len(found) == len(record.stamp.path) + 1 and _inside(found) == self.inside else None

    def _turned(self, source: str) -> Turned:
        (found,) = [each for each in self.told.before if each.source.name == source]
        return found

    def _is(self, what: str, level: Level, event: Input, edge: Handoff | None, after: records.Record) -> None:
        """Assert that a visit that failed took its edge, unless that was closed by what is used up."""
        if isinstance(after, records.HandedOff):
            assert edge is not None
            assert edge.name == after.handoff
            self.seen[f"{what}: edge"] += 1
            return
        assert isinstance(after, records.Landed)
        if edge is not None:
            course = Course(level.compiled, replace(level.now, at=level.now.at + event.at - self._at(level)))
            course.close_visit()
            against = objection(level.compiled, course.now, edge)
            assert against is not None
            assert against.reason in USED_UP
        self.seen[f"{what}: landing"] += edge is None

    def _at(self, level: Level) -> float:
        return level.now.at + level.behind

    def _landed_at_once(self, record: records.Record, after: records.Record) -> None:
        """Assert that a machine lands as it enters a state before it only where no exit of that is sure."""
        if not isinstance(record, records.VisitStarted) or not isinstance(after, records.Landed):
            return
        if record.stamp.path != after.stamp.path or after.reason != "shut":
            return
        turned = [each for each in self.told.before if each.source.name == record.stamp.state]
        assert turned  # nothing else can land it so
        others = [way for way in turned[0].source.exits if way.target.name != self.name and way.guard is None]
        assert turned[0].may_land or not any(isinstance(way.target, Final) for way in others)
        self.seen["at once"] += turned[0].may_land

    def _menus(self) -> None:
        """Assert that whoever chooses before it has what remains, but for what is used up or has a guard."""
        assert self.now is not None
        for level in _all_levels(self.compiled, self.now):
            if level.now.shut != {self.name} or level.now.status != "running" or not self._stands_before(level):
                continue
            turned = self._turned(level.now.state)
            drawn = {way.name: against for way, against in menu(level.compiled, level.now)}
            is_open = {name for name, against in drawn.items() if against is None}
            remain = {way.name: way for way in turned.remain}
            if turned.source.spec.proposes:
                assert is_open <= remain.keys()
                for name in remain.keys() - is_open:
                    against = drawn[name]
                    assert against is not None
                    assert against.reason in USED_UP or remain[name].guard is not None
                self.seen["remain"] += bool(is_open)

    def _stands_before(self, level: Level) -> bool:
        return any(each.source.name == level.now.state for each in self.told.before)


def _inside(found: tuple[Level, ...]) -> str:
    return ".".join(f"{above.now.state}.{below.part}" for above, below in itertools.pairwise(found))


def _all_levels(compiled: CompiledMachine, now: Configuration) -> list[Level]:
    paths: list[tuple[int, ...]] = [()]
    for path in paths:
        visit = levels(compiled, now, path)[-1].now.visit
        paths += [(*path, number) for number, ask in (visit.asks.items() if visit else ()) if ask.child is not None]
    return [levels(compiled, now, path)[-1] for path in paths]


def journal_of(told: Told, tape: Tape, most: int = 40) -> None:
    """Play inputs off a tape while a state is shut, now and then, and compare each step with what was told."""
    machine, at = told.compiled, 0.0
    shut = (told.place,)
    try:
        told.follow(replace(started(machine, tape), shut=shut if tape.chance(2) else ()))
    except StepError:
        return
    for _ in range(most):
        assert told.now is not None
        if told.now.status == "finished":
            return
        at += tape.pick([0.0, 0.0, 0.1, 0.5])
        event: Input = any_input(tape, machine, told.now, at)
        if tape.chance(4):
            event = inputs.GatesSeen(shut=() if tape.chance(4) else shut, at=at)
        elif tape.chance(4):
            path = tape.pick(_all_levels(machine, told.now)).now.path
            event = inputs.Failed(reason=tape.pick(["denied", "error"]), at=at, path=path)
        try:
            told.follow(event)
        except StepError:
            continue


@in_both_lanes(few=400, many=1_200, most=6_000)
def test_random_machines_do_what_was_told(examples: int) -> None:
    """Whatever else happens, who is away is gone round by the edges that were told, and runs land where that was."""
    seen = Counter[str]()

    for seed in range(examples):
        chance = random.Random(seed)
        machine = compiled(Tape(chance.randbytes(90)))
        told = Told(machine, chance.choice(list(machine.definition.places)))
        journal_of(told, Tape(chance.randbytes(600)))
        seen.update(told.seen)

    ways = ("in it: edge", "in it: landing", "refused: edge", "refused: landing", "at once", "remain")
    assert not [way for way in ways if not seen[way]], seen


class Down:
    """The breaker of an agent that is away for good; of some, nobody knows before they enter."""

    def __init__(self, *, is_known: bool) -> None:
        self.is_shut = is_known

    async def enter(self) -> int:
        """Let nobody in."""
        raise CallDenied("shut: its provider is down")

    async def leave(self, number: int, came: object) -> None:
        """Count nothing."""


def gallery() -> list[type[Machine[Any, Any]]]:
    """Return every machine of the gallery."""
    found = dict[str, type[Machine[Any, Any]]]()
    for module in pkgutil.iter_modules(machines.__path__, "machines."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, type) and issubclass(value, Machine) and value.__module__ == module.name:
                found[name] = value
    return list(found.values())


@pytest.mark.parametrize("machine", gallery(), ids=lambda machine: machine.__name__)
@in_both_lanes(few=4, many=12, most=60)
def test_the_gallery_does_what_was_told(machine: type[Machine[Any, Any]], examples: int) -> None:
    """Each agent in turn is behind a gate of a real runner that lets nobody in; all others do what they like."""
    seen = Counter[str]()

    @settings(max_examples=examples, deadline=None)
    @given(contexts(machine), tapes(min_size=40, max_size=160), pools(machine))
    def does(context: Any, tape: Tape, pool: Any) -> None:
        for place, state in machine.definition.places.items():
            for is_known in (True, False):
                world = World(machine, tape, pool, MemoryStore(), gates={state: Gate(breaker=Down(is_known=is_known))})
                with virtual_time() as loop:
                    result = loop.run(world.run(context))
                first = result.journal[0]
                assert isinstance(first, inputs.Started)
                told = Told(compiled_as(machine.definition, first), place)
                for event in result.journal:
                    told.follow(event)
                seen.update(told.seen)

    does()

    assert seen, "no run came to an agent that was away"
