"""Rules about single handoffs: no two alike, each described to the model that chooses, each route once."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.declared import case, shows


@pytest.mark.parametrize(
    ("problem", "source"),
    [
        case(
            "a description does not tell two handoffs apart, and a guard does",
            "'too' leaves 'a' exactly as 'high' does",
            """
            high = a.to(done, guard=is_high)
            too = a.to(done, "said otherwise", guard=is_high)  # FSM106
            """,
        ),
        case(
            "a handoff of several sources is alike in one of them",
            "'too' leaves 'b' exactly as 'b_end' does",
            """
            b = State(work)
            to_b = a.to(b)
            b_end = b.to(done)
            too = (b | a).to(done)  # FSM106 FSM106
            """,
        ),
        case(
            "guards of a factory that hold different values are two",
            "the guard of 'two' has no name of its own",
            """
            one = a.to(done, guard=at_least(1))  # FSM113
            two = a.to(done, guard=at_least(2))  # FSM113
            """,
            before="""
            def at_least(n):
                @guard
                def high(t: Ticket) -> bool:
                    return t.level >= n
                return high
            """,
        ),
        case(
            "a failure has one edge of its kind",
            "'too' leaves 'a' exactly as 'lost' does",
            """
            lost = a.on_failure(done)
            too = a.on_failure(human)  # FSM109
            late = a.on_timeout(human)
            refused = a.on_refusal(human)
            """,
        ),
        case(
            "a model is told when to take a handoff, code and failures are not",
            "'finish' leaves 'b', 'c' without a description",
            """
            b = State(model())
            c = State(model())
            to_b = a.to(b)
            to_c = b.to(c, "when it must")
            finish = (a | b | c).to(done, "  ", guard=is_high)  # FSM117
            finally_ = (b | c).to(done, "else")
            lost = b.on_failure(human)
            """,
        ),
        case(
            "a route is a handoff, and no failure edge",
            "the agent of 'a' routes to <State b>, to which no handoffs lead",
            """
            b = State(work)
            a = State(KeywordAgent(Ticket.query, {b: ["b"]}, otherwise=human), initial=True)  # FSM121 FSM121
            lost = a.on_failure(b)
            end = (a | b).to(done)
            """,
            a=None,
        ),
        case(
            "a route is one handoff",
            "the agent of 'a' routes to <Final done>, to which 2 handoffs ('end', 'high') lead",
            """
            high = a.to(done, guard=is_high)
            give_up = a.to(human)
            """,
            a="State(KeywordAgent(Ticket.query, {done: ['end']}, otherwise=human), initial=True)  # FSM121",
        ),
    ],
)
def test_handoffs_that_nobody_could_choose(problem: str, source: str, path: Path) -> None:
    """Handoffs among which no choice can be made are found at the line that declares them."""
    shows(path, source, problem)
