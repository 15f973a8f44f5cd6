"""Code agents: what a plain function may return, and what becomes of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from fsm_orch import Context, Final, Machine, Reply, Runner, State, Visit


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
        ("names", "changes are keyed by fields, such as Ticket.answer, not by a str"),
        ("stray", "does not leave 'work'"),
    ],
)
def test_anything_else_fails_with_what_is_allowed(pick: str, complaint: str) -> None:
    """A wrong return value lands the run, and the error says what to return instead."""
    result = Runner(Choice).run_sync(Facts(pick=pick))

    assert result.state is Choice.human
    assert complaint in str(result.error)
