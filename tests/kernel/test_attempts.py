"""How an attempt ends: its reply is committed, or refused and repaired, or the visit fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import field_validator
from support.desk import Ticket
from support.handfed import (
    FORGIVING,
    FORKS,
    SUPPORT,
    THIRSTY,
    Narrow,
    Play,
    Row,
    case,
    fail,
    reply,
    reserve,
    settle,
    support,
)
from support.random_machines import Facts

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, Message, State, Visit
from fsm_orch.kernel import inputs, records
from fsm_orch.kernel.effects import Act
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.reasons import Refusal

TO_BILLING = reply("to_billing")
SPENT = (reserve(1, 10, 10), settle(1, 20), reserve(2, 10, 10), settle(2, 20))
"""Two calls, each charged 20 tokens."""

REPAIRED: dict[str, Any] = {
    "is_repaired": True,
    "state": "triage",
    "hops": 0,
    "context": Ticket(query="x"),
    "due": (Act((), 0, "triage", 2),),
}
"""The run is as it was, and the model is asked again in the same visit."""


def test_changes_messages_and_handoff_commit_together() -> None:
    """A legal reply moves the run, writes what it says, and is recorded with it, in one step."""
    said = (Message(role="assistant", content="ok", agent="billing"),)
    changes = {"invoice": "I7", "answer": "yes"}

    play = Play(SUPPORT, TO_BILLING, inputs.Replied(handoff="done", changes=changes, messages=said, at=1))

    assert (play.now.state, play.now.status) == ("answered", "finished")
    assert play.now.context == Ticket(query="x", invoice="I7", answer="yes")
    assert play.now.messages == said
    assert play.seen("kinds") == ["handed_off", "run_finished"]
    [moved] = play.records(records.HandedOff)
    assert (moved.source, moved.target, moved.written, moved.messages) == (
        "billing",
        "answered",
        ("invoice", "answer"),
        1,
    )


@pytest.mark.parametrize(
    "row",
    [
        case("a handoff is one of the machine", SUPPORT, reply("nowhere"), refused="unknown_handoff", **REPAIRED),
        case("a handoff leaves this state", SUPPORT, reply("to_verify"), refused="unknown_handoff", **REPAIRED),
        case("a model names a handoff", SUPPORT, reply(), refused="no_handoff", **REPAIRED),
        case(
            "only declared fields are written",
            SUPPORT,
            reply("resolved", answer="x"),
            refused="undeclared_write",
            **REPAIRED,
        ),
        case(
            "what an agent found wrong itself is kept",
            SUPPORT,
            inputs.Replied(refusal=Refusal("not_json", "?"), at=0),
            refused="not_json",
            **REPAIRED,
        ),
        case(
            "every declared field is written, since readers rely on it",
            SUPPORT,
            TO_BILLING,
            reply("done", answer="yes"),
            refused="missing_field",
        ),
        case(
            "a model that has spent its calls is not asked again",
            SUPPORT,
            *SPENT,
            reply("nowhere"),
            is_repaired=False,
            landing="refusal",
        ),
        case(
            "a model that was denied a call has none left for a repair",
            SUPPORT,
            reserve(1, 5_000, 100),
            reply("nowhere"),
            is_repaired=False,
            landing="refusal",
        ),
        case(
            "telling a model that the run is out of money mends nothing",
            support(tokens=1_000),
            reserve(1, 50, 100),
            settle(1, 1),
            TO_BILLING,
            refused="budget",
            is_repaired=False,
            landing="budget",
        ),
        case(
            "a model that is refused twice learns both reasons, in order",
            FORGIVING,
            reply("nowhere"),
            reply("go", answer="x"),
            refusals=["unknown_handoff", "undeclared_write"],
        ),
        case(
            "a repair that could lead nowhere is not asked for",
            THIRSTY,
            *SPENT,
            reply("nowhere"),
            landing="no_handoff",
            due=(),
        ),
        case(
            "nor one whose own call would use up what its handoffs need",
            THIRSTY,
            *SPENT[:2],
            reply("nowhere"),
            is_repaired=True,
            landing="no_handoff",
            due=(),
        ),
        case("code is never repaired", FORKS, reply("nowhere", a=True, b=True), is_repaired=False, state="right"),
    ],
)
def test_refusals(row: Row) -> None:
    """A refused reply changes nothing, and a model that has a call left is told why."""
    row()


def test_a_value_that_does_not_fit_is_refused_without_being_shown() -> None:
    """Values are validated by the context, and refused ones are not quoted."""
    play = Play(SUPPORT, TO_BILLING, reply("done", invoice=17, answer="yes"))

    [refused] = play.records(records.Refused)
    assert refused.reason == "wrong_type"
    assert "17" not in refused.detail


class Priced(Context):
    """A price that a validator looks at."""

    price: int = 0

    @field_validator("price")
    @classmethod
    def is_small(cls, price: int) -> int:
        if price > 9:
            raise ValueError(f"{price} is more than 9")
        return price


def haggle(visit: Visit[Priced]) -> None:
    """Stand for any code; the tests feed its replies by hand."""


@pytest.mark.parametrize(
    ("state", "detail"),
    [
        (lambda: State(LLMAgent("Ask.", writes=Priced.price), initial=True), "price: 17 is more than 9"),
        (lambda: State(haggle, initial=True, writes=(Priced.price,)), "price: Input is refused by a validator"),
    ],
    ids=["a model", "code"],
)
def test_a_validator_speaks_to_models_alone(state: Callable[[], State], detail: str) -> None:
    """Whoever wrote the value and is to write a better one learns why, in words that may quote it; a log does not."""

    class Till(Machine[Priced]):
        ask = state()
        done, human = Final(), Final(fallback=True)
        go = ask.to(done, "always")

    [refused] = Play(CompiledMachine(Till.definition), reply(price=17)).records(records.Refused)

    assert ("wrong_type", detail) == (refused.reason, refused.detail)


AT_LEFT = reply(a=True, b=True)
AT_RIGHT = reply(a=False, b=True)


@pytest.mark.parametrize(
    "row",
    [
        case("the first declared whose guard holds is taken", FORKS, AT_LEFT, state="left"),
        case("a closed guard is passed over", FORKS, AT_RIGHT, state="right"),
        case(
            "where no guard holds the run lands, on its context of entry",
            FORKS,
            reply(a=False, b=False),
            state="human",
            landing="no_handoff",
            context=Facts(answer="default"),
        ),
        case(
            "if the first open one is not legal the visit has failed, and nothing is written",
            FORKS,
            reply(a=True, b=False),
            reply(),
            reply(a=True, b=True),
            refused="visits",
            taken="lost",
            context=Facts(a=True, b=False),
        ),
        case(
            "a reply that closes its own handoff writes nothing",
            FORKS,
            reply("to_left", a=False, b=True),
            refused="guard",
            state="right",
            context=Facts(),
        ),
    ],
)
def test_replies_without_a_proposal(row: Row) -> None:
    """Code that names no handoff takes the first that its changes open."""
    row()


@pytest.mark.parametrize(
    "row",
    [
        case("a second attempt keeps the key of its visit", FORKS, fail(), due=(Act((), 0, "fork", 2),)),
        case("an error is not retried more often than declared", FORKS, fail(), fail(), taken="lost"),
        case(
            "what timed out may have had its effect, so it is not tried again",
            FORKS,
            fail("timeout"),
            is_retried=False,
            taken="late",
            state="done",
        ),
        case("a failure for want of money says so", SUPPORT, fail("denied"), failed="denied", landing="denied"),
        case("a failure without an edge lands", FORKS, AT_RIGHT, fail(), state="human", landing="failure"),
        case(
            "a failure edge cannot take the last hop",
            CompiledMachine(Narrow.definition, limits=Limits(hops=1)),
            fail(),
            state="human",
            landing="failure",
            hops=1,
        ),
        case(
            "sync code that came back too late is not believed",
            FORKS,
            reply(a=True, at=10.5),
            failed="timeout",
            state="done",
        ),
        case("the visit's time is inclusive", FORKS, reply(a=True, b=True, at=10), state="left"),
        case("a visit's time counts from its entry", FORKS, reply(a=False, b=True, at=9), reply(at=18), state="done"),
        case("the deadline lands past every failure edge", FORKS, reply(a=True, b=True, at=100), landing="deadline"),
        case(
            "a retry that could lead nowhere is not made",
            THIRSTY,
            reply("to_twice"),
            *SPENT,
            fail(),
            landing="no_handoff",
            due=(),
        ),
    ],
)
def test_failures(row: Row) -> None:
    """A failed attempt is made again if that is declared and safe; else its visit takes a failure edge, or lands."""
    row()
