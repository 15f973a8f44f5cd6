"""The metered model: it reserves before it sends, and settles whatever happens."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_orch import CallDenied, CallFailed, Message, Response, ScriptedModel, Usage
from fsm_orch.errors import VisitClosed
from fsm_orch.limits import CallLimits
from fsm_orch.models.metered import MeteredModel

HELLO = (Message(role="user", content="hello"),)


class Ledger:
    """A desk that writes down what it is told."""

    def __init__(self, *, denies: bool = False, store: Exception | None = None) -> None:
        self.booked: list[tuple[Any, ...]] = []
        self.closes_after: int | None = None
        self._denies = denies
        self._store = store

    def check(self) -> None:
        if self.closes_after is not None and len(self.booked) >= self.closes_after:
            raise VisitClosed("closed")

    def reserve(self, input_tokens: int, output_tokens: int) -> int:
        if self._denies:
            raise CallDenied("budget")
        self.booked.append(("reserve", input_tokens, output_tokens))
        return 1

    async def written(self) -> None:
        self.booked.append(("written",))
        if self._store is not None:
            raise self._store

    def calls_left(self) -> int:
        return 0

    def seconds_left(self) -> float:
        return 9.0

    def settle(self, call: int, usage: Usage | None) -> None:
        self.booked.append(("settle", usage))

    def release(self, call: int) -> None:
        self.booked.append(("release",))


def metered(ledger: Ledger, *script: Any, cap: int = 100, delay_s: float = 0.0) -> tuple[MeteredModel, ScriptedModel]:
    model = ScriptedModel(script, delay_s=delay_s)
    return MeteredModel(model, ledger, CallLimits(max_input_tokens=cap, max_output_tokens=10)), model


async def test_a_call_is_reserved_stored_sent_and_settled() -> None:
    """In this order, with the bound of the input and the cap of the output."""
    ledger = Ledger()
    model, sent = metered(ledger, "hi")

    response = await model.ask(HELLO)

    used = Usage(requests=1, input_tokens=5, output_tokens=2)
    assert [("reserve", 5, 10), ("written",), ("settle", used)] == ledger.booked
    assert response.text == "hi"
    assert sent.requests[0].max_output_tokens == 10


async def test_a_closed_desk_is_not_even_asked_for_a_count() -> None:
    """Counting may be a request of its own: nothing leaves for a visit that has ended."""
    ledger, counted = Ledger(), []
    model, sent = metered(ledger, "hi")
    sent.count = counted.append  # type: ignore[assignment, method-assign]
    ledger.closes_after = 0

    with pytest.raises(VisitClosed):
        await model.ask(HELLO)

    assert ([], [], []) == (counted, ledger.booked, sent.requests)


async def test_a_reply_that_comes_too_late_is_nobodys() -> None:
    """A call whose visit has ended is settled, and raises instead of returning what it came to."""
    ledger = Ledger()
    model, _ = metered(ledger, "hi")
    ledger.closes_after = 3

    with pytest.raises(VisitClosed):
        await model.ask(HELLO)

    assert ledger.booked[-1][0] == "settle"


async def test_what_is_denied_is_not_sent() -> None:
    """A refused reservation sends nothing and settles nothing."""
    ledger = Ledger(denies=True)
    model, sent = metered(ledger, "hi")

    with pytest.raises(CallDenied, match=r"This call was denied: budget\. Nothing was sent"):
        await model.ask(HELLO)

    assert (ledger.booked, sent.requests) == ([], [])


@pytest.mark.parametrize("cap", [4, 5])
async def test_an_input_above_its_cap_is_not_even_reserved(cap: int) -> None:
    """The cap is inclusive: five tokens pass a cap of five and not one of four."""
    ledger = Ledger()
    model, sent = metered(ledger, "hi", cap=cap)

    if cap == 5:
        await model.ask(HELLO)
    else:
        with pytest.raises(CallDenied, match="its input may be 5 tokens, the cap is 4"):
            await model.ask(HELLO)

    assert len(sent.requests) == (1 if cap == 5 else 0)


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (CallFailed("connection", unsent=True), ("release",)),
        (CallFailed("status_500"), ("settle", None)),
        (RuntimeError("surprise"), ("settle", None)),
    ],
)
async def test_a_failed_call_is_charged_unless_it_was_provably_unsent(error: Exception, end: tuple[Any, ...]) -> None:
    """Only what the adapter vouches for is given back; all else is charged in full."""
    ledger = Ledger()
    model, _ = metered(ledger, error)

    with pytest.raises(type(error)):
        await model.ask(HELLO)

    assert ledger.booked[-1] == end


@pytest.mark.looptime
async def test_a_cancelled_call_is_charged_in_full() -> None:
    """A request that was given up in flight may have been billed."""
    ledger = Ledger()
    model, _ = metered(ledger, "hi", delay_s=10)
    task = asyncio.create_task(model.ask(HELLO))
    await asyncio.sleep(1)

    task.cancel()
    await asyncio.wait({task})

    assert ledger.booked[-1] == ("settle", None)


async def test_a_reservation_that_could_not_be_stored_is_given_back() -> None:
    """When the store fails before the request goes out, nothing was spent."""
    ledger = Ledger(store=OSError("disk full"))
    model, sent = metered(ledger, "hi")

    with pytest.raises(OSError, match="disk full"):
        await model.ask(HELLO)

    assert ledger.booked[-1] == ("release",)
    assert sent.requests == []


@given(st.none() | st.builds(Usage, requests=st.just(1), input_tokens=st.integers(0, 99)))
def test_usage_reaches_the_ledger_as_it_came(usage: Usage | None) -> None:
    """The metered model neither clamps nor invents usage."""
    ledger = Ledger()
    model, _ = metered(ledger, Response(text="x", usage=usage))

    asyncio.run(model.ask(HELLO))

    assert ledger.booked[-1] == ("settle", usage)
