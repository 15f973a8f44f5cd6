"""A graph of pydantic-graph's first kind, nodes as classes: a cycle, a node that goes on with itself, and a trap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic_graph import BaseNode, Edge, End, Graph, GraphRunContext

agent: Any = None
"""Stand for an agent; nothing here is run."""


@dataclass
class Ask(BaseNode[None, None, str]):
    """Ask what is wanted"""

    async def run(self, ctx: GraphRunContext) -> Answer | Ask:
        return Answer() if await agent.run("what?") else Ask()


@dataclass
class Answer(BaseNode[None, None, str]):
    async def run(self, ctx: GraphRunContext) -> Annotated[Ask, Edge(label="unclear")] | Wait | End[str]:
        return End("done")


@dataclass
class Wait(BaseNode[None, None, str]):
    """Wait for what never comes"""

    async def run(self, ctx: GraphRunContext) -> Again:
        return Again()


@dataclass
class Again(BaseNode[None, None, str]):
    """Wait once more"""

    async def run(self, ctx: GraphRunContext) -> Wait:
        return Wait()


graph = Graph(nodes=(Ask, Answer, Wait, Again))
