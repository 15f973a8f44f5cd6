"""What an exploration makes of guards: exact where values can be listed, else possible, and it says on what."""

from __future__ import annotations

import enum
import zlib
from collections.abc import Callable
from typing import Any, Literal

import pytest
from pydantic import field_validator
from support.brute import Flags, is_a, is_b
from support.explored import act, traces, verdicts

from fsm_orch import Context, Final, Given, Machine, State, at_most, eventually, guard, never
from fsm_orch.define import Policy
from fsm_orch.proof.explore.exploration import Exploration, explore
from fsm_orch.proof.explore.trace import PLACEHOLDER, Assumption


class Tier(enum.Enum):
    FREE = "free"
    PAID = "paid"


class Order(Context):
    query: str
    tier: Given[Tier | None] = None
    level: Literal["low", "high"] = "low"
    amount: Given[int] = 0


@guard
def is_sold(order: Order) -> bool:
    return "buy" in order.query and order.amount == 1


@guard
def is_paid(order: Order) -> bool:
    return order.tier is Tier.PAID


@guard
def is_high(order: Order) -> bool:
    return order.level == "high"


@guard
def is_large(order: Order) -> bool:
    return order.amount > 100


@guard
def is_lucky(order: Order) -> bool:
    """Hold of a text that nobody guesses."""
    return zlib.crc32(order.query.encode()) == 7


def router(*exits: Any, writes: tuple[Any, ...] = (), claims: Callable[[Any], tuple[Policy, ...]]) -> Exploration:
    """Explore a machine that starts, perhaps writes, and leaves for `one` or `two` by guards."""

    class Routing(Machine[Order]):
        """Route."""

        start = State(act, initial=True, writes=writes)
        one, two = State(act), State(act)
        done, human = Final(), Final(fallback=True)
        to_one = start.to(one, guard=exits[0])
        to_two = start.to(two, guard=exits[1])
        end = (one | two).to(done)

    return explore(Routing.definition, policies=claims(Routing))


def test_enums_and_literals_are_exact() -> None:
    """A guard over finite fields is answered for each of their values, and not both ways."""
    found = router(is_paid, is_paid & is_high, claims=lambda m: (never(m.one), never(m.two)))

    assert ["violated", "holds"] == verdicts(found)  # `level` is not given, so it begins as it is declared
    assert Tier.PAID is found.reached["one"].start["tier"]
    assert {"query": PLACEHOLDER, "level": "low", "amount": PLACEHOLDER} == {
        name: value for name, value in found.reached["one"].start.items() if name != "tier"
    }


def test_what_an_agent_writes_is_every_value() -> None:
    """A field that an agent writes may become anything, whatever it was."""
    found = router(is_paid, is_paid & is_high, writes=(Order.level,), claims=lambda m: (never(m.two),))

    assert ["violated"] == verdicts(found)
    turn = found.reached["two"].legs[0]
    assert ("start", "to_two", "handoff", "two") == (turn.state, turn.handoff, turn.kind, turn.target)
    assert {"level": "high"} == turn.changes


def test_an_opaque_guard_makes_a_path_possible() -> None:
    """A path that depends on a guard over a text is possible, and says on which; one that does not is violated."""
    found = router(is_lucky, None, claims=lambda m: (never(m.one), never(m.two), never(m.one).before(m.two)))

    assert ["possible", "violated", "possible"] == verdicts(found)
    assert (Assumption("is_lucky", "yes"),) == found.policies[0].trace.assumptions  # type: ignore[union-attr]
    assert not found.reached["one"].is_sure
    assert found.reached["two"].is_sure
    assert any("is_lucky" in note for note in found.abstracted)
    assert "opaque fields, which guards may read and whose values were not all tried: query" in found.abstracted
    assert "fields that no guard reads, so that their values decide nothing: tier, level, amount" in found.abstracted


def test_a_sure_way_counts_however_late_it_is_found() -> None:
    """A state that is reached by an opaque guard is really reached if another way there needs none."""

    class Twice(Machine[Order]):
        """Go on, one way or another."""

        start, on = State(act, initial=True), State(act)
        done, human = Final(), Final(fallback=True)
        guessed = start.to(on, guard=is_lucky)
        plain = start.to(on)
        end = on.to(done)

    found = explore(Twice.definition, policies=(never(Twice.on),))

    assert ["violated"] == verdicts(found)
    assert ["possible"] == verdicts(explore(Twice.definition, policies=(never(Twice.guessed),)))
    assert "start -plain-> on" == str(found.reached["on"])


def test_the_shortest_path_over_an_opaque_guard_is_shown() -> None:
    """Of the paths that depend on an opaque guard, the shortest is shown."""

    class Loop(Machine[Order]):
        """Go round."""

        start = State(act, initial=True, max_visits=3)
        done, human = Final(), Final(fallback=True)
        again = start.to(start)
        end = start.to(done, guard=is_lucky)

    found = explore(Loop.definition, policies=(never(Loop.done),))

    assert ["possible"] == verdicts(found)
    assert "start -end-> done" == str(found.policies[0].trace)


def test_states_that_are_left_at_once_are_entered() -> None:
    """A state in which nothing is legal is entered all the same, whichever of several it is."""

    class Shut(Machine[Flags]):
        """Run into closed doors."""

        start, one, two = State(act, initial=True), State(act), State(act)
        done, human = Final(), Final(fallback=True)
        to_one, to_two, off = start.to(one), start.to(two), start.to(done)
        never_one = one.to(done, guard=is_a & ~is_a)
        never_two = two.to(done, guard=is_b & ~is_b)

    assert {"start", "one", "two", "done", "human"} == set(explore(Shut.definition).reached)
    found = explore(Shut.definition, policies=(never(Shut.one), never(Shut.two)))
    assert ["violated", "violated"] == verdicts(found)


def test_a_guard_and_its_opposite_never_both_hold() -> None:
    """In one step an opaque guard answers once; in the next it may answer otherwise."""

    class Doubt(Machine[Order]):
        """Ask twice."""

        start, middle = State(act, initial=True), State(act, writes=(Order.amount,))
        never_there, done, human = State(act), Final(), Final(fallback=True)
        both = start.to(never_there, guard=is_large & ~is_large)
        on = start.to(middle, guard=is_large)
        off = middle.to(done, guard=~is_large)
        end = never_there.to(done)

    found = explore(Doubt.definition, policies=(never(Doubt.never_there), eventually(Doubt.done)))

    assert "never_there" not in found.reached
    assert "done" in found.reached
    assert ["holds", "holds"] == verdicts(found)


def test_an_opaque_leaf_may_raise() -> None:
    """Where raising is not the same as answering no, it is tried: neither of a guard and its opposite holds then."""
    found = router(is_large, ~is_large, claims=lambda m: (eventually(m.one | m.two, strict=True),))

    assert ["violated"] == verdicts(found)  # whatever the guard answers, the agent may raise
    undecided = router(is_large, ~is_large, claims=lambda m: (eventually(m.one | m.two),))
    assert ["holds"] == verdicts(undecided)
    assert {"yes", "no", "raises"} >= {assumption.answer for trace in traces(found) for assumption in trace.assumptions}


def test_a_guard_that_was_guessed_is_the_same_to_a_policy() -> None:
    """What a handoff's guard was taken to answer, a policy that speaks of the same guard hears too."""
    found = router(is_lucky, None, claims=lambda m: (never(m.one).before(is_lucky), never(m.two).before(is_lucky)))

    assert ["holds", "violated"] == verdicts(found)


def test_a_policy_over_an_opaque_guard_leaves_others_sure() -> None:
    """A policy over an opaque guard is explored apart, so that the paths of others do not depend on it."""
    found = router(None, None, claims=lambda m: (never(m.one), never(m.done).after(is_lucky), at_most(1, m.two)))

    assert ["violated", "possible", "holds"] == verdicts(found)
    assert all(trace.is_sure for trace in (found.reached["one"], found.measures.hops.trace))


def test_an_exploration_may_end_at_the_first_broken_policy() -> None:
    """It leaves the policy undecided then; where all hold, it is whole."""

    def verdicts_of(policy: Policy) -> tuple[bool, list[str]]:
        found = explore(Branching.definition, policies=(policy,), until_broken=True)
        return found.is_complete, verdicts(found)

    class Branching(Machine[Order]):
        """Go on, or not."""

        start, later = State(act, initial=True), State(act)
        done, human = Final(), Final(fallback=True)
        go_on, end, at_last = start.to(later), start.to(done), later.to(done)

    assert (False, ["unknown"]) == verdicts_of(never(Branching.later))
    assert (False, ["unknown"]) == verdicts_of(eventually(Branching.later))
    assert (True, ["holds"]) == verdicts_of(at_most(1, Branching.later))
    assert (True, ["holds"]) == verdicts_of(eventually(Branching.done))


def test_what_a_final_state_sets_is_known() -> None:
    """A guard over an opaque field is known where a final state has written it."""

    class Setting(Machine[Order]):
        """End."""

        start = State(act, initial=True)
        small, large = Final(sets={Order.amount: 1}), Final(sets={Order.amount: 200})
        human = Final(fallback=True, sets={Order.amount: 200})
        to_small, to_large = start.to(small), start.to(large)

    claims = (
        never(Setting.small).before(is_large),
        never(Setting.large).before(is_large),
        never(Setting.human, strict=True).before(is_large),
    )
    assert ["violated", "holds", "holds"] == verdicts(explore(Setting.definition, policies=claims))


def test_what_a_final_state_sets_may_be_read_after_an_opaque_field() -> None:
    """What a guard answered before its end does not bind it there, since it may read what is set after all."""

    class Selling(Machine[Order]):
        """End."""

        start = State(act, initial=True)
        sold, human = Final(sets={Order.amount: 1}), Final(fallback=True)
        to_sold = start.to(sold, guard=~is_sold)

    found = explore(Selling.definition, policies=(never(is_sold).after(Selling.to_sold), never(is_sold)))

    assert ["violated", "violated"] == verdicts(found)


@guard
def is_sold_unranked(order: Order) -> bool:
    return order.amount > 3 and order.tier is None


@guard
def is_sold_high(order: Order) -> bool:
    return order.amount > 3 and order.level == "high"


@guard
def is_low(order: Order) -> bool:
    return order.level == "low"


def test_what_is_read_after_what_a_final_state_sets_is_not_told_apart() -> None:
    """Beyond a field that is opaque but at the end, values were merged and fields forgotten: nothing is known there."""

    class Selling(Machine[Order]):
        """End, at once or later; one guard asks whether it was paid, another what its level was."""

        start, later = State(act, initial=True, writes=(Order.tier, Order.level)), State(act)
        sold, human = Final(sets={Order.amount: 5}), Final(fallback=True)
        paid, to_later, to_sold = start.to(human, guard=is_paid), start.to(later, guard=is_low), start.to(sold)
        end = later.to(sold)

    claims = (
        never(is_sold_unranked).after(Selling.to_sold),
        never(is_sold_unranked).after(Selling.end),
        never(is_sold_high).after(Selling.to_sold),
        never(is_sold_high).after(Selling.end),
    )
    assert ["possible"] * 4 == verdicts(explore(Selling.definition, policies=claims))


@pytest.mark.parametrize(("refused", "verdict"), [("nothing", "violated"), ("?", "possible")])
def test_validators_are_asked_by_taking_the_path(refused: str, verdict: str) -> None:
    """A path is real if the machine itself takes it with simple values; else the validators may refuse it."""

    class Strict(Context):
        text: str
        flag: Given[bool] = False

        @field_validator("text")
        @classmethod
        def strip(cls, value: str) -> str:
            if value == refused:
                raise ValueError("no")
            return value.strip()

    class Picky(Machine[Strict]):
        """Do it."""

        start = State(act, initial=True)
        done, human = Final(), Final(fallback=True)
        end = start.to(done)

    found = explore(Picky.definition, policies=(never(Picky.done), eventually(Picky.done)))

    assert [verdict, "holds"] == verdicts(found)
    assert any("validators of Strict" in note for note in found.abstracted)
