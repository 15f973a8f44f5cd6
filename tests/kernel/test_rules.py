"""What is legal: each rule at its boundary, in a fixed order, and told in a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from support.legal import SHOP, Flags, Shop, against, configuration, is_a, llm, work

from fsm_orch import Final, Machine, State
from fsm_orch.amounts import NOTHING, Allowance, Amount
from fsm_orch.define.states import Handoff
from fsm_orch.kernel.configuration import Configuration, VisitLog
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.legal import legal, menu, next_call, objection


@pytest.mark.parametrize(
    ("handoff", "now", "expected"),
    [
        # visits
        (Shop.to_desk, configuration(visits={"desk": 1}), None),
        (Shop.to_desk, configuration(visits={"desk": 2}), "visits"),
        (Shop.to_desk, configuration(visits={"desk": 3}), "visits"),
        (Shop.to_desk, configuration(visits={"code": 2}), None),
        (Shop.to_free, configuration(visits={"free": 99}), None),
        (Shop.again, configuration("desk", visits={"desk": 1}), None),
        (Shop.again, configuration("desk", visits={"desk": 2}), "visits"),
        # hops: the last one is kept for landing
        (Shop.to_desk, configuration(hops=6), None),
        (Shop.to_desk, configuration(hops=7), "hops"),
        (Shop.to_free, configuration(hops=7), "hops"),
        # tokens: settled + reserved + grant <= limit
        (Shop.to_desk, configuration(settled=Amount(900)), None),
        (Shop.to_desk, configuration(settled=Amount(901)), "budget"),
        (Shop.to_desk, configuration(reserved=Amount(900)), None),
        (Shop.to_desk, configuration(reserved=Amount(901)), "budget"),
        (Shop.to_desk, configuration(settled=Amount(450), reserved=Amount(450)), None),
        (Shop.to_desk, configuration(settled=Amount(450), reserved=Amount(451)), "budget"),
        (Shop.to_code, configuration(settled=Amount(1_000)), None),
        (Shop.to_code, configuration(settled=Amount(1_001)), "budget"),
        # money: 80 * 2 + 20 * 3 = 220 micro-dollars
        (Shop.to_desk, configuration(settled=Amount(0, 780)), None),
        (Shop.to_desk, configuration(settled=Amount(0, 781)), "budget"),
        (Shop.to_desk, configuration(settled=Amount(0, 10**9), limit=Allowance(1_000, None)), None),
        # deadline
        (Shop.to_desk, configuration(at=59.999_999), None),
        (Shop.to_desk, configuration(at=60.0), "deadline"),
        (Shop.to_desk, configuration(at=61.0), "deadline"),
        # guards
        (Shop.plain_a, configuration(context=Flags(a=True)), None),
        (Shop.plain_a, configuration(context=Flags(a=False)), "guard"),
        # a final state is always affordable
        (Shop.end, configuration("desk", hops=7), None),
        (Shop.end, configuration("desk", settled=Amount(10**6, 10**6)), None),
        (Shop.end, configuration("desk", at=10**6), None),
        (Shop.end, configuration("desk", visits={"done": 10**6}), None),
    ],
)
def test_each_rule_at_its_boundary(handoff: Handoff, now: Configuration, expected: str | None) -> None:
    """A rule lets pass what just fits, and objects with its own reason to what just does not."""

    assert expected == against(handoff, now)


@pytest.mark.parametrize(
    ("held", "expected"),
    [(Amount(900), None), (Amount(901), "budget"), (Amount(0, 780), None), (Amount(0, 781), "budget")],
)
def test_holding_counts_as_reserved(held: Amount, expected: str | None) -> None:
    """A menu drawn for a call about to be made judges as if the call were reserved already."""

    assert expected == against(Shop.to_desk, configuration(), holding=held)
    assert (expected is None) == (Shop.to_desk in legal(SHOP, configuration(), holding=held))


@given(st.integers(0, 1_100), st.integers(0, 1_100))
def test_holding_is_the_same_as_reserving(held: int, taken: int) -> None:
    """The menu with an amount held is the menu after that amount was reserved."""

    before = configuration(settled=Amount(taken))
    after = configuration(settled=Amount(taken), reserved=Amount(held))

    assert legal(SHOP, after) == legal(SHOP, before, holding=Amount(held))


def test_the_order_of_objections_is_fixed() -> None:
    """Where several rules object, the guard speaks first, then visits, hops, budget and deadline."""

    class Closed(Machine[Flags]):
        first = State(work, initial=True)
        second = State(llm(), max_visits=1)
        done = Final()
        human = Final(fallback=True)
        go = first.to(second, guard=is_a)
        end = (first | second).to(done, "x")

    compiled = CompiledMachine(Closed.definition)
    worst: dict[str, Any] = {
        "context": Flags(a=False),
        "visits": {"second": 1},
        "hops": 8,
        "settled": Amount(1_000),
        "at": 60.0,
    }
    seen: list[str] = []
    for mended in (None, *worst):
        if mended:
            del worst[mended]
            worst["context"] = Flags(a=True)
        found = objection(compiled, configuration("first", **worst), Closed.go)
        seen.append(found.reason if found else "none")

    assert ["guard", "visits", "hops", "budget", "deadline", "none"] == seen


@pytest.mark.parametrize(
    ("handoff", "now", "sentence"),
    [
        (Shop.plain_a, configuration(), "the guard of 'plain_a' does not hold"),
        (Shop.to_desk, configuration(visits={"desk": 2}), "'desk' has been visited 2 times, which is its limit"),
        (Shop.to_desk, configuration(hops=7), "7 of 8 hops are taken and the last one is kept for landing"),
        (
            Shop.to_desk,
            configuration(settled=Amount(1_000)),
            "the first call of 'desk' may take 100 tokens and $0.00022",
        ),
        (Shop.to_desk, configuration(at=60), "the deadline of 60 s has passed"),
    ],
)
def test_an_objection_is_a_sentence(handoff: Handoff, now: Configuration, sentence: str) -> None:
    """An objection says what stands against the handoff."""

    found = objection(SHOP, now, handoff)

    assert found is not None
    assert sentence == found.detail
    assert not found.is_raised


GRANT = Amount(100, 100)
"""Of `start`, whose visits make two calls."""


@pytest.mark.parametrize(
    ("state", "visit", "expected"),
    [
        ("start", VisitLog(0, NOTHING), GRANT),
        ("start", VisitLog(0, Amount(60, 70)), Amount(40, 30)),
        ("start", VisitLog(0, GRANT), NOTHING),
        ("start", VisitLog(0, NOTHING, calls=1), GRANT),
        ("start", VisitLog(0, NOTHING, calls=2), NOTHING),
        ("start", VisitLog(0, NOTHING, denied="budget"), NOTHING),
        ("code", VisitLog(0, NOTHING), NOTHING),
        ("done", None, NOTHING),
    ],
)
def test_what_the_next_call_may_reserve(state: str, visit: VisitLog | None, expected: Amount) -> None:
    """The next call may reserve a grant, less what its visit holds for it; nothing if no call is left to make."""

    assert expected == next_call(SHOP, replace(configuration(state), visit=visit))


def test_failure_edges_are_not_on_the_menu() -> None:
    """What a failed visit takes is never proposed."""

    assert Shop.lost not in [handoff for handoff, _ in menu(SHOP, configuration())]


def test_the_menu_is_in_declaration_order() -> None:
    """The menu lists every declared exit, in the order of the class."""

    assert Shop.start.exits == tuple(handoff for handoff, _ in menu(SHOP, configuration()))


@pytest.mark.parametrize("status", ["waiting", "finished"])
def test_nothing_is_legal_unless_it_runs(status: str) -> None:
    """A run that waits or has finished has an empty menu."""

    assert () == legal(SHOP, configuration("done" if status == "finished" else "start", status=status))
