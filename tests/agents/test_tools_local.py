"""Tools with the real local model: always legal, and right as often as was measured; the smallest model there is."""

from __future__ import annotations

import re

import pytest

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, Message, Preset, Runner, State, Tool, Visit, guard
from fsm_orch.errors import ModelUnavailable
from fsm_orch.kernel.records import Refused
from fsm_orch.models import registry
from fsm_orch.models.base import Request

pytest.importorskip("xllamacpp", reason="the local model needs the extra `local`")
pytestmark = [pytest.mark.local, pytest.mark.slow]

ORDERS = {
    4711: "shipped on Monday",
    815: "waiting for payment",
    1234: "delivered yesterday",
    9001: "lost in transit",
    77: "being packed",
    3030: "returned to the shop",
    42: "out for delivery",
    5150: "cancelled",
}
QUERIES = {
    "Where is my order 4711?": 4711,
    "I paid for order 815 last week, 2 cups, what is going on?": 815,
    "Has 1234 arrived?": 1234,
    "My parcel, order number 9001, is late by 5 days.": 9001,
    "Tell me about order 77 please": 77,
    "I sent back 3030, have you got it?": 3030,
    "Status of 42?": 42,
    "I have 3 questions: first, where is order 5150?": 5150,
    "Do you sell cups?": None,
    "What are your hours?": None,
    "Thank you!": None,
}
"""What customers ask, and the order that is to be looked up; None: no tool fits."""
USED = list[int]()
ANOTHER = Request(messages=(Message(role="user", content="Hi."),), max_output_tokens=1)
"""Asked before each query: a prompt that begins as the last one goes on from what it came to, rounding and all."""


class Ticket(Context):
    """What a customer asks."""

    query: str
    numbers: Preset[tuple[int, ...]] = ()
    answer: str | None = None


@guard
def has_numbers(ticket: Ticket) -> bool:
    return bool(ticket.numbers)


def find(visit: Visit[Ticket]) -> dict[object, tuple[int, ...]]:
    """Find the numbers."""
    return {Ticket.numbers: tuple(int(number) for number in re.findall(r"\d+", visit.context.query))}


def order_status(order: int) -> str:
    """Look up where an order is."""
    USED.append(order)
    return ORDERS.get(order, "unknown order")


class Desk(Machine[Ticket]):
    """Tell customers where their orders are."""

    look = State(find, reads=Ticket.query, writes=Ticket.numbers, initial=True)
    status = State(
        LLMAgent(
            "Answer the customer's question about an order.",
            does="tell where orders are",
            reads=Ticket.query,
            writes=Ticket.answer,
            tools=Tool(order_status, choices={"order": Ticket.numbers}),
            tool_first=True,
            asks=1,
            max_output_tokens=100,
        ),
        timeout_s=120,
    )
    answered, human = Final(), Final(fallback=True)
    to_status, to_human = look.to(status, guard=has_numbers), look.to(human)
    done = status.to(answered, "it is answered")
    limits = Limits(deadline_s=300)


async def test_the_smallest_model_uses_a_tool_that_it_must_use() -> None:
    """Of eleven queries: each use legal, none where none fits; the right order in 6 of 8, and told to the customer."""
    try:
        model = registry.resolve("local:smollm2")
    except ModelUnavailable as error:
        pytest.skip(str(error))
    runner = Runner(Desk, model=model)
    right = told = cut = 0
    for query, order in QUERIES.items():
        USED.clear()
        await model.complete(ANOTHER)
        result = await runner.run(Ticket(query=query))

        # for good: it has run on to its cap in each try, which so small a model does in one of eight, or in none
        refused = [r.reason for r in result.records if isinstance(r, Refused) and not r.is_repaired]
        assert {*refused} <= {"truncated"}
        assert result.state is (Desk.human if order is None or refused else Desk.answered)
        cut += len(refused)
        assert len(USED) == (0 if order is None else 1)
        if order is not None:
            assert USED[0] in result.context.numbers
            right += USED == [order]
            told += ORDERS[order] in (result.context.answer or "").lower()

    # measured: 6 and 6, where a first prompt that listed results like calls had the model tell none of them
    assert right >= 5
    assert told >= 4
    assert cut <= 1
