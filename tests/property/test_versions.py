"""Random machines, random changes of them, and random runs: what is judged to continue goes on, with all theorems."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from functools import partial
from typing import Any

from hypothesis import given, reject, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from support.lanes import in_both_lanes
from support.nests import nest, world
from support.random_machines import build
from support.small_versions import EXITS, built, changed, drawn

from fsm_orch import Context
from fsm_orch.define.definition import Definition
from fsm_orch.define.guards import Guard
from fsm_orch.define.policies import Policy
from fsm_orch.errors import DefinitionError, StepError
from fsm_orch.kernel import inputs
from fsm_orch.kernel.begin import compiled_as, started
from fsm_orch.kernel.due import due
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.engine import judged as guard_answer
from fsm_orch.kernel.inputs import GatesSeen, Input, Replied, Started
from fsm_orch.kernel.rebinding import rebound_all
from fsm_orch.kernel.records import HandedOff
from fsm_orch.kernel.renames import Renames
from fsm_orch.kernel.step import fold, step
from fsm_orch.proof.explore.automata import BROKEN, automaton
from fsm_orch.proof.explore.exploration import explore
from fsm_orch.proof.versions.every import judge_all
from fsm_orch.proof.versions.judge import judge
from fsm_orch.testing import Tape, TheoremChecker, tapes

MAKERS: tuple[Any, ...] = (build, partial(nest, depth=2))


def pair(seed: int, *, is_small: bool) -> tuple[Definition, Definition]:
    """Return a random machine, and the same with a change or a few, most of them small if that is wanted."""
    chance, make = random.Random(seed), MAKERS[seed % 2]
    data = bytearray(chance.randbytes(400))
    old = make(tape := Tape(bytes(data))).definition
    used = len(data) - sum(1 for _ in tape._data)
    for _ in range(chance.randrange(3)):
        # what is drawn late changes little: handoffs, guards and entries
        place = chance.randrange(used * 3 // 4 if is_small and chance.randrange(4) else 0, used)
        data[place] = (data[place] + chance.choice((1, 2, 3))) % 256
    return old, make(Tape(bytes(data))).definition


def happens(chance: Tape, checker: TheoremChecker, at: float) -> Input:
    """Return what happens next in a run; replies write whatever their agent may write."""
    assert checker.now is not None
    event = world(chance, checker.compiled, checker.now, at)
    if not isinstance(event, Replied) or event.path or event.refusal is not None:
        return event
    written = checker.compiled.states[checker.now.state].spec.written_names
    values = {"a": bool(chance.below(2)), "b": bool(chance.below(2)), "count": chance.below(4), "note": "n"}
    is_odd = event.handoff in (None, "none_of_these", "nowhere")
    exits = [each.name for each in checker.compiled.states[checker.now.state].exits]
    handoff = event.handoff if is_odd else chance.pick(exits)
    return replace(event, handoff=handoff, changes={name: values[name] for name in values if name in written})


def shut(chance: Tape, compiled: CompiledMachine) -> tuple[str, ...]:
    """Return the places of some states, at any depth, which nobody may enter."""
    return tuple([place for place in compiled.definition.places if chance.chance(2)])


def play(chance: Tape, checker: TheoremChecker, most: int, *, gates: int = 8) -> list[Input]:
    """Play a run on, under a checker, and return what happened; what the kernel does not admit is left out.

    Args:
        gates: one input in so many says which states are shut.
    """
    journal = list[Input]()
    for _ in range(most):
        assert checker.now is not None
        if checker.now.status == "finished":
            break
        later = chance.pick([0.0, 0.0, 0.1, 0.5, 2.0]) if not checker.now.is_waiting else 0.0
        at = checker.now.at + later
        if chance.chance(gates):
            event: Input = GatesSeen(shut=shut(chance, checker.compiled), at=at)
        else:
            event = happens(chance, checker, at)
        try:
            checker.follow(event)
        except StepError:
            continue
        journal.append(event)
    return journal


def run(old: CompiledMachine, chance: Tape, *, gates: int = 8) -> list[Input]:
    """Return the journal of a random run."""
    context = {"count": chance.below(4), "a": bool(chance.below(2))}
    state = chance.pick(old.definition.starts)
    checker = TheoremChecker(old)
    first = started(old, context, run_id="r", state=state)
    if chance.chance(gates):
        first = replace(first, shut=shut(chance, old))
    checker.follow(first)
    return [first, *play(chance, checker, 40, gates=gates)]


def goes_on(new: Definition, journal: list[Input], chance: Tape) -> tuple[TheoremChecker, list[Input]]:
    """Go on with a run in a new version, to its end; return the checker that followed it, and all that happened."""
    read = rebound_all(new, journal)
    assert isinstance(read[0], Started)
    checker = TheoremChecker(compiled_as(new, read[0]))
    checker.follow_all(read)
    went_on = play(chance, checker, 200)
    assert checker.now is not None
    if checker.now.status != "finished":
        went_on.append(inputs.Cancelled(at=checker.now.at))
        checker.follow(went_on[-1])
    return checker, [*read, *went_on]


def broken(compiled: CompiledMachine, journal: list[Input]) -> set[Policy]:
    """Return the policies that a run has broken on its way."""
    automata = [automaton(policy) for policy in compiled.definition.policies]
    now, at, found = None, list[int](), set[Policy]()
    for event in journal:
        stepped = step(compiled, now, event)

        def holds(guard: Guard[Any], context: Context = stepped.configuration.context) -> bool:
            return guard_answer(guard, context).holds

        if now is None:
            at = [each.start(stepped.configuration.state, holds) for each in automata]
        now = stepped.configuration
        for record in stepped.records:
            if isinstance(record, HandedOff) and now.landing is None:
                target = next(h.target.name for h in compiled.definition.handoffs if h.name == record.handoff)
                at = [each.hop(was, record.handoff, target, holds) for each, was in zip(automata, at, strict=True)]
        found |= {each.policy for each, was in zip(automata, at, strict=True) if was == BROKEN}
    return found


@in_both_lanes(few=20, many=40, most=300)
def test_what_is_judged_to_continue_goes_on_to_an_end(examples: int) -> None:
    """A run that continues is owed the same in the new version, and comes to a declared end, with all theorems."""
    verdicts = Counter[str]()
    for seed in range(examples):
        old, new = pair(seed, is_small=False)
        chance = Tape(random.Random(~seed).randbytes(8_000))
        before = CompiledMachine(old)
        journal = run(before, chance)
        checker = TheoremChecker(before)
        for cut, event in enumerate(journal, start=1):
            checker.follow(event)
            judged = judge(before, CompiledMachine(new), journal[:cut])
            verdicts[judged.verdict] += 1
            if judged.verdict != "continues":
                continue
            assert checker.now is not None
            after, _ = goes_on(new, journal[:cut], chance)
            read = rebound_all(new, journal[:cut])
            first = TheoremChecker(after.compiled)
            assert due(checker.now) == due(first.follow_all(read)), (seed, cut)
            assert after.now is not None
            assert after.now.state in new.finals, (seed, cut)
            assert 0 == after.now.ledger.reserved.tokens, (seed, cut)
    assert {"continues", "snapshot", "stranded"} <= verdicts.keys(), verdicts


@in_both_lanes(few=16, many=40, most=120)
def test_where_all_continue_every_run_does(examples: int) -> None:
    """No run, cut after whatever input, is lost where the exploration says that none can be."""
    verdicts = Counter[bool]()
    for seed in range(examples):
        old, new = pair(seed, is_small=True)
        before, after = CompiledMachine(old), CompiledMachine(new)
        found = judge_all(before, after, max_places=200)  # a machine of more places is left, after as much work
        verdicts[found.continues and old.digest != new.digest] += 1
        if not found.continues:
            continue
        for number in range(3):
            journal = run(before, Tape(random.Random(seed * 7 + number).randbytes(4_000)))
            for cut in range(1, len(journal) + 1):
                if fold(before, journal[:cut]).status == "finished":
                    continue  # an end strands nobody, be it another one now
                judged = judge(before, after, journal[:cut])
                assert ("continues", "") == (judged.verdict, judged.why), (seed, number, cut)
    assert verdicts[True], verdicts


@in_both_lanes(few=30, many=60, most=400)
def test_of_a_small_machine_no_run_is_lost_after_any_input(examples: int) -> None:
    """Where all continue each run does, after each of its inputs; it ends with what is proved of the new version."""
    seen = Counter[bool]()

    @settings(max_examples=examples)
    @given(st.integers(0, 2**32), tapes(min_size=200, max_size=600))
    def holds(seed: int, chance: Tape) -> None:
        tape = Tape(random.Random(seed).randbytes(1_000))
        plan = drawn(tape)
        try:
            versions = [built(each).definition for each in (plan, changed(tape, plan))]
        except DefinitionError:
            reject()
        old, new = map(CompiledMachine, versions)
        do_all = judge_all(old, new, max_places=1_500).continues
        seen[do_all and versions[0].digest != versions[1].digest] += 1
        journal, do_continue = run(old, chance), list[int]()
        for cut in range(1, len(journal) + 1):
            judged = judge(old, new, journal[:cut])
            if judged.verdict == "continues":
                do_continue.append(cut)
            elif do_all:
                # an end strands nobody, be it another one now
                assert "finished" == fold(old, journal[:cut]).status, (cut, judged.why)
        if do_continue:
            after, whole = goes_on(versions[1], journal[: chance.pick(do_continue)], chance)
            kept = {each.policy for each in explore(versions[1]).policies if each.verdict == "holds"}
            assert not kept & broken(after.compiled, whole)

    holds()
    assert seen[True], seen


@in_both_lanes(few=60, many=90, most=600)
def test_no_gate_loses_a_run_where_all_continue(examples: int) -> None:
    """Where exits came, went or have another guard, and money is no matter, all that is shut strands nobody."""
    seen = Counter[bool]()

    @settings(max_examples=examples)
    @given(st.integers(0, 2**32), tapes(min_size=200, max_size=600))
    def holds(seed: int, chance: Tape) -> None:
        tape = Tape(random.Random(seed).randbytes(1_000))
        plan = dataclasses.replace(drawn(tape), tokens=10_000, promises=())
        plan = dataclasses.replace(plan, ways=tuple(way for way in plan.ways if way.source or way.target < 3))
        try:
            old, new = (CompiledMachine(built(each).definition) for each in (plan, tape.pick(EXITS)(tape, plan)))
        except DefinitionError:
            reject()
        do_all = judge_all(old, new, max_places=1_500).continues
        seen[do_all and old.definition.digest != new.definition.digest] += 1
        journal = run(old, chance, gates=3) if do_all else []
        for cut in range(1, len(journal) + 1):
            if fold(old, journal[:cut]).status != "finished":
                assert "continues" == judge(old, new, journal[:cut]).verdict, cut

    holds()
    assert seen[True], seen


@in_both_lanes(few=10, many=30, most=300)
def test_a_machine_whose_states_are_renamed_loses_no_run_of_its_own(examples: int) -> None:
    """With the new names told, each place has the verdict that it has without a change, whatever is promised."""

    @settings(max_examples=examples)
    @given(st.integers(0, 2**32), tapes(min_size=200, max_size=600))
    def holds(seed: int, chance: Tape) -> None:
        plan = drawn(Tape(random.Random(seed).randbytes(1_000)))
        try:
            old, again, other = (CompiledMachine(built(plan, state=name).definition) for name in "ssx")
        except DefinitionError:
            reject()
        renames = Renames({f"s{n}": f"x{n}" for n in range(len(plan.places))}, {})
        same, renamed = judge_all(old, again), judge_all(old, other, renames=renames)
        journal = run(old, chance)

        assert same.places == renamed.places
        for cut in range(1, len(journal) + 1):
            kept, moved = judge(old, again, journal[:cut]), judge(old, other, journal[:cut], renames=renames)
            assert (kept.verdict, kept.path, kept.at) == (moved.verdict, moved.path, moved.at)

    holds()
