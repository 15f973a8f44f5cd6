"""Requests that hostile workflows of agent-framework really make, against the numbers that are printed of them."""

from typing import Any

import pytest
from support.counted import Asked, standing, too_small

pytest.importorskip("agent_framework", reason="agent-framework is not installed; nox -s adopt installs it")

from contextlib import suppress

from agent_framework import (
    Case,
    Default,
    Executor,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    WorkflowConvergenceException,
    handler,
)


class Asking(Executor):
    """Asks a model once for each message, and passes it on once."""

    def __init__(self, id: str, client: Any) -> None:
        self.client = client
        super().__init__(id=id)

    @handler
    async def one(self, message: str | list[str], ctx: WorkflowContext[str]) -> None:
        self.client.create(message)
        await ctx.send_message("x")


class Passing(Executor):
    """Passes a message on once, by one of two ways."""

    @handler
    async def one(self, message: str, ctx: WorkflowContext[str]) -> None:
        if not message:
            await ctx.send_message("empty")
            return
        if message == "x":
            await ctx.send_message("x")
        else:
            await ctx.send_message("y")


class Flooding(Executor):
    """Sends as many messages as it pleases."""

    @handler
    async def one(self, message: str, ctx: WorkflowContext[str]) -> None:
        for _ in range(50):
            await ctx.send_message("x")


class Hiding(Executor):
    """Sends two messages by a method of its own."""

    @handler
    async def one(self, message: str, ctx: WorkflowContext[str]) -> None:
        await self.deeper(ctx)

    async def deeper(self, ctx: WorkflowContext[str]) -> None:
        await send_two(ctx)


async def send_two(ctx: WorkflowContext[str]) -> None:
    await ctx.send_message("x")
    await ctx.send_message("x")


class ByName(Executor):
    """Sends two messages by a function."""

    @handler
    async def one(self, message: str, ctx: WorkflowContext[str]) -> None:
        await send_two(ctx)


class ByMethod(Asking):
    """Asks by a method of its own."""

    @handler
    async def one(self, message: str, ctx: WorkflowContext[str]) -> None:
        self.ask(message)
        await ctx.send_message("x")

    def ask(self, message: str) -> None:
        self.__ask(message)

    def __ask(self, message: str) -> None:
        self.client.create(message)


def _true(_: Any) -> bool:
    return True


def _also_true(_: Any) -> bool:
    return True


def diamond(client: Asked) -> Workflow:
    a, b, c, d = (Asking(id, client) for id in "abcd")
    return WorkflowBuilder(start_executor=a).add_edge(a, b).add_edge(a, c).add_edge(b, d).add_edge(c, d).build()


def doubling(client: Asked) -> Workflow:
    a, b, c = (Asking(id, client) for id in "abc")
    builder = WorkflowBuilder(start_executor=a, max_iterations=9)
    return builder.add_edge(a, b).add_edge(a, c).add_edge(b, a).add_edge(c, a).build()


def crowd(client: Asked) -> Workflow:
    first, last = Passing(id="first"), Asking("last", client)
    others = [Passing(id=f"p{number}") for number in range(20)]
    builder = WorkflowBuilder(start_executor=first, max_iterations=3).add_fan_out_edges(first, others)
    for each in others:
        builder = builder.add_edge(each, last)
    return builder.build()


def conditions(client: Asked) -> Workflow:
    a, b, c = (Asking(id, client) for id in "abc")
    builder = WorkflowBuilder(start_executor=a, max_iterations=2)
    return builder.add_edge(a, b, condition=_true).add_edge(a, c, condition=_also_true).build()


def joined(client: Asked) -> Workflow:
    a, b, c, d = (Asking(id, client) for id in "abcd")
    builder = WorkflowBuilder(start_executor=a, max_iterations=9).add_fan_out_edges(a, [b, c])
    return builder.add_fan_in_edges([b, c], d).add_edge(d, a).build()


def switched(client: Asked) -> Workflow:
    a, b, c = (Asking(id, client) for id in "abc")
    cases: list[Any] = [Case(condition=_true, target=b), Default(target=c)]
    builder = WorkflowBuilder(start_executor=a, max_iterations=8).add_switch_case_edge_group(a, cases)
    return builder.add_edge(b, a).add_edge(c, a).build()


def itself(client: Asked) -> Workflow:
    a = Asking("a", client)
    return WorkflowBuilder(start_executor=a, max_iterations=7).add_edge(a, a).build()


def flooded(client: Asked) -> Workflow:
    first, between, last = Flooding(id="first"), Passing(id="between"), Asking("last", client)
    return WorkflowBuilder(start_executor=first).add_edge(first, between).add_edge(between, last).build()


def hidden(client: Asked) -> Workflow:
    first, last = Hiding(id="first"), Asking("last", client)
    return WorkflowBuilder(start_executor=first).add_edge(first, last).build()


def named(client: Asked) -> Workflow:
    first, last = ByName(id="first"), Asking("last", client)
    return WorkflowBuilder(start_executor=first).add_edge(first, last).build()


def by_methods(client: Asked) -> Workflow:
    first, last = ByMethod("first", client), ByMethod("last", client)
    return WorkflowBuilder(start_executor=first).add_edge(first, last).build()


COUNTED = {by_methods: 2, diamond: 5, doubling: 61, crowd: 20, conditions: 3, joined: 12, switched: 8, itself: 7}
"""What is printed, which is what a real run asks."""


async def ran(workflow: Workflow) -> None:
    """Run a workflow until it is done, or is stopped."""
    with suppress(WorkflowConvergenceException):
        await workflow.run("x")


@pytest.mark.parametrize("build", [*COUNTED, flooded, hidden, named])
async def test_no_number_is_too_small(build: Any) -> None:
    """Neither that of the workflow as it stands, nor what is proved of a machine."""
    client = Asked()
    workflow = build(client)
    await ran(workflow)

    assert client.requests > 1
    assert [] == too_small(workflow, client.requests)
    assert COUNTED.get(build) in (None, client.requests)
    assert COUNTED.get(build) == standing(workflow)
