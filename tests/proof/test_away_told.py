"""What a run does if an agent is away: told before any run, and what runs with gates then do."""

from __future__ import annotations

from typing import Any

from fsm_orch import Final, HumanAgent, LLMAgent, Machine, State, Visit, guard
from fsm_orch.agents import Nested
from fsm_orch.define.context import Context
from fsm_orch.proof.away import away, in_lines


class Ticket(Context):
    """What is shared."""

    query: str
    is_known: bool = False


@guard
def is_known(ticket: Ticket) -> bool:
    """Read a field."""
    return ticket.is_known


def work(visit: Visit[Any]) -> None:
    """Stand for any code."""


class Inner(Machine[Ticket]):
    """A part of two states."""

    look = State(work, initial=True)
    read = State(work)
    done, nothing = Final(), Final(fallback=True)
    on, end, lost = look.to(read), read.to(done), look.on_failure(done)


class Outer(Machine[Ticket]):
    """Models, code, a human and a part, some with failure edges."""

    route = State(LLMAgent("Choose.", reads=Ticket.query), initial=True)
    look = State(Nested(Inner))
    check = State(work)
    ask = State(HumanAgent("May I?", reads=Ticket.query))
    pay = State(work)
    tell = State(LLMAgent("Tell.", reads=Ticket.query))
    done, human = Final(), Final(fallback=True)
    to_look, to_check = route.to(look, "look it up"), route.to(check, "check it")
    known, unknown = check.to(pay, guard=is_known), check.to(ask)
    yes, no = ask.to(pay, "pay"), ask.to(human, "do not", guard=is_known)
    on = (look | pay).to(tell)
    told = tell.to(done)
    unchecked = check.on_failure(ask)
    unpaid = pay.on_failure(human)
    silent = tell.on_failure(done)
    unread, again = pay.on_refusal(tell), ask.on_failure(pay)


def test_each_way_on_is_told() -> None:
    """For each agent: the failure edge of who is there, what remains before it, and where the run lands."""
    assert [
        ("route", "landing"),
        ("look", "landing; from route: check remains"),
        ("look.Inner.look", "done (on failure)"),
        ("look.Inner.read", "Inner lands; from look: done (on failure), or Inner lands"),
        ("check", "ask (on failure); from route: look remains"),
        ("ask", "pay (on failure); from check: landing"),
        ("pay", "human (on failure); from check: ask (on failure); from ask: human may remain, else landing"),
        ("tell", "done (on failure); from look, pay: landing"),
    ] == in_lines(away(Outer.definition))


def test_states_of_which_the_same_is_said_are_one_line() -> None:
    """What no edge saves is told together."""

    class Alike(Machine[Ticket]):
        route = State(LLMAgent("Choose.", reads=Ticket.query), initial=True)
        one, two, three, four, five = (State(work) for _ in range(5))
        done, human = Final(), Final(fallback=True)
        to_one, to_two, to_three = route.to(one, "one"), route.to(two, "two"), route.to(three, "three")
        to_four, to_five = route.to(four, "four"), route.to(five, "five")
        end = (one | two | three | four | five).to(done)

    assert [
        ("route", "landing"),
        ("one, two, three, four, five", "landing; from route: 4 other exits remain"),
    ] == in_lines(away(Alike.definition))
