"""A shop whose model has tools: typed functions, one that needs approval, and a machine."""

from __future__ import annotations

import asyncio
from typing import Any

from fsm_orch import Context, Final, Given, Limits, LLMAgent, Machine, Runner, RunResult, ScriptedModel, State


class Ticket(Context):
    """What a customer wants."""

    query: str
    numbers: Given[tuple[int, ...]] = ()
    answer: str | None = None


STATUS = {4711: "shipped", 815: "waiting for payment"}


def order_status(order: int) -> str:
    """Return where an order is."""
    return STATUS.get(order, "unknown")


async def refund(cents: int, *, key: str, deps: Any) -> dict[str, str]:
    """Pay money back."""
    return {"paid": f"{cents} by {key.partition(':')[2]}"}


class Text(Context):
    """A text, and a short one."""

    text: str
    short: str | None = None


class Shorten(Machine[Text]):
    """Make a text short."""

    work = State(LLMAgent("Shorten it.", reads=Text.text, writes=Text.short), initial=True)
    done, failed = Final(), Final(fallback=True)
    flow = work >> done


def desk(*tools: Any, two_exits: bool = True, **options: Any) -> type[Machine[Ticket]]:
    """Make a machine of one model with tools."""
    told = {"reads": Ticket.query, "writes": Ticket.answer, **options}
    expires_s = told.pop("expires_s", None)

    class Desk(Machine[Ticket]):
        """Help."""

        work = State(LLMAgent("Help.", tools=tools, **told), initial=True, expires_s=expires_s)
        done, human = Final(), Final(fallback=True)
        solved = work.to(done, "it is solved")
        if two_exits:
            other = work.to(human, "anything else")
        limits = Limits(tokens=60_000)

    return Desk


def use(name: str, **arguments: Any) -> dict[str, Any]:
    """Return a reply that uses one tool."""
    return {"reply": {"use": {"tool": name, "arguments": arguments}}}


def use_all(*uses: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a reply that uses several tools at once."""
    return {"reply": {"use_all": [{"tool": name, "arguments": arguments} for name, arguments in uses]}}


SOLVED = {"handoff": "solved", "answer": "on its way"}
"""A decision, where no tools are offered."""
DONE = {"reply": SOLVED}
"""The same, where tools are."""


def run(
    machine: type[Machine[Ticket]], *script: Any, numbers: tuple[int, ...] = (), **options: Any
) -> tuple[RunResult[Ticket], ScriptedModel]:
    """Run a machine on a script; gives the result, and the model with its requests."""
    model = ScriptedModel(script)
    result = asyncio.run(Runner(machine, model=model, **options).run(Ticket(query="help", numbers=numbers)))
    return result, model


def told(model: ScriptedModel, number: int = -1) -> str:
    """Return the last message of a request."""
    return model.requests[number].messages[-1].content
