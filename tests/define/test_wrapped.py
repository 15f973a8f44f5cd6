"""Agents as machines of one state: what a branch is given, what it writes, and its bounds."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from fsm_orch import Context, DefinitionError, Given, LLMAgent, Preset, State, Visit
from fsm_orch.define.context import first_readable, given_fields
from fsm_orch.define.definition import Definition
from fsm_orch.define.wrapped import in_state, name_of_work, wrapped


class Ticket(Context):
    """What agents share."""

    query: str
    locale: Given[str] = "en"
    tries: Preset[int] = 0
    notes: str | None = None
    answer: str | None = None


def look(visit: Visit[Ticket]) -> None:
    """Do nothing."""


def of(work: Any, name: str = "branch") -> Definition:
    """Wrap an agent."""
    return wrapped(in_state(work), name)


MODEL = LLMAgent("Answer.", reads=(Ticket.notes, Ticket.tries), writes=Ticket.answer, calls=3, max_input_tokens=100)


def test_a_branch_is_given_what_its_agent_reads() -> None:
    """Its context is one of its own, in which what is read is the caller's to give, and all else as it was."""
    context = of(MODEL).context

    assert issubclass(context, Ticket)
    assert given_fields(context) == {"query", "locale", "notes", "tries"} == first_readable(context)
    assert given_fields(Ticket) == {"query", "locale"}
    assert (context.__module__, context.__qualname__) == (__name__, "Ticket.branch")


def test_a_branch_is_bounded_by_one_visit() -> None:
    """Its tokens are those of a visit, its time that of its state, and it ends well by one handoff."""
    definition = of(State(MODEL, timeout_s=7))

    assert (definition.limits.tokens, definition.limits.hops) == (3 * 356, 1)
    assert (definition.limits.deadline_s, definition.limits.visit_s, of(MODEL).limits.deadline_s) == (7, 7, 10)
    assert [(h.name, h.target.name) for h in definition.handoffs] == [("to_done", "done")]
    assert definition.fallback.name == "failed"


def test_a_state_is_wrapped_as_a_copy() -> None:
    """The state that a user writes stays as it is, so it can stand in two branches."""
    state = State(look, reads=Ticket.query)
    first, second = of(state, "first"), of(state, "second")

    assert (state.name, state.initial, list(state.handoffs)) == ("", False, [])
    assert (first.initial.name, second.initial.name) == ("first", "second")


@pytest.mark.parametrize(
    ("work", "name"),
    [(look, "look"), (MODEL, "answer"), (State(MODEL, timeout_s=3), "answer"), (LLMAgent("Say."), "llm")],
)
def test_a_branch_is_named_by_what_it_is(work: Any, name: str) -> None:
    """A function has a name, a model is named by the fields that it writes."""
    assert name == name_of_work(in_state(work))


def test_a_branch_keeps_the_rules_of_every_state() -> None:
    """What keeps a machine from being built keeps a branch from it, at the same line."""
    with pytest.raises(DefinitionError, match="FSM123"):
        of(State(look, timeout_s=-1))
    with pytest.raises(DefinitionError, match="FSM113"):
        of(lambda visit: None)


def test_a_branch_has_one_digest_in_every_process() -> None:
    """A digest does not depend on what was wrapped before."""
    program = """
from fsm_orch import *
from fsm_orch.define.wrapped import in_state, wrapped
class Ticket(Context):
    query: str
    answer: str | None = None
agent = LLMAgent("Answer.", reads=Ticket.query, writes=Ticket.answer)
made = [wrapped(in_state(agent), "branch").digest for _ in range(COUNT)]
print(made[-1], len(set(made)))
"""
    runs = [program.replace("COUNT", str(count)) for count in (1, 3)]
    said = {
        subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=True).stdout for run in runs
    }

    assert len(said) == 1
    assert said.pop().endswith(" 1\n")
