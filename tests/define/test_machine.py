"""What a machine class does not allow, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

from fsm_orch import Context, DefinitionError, Final, Machine, State, Visit


class Ticket(Context):
    query: str


def work(visit: Visit[Any]) -> None:
    """Do nothing."""


class Built(Machine[Ticket]):
    first = State(work, initial=True)
    done = Final()
    human = Final(fallback=True)
    end = first.to(done)


def test_a_machine_is_not_instantiated() -> None:
    """A machine is run by its class."""
    with pytest.raises(TypeError, match=r"^a machine has no instances: run its class with Runner\(Built\)$"):
        Built()


def test_a_machine_is_not_subclassed_beside_another_base() -> None:
    """A mixin before the machine does not help."""

    class Mixin:
        pass

    with pytest.raises(DefinitionError, match="FSM115"):

        class Child(Mixin, Built):
            pass


def test_a_built_machine_takes_no_more_handoffs() -> None:
    """A handoff declared from a state of a built machine is refused, or leaves that state as it was."""
    before = Built.first.handoffs
    try:
        Built.first.to(Built.human)
    except Exception as error:
        assert "Built" in str(error)  # noqa: PT017

    assert before == Built.first.handoffs


def test_a_machine_that_did_not_build_leaves_others_alone() -> None:
    """A machine that wrongly hands off from another one's state does not add to that state."""
    before = Built.first.handoffs
    with pytest.raises(DefinitionError, match="FSM118"):

        class Thief(Machine[Ticket]):
            mine = State(work, initial=True)
            done = Final()
            human = Final(fallback=True)
            end = mine.to(done)
            stolen = Built.first.to(done)

    assert before == Built.first.handoffs
