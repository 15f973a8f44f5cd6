"""Rules about tools: their results are read and fit, their names can be sent, their dependencies are the machine's."""

from __future__ import annotations

from typing import Any

import pytest
from support.shop import Shorten, Ticket, desk, order_status

from fsm_orch import Final, LLMAgent, Machine, State, Tool, at_most
from fsm_orch.errors import DefinitionError


class Shop:
    """Dependencies."""


class Bank:
    """Other dependencies."""


def asks_the_shop(order: int, deps: Shop) -> str:
    """Ask."""
    return ""


def größe(order: int) -> str:  # noqa: PLC2401 - as a user may call it
    """Ask."""
    return ""


@pytest.mark.parametrize(
    ("tools", "options", "code"),
    [
        ((order_status,), {"calls": 1}, "FSM141"),
        ((Shorten,), {"calls": 1, "tool_first": True}, "FSM141"),
        ((order_status,), {"asks": 5}, "FSM142"),
        ((Tool(order_status, most_chars=2_049),), {"asks": 1}, "FSM142"),
        ((order_status, Tool(Shorten, most_chars=1_025)), {}, "FSM142"),
        ((größe,), {}, "FSM114"),
        ((asks_the_shop,), {}, "FSM112"),
    ],
)
def test_tools_that_break_a_rule(tools: tuple[Any, ...], options: dict[str, Any], code: str) -> None:
    """The class does not build, and says why by a code."""
    with pytest.raises(DefinitionError) as raised:
        desk(*tools, **options)

    assert {finding.code for finding in raised.value.findings} == {code}


@pytest.mark.parametrize(
    ("tools", "options"),
    [
        ((order_status,), {"calls": 2, "tool_first": True}),
        ((order_status,), {"asks": 4}),
        ((Tool(order_status, most_chars=1_024),), {}),
    ],
)
def test_tools_that_just_keep_the_rules(tools: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Each bound is exact."""
    assert desk(*tools, **options).definition.states["work"].spec.tools


def test_a_tool_is_given_the_dependencies_of_its_machine() -> None:
    """One that is annotated for others is found, and a machine that has them builds."""

    class Served(Machine[Ticket, Shop]):
        """Help."""

        work = State(LLMAgent("Help.", tools=asks_the_shop, writes=Ticket.answer), initial=True)
        done, human = Final(), Final(fallback=True)
        solved = work.to(done)

    with pytest.raises(DefinitionError, match="tool 'asks_the_shop' of 'work' is annotated for dependencies Shop"):

        class Banked(Machine[Ticket, Bank]):
            """Help."""

            work = State(LLMAgent("Help.", tools=asks_the_shop, writes=Ticket.answer), initial=True)
            done, human = Final(), Final(fallback=True)
            solved = work.to(done)


def test_what_may_be_chosen_from_was_written_before() -> None:
    """The field of a choice is read by the agent: on a path where nobody wrote it, the class does not build."""

    class Later(Ticket):
        found: tuple[int, ...] = ()

    with pytest.raises(DefinitionError, match="FSM110"):

        class Desk(Machine[Later]):
            """Help."""

            work = State(
                LLMAgent("Help.", tools=Tool(order_status, choices={"order": Later.found}), writes=Later.answer),
                initial=True,
            )
            done, human = Final(), Final(fallback=True)
            solved = work.to(done)


def test_a_policy_speaks_of_no_machine_that_is_a_tool() -> None:
    """It is declared, so that is not denied: the way to have it in a policy is told."""
    with pytest.raises(DefinitionError) as raised:

        class Manager(Machine[Ticket]):
            """Help."""

            work = State(LLMAgent("Help.", does="help", writes=Ticket.answer, tools=Shorten), initial=True)
            done, human = Final(), Final(fallback=True)
            flow = work >> done
            policies = (at_most(1, work.tool(Shorten)),)

    (finding,) = raised.value.findings
    assert ("FSM401", "run it in a state of its own, State(Nested(Shorten, ...)), and speak of that state") == (
        finding.code,
        finding.fix,
    )
    assert "'Shorten', a machine among the tools of 'work': its runs are no moments of a policy" in finding.problem
