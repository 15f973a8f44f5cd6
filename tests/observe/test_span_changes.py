"""What records do to spans, record by record: figures in their units, and what counts as an error."""

from __future__ import annotations

from typing import Any

import pytest

from fsm_orch import Limits, Usage
from fsm_orch.kernel import records
from fsm_orch.kernel.records import Stamp
from fsm_orch.observe.otel_names import NEW
from fsm_orch.observe.spans import changes


def stamp(*path: int, trace_id: str = "t") -> Stamp:
    return Stamp(
        run_id="r", thread_id=None, trace_id=trace_id, at=1.5, state="triage", agent="A", hops=2, path=path, settled=9,
        reserved=0, remaining=0, ahead=0,
    )  # fmt: skip


CALL: dict[str, Any] = {"stamp": stamp(), "call": 1, "model": "openai:gpt", "provider": "openai"}


def done(record: Any) -> Any:
    """Return the one thing that a record does."""
    (change,) = changes(record, NEW)
    return change


def test_a_call_bears_what_it_reserved_and_how_long_it_waited() -> None:
    """Tokens in and out together, seconds, and the name of the model without its provider."""
    made = done(records.CallReserved(**CALL, input_tokens=30, output_tokens=12, waited_s=0.25))

    found = [made.attributes[f"fsm.{name}"] for name in ("reserved_tokens", "waited_s")]
    assert ([42, 0.25], "chat gpt") == (found, made.name)


def test_a_call_bears_what_it_cost_in_dollars() -> None:
    """And is no error unless its usage is not known."""
    used = Usage(requests=1, input_tokens=5, output_tokens=2)
    made = [
        done(records.CallSettled(**CALL, usage=usage, tokens=7, cost=2_500_000, overrun=0, seconds=1.0))
        for usage in (used, None)
    ]

    assert [2.5, 2.5] == [each.attributes["fsm.cost_usd"] for each in made]
    assert [None, "usage_unknown"] == [each.error for each in made]


@pytest.mark.parametrize(("path", "trace_id", "told"), [((), "t", "t"), ((), "r", None), ((1,), "t", None)])
def test_a_run_bears_the_trace_that_it_was_given(path: tuple[int, ...], trace_id: str, told: str | None) -> None:
    """Not one that is its own name, and not again in a machine inside."""
    begun = records.RunStarted(
        stamp=stamp(*path, trace_id=trace_id), machine="Shop", digest="d", limits=Limits(hops=1, tokens=1)
    )

    assert told == done(begun).attributes.get("fsm.trace.id")


def refused(*, is_repaired: bool, reason: Any = "guard") -> Any:
    return records.Refused(stamp=stamp(), handoff="buy", reason=reason, detail="", is_repaired=is_repaired)


def failed(*, is_retried: bool) -> Any:
    return records.AttemptFailed(stamp=stamp(), reason="error", detail="", is_retried=is_retried)


def answered(end: Any, *, ok: bool) -> Any:
    return records.Answered(stamp=stamp(), ask=1, end=end, ok=ok, who=None, tokens=0, cost=0)


@pytest.mark.parametrize(
    ("record", "error"),
    [
        (refused(is_repaired=True), None),
        (refused(is_repaired=False), "guard"),
        (failed(is_retried=True), None),
        (failed(is_retried=False), "error"),
        (answered("answered", ok=False), "tool_failed"),
        (answered("answered", ok=True), None),
        (answered("declined", ok=False), None),
        (records.CallReleased(**CALL, seconds=1.0), "unsent"),
        (records.Overspent(stamp=stamp(), source="a", visit=0, call=1, tokens=1, cost=0), "overspent"),
        *[(records.RunFinished(stamp=stamp(), landing=each), None) for each in (None, "no_handoff", "cancelled")],
        (records.RunFinished(stamp=stamp(), landing="budget"), "budget"),
    ],
)
def test_what_nobody_wanted_is_an_error(record: Any, error: str | None) -> None:
    """What is tried again, declined, or asked for by the caller is none."""
    assert error == done(record).error


def test_a_handoff_is_named_where_its_machine_has_it() -> None:
    """Any other name is text of a model."""
    made = [done(refused(is_repaired=False, reason=reason)) for reason in ("guard", "unknown_handoff")]

    assert ["buy", None] == [each.attributes.get("fsm.handoff") for each in made]


def test_a_visit_bears_what_it_may_do_and_that_it_goes_in_circles() -> None:
    """The latter only where it does."""
    made = [
        done(records.VisitStarted(stamp=stamp(), visits=4, granted=0, legal=("buy",), is_frequent=each))
        for each in (True, False)
    ]

    assert [("buy",), ("buy",)] == [each.attributes["fsm.legal"] for each in made]
    assert [True, None] == [each.attributes.get("fsm.looping") for each in made]
