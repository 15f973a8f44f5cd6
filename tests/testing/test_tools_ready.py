"""The tests that every machine gets, on machines whose models have tools: proved, attacked, and without any effect."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from support.shop import Shorten, Ticket, desk

from fsm_orch import Context, Final, Machine, RunResult, State, Tool, Visit
from fsm_orch.kernel.records import Answered
from fsm_orch.proof.bounds.certify import certify
from fsm_orch.proof.explore.exploration import explore
from fsm_orch.testing import ready, runs

DONE = list[str]()
"""What was done in the world, which must stay empty."""


def look(order: int) -> str:
    """Look it up."""
    DONE.append("look")
    return ""


def pay(cents: int) -> str:
    """Pay it."""
    DONE.append("pay")
    return ""


class Order(Context):
    """What a machine inside is given."""

    number: int
    state: str | None = None


def find(visit: Visit[Order]) -> dict[object, str]:
    """Find it."""
    DONE.append("find")
    return {Order.state: "found"}


class Find(Machine[Order]):
    """Find an order, by code."""

    look = State(find, reads=Order.number, writes=Order.state, initial=True)
    found, failed = Final(), Final(fallback=True)
    flow = look >> found


STATUS = Tool(look, choices={"order": Ticket.numbers})
MACHINES: dict[str, type[Machine[Any]]] = {
    "a tool": desk(look, asks=1, calls=2),
    "tools": desk(STATUS, Tool(pay, approval=True, repeatable=True), expires_s=60),
    "first": desk(STATUS, pay, tool_first=True, two_exits=False),
    "machines": desk(Find, Shorten, look, asks=3),
}


@pytest.mark.parametrize("test", ready.TESTS)
@pytest.mark.parametrize("name", MACHINES)
def test_machines_with_tools_pass_what_every_machine_must(name: str, test: str) -> None:
    """T1 to T6 hold on every run explored, attacked by input or run whole; and no tool of the machine's own is used."""
    DONE.clear()

    ready.TESTS[test](MACHINES[name])

    assert DONE == []


@pytest.mark.parametrize("name", MACHINES)
def test_what_is_certified_is_what_is_explored(name: str) -> None:
    """The worst run explored takes as much as the certificate says: calls, and shares of machines that are tools."""
    definition = MACHINES[name].definition
    bounds, found = certify(definition).bounds, explore(definition)

    assert found.is_complete
    assert found.measures.tokens.amount == bounds["tokens"].bound
    assert found.measures.calls.amount == bounds["calls"].bound


def test_adversaries_do_use_tools() -> None:
    """Whole runs of the kit reach what tools come to: results, failures and machines that ended."""
    ends = set[tuple[str, bool]]()

    @settings(max_examples=150, database=None, derandomize=True)
    @given(runs(MACHINES["machines"]))
    def look_at(result: RunResult[Any]) -> None:
        ends.update((record.end, record.ok) for record in result.records if isinstance(record, Answered))

    look_at()

    assert {("answered", True), ("answered", False), ("finished", True), ("finished", False)} <= ends
