"""What holds on every path of the bare graph holds for every run, and much is decided by it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.brute import Desk as Drawn
from support.brute import desks, is_kept, policies

from fsm_orch import (
    Context,
    Final,
    Limits,
    LLMAgent,
    Machine,
    State,
    after,
    at_most,
    eventually,
    guard,
    never,
)
from fsm_orch.define import Policy
from fsm_orch.proof.explore import bare


@given(desks(), st.data())
@settings(deadline=None, max_examples=100)
def test_what_holds_there_holds_for_every_run(desk: Drawn, data: st.DataObject) -> None:
    """No run, listed by brute force, breaks a policy that holds on the bare graph."""
    claim = data.draw(policies(desk.definition))

    if bare.holds(desk.definition, claim, desk.limits):
        assert all(is_kept(claim, run) for run in desk.runs())


class Order(Context):
    text: str
    paid: bool = False


@guard
def is_paid(order: Order) -> bool:
    return order.paid


def act(visit: Any) -> None:
    """Do nothing: no agent is called here."""


class Desk(Machine[Order]):
    """Check, then ship; ask again at most twice."""

    ask = State(LLMAgent("Ask."), initial=True, max_visits=3)
    check = State(act, writes=Order.paid, max_visits=2)
    ship, lost = State(act), State(act, timeout_s=60)
    done, human = Final(), Final(fallback=True)
    to_check = ask.to(check, "it is complete")
    again = check.to(ask, "it is not")
    paid = check.to(ship, guard=is_paid)
    shipped = ship.to(done)
    failed = ship.on_failure(lost)
    late = lost.on_timeout(ask)
    found = lost.to(done)


@pytest.mark.parametrize(
    ("policy", "holds"),
    [
        (never(Desk.ship).before(Desk.check), True),
        (never(Desk.ship).before(Desk.paid), True),
        (never(Desk.paid).before(Desk.ask), True),
        (never(Desk.done).before(Desk.ship), True),
        (never(Desk.again).after(Desk.ship), True),  # `lost` has as much time as the run, so `late` is no way
        (never(Desk.check).after(Desk.shipped), True),
        (eventually(Desk.check), True),
        (after(Desk.ship).eventually(Desk.done), True),
        (at_most(3, Desk.ask), True),
        (at_most(2, Desk.again), True),
        (at_most(2, Desk.to_check), True),
        (at_most(1, Desk.done), True),
        (at_most(5, Desk.ask | Desk.check), True),
        (never(is_paid & ~is_paid).when(is_paid), False),  # what guards answer is not looked into
        (never(Desk.ship).when(~is_paid), False),
        (never(Desk.ship), False),
        (at_most(2, Desk.ask), False),
        (at_most(1, Desk.again), False),
        (at_most(4, Desk.ask | Desk.check), False),
        (eventually(Desk.check, strict=True), False),
        (after(Desk.ship).eventually(Desk.done, strict=True), False),
        (never(Desk.human, strict=True), False),
    ],
    ids=str,
)
def test_what_the_graph_decides(policy: Policy, holds: bool) -> None:
    """Ways and visits decide; guards, money and what a landing excuses do not."""
    assert bare.holds(Desk.definition, policy, Limits(hops=20)) is holds


def test_a_timeout_that_may_happen_is_a_way() -> None:
    """With a longer run the edge of the timeout can be taken, and leads back."""
    policy = never(Desk.again).after(Desk.ship)

    assert not bare.holds(Desk.definition, policy, Limits(hops=20, deadline_s=61))
