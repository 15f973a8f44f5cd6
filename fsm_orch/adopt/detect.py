"""Which framework an object is of, and so what reads it."""

from types import ModuleType
from typing import cast

from ..errors import Unreadable
from . import agent_framework, autogen, burr, crewai, langgraph, openai_agents, pydantic_graph
from .graph import Graph

_READERS: tuple[tuple[ModuleType, str], ...] = (
    (openai_agents, "an openai-agents Agent"),
    (langgraph, "a LangGraph StateGraph"),
    (pydantic_graph, "a pydantic-graph Graph"),
    (burr, "a Burr Application or Graph"),
    (agent_framework, "an agent-framework Workflow"),
    (crewai, "a CrewAI Flow"),
    (autogen, "an AutoGen GraphFlow or Swarm"),
)
"""Each with what it reads, with its article."""

READABLE = ", ".join(what for _, what in _READERS)


def what_is(thing: object) -> str | None:
    """Return what an object is of a framework that can be read, with its article; None if it is of none."""
    return next((what for reader, what in _READERS if reader.reads(thing)), None)


def read(thing: object, name: str) -> Graph:
    """Return what an object of any framework tells of itself.

    Args:
        thing: The object.
        name: What it is called in its module.

    Raises:
        Unreadable: if it is of no framework that can be read, or something that is read is not there.
    """
    for reader, _ in _READERS:
        if reader.reads(thing):
            return cast("Graph", reader.read(thing, name))
    kind = f"the class {thing.__name__}" if isinstance(thing, type) else f"a {type(thing).__name__}"
    raise Unreadable(f"{name!r} is {kind}, which cannot be read. Expected: {READABLE}. Fix: name an object of these")
