"""What a definition knows of its machine: exits, edges, models and ends, in the order of the class."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State, Visit, guard
from fsm_orch.agents import Nested
from fsm_orch.define.states import Handoff


class Ticket(Context):
    query: str
    answer: str | None = None
    level: int = 0


@guard
def is_high(t: Ticket) -> bool:
    return t.level > 3


def work(visit: Visit[Any]) -> None:
    """Do nothing."""


def toil(visit: Visit[Any]) -> None:
    """Do nothing, otherwise."""


class Support(Machine[Ticket]):
    """Help people.

    And so on.
    """

    triage = State(LLMAgent("Decide.", reads=(Ticket.query,)), initial=True)
    billing = State(work, max_visits=2)
    search = State(toil, max_visits=1)
    answered = Final()
    human = Final(fallback=True)

    zebra = triage.to(search, "looking for a product")
    apple = triage.to(billing, "invoices")
    lost = billing.on_failure(human)
    mango = (billing | search).to(answered)
    late = billing.on_timeout(search)
    back = billing.to(triage, guard=is_high)
    refused = billing.on_refusal(answered)


def names(handoffs: tuple[Handoff, ...]) -> list[str]:
    return [handoff.name for handoff in handoffs]


def test_exits_are_in_declaration_order() -> None:
    """The exits of a state are its handoffs in the order of the class, without failure edges."""
    assert ["zebra", "apple"] == names(Support.triage.exits)
    assert ["mango", "back"] == names(Support.billing.exits)
    assert ["mango"] == names(Support.search.exits)


def test_the_order_of_the_class_is_the_order_of_the_exits() -> None:
    """Handoffs that were made in another order than they are named in leave their state as the digest lists them."""

    class Turned(Machine[Ticket]):
        start = State(work, initial=True)
        one, two = Final(), Final()
        human = Final(fallback=True)
        to_two, to_one = reversed([start.to(one), start.to(two)])

    assert ["to_two", "to_one"] == names(Turned.start.exits)
    assert ["to_two", "to_one"] == [handoff["name"] for handoff in Turned.definition.canonical["handoffs"]]


def test_failure_edges_are_told_by_kind() -> None:
    """Failure edges are apart from exits, one for each kind."""
    assert {
        "failure": Support.lost,
        "timeout": Support.late,
        "refusal": Support.refused,
    } == Support.billing.failure_edges
    assert {} == Support.triage.failure_edges


def test_successors_hold_every_declared_edge_once() -> None:
    """Successors are the targets of all edges, failure edges too; landing is not among them."""
    assert {
        "triage": ("search", "billing"),
        "billing": ("human", "answered", "search", "triage"),
        "search": ("answered",),
        "answered": (),
        "human": (),
    } == Support.definition.successors


def test_a_definition_knows_the_model_of_each_state() -> None:
    """An agent's own model comes first, then the one that is given, then the machine's; code has none."""

    class Asking(Machine[Ticket]):
        model = "openai:cheap"
        own = State(LLMAgent("Route.", model="openai:dear"), initial=True)
        other = State(LLMAgent("Answer.", reads=(Ticket.query,)))
        code = State(work)
        done = Final()
        human = Final(fallback=True)
        on, off, end = own.to(other, "go on"), other.to(code, "it is told"), code.to(done)

    unnamed = replace(Asking.definition, model=None)

    assert {"own": "openai:dear", "other": "openai:cheap"} == Asking.definition.models()
    assert {"own": "openai:dear", "other": "openai:given"} == Asking.definition.models("openai:given")
    assert {"own": "openai:dear", "other": None} == unnamed.models()


def test_a_definition_knows_its_ends() -> None:
    """A definition tells where runs start and where they are landed."""
    assert Support.triage is Support.definition.initial
    assert Support.human is Support.definition.fallback


def test_a_definition_knows_the_places_of_all_states() -> None:
    """Those in machines inside are named by the state and the part around them, at every depth."""

    class Inner(Machine[Ticket]):
        look = State(work, initial=True)
        done, human = Final(), Final(fallback=True)
        end = look.to(done)

    class Middle(Machine[Ticket]):
        mid = State(Nested(Inner), initial=True)
        done, human = Final(), Final(fallback=True)
        end = mid.to(done)

    class Outer(Machine[Ticket]):
        out = State(Nested(Middle), initial=True)
        done, human = Final(), Final(fallback=True)
        end = out.to(done)

    places = Outer.definition.places

    assert ["out", "out.Middle.mid", "out.Middle.mid.Inner.look"] == list(places)
    assert places["out.Middle.mid.Inner.look"] is Inner.look


def test_a_definition_is_readable() -> None:
    """A definition is shown as its first sentence and a line for each state, the initial one marked."""
    assert repr(Support.definition) == (
        "Support(Ticket): Help people.\n"
        "* triage [LLMAgent]: zebra -> search, apple -> billing\n"
        "  billing [work]: lost -> human, mango -> answered, late -> search, back -> triage, refused -> answered\n"
        "  search [toil]: mango -> answered"
    )


def test_parts_are_readable() -> None:
    """A state, a final state and a handoff are shown by their names."""
    assert "<State triage>" == repr(Support.triage)
    assert "<Final human>" == repr(Support.human)
    assert "<Handoff mango: billing | search -> answered>" == repr(Support.mango)


def test_canonical_json_holds_no_place_in_memory_or_source() -> None:
    """The canonical form says nothing of files, lines or addresses."""
    text = json.dumps(Support.definition.canonical)

    assert __file__ not in text
    assert "0x" not in text


def test_a_definition_is_frozen() -> None:
    """A definition cannot be changed once it is built, nor can what it maps."""
    with pytest.raises(AttributeError, match="limits"):
        Support.definition.limits = Limits(hops=99)  # type: ignore[misc]
    for mapping in (Support.definition.states, Support.definition.finals):
        with pytest.raises(TypeError, match="does not support item"):
            mapping["more"] = mapping["human" if "human" in mapping else "triage"]  # type: ignore[index]
