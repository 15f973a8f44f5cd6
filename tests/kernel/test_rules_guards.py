"""What guards make legal: before the agent has written, and after."""

from __future__ import annotations

import pytest
from support.legal import PRICES, SHOP, Flags, Shop, against, configuration, is_b, work

from fsm_orch import Final, Machine, State
from fsm_orch.define.states import Handoff
from fsm_orch.kernel.engine import CompiledMachine, GuardAnswer
from fsm_orch.kernel.legal import Objection, legal, objection


@pytest.mark.parametrize(
    ("handoff", "context", "expected"),
    [
        (Shop.plain_a, Flags(), False),
        (Shop.plain_a, Flags(a=True), True),
        (Shop.written_b, Flags(), True),
        (Shop.both, Flags(), False),  # a is False and stays: b is never looked at
        (Shop.both, Flags(a=True), True),
        (Shop.a_first, Flags(), False),
        (Shop.a_first, Flags(a=True), True),
        (Shop.b_first, Flags(), True),  # b is looked at first, so it is open
        (Shop.not_a_or_b, Flags(a=True), False),
        (Shop.not_a_or_b, Flags(b=True), True),
        (Shop.text_x, Flags(), True),  # raises on None now, and may not once it is written
        (Shop.broken, Flags(), False),
        (Shop.broken_late, Flags(), True),
        (Shop.whole, Flags(), True),
        (Shop.cached, Flags(), True),
    ],
)
def test_what_is_still_to_be_written_stays_open(handoff: Handoff, context: Flags, expected: bool) -> None:
    """A guard is open if it reads a field that the agent writes; a short circuit before that decides it."""

    assert expected == (handoff in legal(SHOP, configuration(context=context)))


@pytest.mark.parametrize("handoff", [Shop.cached, Shop.both, Shop.written_b])
def test_asking_twice_changes_nothing(handoff: Handoff) -> None:
    """The menu is a function of the configuration: a property cached by the first look does not close it."""

    now = configuration(context=Flags(a=True))

    assert [True, True, True] == [handoff in legal(SHOP, now) for _ in range(3)]


def test_which_fields_are_set_is_open_too() -> None:
    """A guard over which fields were set is open as long as the agent is to set them."""

    assert Shop.was in legal(SHOP, configuration())


@pytest.mark.parametrize(
    ("handoff", "written", "expected"),
    [
        (Shop.written_b, Flags(b=True), None),
        (Shop.written_b, Flags(b=False), "guard"),
        (Shop.text_x, Flags(text="xyz"), None),
        (Shop.text_x, Flags(text="abc"), "guard"),
        (Shop.a_first, Flags(b=True), "guard"),
    ],
)
def test_after_writing_the_guard_decides(handoff: Handoff, written: Flags, expected: str | None) -> None:
    """Once the agent has written, its guard is judged on what it wrote, and nothing is open."""

    assert expected == against(handoff, configuration(), written=written)


@pytest.mark.parametrize(
    ("handoff", "error"), [(Shop.broken, "RuntimeError in breaks"), (Shop.text_x, "AttributeError in has_x")]
)
def test_a_guard_that_raised_is_told(handoff: Handoff, error: str) -> None:
    """An objection of a guard that raised says so."""

    assert Objection("guard", error, is_raised=True) == objection(SHOP, configuration(), handoff, written=Flags())


def test_agents_that_write_nothing_leave_nothing_open() -> None:
    """Where nothing is written, every guard is judged as it stands."""

    class Plain(Machine[Flags]):
        first = State(work, initial=True)
        done = Final()
        human = Final(fallback=True)
        on_b = first.to(done, guard=is_b)
        end = first.to(done)

    compiled = CompiledMachine(Plain.definition)

    assert (Plain.end,) == legal(compiled, configuration("first"))


def test_an_oracle_is_asked_for_what_is_foreseen() -> None:
    """An oracle that reads no field decides alone, before and after writing."""

    closed = CompiledMachine(Shop.definition, prices=PRICES, oracle=lambda h, c: GuardAnswer(h.name == "cached"))

    assert [Shop.cached] == [handoff for handoff in legal(closed, configuration()) if handoff.guard is not None]
