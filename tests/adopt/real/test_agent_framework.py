"""What is read of agent-framework, against agent-framework itself."""

from typing import Any

import pytest
from support.read_graphs import blind, the_edge, ways

pytest.importorskip("agent_framework", reason="agent-framework is not installed; nox -s adopt installs it")

from adopt.examples import framework_workflow
from agent_framework import (
    Case,
    Default,
    Executor,
    WorkflowBuilder,
    WorkflowContext,
    WorkflowExecutor,
    executor,
    handler,
)

from fsm_orch.adopt import agent_framework
from fsm_orch.adopt.graph import END, Graph
from fsm_orch.errors import Unreadable


@executor(id="one")
async def one(message: str, ctx: WorkflowContext[str]) -> None:
    await ctx.send_message(message)


@executor(id="two")
async def two(message: str, ctx: WorkflowContext[str]) -> None:
    await ctx.send_message(message)


@executor(id="three")
async def three(message: str, ctx: WorkflowContext[str]) -> None:
    await ctx.send_message(message)


def is_late(message: Any) -> bool:
    return bool(message)


def test_all_ways_of_a_workflow_are_read() -> None:
    """A cycle, a switch and all ends stand in the graph; an executor that is code may send nothing."""
    graph = agent_framework.read(framework_workflow.workflow, "workflow")

    assert "sort" == graph.entry
    assert {
        "sort": {"answer", "left", END},
        "answer": {"publish"},
        "left": {"right", "middle", END},
        "right": {"both", END},
        "middle": {"both", END},
        "both": {"sort", END},
        "publish": {END},
    } == ways(graph)
    assert {"assumed"} == {edge.trust for edge in graph.edges if edge.target == END and edge.source != "publish"}


def test_conditions_are_kept_as_names() -> None:
    """A case and an edge keep the name of their function, and a default has none."""
    graph = agent_framework.read(framework_workflow.workflow, "workflow")

    assert ("is_urgent", "case") == (the_edge(graph, "sort", "answer").condition, the_edge(graph, "sort", "answer").via)
    assert (None, "default") == (the_edge(graph, "sort", "left").condition, the_edge(graph, "sort", "left").via)
    assert "is_urgent" == the_edge(graph, "both", "sort").condition


def test_forks_and_joins_are_read() -> None:
    """A fan-out forks, and a fan-in waits for all."""
    graph = agent_framework.read(framework_workflow.workflow, "workflow")

    assert {"left"} == graph.forks
    assert {"both": ("right", "middle")} == graph.joins


def test_plain_edges_of_one_executor_are_a_fork() -> None:
    """A message goes along all of them at once; of two with conditions it goes along those that hold, which is said."""
    plain = WorkflowBuilder(start_executor=one).add_edge(one, two).add_edge(one, three).build()
    asked = (
        WorkflowBuilder(start_executor=one)
        .add_edge(one, two, condition=framework_workflow.is_urgent)
        .add_edge(one, three, condition=is_late)
        .build()
    )
    twice = (
        WorkflowBuilder(start_executor=one)
        .add_edge(one, two, condition=is_late)
        .add_edge(one, three, condition=is_late)
        .build()
    )

    assert {"one"} == agent_framework.read(plain, "plain").forks
    assert {"one"} == agent_framework.read(twice, "twice").forks
    assert not agent_framework.read(asked, "asked").forks
    assert any(
        clause.startswith("one: every way whose condition holds")
        for clause in agent_framework.read(asked, "asked").lost
    )


def test_a_fan_out_with_a_selection_is_a_fork_under_a_condition() -> None:
    """The function that selects stands on each way."""

    def selects(message: Any, targets: list[str]) -> list[str]:
        return targets

    workflow = WorkflowBuilder(start_executor=one).add_multi_selection_edge_group(one, [two, three], selects).build()
    graph = agent_framework.read(workflow, "workflow")

    assert {"selects"} == {edge.condition for edge in graph.leaving("one") if edge.target != END}
    assert {"one"} == graph.forks


def test_the_cases_of_a_switch_shut_each_other_out() -> None:
    """Those of two switches do not."""

    async def passes(message: str, ctx: WorkflowContext[str]) -> None:
        await ctx.send_message(message)

    def switched(switches: int) -> Graph:
        builder = WorkflowBuilder(start_executor=one)
        for at in range(switches):
            first, second = (executor(passes, id=f"{name}_{at}") for name in ("first", "second"))
            cases: list[Any] = [Case(condition=is_late, target=first), Default(target=second)]
            builder = builder.add_switch_case_edge_group(one, cases)
        return agent_framework.read(builder.build(), "workflow")

    alone, both = switched(1), switched(2)

    assert (frozenset(), {"one"}) == (alone.forks | alone.may_fork, both.forks | both.may_fork)


def test_what_an_agent_is_told_and_may_ask_is_read() -> None:
    """Instructions, description, model and tools come from the agent; the client bounds the rounds of tools."""
    graph = agent_framework.read(framework_workflow.workflow, "workflow")
    answer = graph.nodes["answer"]

    assert ("Answer in a line.", "Answers", "m", ("search",), 5) == (
        *(answer.instructions, answer.does, answer.model),
        *(answer.tools, answer.calls),
    )
    assert 1 == graph.nodes["sort"].calls
    assert {"left", "right", "middle", "both", "publish"} == blind(graph)


def test_the_cap_is_the_workflows_own() -> None:
    """It counts steps, and is 100 by default."""
    plain = WorkflowBuilder(start_executor=one).add_edge(one, two).build()

    assert 30 == agent_framework.read(framework_workflow.workflow, "workflow").cap.value
    assert 100 == agent_framework.read(plain, "plain").cap.value


def test_a_workflow_inside_has_no_bound() -> None:
    """It is a node whose requests nothing bounds, and is said to be read apart."""

    inside = WorkflowExecutor(WorkflowBuilder(start_executor=one).add_edge(one, two).build(), id="inside")

    class First(Executor):
        @handler
        async def handle(self, message: str, ctx: WorkflowContext[str]) -> None:
            await ctx.send_message(message)

    first = First(id="first")
    graph = agent_framework.read(WorkflowBuilder(start_executor=first).add_edge(first, inside).build(), "workflow")

    assert ("llm", None) == (graph.nodes["inside"].kind, graph.nodes["inside"].calls)
    assert any(clause.startswith("inside: runs a workflow") for clause in graph.lost)


@pytest.mark.parametrize("name", ["_response_handlers", "agent"])
def test_a_name_that_is_gone_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says the framework, its version and what was missing."""
    workflow = framework_workflow.workflow
    if name == "agent":
        monkeypatch.delattr(type(framework_workflow.answer), "agent")
    else:
        monkeypatch.delattr(framework_workflow.sort, name)

    with pytest.raises(Unreadable, match=rf"agent-framework cannot be read: \w+ has no '{name}', in .*-core 1\."):
        agent_framework.read(workflow, "workflow")
