"""Explorations of machines that run others inside their visits."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from support.roads import Asker, Nothing, Stop, nested, road

from fsm_orch import Final, Limits, Machine, State, never
from fsm_orch.amounts import FREE, Amount
from fsm_orch.define.definition import Definition
from fsm_orch.define.parts import Part, ToolSpec
from fsm_orch.kernel.inputs import Answered, Asked
from fsm_orch.proof.bounds.certify import certify
from fsm_orch.proof.bounds.skeleton import Measure
from fsm_orch.proof.explore.exploration import Exploration, explore
from fsm_orch.proof.explore.play import Play
from fsm_orch.proof.explore.summary import summary
from fsm_orch.proof.explore.walk import walk

MEASURES: tuple[Measure, ...] = ("tokens", "hops", "calls")


def measured(found: Exploration) -> dict[Measure, int]:
    most = found.measures
    return {"tokens": most.tokens.amount, "hops": most.hops.amount, "calls": most.calls.amount}


def certified(definition: Definition, limits: Limits | None = None) -> dict[Measure, int]:
    bounds = certify(definition, limits=limits).bounds
    return {measure: bounds[measure].bound for measure in MEASURES}


def agree(seed: int) -> None:
    definition = nested(Random(seed), depth=2)

    found = explore(definition)

    assert found.is_complete
    assert not found.broken
    assert certified(definition) == measured(found)


@pytest.mark.parametrize("seed", range(12))
def test_certified_is_explored(seed: int) -> None:
    """Three machines deep, the worst run explored is the worst case certified, and all theorems hold."""
    agree(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12, 120))
def test_certified_is_explored_in_many(seed: int) -> None:
    """The same for a hundred more."""
    agree(seed)


@pytest.mark.parametrize("seed", range(0, 40, 4))
def test_no_run_explored_is_worse_than_certified(seed: int) -> None:
    """Where limits are too tight for all, no run passes them or its bound, and the theorems hold all the same."""
    definition = nested(Random(seed), depth=1)
    bound = certify(definition).bounds["tokens"].bound
    least = max(state.spec.grant(FREE).tokens for state in definition.states.values())
    tight = Limits(hops=definition.limits.hops, tokens=max(least, bound // 2))

    found = explore(definition, limits=tight)

    assert found.is_complete
    assert not found.broken
    assert found.measures.tokens.amount <= min(bound, tight.tokens)


FARE = road({"find": 300}, [])
GATHER = Stop(0, calls=0, runs=dict.fromkeys("abc", (FARE, 1)), spec={"kind": "parallel", "must_ask": True})
DESK = road({"gather": GATHER, "write": Stop(300)}, [("gather", "write")])


def test_three_parts_at_once_are_few_configurations() -> None:
    """The order in which parts move is not told apart, and what a part does inside is not looked into."""
    found = explore(DESK)

    assert (found.configurations, found.steps) == (8, 11)
    assert measured(found) == certified(DESK) == {"tokens": 1_200, "hops": 2, "calls": 4}


def test_the_dearest_path_is_shown_with_its_parts() -> None:
    """The run that is charged most is one that the kernel takes, with every part charged all of its share."""
    dearest = explore(DESK).measures.tokens

    assert dearest.trace.settled == dearest.amount == 1_200
    assert dearest.trace.path[:2] == ("gather", "write")


def test_a_summary_takes_its_share_and_no_more() -> None:
    """Its one call reserves all of the share, in tokens and in money; money is limited where that of the part is."""
    found = summary(FARE, Amount(300, 7))
    thrifty = summary(road({"find": 300}, [], cost_usd="0.01", deadline_s=7), Amount(300, 7))

    assert found.states["inside"].grant == found.states["inside"].worst == Amount(300, 7)
    assert (found.limits.tokens, found.limits.cost_micros) == (300, None)
    assert (thrifty.limits.tokens, thrifty.limits.cost_micros, thrifty.limits.deadline_s) == (300, 7, 7)


def work(visit: Any) -> None:
    """Stand in for an agent."""


HUMAN = {"kind": "human", "asks_human": True, "asks": 1, "must_ask": True, "proposes": True}


class Refund(Machine[Nothing]):
    """Pay back what a human approves."""

    approve = State(Asker(**HUMAN), initial=True)
    pay = State(work)
    paid, kept = Final(), Final()
    desk = Final(fallback=True)
    yes, no = approve.to(pay, "pay"), approve.to(kept, "keep")
    late = approve.on_timeout(kept)
    done = pay.to(paid)
    policies = (never(pay).before(yes), never(pay))


def test_nobody_passes_a_human_by() -> None:
    """A policy across the approval is proved, and a path through it plays the human's answer first."""
    found = explore(Refund.definition)
    held, broken = found.policies

    assert held.verdict == "holds"
    assert broken.verdict == "violated"
    assert broken.trace is not None
    assert [type(event) for event in broken.trace.legs[0].inputs[:2]] == [Asked, Answered]
    assert not found.broken


def test_a_question_expires_only_where_that_is_declared() -> None:
    """Without `expires_s` the timeout edge of a human's state is never taken."""

    class Expiring(Machine[Nothing]):
        """The same, and the question expires."""

        approve = State(Asker(**HUMAN), initial=True, expires_s=60)
        paid, kept = Final(), Final()
        desk = Final(fallback=True)
        yes, late = approve.to(paid, "pay"), approve.on_timeout(kept)

    assert "late" not in explore(Refund.definition).taken
    assert "late" in explore(Expiring.definition).taken


def test_a_human_may_take_none_of_the_handoffs() -> None:
    """That is played everywhere, and leads over the edge for refusals."""

    class Choosing(Machine[Nothing]):
        """A human chooses."""

        approve = State(Asker(**HUMAN), initial=True)
        paid, kept = Final(), Final()
        desk = Final(fallback=True)
        yes, none = approve.to(paid, "pay"), approve.on_refusal(kept)

    assert {"yes", "none"} == explore(Choosing.definition).taken


def test_what_must_be_asked_for_and_cannot_be_leads_nowhere() -> None:
    """An agent that must ask, and may ask for nothing, never decides."""

    class Mute(Machine[Nothing]):
        """It must ask and cannot."""

        stuck = State(Asker(kind="code", must_ask=True), initial=True)
        paid, kept = Final(), Final()
        desk = Final(fallback=True)
        on, failed = stuck.to(paid), stuck.on_failure(kept)

    assert {"failed"} == explore(Mute.definition).taken


KINDS: dict[str, dict[str, Any]] = {
    "human": HUMAN,
    "map": {"kind": "map", "parts": (Part(name="one", definition=FARE, most=9),), "asks": 9, "must_ask": True},
    "parallel": {"kind": "parallel", "parts": (Part(name="a", definition=FARE),), "asks": 1, "must_ask": True},
    "first tool": {"kind": "llm", "calls": 2, "tools": (ToolSpec(name="look"),), "asks": 2, "must_ask": True},
    "gated": {"kind": "llm", "calls": 2, "tools": (ToolSpec(name="pay", approval=True),), "asks": 1, "must_ask": True},
    "tools": {
        "kind": "llm",
        "calls": 2,
        "tools": (ToolSpec(name="look"), ToolSpec(name="pay", approval=True)),
        "parts": (Part(name="a", definition=FARE),),
        "asks_human": True,
        "asks": 2,
        "proposes": True,
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_has_spent_less_can_do_no_less(kind: str) -> None:
    """Whatever rounds an agent plays, it ends where the adversary that plays as few as it can ends too."""
    spec = KINDS[kind]

    class Loop(Machine[Nothing]):
        """A loop through a state that asks."""

        ask = State(Asker(**spec), initial=True, max_visits=2, expires_s=9)
        other = State(work, max_visits=2)
        paid, kept, late = Final(), Final(), Final()
        desk = Final(fallback=True)
        on, out, back = ask.to(other, "on"), ask.to(paid, "out"), other.to(ask)
        failed, declined, expired = ask.on_failure(kept), ask.on_refusal(other), ask.on_timeout(late)
        limits = Limits(hops=5, tokens=6_000)

    definition = Loop.definition
    tight = Limits(hops=5, tokens=2_800)
    for limits in (definition.limits, tight):
        lean = explore(definition, limits=limits)
        full = walk(Play(definition, limits, {}, (), against="full"), 100_000)

        assert full.is_complete
        assert not lean.broken
        assert not full.breaches
        assert frozenset(full.taken) == lean.taken
        assert full.entered.keys() == lean.reached.keys()


def test_an_exploration_ends_however_much_may_be_asked() -> None:
    """The number of asks is a bound, and an agent that goes on asking comes to it."""
    many = road({"a": Stop(10, calls=1, runs={"one": (FARE, 1_000)}, spec={"must_ask": True})}, [], tokens=10**6)

    found = explore(many)

    assert found.is_complete
    assert measured(found) == {"tokens": 300_010, "hops": 1, "calls": 1_001}
