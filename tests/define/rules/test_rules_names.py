"""Rules about names: of handoffs, and on the wire."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.declared import case, shows


@pytest.mark.parametrize(
    ("problem", "source"),
    [
        case(
            "a handoff is an attribute",
            "a handoff to 'done' that is assigned to no attribute",
            """
            a.to(
                done, guard=is_high,
            )  # (two lines up) FSM107-2
            """,
        ),
        case(
            "a handoff is not overwritten",
            "a handoff to 'human' that is assigned to no attribute",
            """
            high = a.to(human, guard=is_high)  # FSM107
            high = a.to(done, guard=is_high)
            """,
        ),
        case(
            "nothing is said of paths over a handoff without a name",
            "a handoff to 'b' that is assigned to no attribute",
            """
            b = State(work)
            a.to(b)  # FSM107
            b_end = b.to(done)
            """,
        ),
        case(
            "the name of a state is one that every provider takes",
            "the name 'größe'",
            "größe = State(work); to_it = a.to(größe); and_back = größe.to(done)  # FSM114",
        ),
        case("a name is not too long", "the name 'eee", f"{'e' * 65} = a.to(human)  # FSM114"),
        case(
            "no field has the name of a decision's own key",
            "state 'a' writes a field named 'handoff'",
            a="State(work, initial=True, writes=(Bad.handoff,))  # FSM114",
            context="Bad",
            before="class Bad(Context):\n    handoff: str = ''",
        ),
    ],
)
def test_names_that_cannot_be_used(problem: str, source: str, path: Path) -> None:
    """What has no name, or one that would be lost or refused, is found at the line that declares it."""
    shows(path, source, problem)
