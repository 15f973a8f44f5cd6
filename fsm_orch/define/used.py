"""The use of a tool, as policies speak of it: `never(billing.tool(refund)).before(yes)`."""

from __future__ import annotations

from typing import Any, Protocol

from .agent_spec import AgentSpec
from .subject import Subject


class Place(Protocol):
    """A state, as far as a use of its tools needs it."""

    @property
    def name(self) -> str: ...

    @property
    def spec(self) -> AgentSpec: ...


class Used(Subject):
    """That the agent of a state uses a tool: the moment from which it is due, approved if it has to be."""

    __slots__ = ("state", "tool")

    def __init__(self, state: Place, tool: str) -> None:
        self.state = state
        self.tool = tool

    @property
    def title(self) -> str:
        """What policies call it; no state or handoff can have such a name."""
        # asked for, and not kept: in the body of its class a state has no name yet
        return use_name(self.state.name, self.tool)

    def __repr__(self) -> str:
        return f"<Use of {self.title}>"


def use_name(state: str, tool: str) -> str:
    """Return what the use of a tool in a state is called."""
    return f"{state}.tool({tool})"


def tool_name(tool: Any) -> str:
    """Return the name of a tool: its own, or that of its function.

    Raises TypeError: if it has none.
    """
    found = tool if isinstance(tool, str) else getattr(tool, "name", None) or getattr(tool, "__name__", None)
    if not isinstance(found, str):
        raise TypeError(f"a tool is a function, or something with a name, not {tool!r}: billing.tool(refund)")
    return found
