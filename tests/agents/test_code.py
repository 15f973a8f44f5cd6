"""Code agents: what a plain function may return, and what becomes of the rest."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from fsm_orch import Context, Final, Machine, Reply, Runner, State, Visit
from fsm_orch.kernel.inputs import Replied


class Facts(Context):
    """What the functions write."""

    pick: str
    answer: str | None = None


def reply(visit: Visit[Facts]) -> Any:
    """Return what was picked, in every form there is."""
    changes = {Facts.answer: "yes"}
    return {
        "changes": changes,
        "go": Reply(Choice.second, changes),
        "reply": Reply(handoff="second", changes={"answer": "yes"}),
        "number": 7,
        "text": "first",
        "names": {"answer": "yes"},
        "stray": Reply(Other.first, changes),
        "state": Choice.also_done,
        "elsewhere": Other.work,
    }[visit.context.pick]


async def reply_later(visit: Visit[Facts]) -> Any:
    return reply(visit)


class Choice(Machine[Facts]):
    """Two ways on."""

    work = State(reply, initial=True, reads=(Facts.pick,), writes=(Facts.answer,))
    done = Final()
    also_done = Final()
    human = Final(fallback=True)
    first = work.to(done)
    second = work.to(also_done)


class Later(Machine[Facts]):
    """The same, in a coroutine."""

    work = State(reply_later, initial=True, reads=(Facts.pick,), writes=(Facts.answer,))
    done = Final()
    human = Final(fallback=True)
    first = work.to(done)


class Pair(Context):
    """What a function writes, or forgets."""

    pick: str
    left: str | None = None
    right: str | None = None


def forgets(visit: Visit[Pair]) -> Any:
    """Write less than its state declares, in every form there is."""
    half = {Pair.left: "l"}
    return {
        "none": None,
        "half": half,
        "reply": Reply(changes=half),
        "names": Reply(changes={"left": "l"}),
        "handoff": Forgetful.on,
        "stray": Reply(changes={"pick": "p"}),
    }[visit.context.pick]


async def forgets_later(visit: Visit[Pair]) -> Any:
    return forgets(visit)


def assigns(visit: Visit[Pair]) -> Any:
    visit.context.left = "l"  # type: ignore[misc]


class Forgetful(Machine[Pair]):
    """A state that is to write two fields."""

    work = State(forgets, initial=True, reads=Pair.pick, writes=(Pair.left, Pair.right))
    done, human = Final(), Final(fallback=True)
    on = work.to(done)


class ForgetfulLater(Machine[Pair]):
    """The same, in a coroutine."""

    work = State(forgets_later, initial=True, reads=Pair.pick, writes=(Pair.left, Pair.right))
    done, human = Final(), Final(fallback=True)
    on = work.to(done)


class Assigning(Machine[Pair]):
    """A state whose agent takes the context for a place to write in."""

    work = State(assigns, initial=True, reads=Pair.pick, writes=Pair.left)
    done, human = Final(), Final(fallback=True)
    on = work.to(done)


@pytest.mark.parametrize(
    ("pick", "did"),
    [
        ("none", "returned None"),
        ("half", "did not write right"),
        ("reply", "did not write right"),
        ("names", "did not write right"),
        ("handoff", "did not write left, right"),
    ],
)
def test_who_writes_less_is_named(pick: str, did: str) -> None:
    """A function that writes less than its state declares is landed with its name, its line, and what is missing."""
    line = forgets.__code__.co_firstlineno
    landing = Runner(Forgetful).run_sync(Pair(pick=pick)).landing

    assert landing is not None
    assert f"`forgets` at test_code.py:{line} {did}; its state declares that it writes left, right" in landing.detail
    if pick != "handoff":  # which is of another machine there
        later = Runner(ForgetfulLater).run_sync(Pair(pick=pick)).landing
        assert later is not None
        assert landing.detail.replace("forgets", "forgets_later").split(":")[0] in later.detail


class Bill(Context):
    """What JSON holds in another form."""

    query: str
    sum: Decimal = Decimal(0)
    due: date | None = None
    paid: bool = False


def adds_up(visit: Visit[Bill]) -> Any:
    return {Bill.sum: Decimal("1.10"), Bill.due: date(2026, 1, 1)}


class Billing(Machine[Bill]):
    """A state that forgets a field beside those that are no JSON."""

    work = State(adds_up, initial=True, reads=Bill.query, writes=(Bill.sum, Bill.due, Bill.paid))
    done, refused, human = Final(), Final(), Final(fallback=True)
    on, not_taken = work.to(done), work.on_refusal(refused)


def test_what_is_forgotten_is_named_beside_what_is_written_in_another_form() -> None:
    """It is a refusal as any other, whose edge is taken; the journal holds what was written, in its own form."""
    result = Runner(Billing).run_sync(Bill(query="x"))
    (replied,) = [event for event in result.journal if isinstance(event, Replied)]

    assert Billing.refused is result.state
    assert replied.refusal is not None
    assert "did not write paid" in replied.refusal.detail
    assert {"sum": "1.10", "due": "2026-01-01"} == replied.changes


def test_who_writes_what_it_may_not_is_told_that() -> None:
    """A field that is not declared is named before those that are missing."""
    landing = Runner(Forgetful).run_sync(Pair(pick="stray")).landing

    assert landing is not None
    assert "pick: not declared by this agent" in landing.detail


def test_who_assigns_to_the_context_is_told_what_to_return() -> None:
    """The landing names the line, and what to write instead."""
    landing = Runner(Assigning).run_sync(Pair(pick="x")).landing

    line = assigns.__code__.co_firstlineno + 1
    told = f"ContextError at test_code.py:{line}: A context is frozen. An agent returns what it changes: "
    assert landing is not None
    assert landing.detail == told + "return {Pair.left: ...}"


def nothing(visit: Visit[Facts]) -> None:
    """Write nothing and choose nothing."""


class Other(Machine[Facts]):
    """A machine with a handoff of the same name."""

    work = State(nothing, initial=True)
    done = Final()
    human = Final(fallback=True)
    first = work.to(done)


@pytest.mark.parametrize(("pick", "end"), [("changes", "done"), ("go", "also_done"), ("reply", "also_done")])
def test_changes_choices_and_replies_are_taken(pick: str, end: str) -> None:
    """Changes leave the choice to the guards; a `Go` or a `Reply` makes it."""
    result = Runner(Choice).run_sync(Facts(pick=pick))

    assert (result.state.name, result.context.answer) == (end, "yes")


def test_a_coroutine_is_awaited() -> None:
    """An async function is an agent like a sync one."""
    assert Runner(Later).run_sync(Facts(pick="changes")).state is Later.done


def test_nothing_is_a_reply_too() -> None:
    """A function that returns None changes nothing and leaves the choice to the guards."""
    assert Runner(Other).run_sync(Facts(pick="")).state is Other.done


@pytest.mark.parametrize(
    ("pick", "complaint"),
    [
        ("number", "the agent of 'work' returned int; it may return None"),
        ("text", "the agent of 'work' returned str; it may return None"),
        ("state", "the agent of 'work' returned the state 'also_done'; return a handoff that leads there: second"),
        ("elsewhere", "the agent of 'work' returned the state 'work'; no handoff of its leads there"),
        ("names", "changes are keyed by fields, such as Ticket.answer, not by a str"),
        ("stray", "does not leave 'work'"),
    ],
)
def test_anything_else_fails_with_what_is_allowed(pick: str, complaint: str) -> None:
    """A wrong return value lands the run, and the error says what to return instead."""
    result = Runner(Choice).run_sync(Facts(pick=pick))

    assert result.state is Choice.human
    assert complaint in str(result.error)
