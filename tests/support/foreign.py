"""The same agent in four frameworks: one of a few lines, which is always there, and three that may not be installed."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pytest

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, Message, State, Visit, guard
from fsm_orch.agents.bridges.exchange import Exchange, Wanted, came, used
from fsm_orch.agents.bridges.foreign import ForeignAgent
from fsm_orch.define.source import where_called
from fsm_orch.define.wording import to_install

PACKAGES = {"openai-agents": "openai-agents", "langgraph": "langchain", "pydantic-ai": "pydantic-ai-slim"}
"""By framework, the package that its bridge needs: what is imported may have the name of a folder of tests."""


def is_there(framework: str) -> bool:
    """Return whether a framework is installed."""
    try:
        return bool(version(PACKAGES[framework]))
    except PackageNotFoundError:
        return False


ABSENT = [
    pytest.param(name, marks=pytest.mark.skip(reason=f"no {name}: {to_install(name)}"))
    for name in PACKAGES
    if not is_there(name)
]
"""Each framework that is not installed, as what is skipped: once, and not in every test."""

EACH = ["loop", *filter(is_there, PACKAGES)]
"""Each framework that is there."""


class LoopAgent(ForeignAgent):
    """An agent of a framework that asks its model until that uses no tool.

    Args:
        tools: functions of one whole number, or of nothing.
        is_stubborn: whether it asks again, and again, when its model raises.
    """

    def __init__(self, *tools: Callable[..., Any], is_stubborn: bool = False, **options: Any) -> None:
        caps = {"max_input_tokens": 4_096, "max_output_tokens": 256}
        rest = {"model": None, "settings": LLMAgent("x").spec.settings, "window": None, "reads": (), "writes": ()}
        canonical = {"tools": [tool.__name__ for tool in tools]}
        where = where_called()
        given = {**caps, **rest, "calls": 3, "acts": bool(tools), **options}
        super().__init__("LoopAgent", known_as="triage", canonical=canonical, where=where, **given)
        self._functions = {tool.__name__: tool for tool in tools}
        self._is_stubborn = is_stubborn

    async def _run(self, visit: Visit[Any, Any], exchange: Exchange) -> None:
        tools = tuple(
            self.tool(name, function.__doc__, _schema(function)) for name, function in self._functions.items()
        )
        said = [Message(role="user", content=self.asked(visit))]
        tries = 0
        while True:
            wanted = Wanted("Help.", tuple(said), tools, {"transfer_to_triage": "triage"})
            try:
                answered = await exchange.ask(wanted)
            except Exception:
                tries += 1
                if not self._is_stubborn or tries > 50:
                    raise
                continue
            if not answered.uses:
                return
            for use in answered.uses:
                result = self._functions[use.name](**use.arguments)
                said += [used(use.name, use.arguments), came(str(result))]


def _schema(function: Callable[..., Any]) -> dict[str, Any]:
    takes = ["order"] if function.__code__.co_argcount else []
    return {"type": "object", "properties": {name: {"type": "integer"} for name in takes}, "required": takes}


class Conv(Context):
    """A conversation."""

    query: str
    open: bool = False
    answer: str | None = None


@guard
def is_open(conv: Conv) -> bool:
    """Return whether what is closed by default is open."""
    return conv.open


USES: list[int] = []
"""The orders that were looked up, by whichever framework."""


def order_status(order: int) -> str:
    """Return where an order is."""
    USES.append(order)
    return f"order {order} is packed"


def broken() -> str:
    """Return nothing, and fail."""
    raise ValueError("no such thing")


def agent_of(framework: str, **options: Any) -> Any:
    """Return an agent with two tools, run by a framework; it would hand over to itself."""
    given = {"reads": Conv.query, "writes": Conv.answer, "calls": 3, "max_input_tokens": 4_096, **options}
    match framework:
        case "loop":
            return LoopAgent(order_status, broken, **given)
        case "openai-agents":
            from agents import Agent, function_tool

            from fsm_orch.agents.bridges.openai_agents import OpenAIAgent

            tools: Any = [function_tool(order_status), function_tool(broken, failure_error_function=None)]
            triage: Any = Agent(name="triage", instructions="Help.", tools=tools)
            triage.handoffs = [triage]
            return OpenAIAgent(triage, **given)
        case "langgraph":
            from langchain.agents import create_agent

            from fsm_orch.agents.bridges.langgraph import LangGraphAgent, MeteredChat

            graph = create_agent(MeteredChat(), tools=[order_status, broken], system_prompt="Help.", name="triage")
            return LangGraphAgent(graph, **given)
        case _:
            from pydantic_ai import Agent as TheirAgent

            from fsm_orch.agents.bridges.pydantic_ai import PydanticAgent

            plain: Any = TheirAgent(instructions="Help.", name="triage", tools=[order_status, broken])
            return PydanticAgent(plain, **given)


def support(agent: Any, *, repeatable: bool = False) -> type[Machine[Conv]]:
    """Return a machine in which an agent may hand over to itself, to another, or to the end."""

    class Support(Machine[Conv]):
        """Answer questions about orders."""

        triage = State(agent, initial=True, max_visits=2, repeatable=repeatable)
        billing = State(LLMAgent("Answer.", reads=Conv.query, writes=Conv.answer))
        done = Final()
        human = Final(fallback=True, sets={Conv.answer: "A colleague will answer."})
        again = triage.to(triage, "it is unclear")
        to_billing = triage.to(billing, "it is about money")
        closed = triage.to(billing, "it is open", guard=is_open)
        solved = triage.to(done, "it is solved")
        billed = billing.to(done)
        limits = Limits(hops=6, tokens=120_000)

    return Support
