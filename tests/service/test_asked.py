"""Whether two requests ask for the same: what a caller said counts, and what came of itself does not."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from pydantic import Field

from fsm_orch import Context, Final, Given, Machine, MemoryStore, Message, Runner, State, Visit
from fsm_orch.kernel.inputs import Started
from fsm_orch.service.asked import Asked


class Order(Context):
    """What is ordered."""

    item: str
    count: Given[int] = 1
    number: Given[str] = Field(default_factory=lambda: uuid4().hex)
    done: bool = False


def take(visit: Visit[Order]) -> Any:
    return {Order.done: True}


class Shop(Machine[Order]):
    """Take an order."""

    only = State(take, reads=Order.item, writes=Order.done, initial=True)
    end, human = Final(), Final(fallback=True)
    on = only.to(end)


HELLO = (Message(role="user", content="hello"),)


async def first(context: Order, **options: Any) -> Started:
    """Return how a run began."""
    store = MemoryStore()
    redact = options.pop("redact", ())
    await Runner(Shop, store=store, redact=redact).run(context, run_id="r", **options)
    began = (await store.load("r"))[0]
    assert isinstance(began, Started)
    return began


@pytest.mark.parametrize("redact", [(), Order.item])
async def test_the_same_request_is_the_same(redact: Any) -> None:
    """What a factory made is another each time; what is redacted cannot be compared."""
    began = await first(Order(item="cup"), messages=HELLO, tenant="acme", thread_id="t", redact=redact)

    assert Asked(context=Order(item="cup"), messages=HELLO, tenant="acme", thread="t").is_of(began)


@pytest.mark.parametrize(
    "asked",
    [
        Asked(context=Order(item="pot"), messages=HELLO),
        Asked(context=Order(item="cup", count=2), messages=HELLO),
        Asked(context=Order(item="cup", number="7"), messages=HELLO),
        Asked(context=Order(item="cup")),
        Asked(context=Order(item="cup"), messages=(Message(role="assistant", content="hello"),)),
        Asked(context=Order(item="cup"), messages=HELLO, tenant="acme"),
        Asked(context=Order(item="cup"), messages=HELLO, thread="t"),
    ],
)
async def test_another_request_is_another(asked: Asked) -> None:
    """By any field, message, tenant or thread."""

    assert not asked.is_of(await first(Order(item="cup"), messages=HELLO))


async def test_what_was_left_out_is_what_it_is_by_default() -> None:
    """A request that says less than the first is another, but for a thread, which carries on what is left out."""
    began = await first(Order(item="cup", count=2))
    carried = await first(Order(item="cup", count=2), thread_id="t")

    assert not Asked(context=Order(item="cup")).is_of(began)
    assert Asked(context=Order(item="cup"), thread="t").is_of(carried)
