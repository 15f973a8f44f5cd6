"""A workflow of agent-framework: a cycle, a switch with a default, a fan-out and a fan-in."""

from typing import Any, Never

from agent_framework import (
    Agent,
    AgentExecutor,
    AgentExecutorResponse,
    BaseChatClient,
    Case,
    Default,
    Executor,
    WorkflowBuilder,
    WorkflowContext,
    executor,
    handler,
)


class Client(BaseChatClient):
    """Stand for a client of a model; nothing here is run."""

    def __init__(self) -> None:
        super().__init__()
        self.function_invocation_configuration = {"max_iterations": 4}

    async def _inner_get_response(self, **_: Any) -> Any: ...


def search(query: str) -> str:
    """Search the shop."""
    return query


def is_urgent(message: Any) -> bool:
    """Return whether a message is urgent."""
    return bool(message)


class Sort(Executor):
    """Sort what came in."""

    def __init__(self, client: Any) -> None:
        self.client = client
        super().__init__(id="sort")

    @handler
    async def handle(self, message: str, ctx: WorkflowContext[str]) -> None:
        """Ask a model where it belongs."""
        await ctx.send_message(await self.client.get_response(message))


@executor(id="left")
async def left(message: str, ctx: WorkflowContext[str]) -> None:
    """Look to the left."""
    await ctx.send_message(message)


@executor(id="right")
async def right(message: str, ctx: WorkflowContext[str]) -> None:
    """Look to the right."""
    await ctx.send_message(message)


@executor(id="middle")
async def middle(message: str, ctx: WorkflowContext[str]) -> None:
    """Look to the middle."""
    await ctx.send_message(message)


@executor(id="both")
async def both(messages: list[str], ctx: WorkflowContext[str]) -> None:
    """Put both together."""
    await ctx.send_message("".join(messages))


@executor(id="publish")
async def publish(message: AgentExecutorResponse, ctx: WorkflowContext[Never, str]) -> None:
    """Publish it."""
    await ctx.yield_output(message.agent_response.text)


sort = Sort(Client())
answer = AgentExecutor(
    Agent(
        Client(),
        "Answer in a line.",
        name="answer",
        description="Answers",
        tools=[search],
        default_options={"model": "m"},
    ),
    id="answer",
)
workflow = (
    WorkflowBuilder(start_executor=sort, max_iterations=30)
    .add_switch_case_edge_group(sort, [Case(condition=is_urgent, target=answer), Default(target=left)])
    .add_edge(answer, publish)
    .add_fan_out_edges(left, [right, middle])
    .add_fan_in_edges([right, middle], both)
    .add_edge(both, sort, condition=is_urgent)
    .build()
)
