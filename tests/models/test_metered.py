"""The metered model: it reserves before it sends, and settles whatever happens."""

from __future__ import annotations

import asyncio
from enum import IntEnum
from fractions import Fraction
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.desk import Support, Ticket

from fsm_orch import CallDenied, CallFailed, Message, Price, Response, Runner, ScriptedModel, Usage, to_json
from fsm_orch.amounts import FREE, MOST_TOKENS
from fsm_orch.errors import VisitClosed
from fsm_orch.kernel import records
from fsm_orch.kernel.legal import Offer
from fsm_orch.limits import CallLimits
from fsm_orch.models import Request
from fsm_orch.models.metered import MeteredModel
from fsm_orch.store import input_from_json

HELLO = (Message(role="user", content="hello"),)


class Count(IntEnum):
    """An integer that is not a plain one."""

    ONE = 1


class Ledger:
    """A desk that writes down what it is told."""

    def __init__(self, *, denies: bool = False, store: Exception | None = None) -> None:
        self.booked: list[tuple[Any, ...]] = []
        self.causes: list[str | None] = []
        """Why each call brought no answer."""
        self.closes_after: int | None = None
        self._denies = denies
        self._store = store

    def check(self) -> None:
        if self.closes_after is not None and len(self.booked) >= self.closes_after:
            raise VisitClosed("closed")

    def most_offered(self) -> Offer:
        return Offer((), is_used_up=False)

    def offered(self, most: Offer) -> Offer:
        return most

    def reserve(self, input_tokens: int, output_tokens: int, model: str | None = None, waited_s: float = 0.0) -> int:
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

    def settle(self, call: int, usage: Usage | None, cause: str | None = None) -> None:
        self.booked.append(("settle", usage))
        self.causes.append(cause)

    def release(self, call: int, cause: str | None = None) -> None:
        self.booked.append(("release",))
        self.causes.append(cause)


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


@pytest.mark.parametrize(
    ("raised", "cause"),
    [
        (CallFailed("rate_limited", "sk-secret", unsent=True), "rate_limited"),
        (CallFailed("server_error"), "server_error"),
        (CallFailed("of my own"), "other"),
        (CallFailed(cast("Any", ["no text"])), "other"),
        (ValueError("sk-secret"), "other"),
        (asyncio.CancelledError(), "given_up"),
    ],
)
async def test_why_a_call_brought_no_answer_is_booked(raised: BaseException, cause: str) -> None:
    """It is a word of a closed list, whatever the adapter raises; a call that was answered has none."""
    ledger = Ledger()
    model, sent = metered(ledger, "hi", "again")
    await model.ask(HELLO)

    async def fails(_: Any) -> Any:
        raise raised

    sent.complete = fails  # type: ignore[method-assign]
    with pytest.raises(type(raised)):
        await model.ask(HELLO)

    assert [None, cause] == ledger.causes


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
        with pytest.raises(CallDenied, match=r"may be 5 tokens, the cap is 4 \(max_input_tokens=5 would do\)"):
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


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**5_000),
    st.floats(),
    st.decimals(),
    st.fractions(),
    st.text(),
    st.sampled_from([Count.ONE, [], {}, object(), Usage]),
)
"""What a model of a user's own may say, where a number of tokens is expected."""


def is_plain(count: object) -> bool:
    return type(count) is int and 0 <= count <= MOST_TOKENS


@given(ANYTHING, ANYTHING)
def test_usage_that_is_no_whole_number_is_unknown(input_tokens: Any, output_tokens: Any) -> None:
    """Whoever's model reports it, and whatever else stands beside it: what is no number of tokens is not believed."""
    ledger = Ledger()
    usage = Usage(requests=1, input_tokens=input_tokens, output_tokens=output_tokens)
    model, _ = metered(ledger, Response(text="x", usage=usage))

    asyncio.run(model.ask(HELLO))

    is_known = is_plain(input_tokens) and is_plain(output_tokens)
    assert ledger.booked[-1] == ("settle", usage if is_known else None)


@given(ANYTHING | st.builds(dict, input_tokens=st.integers(0, 9), output_tokens=st.integers(0, 9)))
def test_what_is_no_usage_is_unknown(reported: Any) -> None:
    """A model that reports its usage in another form reports none."""
    ledger = Ledger()
    model, _ = metered(ledger, Response(text="x", usage=reported))

    asyncio.run(model.ask(HELLO))

    assert ledger.booked[-1] == ("settle", None)


@given(ANYTHING.filter(lambda count: not is_plain(count)))
def test_a_bound_that_is_no_whole_number_reserves_nothing(count: Any) -> None:
    """A model that cannot count a request is not sent it; the failure names the model, and nothing of the value."""

    class Miscounts(ScriptedModel):
        async def count(self, request: Request) -> Any:
            return count

    ledger, model = Ledger(), Miscounts(["hi"], name="own:model")

    with pytest.raises(CallFailed, match=r"uncountable: own:model\.count gave a .*it gives a whole number") as caught:
        asyncio.run(MeteredModel(model, ledger, CallLimits()).ask(HELLO))

    assert caught.value.unsent
    assert ([], []) == (ledger.booked, model.requests)


@pytest.mark.parametrize("tokens", [float("nan"), float("inf"), -1, 2.5, True, pytest.param(10**5_000, id="huge"), "9"])
@pytest.mark.parametrize("price", [FREE, Price(Fraction(3), Fraction(15))])
def test_a_run_charges_unknown_usage_in_full(tokens: Any, price: Price) -> None:
    """What a model of the user's own says of its usage reaches no sum of a run, nor its journal."""
    usage = Usage(requests=1, input_tokens=tokens, output_tokens=0)
    model = ScriptedModel([Response(text='{"handoff":"resolved"}', usage=usage)], price=price)

    result = Runner(Support, model=model).run_sync(Ticket(query="x"))

    (reserved,) = [record for record in result.records if isinstance(record, records.CallReserved)]
    assert result.charged_tokens == reserved.input_tokens + reserved.output_tokens
    assert result.journal == tuple(input_from_json(to_json(event)) for event in result.journal)


@given(st.none() | st.builds(Usage, requests=st.just(1), input_tokens=st.integers(0, 99)))
def test_usage_reaches_the_ledger_as_it_came(usage: Usage | None) -> None:
    """The metered model neither clamps nor invents usage."""
    ledger = Ledger()
    model, _ = metered(ledger, Response(text="x", usage=usage))

    asyncio.run(model.ask(HELLO))

    assert ledger.booked[-1] == ("settle", usage)
