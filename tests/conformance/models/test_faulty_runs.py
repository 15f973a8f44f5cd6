"""Whatever a provider does, a run over its adapter ends where it should, pays what it should, and tells no secret."""

from __future__ import annotations

import logging

import pytest
from conformance.models.adapters import ADAPTERS, QUERY, Adapter, counted
from conformance.models.drive import drive, told_of, written_of
from support.provider import KEY
from support.provider_faults import FAULTS

from fsm_orch.kernel import records
from fsm_orch.run.in_time import GRACE_S


def rows() -> list[object]:
    """Give every adapter with each fault that it can be given."""
    return [
        pytest.param(adapter, name, id=f"{adapter.name}: {name}", marks=adapter.marks_for(name))
        for adapter in ADAPTERS
        for name in adapter.expected
    ]


@pytest.mark.parametrize(("adapter", "name"), rows())
async def test_run_survives(adapter: Adapter, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """The run ends in a declared state, in time, at the right price, with as many requests as calls, and no key."""
    caplog.set_level(logging.DEBUG)
    fault, expected = FAULTS[name], adapter.expected[name]
    with adapter.stage(fault, None) as stage:
        outcome = await drive(stage, fault)
    result = outcome.result
    landed = {result.landing.reason} if result.landing else set()

    assert landed <= expected.landings, outcome.summary
    assert bool(expected.landings) == bool(landed), outcome.summary
    assert result.state in outcome.machine.definition.finals.values()
    assert outcome.seconds <= outcome.limits.deadline_s + GRACE_S

    assert {call.charge for call in outcome.calls} <= expected.charge
    assert (0 if fault.wire == "closed" else len(outcome.calls)) == outcome.requests
    assert len(outcome.calls) in ((1, 2) if expected.calls is None else (expected.calls,)), outcome.summary
    for call, reported in zip(outcome.calls, outcome.reported, strict=False):
        assert {"usage": reported, "reservation": call.reserved, "nothing": 0}[call.charge] == call.charged
    assert sum(call.charged for call in outcome.calls) == result.charged_tokens

    refused = {record.reason for record in result.records if isinstance(record, records.Refused)}
    assert not expected.refusals or refused <= expected.refusals
    assert KEY not in written_of(outcome) + told_of(result.error) + caplog.text
    assert QUERY not in str(result.error)


COUNTING = ("429 after nothing", "500", "401 echoing the key", "html", "silence", "slow bytes", "cut within", "null")


@pytest.mark.parametrize("name", COUNTING)
async def test_counting_endpoint_fails(name: str) -> None:
    """A request that could not be counted is not made, and costs nothing; the run lands in time."""
    fault = FAULTS[name]
    with counted(fault) as stage:
        outcome = await drive(stage, fault)

    assert outcome.result.landing is not None
    assert outcome.result.landing.reason in ("failure", "timeout")
    assert (0, ()) == (outcome.result.charged_tokens, outcome.calls)
    assert outcome.requests <= 2, "a question is asked no more often than a call may be made"
    assert outcome.seconds <= outcome.limits.deadline_s + GRACE_S
    assert KEY not in written_of(outcome) + told_of(outcome.result.error)


async def test_counting_endpoint() -> None:
    """What the counting endpoint says, and a margin, is what the call reserves."""
    with counted(FAULTS["honest"]) as stage:
        tight = await drive(stage, FAULTS["honest"])
    with next(adapter for adapter in ADAPTERS if adapter.name == "messages").stage(FAULTS["honest"], None) as stage:
        wide = await drive(stage, FAULTS["honest"])

    assert tight.calls[0].charged == wide.calls[0].charged <= tight.calls[0].reserved < wide.calls[0].reserved
