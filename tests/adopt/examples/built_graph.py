"""A graph of pydantic-graph's builder: a map, a broadcast, a join, a decision with a condition, and a cycle."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic_graph import BaseNode, End, GraphBuilder, GraphRunContext, StepContext
from pydantic_graph.join import reduce_list_append

agent: Any = None
"""Stand for an agent; nothing here is run."""

builder = GraphBuilder(input_type=str, output_type=str)


@dataclass
class Polish(BaseNode[None, None, str]):
    """Polish the report"""

    async def run(self, ctx: GraphRunContext) -> End[str]:
        return End("polished")


@builder.step
async def plan(ctx: StepContext[None, None, str]) -> list[str]:
    """Plan what to look up."""
    return (await agent.run(ctx.inputs)).output


@builder.step
async def look_up(ctx: StepContext[None, None, str]) -> str:
    return "found"


@builder.step
async def check_facts(ctx: StepContext[None, None, str]) -> str:
    return "right"


@builder.step
async def check_style(ctx: StepContext[None, None, str]) -> str:
    return "fine"


@builder.step
async def judge(ctx: StepContext[None, None, list[str]]) -> Literal["good"] | str:
    """Judge the report."""
    return "good"


def is_poor(value: str) -> bool:
    """Return whether the report is to be planned anew."""
    return value == "poor"


gathered = builder.join(reduce_list_append, initial_factory=list[str])
builder.add(
    builder.edge_from(builder.start_node).to(plan),
    builder.edge_from(plan).map().to(look_up),
    builder.edge_from(look_up).to(check_facts, check_style),
    builder.edge_from(check_facts, check_style).to(gathered),
    builder.edge_from(gathered).to(judge),
    builder.edge_from(judge).to(
        builder.decision(note="by what the judge says")
        .branch(builder.match(str, matches=is_poor).label("once more").to(plan))
        .branch(builder.match(Literal["good"]).to(builder.end_node))
    ),
)
graph = builder.build()
