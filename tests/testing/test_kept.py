"""Policies of single runs."""

import pytest
from hypothesis import strategies as st
from hypothesis.errors import ResolutionFailed

from fsm_orch import (
    Context,
    DefinitionError,
    Final,
    LLMAgent,
    Machine,
    State,
    after,
    at_most,
    eventually,
    guard,
    never,
)
from fsm_orch.testing import Turn, assert_kept, breaks, play, search_values


class Ticket(Context):
    amount: int
    paid: bool = False


@guard
def is_paid(ticket: Ticket) -> bool:
    return ticket.paid


@guard
def is_big(ticket: Ticket) -> bool:
    return ticket.amount > 10


@guard
def is_odd(ticket: Ticket) -> bool:
    return 1 // (ticket.amount - 3) > 0


def work(visit):
    return None


class Desk(Machine[Ticket]):
    """Pay, then send."""

    ask = State(LLMAgent("Ask."), initial=True, max_visits=2)
    pay = State(work, writes=(Ticket.paid,))
    send = State(work)
    sent = Final()
    human = Final(fallback=True, sets={Ticket.paid: False})
    again = ask.to(ask, "again")
    to_pay = ask.to(pay, "pay")
    to_send = ask.to(send, "send")
    on = pay.to(send)
    stuck = pay.on_failure(send)
    done = send.to(sent, guard=is_paid)


def run(*turns, amount=1):
    return play(Desk, Ticket(amount=amount), turns)


PAID = (Turn(Desk.ask, Desk.to_pay), Turn(Desk.pay, changes={Ticket.paid: True}), Turn(Desk.send))
UNPAID = (Turn(Desk.ask, Desk.to_send), Turn(Desk.send))


def test_a_run_that_keeps_a_policy_is_told_from_one_that_does_not():
    """Order, number and absence of states and handoffs."""
    before = never(Desk.send).before(Desk.pay)

    assert not breaks(Desk, before, run(*PAID))
    assert breaks(Desk, before, run(*UNPAID))
    assert breaks(Desk, never(Desk.to_send), run(*UNPAID))
    assert breaks(Desk, at_most(1, Desk.ask), run(Turn(Desk.ask, Desk.again), *PAID))
    assert not breaks(Desk, at_most(2, Desk.ask), run(Turn(Desk.ask, Desk.again), *PAID))


def test_a_landing_excuses_what_was_to_come():
    """Unless the policy is strict; a landing is no moment either, unless it is."""
    landed = run(*UNPAID)

    assert landed.landing is not None
    assert not breaks(Desk, eventually(Desk.sent), landed)
    assert breaks(Desk, eventually(Desk.sent, strict=True), landed)
    assert not breaks(Desk, never(Desk.human), landed)
    assert breaks(Desk, never(Desk.human, strict=True), landed)


def test_a_guard_is_asked_on_what_a_hop_left():
    """What a reply wrote is there at once, what a final state sets only at its end; failure edges write nothing."""
    failed = run(
        Turn(Desk.ask, Desk.to_pay), Turn(Desk.pay, changes={Ticket.paid: True}, fails="error"), Turn(Desk.send)
    )

    refused = run(Turn(Desk.ask, Desk.to_pay), Turn(Desk.pay, Desk.again, {Ticket.paid: True}), Turn(Desk.send))

    assert [hop.handoff for hop in refused.path][1] == "stuck"
    assert not breaks(Desk, never(is_paid), refused)
    assert breaks(Desk, never(is_paid).before(Desk.sent), run(*PAID))
    assert not breaks(Desk, never(is_paid).before(Desk.send), run(*PAID))
    assert breaks(Desk, never(is_big), run(*UNPAID, amount=11))
    assert not breaks(Desk, never(is_big), run(*UNPAID, amount=10))
    assert not breaks(Desk, never(is_paid), failed)
    assert not breaks(Desk, after(Desk.pay).eventually(is_paid), run(*PAID))
    assert breaks(Desk, after(Desk.pay).eventually(is_paid, strict=True), failed)


def test_a_guard_that_raises_does_not_hold():
    """As everywhere else."""
    assert not breaks(Desk, never(is_odd), run(*UNPAID, amount=3))


def test_a_broken_policy_says_which_way_the_run_went():
    """The message has the policy and the path."""
    assert_kept(Desk, at_most(1, Desk.ask), run(*PAID))
    with pytest.raises(AssertionError, match=r"never\(to_send\) is broken: ask -to_send-> send -landing-> human"):
        assert_kept(Desk, never(Desk.to_send), run(*UNPAID))


def test_what_is_no_policy_of_the_machine_is_not_judged():
    """A run would keep it, or break it, whatever it does."""
    with pytest.raises(DefinitionError, match=r"(?s)A policy asserted of Desk.*FSM401.*not an attribute of Desk"):
        breaks(Desk, never(Final()), run(*PAID))
    with pytest.raises(TypeError, match="a policy of Desk cannot be a Cause"):
        assert_kept(Desk, after(Desk.pay), run(*PAID))


def test_a_search_whose_values_are_all_refused_says_by_what():
    """It is no skip: nothing was tried."""

    def attempt(draw):
        return play(Desk, Ticket(amount=draw(st.text(alphabet="ab"))), UNPAID)

    with pytest.raises(
        ResolutionFailed,
        match=r"no values for this path: amount: Input should be a valid integer.*register_type_strategy",
    ):
        search_values(attempt, lambda result: breaks(Desk, never(is_big), result))


def test_a_search_fails_with_the_simplest_values():
    """What the context refuses is drawn anew."""

    def attempt(draw):
        return play(Desk, Ticket(amount=draw(st.integers() | st.text())), UNPAID)

    with pytest.raises(pytest.fail.Exception, match=r"real: ask -to_send-> send .*'amount': 11"):
        search_values(attempt, lambda result: breaks(Desk, never(is_big), result))


def test_a_search_that_finds_nothing_says_so():
    """It is a skip, not a pass: nothing was shown."""

    def attempt(draw):
        return play(Desk, Ticket(amount=draw(st.integers(0, 5))), UNPAID)

    with pytest.raises(pytest.skip.Exception, match="no values made this path real in 20 tries"):
        search_values(attempt, lambda result: breaks(Desk, never(is_big), result), max_examples=20)
