"""What operators read of calls in records: whom each asked, how long it took, and how long it waited."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from support.random_machines import PLANS, Facts, drawn

from fsm_orch import Machine, Runner, RunResult, StartError
from fsm_orch.kernel.records import CallReleased, CallReserved, CallSettled, Record, VisitStarted
from fsm_orch.testing import AdversarialModel, Tape, runs, tapes, virtual_time
from machines.research import Research
from machines.shop import ShopFloor


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    """An event loop on virtual time, shared by all examples."""
    with virtual_time() as runner:
        yield runner


def assert_told(records: Sequence[Record], models: set[str]) -> None:
    """Check that each call that ends says what its reservation said, and exactly how long it took since then."""
    begun: dict[tuple[str, int, int], CallReserved] = {}
    for record in records:
        if isinstance(record, CallReserved):
            begun[_key(record)] = record
            assert record.model in models
            assert record.provider == (record.model or "").partition(":")[0]
        if isinstance(record, CallSettled | CallReleased):
            reserved = begun.pop(_key(record))
            assert (reserved.model, reserved.provider) == (record.model, record.provider)
            assert record.stamp.at - reserved.stamp.at == record.seconds
    assert {} == begun
    flagged = [record.is_frequent for record in records if isinstance(record, VisitStarted)]
    assert flagged == [record.visits > 3 for record in records if isinstance(record, VisitStarted)]


def _key(record: CallReserved | CallSettled | CallReleased) -> tuple[str, int, int]:
    return record.stamp.run_id, record.stamp.hops, record.call


def one_after_another(records: Sequence[Record]) -> bool:
    """Return whether no two calls were under way at once."""
    kinds = [type(each) for each in records if isinstance(each, CallReserved | CallSettled | CallReleased)]
    return all(not (one is two is CallReserved) for one, two in pairwise(kinds))


@settings(max_examples=100, deadline=None)
@given(PLANS, tapes())
def test_calls_of_random_machines_are_told_whole(loop: asyncio.Runner, plan: Tape, tape: Tape) -> None:
    """Of any machine, each call says its model, provider and seconds; together they take no longer than the run."""
    machine, limits = drawn(plan)
    model = AdversarialModel(tape)
    try:
        runner = Runner(machine, model=model, limits=limits)
    except StartError:
        return

    result = loop.run(runner.run(Facts(), deps=tape))

    assert_told(result.records, {model.name})
    ended = [record for record in result.records if isinstance(record, CallSettled | CallReleased)]
    if one_after_another(result.records):
        assert sum(record.seconds for record in ended) <= result.seconds + 1e-9


@pytest.mark.parametrize("machine", [ShopFloor, Research], ids=lambda machine: machine.__name__)
def test_calls_of_the_gallery_are_told_whole(machine: type[Machine[Any, Any]]) -> None:
    """Calls inside parts and branches are told as those of the run itself are."""

    @settings(max_examples=30, deadline=None)
    @given(runs(machine))
    def told(result: RunResult[Any]) -> None:
        assert_told(result.records, {"adversarial:tape"})

    told()
