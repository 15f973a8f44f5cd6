"""Whoever is to choose may always choose none of the handoffs, and is not asked again."""

from __future__ import annotations

import types
from typing import Any

import pytest

from fsm_orch import Context, Final, LLMAgent, Machine, State
from fsm_orch.define.states import NONE_OF_THESE
from fsm_orch.errors import DefinitionError
from fsm_orch.kernel import inputs, records
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.step import fold_recorded


class Query(Context):
    text: str
    answer: str | None = None


def work(visit: Any) -> None:
    """Do nothing: no agent is called here."""


def desk(*edges: str, agent: Any) -> CompiledMachine:
    """Compile a machine whose first state has three exits, and failure edges of these kinds to `other`."""
    choose, other = State(agent, initial=True), State(work)
    done, human = Final(), Final(fallback=True)
    made = {edge: getattr(choose, edge)(other) for edge in edges}
    parts = {"choose": choose, "other": other, "done": done, "human": human, "end": other.to(done), **made}
    exits = {name: choose.to(target, name) for name, target in (("one", done), ("two", other), ("three", human))}
    machine = types.new_class("Desk", (Machine[Query],), exec_body=lambda body: body.update(parts, **exits))
    return CompiledMachine(machine.definition)


def play(compiled: CompiledMachine, *events: Input) -> tuple[str, str | None, list[records.Record]]:
    """Return where a run stands, why it was landed, and all records."""
    now, made = fold_recorded(compiled, [started(compiled, {"text": "?"}, run_id="r"), *events])
    return now.state, now.landing, list(made)


NONE = inputs.Replied(handoff=NONE_OF_THESE, at=0.0)
MODEL = LLMAgent("Choose.", writes=Query.answer, calls=3)


@pytest.mark.parametrize(
    ("edges", "state", "landing"),
    [
        (("on_refusal",), "other", None),
        (("on_failure",), "other", None),
        (("on_timeout",), "human", "declined"),
        ((), "human", "declined"),
    ],
)
def test_none_of_these_leaves_the_state(edges: tuple[str, ...], state: str, landing: str | None) -> None:
    """It takes a refusal's edge, or lands as what it is; it need write nothing, and is not asked again."""
    went, landed, made = play(desk(*edges, agent=MODEL), NONE)

    (refused,) = (record for record in made if isinstance(record, records.Refused))
    assert (went, landed) == (state, landing)
    assert (refused.reason, refused.is_repaired) == ("declined", False)
    assert refused.detail == "none of the handoffs of 'choose' was taken"


def test_code_does_not_decline() -> None:
    """Code takes the first handoff whose guard holds, or names one; `none_of_these` is no name it knows."""
    _, landed, made = play(desk(agent=work), NONE)

    assert landed == "refusal"
    assert [record.reason for record in made if isinstance(record, records.Refused)] == ["unknown_handoff"]


def test_no_handoff_has_its_name() -> None:
    """A handoff of that name could never be taken, so the class does not build."""
    with pytest.raises(DefinitionError, match=r"(?s)FSM114.*a handoff named 'none_of_these'"):

        class Desk(Machine[Query]):
            """Choose."""

            choose = State(work, initial=True)
            human = Final(fallback=True)
            none_of_these = choose.to(human)
