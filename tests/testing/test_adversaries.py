"""Adversarial models: each attack is what its name says, and a run survives all of them."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from support.desk import Support, Ticket
from support.shop import DONE, SOLVED, desk, order_status, run

from fsm_orch import CallFailed, Message, Runner
from fsm_orch.models import Request
from fsm_orch.testing import ATTACKS, AdversarialModel, Attack, Tape, assert_replays, tapes, virtual_time
from fsm_orch.testing.adversaries import SECRET
from fsm_orch.testing.values import ways_of

MENU = ["to_billing", "resolved"]
REQUEST = Request(
    messages=(Message(role="user", content="x" * 80),),
    schema={"type": "object", "properties": {"handoff": {"type": "string", "enum": MENU}}},
    max_output_tokens=20,
)
MISROUTES: dict[Attack, str] = {
    "hallucinated_name": "a name that nothing bears",
    "look_alike": "a name that looks like another",
    "closed_door": "a name from elsewhere in the machine",
    "self_handoff": "the state itself",
}


def only(attack: Attack, tape: Tape) -> AdversarialModel:
    return AdversarialModel(tape, attacks=[attack], one_in=1, machine=Support)


def said(attack: Attack, tape: Tape) -> str:
    with virtual_time() as loop:
        return loop.run(only(attack, tape).complete(REQUEST)).text


def test_a_form_that_offers_tools_has_ways_to_reply() -> None:
    """Uses and the decision are ways, and only the decision has fields to misroute; no other form has any."""
    (_, offered), (_, plain) = run(desk(order_status), DONE), run(desk(), SOLVED)

    ways = ways_of(offered.requests[0].schema)
    assert [["use"], ["use_all"], ["answer", "handoff"]] == [sorted(way["properties"]) for way in ways]
    assert () == ways_of(plain.requests[0].schema)


@pytest.mark.parametrize("attack", MISROUTES)
@given(tapes())
def test_misroutes_are_never_on_the_menu(attack: Attack, tape: Tape) -> None:
    """A model that decides what nobody declared names no handoff of the menu."""
    assert json.loads(said(attack, tape))["handoff"] not in MENU


@given(tapes())
def test_a_closed_door_is_a_real_one(tape: Tape) -> None:
    """A closed door is a handoff that the machine has."""
    names = {handoff.name for handoff in Support.definition.handoffs}

    assert json.loads(said("closed_door", tape))["handoff"] in names


@given(tapes())
def test_ping_pong_goes_back_to_a_state(tape: Tape) -> None:
    """Ping-pong takes what is legal and leads to another state, where there is such a handoff."""
    assert "to_billing" == json.loads(said("ping_pong", tape))["handoff"]


def test_the_rest_is_as_named() -> None:
    """Two decisions are two, a flood is far beyond its cap, and what is truncated says so."""
    tape = Tape(b"")
    with virtual_time() as loop:
        flood = loop.run(only("flood", tape).complete(REQUEST))
        cut = loop.run(only("truncated", tape).complete(REQUEST))

    assert 2 == said("two_decisions", tape).count("handoff")
    assert (True, "stop") == (len(flood.text) > 1_000 * REQUEST.max_output_tokens, flood.finish)
    assert "length" == cut.finish
    with pytest.raises(ValueError, match=r"delimiter|Expecting|Unterminated"):
        json.loads(cut.text)


@given(tapes())
def test_usage_is_honest_but_for_lies(tape: Tape) -> None:
    """Usage is within the reservation, or unknown, unless the model may lie."""
    honest = AdversarialModel(tape, attacks=[m for m in ATTACKS if m not in ("lying_usage", "cancelled")])

    async def ask() -> None:
        bound = 60
        for _ in range(3):
            try:
                response = await honest.complete(REQUEST)
            except (CallFailed, RuntimeError):
                continue
            assert response.usage is None or response.usage.total_tokens <= bound + REQUEST.max_output_tokens

    with virtual_time() as loop:
        loop.run(ask())


@pytest.mark.parametrize(
    ("attack", "error", "words"),
    [
        ("rate_limited", CallFailed, "429"),
        ("server_error", CallFailed, "500"),
        ("disconnected", CallFailed, "connection"),
        ("leaking_error", RuntimeError, SECRET),
    ],
)
def test_failures_are_raised(attack: Attack, error: type[Exception], words: str) -> None:
    """A request that fails raises what an adapter would."""
    with pytest.raises(error, match=words):
        said(attack, Tape(b""))


def test_cancellation_is_raised() -> None:
    """A cancelled request is cancelled from within."""
    with pytest.raises(asyncio.CancelledError):
        said("cancelled", Tape(b""))


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS)
@given(tapes())
def test_a_run_survives_each_misdeed(attack: Attack, tape: Tape) -> None:
    """Whatever a model does all the time, the run ends in a final state with its default, and leaks nothing."""
    with virtual_time() as loop:
        result = loop.run(Runner(Support, model=only(attack, tape)).run(Ticket(query="please")))

    assert result.state in (Support.answered, Support.human)
    assert_replays(Support, result)


def test_an_unknown_misdeed_is_refused() -> None:
    """A attack that does not exist is refused, with those that do."""
    with pytest.raises(ValueError, match=r"no attack 'lazy'\. Attacks: hallucinated_name"):
        AdversarialModel(Tape(b""), attacks=["lazy"])  # type: ignore[list-item]
