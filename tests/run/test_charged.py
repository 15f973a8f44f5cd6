"""What a run is charged: calls in tokens and in money, before they are sent and after."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from support.desk import BILLING, REFUND, Support, Ticket, runner
from support.random_machines import Twins

from fsm_orch import CallFailed, Final, Limits, Machine, Response, Runner, ScriptedModel, State, Usage
from fsm_orch.amounts import Price
from fsm_orch.kernel import records
from fsm_orch.limits import CallLimits
from fsm_orch.testing import Tape

DEFAULT_ANSWER = "A colleague will get back to you."


async def test_calls_are_spent_then_the_run_lands() -> None:
    """Two unreadable replies spend the visit's two calls; the fallback brings the default answer."""
    result = await runner("what?", "pardon?").run(Ticket(query="hello"))

    assert result.state is Support.human
    assert result.landing is not None
    assert result.landing.reason == "refusal"
    assert result.context.answer == DEFAULT_ANSWER
    assert result.usage.requests == 2


async def test_usage_beyond_its_reservation_is_charged_and_lands() -> None:
    """An overrun is charged in full, never clamped; no further call is made."""
    lying = Response(text='{"handoff": "to_billing"}', usage=Usage(requests=1, input_tokens=9, output_tokens=50_000))

    result = await runner(lying, REFUND).run(Ticket(query="hello"))

    assert result.landing is not None
    assert result.landing.reason == "overrun"
    assert result.charged_tokens == 50_009
    assert result.usage.requests == 1


async def test_unknown_usage_charges_the_reservation() -> None:
    """Without counts that can be believed, the whole reservation is charged."""
    silent = Response(text='{"handoff": "resolved"}', usage=None)

    result = await runner(silent).run(Ticket(query="hello"))

    (admitted,) = [r for r in result.records if isinstance(r, records.CallReserved)]
    assert admitted.input_tokens + 100 == result.charged_tokens


@pytest.mark.parametrize(("unsent", "charged"), [(True, 0), (False, 1)])
async def test_only_what_was_provably_unsent_is_free(unsent: bool, charged: int) -> None:
    """A failed request is charged in full unless it provably cost nothing."""
    result = await runner(CallFailed("connection", unsent=unsent)).run(Ticket(query="hello"))

    assert min(1, result.charged_tokens) == charged
    assert result.landing is not None
    assert result.landing.reason == "failure"


async def test_an_input_above_its_cap_is_denied_before_it_is_sent() -> None:
    """A prompt that may be larger than the agent's cap is never sent, and costs nothing."""
    model = ScriptedModel([BILLING])

    result = await Runner(Support, model=model).run(Ticket(query="x" * 5_000))

    assert model.requests == []
    assert result.charged_tokens == 0
    assert result.landing is not None
    assert result.landing.reason == "denied"


class Pair(Machine[Ticket, Tape]):
    """An agent that makes two calls at once, of which its caps allow both and a tight run only one."""

    work = State(Twins(calls=2, writes=(), limits=CallLimits(max_input_tokens=0, max_output_tokens=100)), initial=True)
    done = Final()
    human = Final(fallback=True)
    to_done = work.to(done)


@pytest.mark.parametrize(("tokens", "sent"), [(200, 2), (199, 1)])
async def test_two_calls_at_once_reserve_from_one_ledger(tokens: int, sent: int) -> None:
    """Of two concurrent calls the second goes out only if both could be paid, to the token."""
    model = ScriptedModel(["one", "two"], delay_s=0.001)

    result = await Runner(Pair, model=model, limits=Limits(tokens=tokens)).run(Ticket(query="x"), deps=Tape(b"\1"))

    assert len(model.requests) == sent
    assert max(r.stamp.settled + r.stamp.reserved for r in result.records) <= tokens


async def test_cost_is_exact_and_limited() -> None:
    """Money is reserved and charged in whole micro-dollars, and a call that could exceed the limit is not made."""
    price = Price(Fraction(3), Fraction(15))
    limits = Limits(hops=6, cost_usd=Decimal("0.004"))
    model = ScriptedModel([BILLING, REFUND], price=price)

    result = await Runner(Support, model=model, limits=limits).run(Ticket(query="please"))

    usage = result.usage
    assert result.cost_usd == Decimal(usage.input_tokens * 3 + usage.output_tokens * 15) / 1_000_000
    assert [r.reason for r in result.records if isinstance(r, records.Refused)][:1] == ["budget"]


async def test_an_unknown_price_has_no_cost() -> None:
    """Where a price is not known the result says so instead of inventing one."""
    result = await Runner(Support, model=ScriptedModel([{"handoff": "resolved"}], price=None)).run(Ticket(query="x"))

    assert result.cost_usd is None
