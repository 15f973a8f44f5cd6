"""Rules about functions of the user's: written for this context and these dependencies, with names for a digest."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.declared import case, load, machine, shows

from fsm_orch.define.rules.check import check

SHOP = """
from typing import Protocol

class Shop:
    pass

class Till(Shop):
    pass

class Counts(Protocol):
    def count(self) -> int: ...

def at_shop(visit: Visit[Ticket, Shop]):  # FSM112
    return None

def with_counter(visit: Visit[Ticket, Counts]):
    return None

def with_list(visit: Visit[Ticket, list[int]]):
    return None
"""


@pytest.mark.parametrize(
    ("problem", "source"),
    [
        case(
            "a guard reads the machine's context, wherever it stands in an expression",
            "the guard of 'high' is annotated for Other",
            "high = a.to(done, guard=is_high | ~is_other)  # FSM112",
        ),
        case(
            "a guard of a derived context is for another one",
            "the guard of 'high' is annotated for Vip",
            "high = a.to(done, guard=is_vip)  # FSM112",
        ),
        case(
            "a guard of a policy reads the machine's context",
            "a guard of eventually(is_other) is annotated for",
            "policies = (eventually(is_other),)  # FSM112",
        ),
        case(
            "a function reads the machine's context",
            "the agent of 'a' is annotated for Other",
            a="State(for_others, initial=True)",
            before="def for_others(visit: Visit[Other]):  # FSM112\n    return None",
        ),
        case(
            "a function that wants dependencies gets some",
            "the agent of 'a' is annotated for dependencies Shop",
            a="State(at_shop, initial=True)",
            before=SHOP,
        ),
        case(
            "a function gets the dependencies that it wants, or ones derived from them",
            "the agent of 'a' is annotated for dependencies Shop",
            a="State(at_shop, initial=True)",
            context="Ticket, Other",
            before=SHOP,
        ),
        case(
            "an agent is no lambda",
            "the agent of 'a' has no name of its own",
            a="State(lambda visit: None, initial=True)  # FSM113",
        ),
        case(
            "an agent is no partial",
            "the agent of 'a' has no name of its own",
            a="State(partial(work), initial=True)  # FSM113",
        ),
        case(
            "a guard has a name of its own, wherever it stands in an expression",
            "the guard of 'high' has no name of its own",
            "high = a.to(done, guard=is_high & ~guard(lambda t: True))  # FSM113",
        ),
        case(
            "a guard of a policy has a name of its own",
            "a guard of never(done).before(<unnamed guard>) has no name of its own",
            "policies = (never(done).before(guard(lambda ticket: True)),)  # FSM113",
        ),
    ],
)
def test_functions_that_do_not_fit(problem: str, source: str, path: Path) -> None:
    """Functions for another context, or without a name, are found where they are written or used."""
    shows(path, source, problem)


def test_a_base_context_is_welcome(path: Path) -> None:
    """Fields, guards and functions of a base of the machine's context fit it."""
    state = "State(work, initial=True, reads=(Ticket.query, Vip.query), writes=(Ticket.answer,))"
    body = """
    lost = Final(sets={Ticket.answer: "later"})
    other = a.to(lost, guard=is_high & is_vip)
    """

    assert () == check(load(path, machine(body, a=state, context="Vip")).M.definition)


@pytest.mark.parametrize(
    "agent",
    [
        pytest.param("at_shop", id="dependencies that are derived from what it wants"),
        pytest.param("with_counter", id="a protocol, which is left to type checkers"),
        pytest.param("with_list", id="a generic, which is left to type checkers"),
    ],
)
def test_dependencies_that_may_fit_are_welcome(agent: str, path: Path) -> None:
    """Only dependencies that certainly do not fit are found."""
    source = machine(a=f"State({agent}, initial=True)", context="Ticket, Till", before=SHOP)

    assert () == check(load(path, source).M.definition)


def test_none_are_dependencies_of_any_kind(path: Path) -> None:
    """What takes any object as its dependencies takes none too, be it a function or a machine that runs inside."""
    before = """
def alone(visit: Visit[Ticket, object]):
    return None

class Inner(Machine[Ticket, object]):
    work = State(alone, initial=True)
    done, human = Final(), Final(fallback=True)
    end = work.to(done)
"""
    for a in ("State(alone, initial=True)", "State(Nested(Inner, writes=()), initial=True)"):
        assert () == check(load(path, machine(a=a, before=before)).M.definition)
