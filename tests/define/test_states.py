"""Parts of a machine as they are declared: states, handoffs and what their agents say of themselves."""

from __future__ import annotations

import re
from typing import Any

import pytest

from fsm_orch import Context, Final, HumanAgent, LLMAgent, Machine, Nested, State, Visit, guard
from fsm_orch.amounts import FREE
from fsm_orch.define.agent_spec import AgentSpec
from fsm_orch.limits import CallLimits


class Ticket(Context):
    query: str
    level: int = 0


@guard
def is_high(t: Ticket) -> bool:
    return t.level > 3


def work(visit: Visit[Any]) -> None:
    """Do nothing."""


@pytest.mark.parametrize(
    "options", [{"reads": (Ticket.query,)}, {"writes": (Ticket.query,)}, {"attempts": 2}, {"calls": 1}]
)
def test_agents_say_their_own_reads_and_writes(options: dict[str, Any]) -> None:
    """What an agent says of itself is not said again by its state."""
    with pytest.raises(TypeError, match=r"^LLMAgent says its own reads, writes, attempts and calls: give them to it$"):
        State(LLMAgent("Do it."), **options)


class Part(Machine[Ticket]):
    """What runs inside."""

    first = State(work, initial=True)
    done, human = Final(), Final(fallback=True)
    end = first.to(done)


@pytest.mark.parametrize("agent", [LLMAgent("Do it."), HumanAgent("Do it?"), Nested(Part)], ids=repr)
def test_only_code_is_declared_repeatable(agent: Any) -> None:
    """Of what is asked again after a crash anyhow it means nothing; the line of the state is told."""
    name = type(agent).__name__
    with pytest.raises(TypeError, match=rf"^repeatable= is for code, and the {name} at .*test_states\.py:\d+ is asked"):
        State(agent, repeatable=True)
    with pytest.raises(TypeError, match=r"^repeatable= takes True or False, not a str, at .*test_states\.py:\d+$"):
        State(work, repeatable="no")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="unexpected keyword argument 'repeatable'"):
        Final(repeatable=True)  # type: ignore[call-arg]


def test_code_acts_once_unless_it_is_repeatable() -> None:
    """So does a function that asks models; what asks them and does nothing else is asked again."""
    assert [State(work).acts_once, State(work, repeatable=True).acts_once] == [True, False]
    assert not State(LLMAgent("Do it.")).acts_once


@pytest.mark.parametrize(
    ("way", "description", "how"),
    [
        ("to", is_high, "a description is text; give the guard as guard=is_high"),
        ("on_failure", is_high, "a description is text; a failure edge has no guard"),
        ("on_timeout", ~is_high, "a description is text; a failure edge has no guard"),
        ("on_refusal", is_high, "a description is text; a failure edge has no guard"),
        ("to", 3, "a description is text, not 3: say when to take the handoff, or leave it out"),
        ("on_failure", None, "a description is text, not None: say when to take the handoff, or leave it out"),
    ],
)
def test_a_description_is_text(way: str, description: object, how: str) -> None:
    """A guard in the place of the description is refused: the handoff would be open always."""
    with pytest.raises(TypeError, match=f"^{re.escape(how)}$"):
        getattr(State(work), way)(Final(), description)


def test_caps_of_a_call_are_priced_as_its_grant() -> None:
    """The grant of an agent is its largest call, its worst case that times its calls; code has none."""
    spec = AgentSpec(
        kind="llm", name="x", calls=3, canonical={}, call_limits=CallLimits(max_input_tokens=10, max_output_tokens=5)
    )

    assert 15 == spec.grant(FREE).tokens
    assert 45 == spec.worst_case(FREE).tokens
    assert 0 == AgentSpec(kind="code", name="y", canonical={}).grant(FREE).tokens
