"""Machines in machines, three deep, under a world that does whatever it likes."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from support.lanes import in_both_lanes
from support.nests import doing, nest, tape, world

from fsm_orch.errors import StepError
from fsm_orch.kernel import asks, inputs
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.codec import input_from_json, to_json
from fsm_orch.kernel.configuration import Ask, Configuration
from fsm_orch.kernel.due import difference, due
from fsm_orch.kernel.effects import AskHuman, Path
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.step import fold, step
from fsm_orch.kernel.tree import levels, machine_at
from fsm_orch.testing import TheoremChecker


def played(seed: int, most: int = 200) -> tuple[TheoremChecker, list[Input]]:
    """Play a random nest to its end under a checker; inputs that the kernel does not admit are left out."""
    choices = tape(seed)
    compiled = CompiledMachine(nest(choices, is_tight=seed % 3 == 0).definition)
    checker, at = TheoremChecker(compiled), 0.0
    first = started(compiled, {"count": choices.below(9)}, run_id="r", thread_id="t", trace_id="w")
    journal: list[Input] = [first]
    checker.follow(journal[0])
    for _ in range(most):
        assert checker.now is not None
        if checker.now.status == "finished":
            break
        at += choices.pick([0.0, 0.0, 0.1, 0.5, 2.0]) if not checker.now.is_waiting else 0.0
        event = world(choices, compiled, checker.now, at)
        try:
            checker.follow(event)
        except StepError:
            continue
        journal.append(event)
    return checker, journal


@in_both_lanes(few=40, many=150, most=1_000)
def test_books_are_exact_at_every_level_after_every_input(examples: int) -> None:
    """T1 to T6 hold; what parts hold was moved to them; at the end nothing is reserved, and the records say the sum."""
    ends = set[str]()
    for seed in range(examples):
        checker, journal = played(seed)
        now = checker.now
        assert now is not None

        assert now == fold(checker.compiled, journal), seed
        if now.status == "finished":
            assert 0 == now.ledger.reserved.tokens, seed
        ends.add(now.landing or now.state)
    assert {"done", "other", "cancelled"} <= ends


@in_both_lanes(few=15, many=60, most=100)
def test_a_machine_is_found_at_its_path(examples: int) -> None:
    """It is the last of the levels on its path, named by its part; where none is, nothing is found."""
    deepest = 0
    for seed in range(examples):
        checker, journal = played(seed, most=60)
        now: Configuration | None = None
        for event in journal:
            now = step(checker.compiled, now, event).configuration
            for path in {effect.path for effect in due(now)} | {event.path}:
                found = levels(checker.compiled, now, path)
                is_whole = len(found) == len(path) + 1
                assert (found[-1].now if is_whole else None) is machine_at(now, path), (seed, path)
                assert all(below.now.path[-1] in path for below in found[1:])
                for above, below in pairwise(found):
                    assert above.compiled.parts[above.now.state][below.part].compiled is below.compiled
                deepest = max(deepest, len(found) - 1)
    assert deepest >= 2


@in_both_lanes(few=15, many=80, most=150)
def test_a_journal_that_is_cut_anywhere_goes_on(examples: int) -> None:
    """Cut after any input and read back from JSON, it folds to where the run stood, and what is due is due again."""
    for seed in range(examples):
        checker, journal = played(seed, most=60)
        lines, now = [to_json(event) for event in journal], None
        for count, event in enumerate(journal, start=1):
            now = step(checker.compiled, now, event).configuration
            if count % 5 == seed % 5 or count == len(journal):
                again = fold(checker.compiled, [input_from_json(line) for line in lines[:count]])
                assert now == again, (seed, count)
                assert due(now) == due(again), (seed, count)


@in_both_lanes(few=30, many=80, most=300)
def test_what_changes_of_what_is_due_is_told_apart(examples: int) -> None:
    """What is over and what has begun is what is due now and was not, in any nest, after any input, or several."""
    for seed in range(examples):
        checker, journal = played(seed, most=80)
        before: Configuration | None = None
        owed: list[Any] = []
        earlier, choices = list[Configuration](), tape(seed)
        for event in journal:
            now = step(checker.compiled, before, event).configuration
            over, begun = difference(before, now)
            assert set(over) <= set(owed), seed
            assert set(begun).isdisjoint(owed), seed
            owed = [effect for effect in owed if effect not in set(over)] + list(begun)
            assert set(due(now)) == set(owed), seed
            assert len(due(now)) == len(owed), seed
            is_waiting = bool(owed) and all(isinstance(effect, AskHuman) for effect in owed)
            assert now.is_waiting == is_waiting, seed
            before = now
            earlier.append(now)
            was = choices.pick(earlier)
            over, begun = difference(was, now)
            assert (set(due(was)) - set(over)) | set(begun) == set(due(now)), seed


@in_both_lanes(few=30, many=80, most=300)
def test_each_visit_has_a_key_of_its_own(examples: int) -> None:
    """At whatever level no key is used for two visits; what is recorded bears the thread and the trace of the run."""
    used_again = 0
    for seed in range(examples):
        checker, journal = played(seed)
        now, visits, keys = None, Counter[Path](), dict[str, tuple[Path, int]]()
        for event in journal:
            stepped = step(checker.compiled, now, event)
            now = stepped.configuration
            assert {("t", "w")} >= {(record.stamp.thread_id, record.stamp.trace_id) for record in stepped.records}, seed
            visits.update(record.stamp.path for record in stepped.records if record.kind == "visit_started")
            for effect in due(now):
                place = levels(checker.compiled, now, effect.path)[-1].now
                visit = (place.path, visits[place.path])
                # or the second payment would be taken for the first
                assert visit == keys.setdefault(place.key, visit), seed
        used_again += any(key.count(":") > 1 and count > 1 for key, (_, count) in keys.items())
    assert used_again > examples / 10


@in_both_lanes(few=30, many=80, most=300)
def test_what_a_machine_is_behind_is_the_sum_on_the_way_to_it(examples: int) -> None:
    """At every level of the path of an input, its time and what it is behind are the time of the run."""
    deep = 0
    for seed in range(examples):
        checker, journal = played(seed)
        now = None
        for event in journal:
            now = step(checker.compiled, now, event).configuration
            for level in levels(checker.compiled, now, event.path):
                assert abs(level.now.at + level.behind - now.at) < 1e-6, seed
            deep += len({level.behind for level in levels(checker.compiled, now, event.path)}) > 2
    assert deep


@in_both_lanes(few=40, many=80, most=300)
def test_a_cancellation_lands_the_whole_tree(examples: int) -> None:
    """Cancelled at any instant, a run is in its fallback at once, and every open call of every machine is charged."""
    deep = 0
    for seed in range(examples):
        choices = tape(seed)
        compiled = CompiledMachine(nest(choices).definition)
        now, at = step(compiled, None, started(compiled, {}, run_id="r")).configuration, 0.0
        for _ in range(choices.below(60)):
            try:
                after = step(compiled, now, world(choices, compiled, now, at, is_kind=True)).configuration
            except StepError:
                continue
            if after.status == "finished":
                break
            now = after
        deep += len({effect.path for effect in due(now)}) > 1

        end = step(compiled, now, inputs.Cancelled(at=at)).configuration

        assert ("finished", "human", "cancelled", ()) == (end.status, end.state, end.landing, due(end)), seed
        charged = now.ledger.settled.tokens + spent(now) + calls_under(now)
        assert (charged, 0) == (end.ledger.settled.tokens, end.ledger.reserved.tokens), seed
    assert deep > examples / 10


@pytest.mark.parametrize("wrong", [-0.05, 0.05])
def test_a_part_whose_time_is_not_the_runs_is_found(wrong: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The theorems are told of a clock that is slow, and of one that is fast."""
    clock = asks.clock

    def spoilt(now: Configuration, ask: Ask, child: Configuration) -> tuple[float, float]:
        at, since = clock(now, ask, child)
        return (at if child.is_waiting else max(0.0, at + wrong)), since

    monkeypatch.setattr(asks, "clock", spoilt)

    with pytest.raises(AssertionError, match=r"T4.* s in the part"):
        [played(seed) for seed in range(40)]


def calls_under(now: Configuration) -> int:
    """Return the tokens that open calls have reserved, here and in all machines inside."""
    if now.visit is None:
        return 0
    children = [ask.child for ask in now.visit.asks.values() if ask.child is not None]
    return sum(held.tokens for held in now.visit.open.values()) + sum(map(calls_under, children))


def spent(now: Configuration) -> int:
    """Return the tokens that the machines inside have settled."""
    if now.visit is None:
        return 0
    children = [ask.child for ask in now.visit.asks.values() if ask.child is not None]
    return sum(child.ledger.settled.tokens + spent(child) for child in children)


@in_both_lanes(few=6, many=20, most=60)
def test_the_order_of_branches_decides_nothing(examples: int) -> None:
    """Where all are waited for and none fails, every schedule ends in one state, with one context and one charge."""
    different = 0
    for seed in range(examples):
        compiled = CompiledMachine(nest(tape(seed)).definition)
        orders, ends = set[tuple[Any, ...]](), set[tuple[Any, ...]]()
        for schedule in range(20):
            order, end = scheduled(compiled, schedule)
            orders.add(order)
            ends.add((end.status, end.state, end.context, end.ledger))
        assert 1 == len(ends), seed
        different += len(orders) > 1
    assert different


def scheduled(compiled: CompiledMachine, schedule: int) -> tuple[tuple[Any, ...], Configuration]:
    """Run a nest to its end, doing what is due in a random order; what an agent does hangs on where it is alone."""
    choices = tape(schedule)
    now = step(compiled, None, started(compiled, {}, run_id="r")).configuration
    order: list[Any] = []
    while now.status != "finished":
        effects = due(now)
        effect = effects[choices.below(len(effects))]
        habits = tape(hash((effect.path, effect.hops, effect.attempt)) % 2**32, 200)
        found = doing(habits, compiled, now, effect, 0.0, is_kind=True)
        order.append((effect, type(found)))
        now = step(compiled, now, found).configuration
    return tuple(order), now
