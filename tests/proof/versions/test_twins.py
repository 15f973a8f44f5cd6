"""Guards that were imported twice, and whether they are the same code."""

from __future__ import annotations

from typing import Any

import pytest
from support.versions import shop

from fsm_orch import Context, Final, Limits, Machine, State, guard, never
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.proof.versions.every import judge_all
from fsm_orch.proof.versions.twins import twins_of, with_twins

MODULE = """
LIMIT = 3
class Money(tuple): pass
class Inner(Context):
    cents: int
class Ticket(Context):
    amount: int
    name: str
    inner: Inner
    @property
    def is_large(self): return self.amount > 9
def helper(n, most=5, *, least=0): return least < n < min(most, LIMIT)
def even(n): return n == 0 or odd(n - 1)
def odd(n): return n != 0 and even(n - 1)
def closing(most):
    def closed(t): return t.amount < most
    return closed
def is_plain(t): return t.amount > 1 and t.name.lower() != "x"
def is_helped(t): return helper(t.amount)
def is_nested(t): return any(t.amount > n for n in (1, 2))
def is_even(t): return even(t.amount)
def is_typed(t): return isinstance(t.amount, Money)
def is_inner(t): return t.inner.cents > 1
def is_large(t): return t.is_large
is_closed = closing(4)
class Callable:
    def __call__(self, t): return True
is_called = Callable()
"""


def loaded(*edits: tuple[str, str]) -> dict[str, Any]:
    """Return what a module holds that was imported anew, after some edits."""
    source = MODULE
    for old, new in edits:
        assert old in source
        source = source.replace(old, new)
    names: dict[str, Any] = {"Context": Context, "__name__": "module"}
    exec(source, names)
    return names


def are_twins(name: str, *edits: tuple[str, str]) -> bool:
    """Return whether a guard is the same code after edits."""
    one, other = loaded(), loaded(*edits)
    mine, theirs = guard(one[name]), guard(other[name])
    found = twins_of([mine], [theirs], (one["Ticket"], other["Ticket"]))
    return {theirs: mine} == found


@pytest.mark.parametrize("name", ["is_plain", "is_helped", "is_nested", "is_even", "is_closed"])
def test_the_same_code_is_the_same_guard(name: str) -> None:
    """Wherever it stands in its file, and whatever else has changed there."""
    assert are_twins(name, ("class Money", "\n\nOTHER = 1\nclass Money"))


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("is_plain", ("t.amount > 1", "t.amount > 2")),
        ("is_plain", ("t.amount > 1", "t.amount >= 1")),
        ("is_plain", ("    amount: int", "    amount: float")),
        ("is_helped", ("LIMIT = 3", "LIMIT = 4")),
        ("is_helped", ("most=5", "most=6")),
        ("is_helped", ("least=0", "least=1")),
        ("is_nested", ("(1, 2)", "(1, 3)")),
        ("is_even", ("return n != 0", "return n == 0")),
        ("is_closed", ("closing(4)", "closing(5)")),
    ],
)
def test_other_code_is_another_guard(name: str, edit: tuple[str, str]) -> None:
    """In the guard, in what it calls, in what that finds in its module, or in the fields that it reads."""
    assert not are_twins(name, edit)


@pytest.mark.parametrize("name", ["is_typed", "is_inner", "is_large", "is_called"])
def test_what_cannot_be_seen_through_is_another(name: str) -> None:
    """A class, a property of the context, and an object are code that may have changed."""
    assert not are_twins(name)


def test_a_guard_is_made_of_the_leaves_that_it_shares() -> None:
    """What is joined in it stays joined so."""
    one, other, third = (guard(loaded()[name]) for name in ("is_plain", "is_nested", "is_even"))
    joined = (one & ~other) | third

    assert joined is with_twins(joined, {})
    assert repr((third & ~other) | one) == repr(with_twins(joined, {one: third, third: one}))


class Facts(Context):
    number: int


def work(visit: Any) -> None:
    """Do nothing."""


def twice() -> tuple[Any, Any]:
    """Return a machine that was made twice, whose guard nobody can see through."""

    def made() -> Any:
        def is_odd(facts: Facts) -> bool:
            return bool(facts.number % 2)

        odd = guard(is_odd)

        class Sorts(Machine[Facts]):
            """Sort."""

            look = State(work, reads=Facts.number, initial=True)
            pay = State(work)
            done, human = Final(), Final(fallback=True)
            to_pay, no = look.to(pay, guard=odd), look.to(human)
            paid = pay.to(done)
            limits = Limits(hops=4)
            policies = (never(pay).when(~odd),)

        return Sorts.definition

    return made(), made()


def test_a_machine_that_did_not_change_continues() -> None:
    """Its opaque guards answer once for both versions, and so they do for its policies."""
    old, new = twice()
    found = judge_all(CompiledMachine(old), CompiledMachine(new))

    assert found.continues
    assert found.total > 2


def test_a_changed_guard_is_no_twin() -> None:
    """It may answer otherwise, and then not all continue."""
    found = judge_all(CompiledMachine(shop().definition), CompiledMachine(shop("guardbody").definition))

    assert not found.continues
