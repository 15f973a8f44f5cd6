"""Random machines, random changes of them, and random runs: what is judged to continue goes on, with all theorems."""

from __future__ import annotations

import random
from collections import Counter
from functools import partial
from typing import Any

from msgspec.structs import replace
from support.lanes import in_both_lanes
from support.nests import nest, world
from support.random_machines import build

from fsm_orch.define.definition import Definition
from fsm_orch.errors import StepError
from fsm_orch.kernel import inputs
from fsm_orch.kernel.begin import compiled_as, started
from fsm_orch.kernel.due import due
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input, Replied, Started
from fsm_orch.kernel.step import fold
from fsm_orch.proof.versions.every import judge_all
from fsm_orch.proof.versions.judge import judge
from fsm_orch.proof.versions.rebinding import rebound_all
from fsm_orch.testing import Tape, TheoremChecker

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


def play(chance: Tape, checker: TheoremChecker, most: int) -> list[Input]:
    """Play a run on, under a checker, and return what happened; what the kernel does not admit is left out."""
    journal = list[Input]()
    for _ in range(most):
        assert checker.now is not None
        if checker.now.status == "finished":
            break
        later = chance.pick([0.0, 0.0, 0.1, 0.5, 2.0]) if not checker.now.is_waiting else 0.0
        event = happens(chance, checker, checker.now.at + later)
        try:
            checker.follow(event)
        except StepError:
            continue
        journal.append(event)
    return journal


def run(old: CompiledMachine, chance: Tape) -> list[Input]:
    """Return the journal of a random run."""
    context = {"count": chance.below(4), "a": bool(chance.below(2))}
    state = chance.pick(old.definition.starts)
    checker = TheoremChecker(old)
    first = started(old, context, run_id="r", state=state)
    checker.follow(first)
    return [first, *play(chance, checker, 40)]


def cuts(journal: list[Input], seed: int) -> list[int]:
    """Return after how many inputs a run is judged: all of them, and some on the way."""
    return sorted({len(journal), *(cut for cut in range(1, len(journal)) if cut % 4 == seed % 4)})


def goes_on(new: Definition, journal: list[Input], chance: Tape) -> TheoremChecker:
    """Go on with a run in a new version, to its end, and return the checker that followed it."""
    read = rebound_all(new, journal)
    assert isinstance(read[0], Started)
    checker = TheoremChecker(compiled_as(new, read[0]))
    checker.follow_all(read)
    play(chance, checker, 200)
    assert checker.now is not None
    if checker.now.status != "finished":
        checker.follow(inputs.Cancelled(at=checker.now.at))
    return checker


@in_both_lanes(few=20, many=700)
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
            if cut not in cuts(journal, seed):
                continue
            judged = judge(before, CompiledMachine(new), journal[:cut])
            verdicts[judged.verdict] += 1
            if judged.verdict != "continues":
                continue
            assert checker.now is not None
            after = goes_on(new, journal[:cut], chance)
            read = rebound_all(new, journal[:cut])
            first = TheoremChecker(after.compiled)
            assert due(checker.now) == due(first.follow_all(read)), (seed, cut)
            assert after.now is not None
            assert after.now.state in new.finals, (seed, cut)
            assert 0 == after.now.ledger.reserved.tokens, (seed, cut)
    assert {"continues", "snapshot", "stranded"} <= verdicts.keys(), verdicts


@in_both_lanes(few=16, many=250)
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
            for cut in cuts(journal, seed):
                if fold(before, journal[:cut]).status == "finished":
                    continue  # an end strands nobody, be it another one now
                judged = judge(before, after, journal[:cut])
                assert ("continues", "") == (judged.verdict, judged.why), (seed, number, cut)
    assert verdicts[True], verdicts
