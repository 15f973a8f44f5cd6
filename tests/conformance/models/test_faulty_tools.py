"""Whatever a provider does, a model with tools uses none that it did not ask for, and its run ends as one without."""

from __future__ import annotations

import logging

import pytest
from conformance.models.adapters import ADAPTERS, Adapter
from conformance.models.drive import Case, desk_with_tools, drive, told_of, written_of
from support.provider import KEY, Provider
from support.provider_faults import FAULTS

from fsm_orch import Runner
from fsm_orch.kernel import records
from fsm_orch.run.in_time import GRACE_S

SDKS = [adapter for adapter in ADAPTERS if adapter.name in ("responses", "chat", "messages")]
QUICK = ("honest", "500", "null", "truncated", "two decisions", "usage missing", "a call that nobody asked for")
"""The faults that the fast lane tries too."""

ONE_OF_MANY = {"unknown handoff", "surrogate"}
"""Faults of a decision alone, which the form of a use does not have."""


def rows() -> list[object]:
    return [
        pytest.param(adapter, name, id=f"{adapter.name}: {name}", marks=() if name in QUICK else (pytest.mark.slow,))
        for adapter in SDKS
        for name in adapter.expected
    ]


@pytest.mark.parametrize(("adapter", "name"), rows())
async def test_run_with_tools_survives(adapter: Adapter, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """A tool is used once if its use came whole, and else never; the rest is as it is without tools."""
    caplog.set_level(logging.DEBUG)
    fault, expected = FAULTS[name], adapter.expected[name]
    with adapter.stage(fault, None) as stage:
        outcome = await drive(stage, fault, desk_with_tools)
    result = outcome.result
    landed = {result.landing.reason} if result.landing else set()
    used = [record for record in result.records if isinstance(record, records.Answered)]

    if name not in ONE_OF_MANY:
        assert landed <= expected.landings, outcome.summary
    assert bool(expected.landings) == bool(landed), outcome.summary
    assert result.state in outcome.machine.definition.finals.values()
    assert outcome.seconds <= outcome.limits.deadline_s + GRACE_S
    assert [record.ok for record in used] in ([True], [] if landed else [True]), outcome.summary

    calls = outcome.calls
    if len(calls) == 3 and not used and "nothing" == calls[-1].charge:  # offered nothing, so it was not made
        calls = calls[:-1]
    assert {call.charge for call in calls} <= expected.charge
    assert (0 if fault.wire == "closed" else len(calls)) == outcome.requests <= 3
    for call, reported in zip(calls, outcome.reported, strict=False):
        assert {"usage": reported, "reservation": call.reserved, "nothing": 0}[call.charge] == call.charged
    assert sum(call.charged for call in outcome.calls) == result.charged_tokens
    assert KEY not in written_of(outcome) + told_of(result.error) + caplog.text


CALLED = {"responses": "function_call", "chat": "tool_calls", "messages": "tool_use"}
"""The word for the end of a reply that calls a tool by the means of its API."""


@pytest.mark.parametrize("api", CALLED)
@pytest.mark.parametrize("kind", ["", " streamed"], ids=["whole", "streamed"])
async def test_a_call_by_other_means_is_told_to_the_model(api: str, kind: str) -> None:
    """A tool that a model calls by its API's own means is not used; the model is told so, and then uses it as asked."""
    adapter = next(each for each in ADAPTERS if each.name == api + kind)
    assert adapter.build is not None
    with Provider() as provider:
        provider.plan(FAULTS["a call that nobody asked for"])
        runner = Runner(desk_with_tools(4_000, 100), model=adapter.build(provider.url))
        result = await runner.run(Case(query="Where is it?"))
    refused = [record for record in result.records if isinstance(record, records.Refused)]
    used = [record.ok for record in result.records if isinstance(record, records.Answered)]

    told = f"The reply was empty. Reply with one JSON object and nothing else. It ended as {CALLED[api]!r}."
    assert [("not_json", told)] == [(record.reason, record.detail) for record in refused]
    assert (None, [True], 3) == (result.landing, used, len(provider.completions))
