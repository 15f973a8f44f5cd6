"""Machines in machines, three deep, under a world that does whatever it likes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from support.lanes import in_both_lanes
from support.nests import doing, nest, tape, world

from fsm_orch.errors import StepError
from fsm_orch.kernel import inputs
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.codec import input_from_json, to_json
from fsm_orch.kernel.configuration import Configuration
from fsm_orch.kernel.due import difference, due
from fsm_orch.kernel.effects import AskHuman
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
    journal: list[Input] = [started(compiled, {"count": choices.below(9)}, run_id="r")]
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


@in_both_lanes(few=40, many=1_000)
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


@in_both_lanes(few=15, many=100)
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


@in_both_lanes(few=15, many=150)
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


@in_both_lanes(few=30, many=300)
def test_what_changes_of_what_is_due_is_told_apart(examples: int) -> None:
    """What is over and what has begun is what is due now and was not, in any nest, after any input."""
    for seed in range(examples):
        checker, journal = played(seed, most=80)
        before: Configuration | None = None
        owed: list[Any] = []
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


@in_both_lanes(few=40, many=300)
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


@in_both_lanes(few=6, many=33)
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
