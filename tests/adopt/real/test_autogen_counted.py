"""Requests that hostile teams of AutoGen really make, against the numbers that are printed of them."""

from inspect import signature
from itertools import pairwise
from typing import Any
from unittest.mock import MagicMock

import pytest
from support.counted import assuming, standing, too_small

pytest.importorskip("autogen_agentchat", reason="AutoGen is not installed; nox -s adopt installs it")

from collections.abc import Sequence

from autogen_agentchat.agents import AssistantAgent, BaseChatAgent, CodeExecutorAgent, UserProxyAgent
from autogen_agentchat.base import Response, TerminationCondition
from autogen_agentchat.conditions import FunctionalTermination, MaxMessageTermination
from autogen_agentchat.messages import BaseChatMessage, HandoffMessage, TextMessage
from autogen_agentchat.teams import DiGraphBuilder, GraphFlow, Swarm
from autogen_agentchat.teams._group_chat._graph._digraph_group_chat import DiGraphEdge
from autogen_agentchat.tools import AgentTool
from autogen_core import FunctionCall
from autogen_core.memory import ListMemory
from autogen_core.model_context import UnboundedChatCompletionContext
from autogen_core.models import CreateResult, RequestUsage
from autogen_core.tools import FunctionTool, StaticWorkbench
from support.counted import Asked

from fsm_orch.adopt import detect


class Asking(BaseChatAgent):
    """Asks a model once a turn, and says all the texts that edges look for."""

    def __init__(self, name: str, client: Asked) -> None:
        super().__init__(name, "asks")
        self.client = client

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: object) -> Response:
        self.client.create(messages)
        return Response(chat_message=TextMessage(content="GO LEFT RIGHT", source=self.name))

    async def on_reset(self, cancellation_token: object) -> None: ...


def flow(client: Asked, edges: list[tuple[Any, ...]], *, turns: int | None) -> GraphFlow:
    """Return a flow that starts at the first source, with edges of sources, targets and options."""
    names = dict.fromkeys(name for source, target, *_ in edges for name in (source, target))
    agents = {name: Asking(name, client) for name in names}
    builder = DiGraphBuilder()
    for agent in agents.values():
        builder.add_node(agent)
    for source, target, *options in edges:
        builder.add_edge(agents[source], agents[target], **(options[0] if options else {}))
    builder.set_entry_point(agents[edges[0][0]])
    return GraphFlow(builder.get_participants(), graph=builder.build(), max_turns=turns)


def group(name: str, **more: Any) -> dict[str, Any]:
    """Return the options of an edge that wakes its target by itself."""
    return {"activation_group": name, "activation_condition": "any", **more}


FORK: list[tuple[Any, ...]] = [("a", "b"), ("a", "c"), ("a", "d")]
HOSTILE: dict[str, tuple[list[tuple[Any, ...]], int | None]] = {
    "all branches of a fork in one turn": (FORK, 2),
    "a join after a fork": ([("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")], 3),
    "two texts in one message": ([("a", "b", {"condition": "LEFT"}), ("a", "c", {"condition": "RIGHT"})], 5),
    "two functions that hold": (
        [("a", "b", {"condition": lambda _: True}), ("a", "c", {"condition": lambda _: True})],
        None,
    ),
    "one agent in two groups": ([("a", "b"), ("a", "c"), ("b", "d", group("x")), ("c", "d", group("y"))], 9),
    "one agent in five groups": (
        [*(("a", name) for name in "bcdef"), *((name, "g", group(name)) for name in "bcdef")],
        3,
    ),
    "five groups, and no cap": (
        [*(("a", name) for name in "bcdef"), *((name, "g", group(name)) for name in "bcdef")],
        None,
    ),
    "an agent that wakes itself twice": (
        [
            ("a", "b", group("1")),
            ("b", "b", group("2", condition="GO")),
            ("b", "b", group("3", condition="LEFT")),
            ("b", "end", {"condition": "NEVER"}),
        ],
        6,
    ),
    "a cycle of forks": (
        [
            ("a", "b"),
            ("b", "c", {"activation_group": "1"}),
            ("b", "d", {"activation_group": "1"}),
            ("c", "b", group("2", condition="GO")),
            ("d", "b", group("3", condition="GO")),
            ("d", "end", {"condition": "NEVER"}),
        ],
        7,
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_no_number_is_too_small(name: str) -> None:
    """Neither that of the flow as it stands, nor what is proved of a machine."""
    edges, turns = HOSTILE[name]
    client = Asked()
    made = flow(client, edges, turns=turns)
    await made.run(task="go")

    assert client.requests > 1
    assert [] == too_small(made, client.requests)


async def test_a_turn_is_one_of_all_that_are_due() -> None:
    """Of four agents and two turns, three speak in the second."""
    client = Asked()
    made = flow(client, FORK, turns=2)
    await made.run(task="go")

    assert (4, 8) == (client.requests, standing(made))


class Replies:
    """Stand for a client of a model that calls each tool that it is given, and counts its requests."""

    def __init__(self) -> None:
        self.model_info = {"function_calling": True, "json_output": True, "structured_output": True, "vision": False}
        self.requests = 0

    async def create(self, messages: Any, *, tools: Any = (), tool_choice: Any = "auto", **_: Any) -> CreateResult:
        """Return a call of the first tool, else a text."""
        self.requests += 1
        named = [each["name"] if isinstance(each, dict) else each.name for each in tools]
        is_called = bool(named) and tool_choice != "none"
        said: Any = [FunctionCall(id="1", name=named[0], arguments="{}")] if is_called else "GO"
        usage = RequestUsage(prompt_tokens=1, completion_tokens=1)
        return CreateResult(finish_reason="stop", content=said, usage=usage, cached=False)


class Remembering(ListMemory):
    """Asks what matters."""

    async def update_context(self, model_context: Any) -> Any:
        await ask_many()
        return await super().update_context(model_context)


class Shortening(UnboundedChatCompletionContext):
    """Asks for a summary."""

    async def get_messages(self) -> Any:
        await ask_many()
        return await super().get_messages()


class Ending(TerminationCondition):
    """Asks whether all is said."""

    terminated = False

    async def __call__(self, messages: Any) -> None:
        await ask_many()

    async def reset(self) -> None: ...


class Twice(AssistantAgent):
    """Answers three times."""

    async def on_messages_stream(self, messages: Any, cancellation_token: Any) -> Any:
        for _ in range(9):
            await ask_many()
        async for each in super().on_messages_stream(messages, cancellation_token):
            yield each


class Doubling(Replies):
    """Makes ten requests for one."""

    async def create(self, *words: Any, **options: Any) -> CreateResult:
        self.requests += 9
        return await super().create(*words, **options)


replies = Replies()


async def ask_many(*_: Any) -> str:
    """Ask a model nine times in a way that source does not show."""
    for _n in range(9):
        await getattr(replies, "create")([])  # noqa: B009 - hidden
    return "TERMINATE"


async def look() -> str:
    """Look."""
    return await ask_many()


def ask_at_once(*_: Any) -> Any:
    replies.requests += 9
    return True


def alone(*, ends: Any = None, **options: Any) -> GraphFlow:
    """Return a flow of one agent."""
    return flow_of(AssistantAgent("a", **{"model_client": replies, **options}), ends=ends)


def flow_of(*agents: Any, ends: Any = None, condition: Any = None) -> GraphFlow:
    """Return a flow of agents in a row."""
    builder = DiGraphBuilder()
    for agent in agents:
        builder.add_node(agent)
    for source, target in pairwise(agents):
        builder.add_edge(source, target, condition=condition)
    return GraphFlow(builder.get_participants(), graph=builder.build(), termination_condition=ends)


def b() -> AssistantAgent:
    return AssistantAgent("b", replies)  # type: ignore[arg-type]


async def see() -> str:
    """See."""
    return "seen"


TOOL, PLAIN = FunctionTool(look, description="Look."), FunctionTool(see, description="See.")
BESIDE: dict[str, tuple[GraphFlow, str]] = {
    "a memory": (alone(memory=[Remembering()]), "1 memory object of a"),
    "a model context": (alone(model_context=Shortening()), "1 model context of a"),
    "a summary": (
        alone(
            tools=[PLAIN],
            tool_call_summary_formatter=lambda *_: str(ask_at_once()),
        ),
        "1 summary function of a",
    ),
    "a workbench": (alone(workbench=StaticWorkbench([TOOL])), "the tools of a"),
    "a termination condition": (alone(ends=Ending() | MaxMessageTermination(9)), "1 termination condition of thing"),
    "a function that ends": (alone(ends=FunctionalTermination(ask_at_once)), "1 termination condition of thing"),
    "a class of its own": (flow_of(Twice("a", replies)), "1 own method of a"),  # type: ignore[arg-type]
    "a condition": (flow_of(Asking("a", Asked()), b(), condition=ask_at_once), "1 condition of a"),  # type: ignore[arg-type]
    "a human who asks": (flow_of(UserProxyAgent("a", input_func=ask_many), b()), "1 input function of a"),
    "a client of its own": (alone(model_client=Doubling()), "the client of a"),
}


@pytest.mark.parametrize("name", BESIDE)
async def test_what_asks_beside_the_turns_is_assumed_away(name: str) -> None:
    """A run makes more requests than its turns, and what is printed says where none was taken to be made."""
    made, clause = BESIDE[name]
    most, before = standing(made), replies.requests
    await made.run(task="go")
    client: Any = getattr(made._input_participants[0], "_model_client", replies)
    requests = replies.requests - before + (client.requests if client is not replies else 0)

    assert most is not None
    assert requests > most
    assert any(clause in said for said in assuming(made)), assuming(made)


def test_an_agent_that_is_a_tool_is_bounded_by_nothing() -> None:
    """Be it among the tools, or on a workbench."""
    tool = AgentTool(AssistantAgent("inner", replies))  # type: ignore[arg-type]

    assert (None, None) == (standing(alone(tools=[tool])), standing(alone(workbench=StaticWorkbench([tool]))))


def test_who_runs_code_that_a_model_writes_asks_as_often_as_it_pleases() -> None:
    """It has a client, though it is no AssistantAgent."""
    runs: Any = CodeExecutorAgent("a", code_executor=MagicMock(), approval_func=MagicMock(), model_client=replies)  # type: ignore[arg-type]

    node = detect.read(flow_of(runs), "thing").nodes["a"]

    assert ("llm", None) == (node.kind, node.calls)


class Sends(BaseChatAgent):
    """Hands off to whom its code names, and asks nobody."""

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (HandoffMessage,)

    async def on_messages(self, messages: Any, cancellation_token: object) -> Response:
        return Response(chat_message=HandoffMessage(content="x", target="b", source=self.name))

    async def on_reset(self, cancellation_token: object) -> None: ...


async def test_code_of_a_swarm_may_hand_off_to_any_agent() -> None:
    """An agent that nothing declares a way to speaks all the same, in all turns but the first."""
    made, before = Swarm([Sends("a", "sends"), b()], max_turns=4), replies.requests
    await made.run(task="go")

    assert replies.requests - before == 3 == standing(made)
    assert [("b", "assumed")] == [
        (edge.target, edge.trust) for edge in detect.read(made, "x").edges if edge.via == "HandoffMessage"
    ]


async def test_rounds_of_tools_and_the_reflection_are_counted() -> None:
    """Each round is a request, and so is what is said of the last one."""
    made, before = alone(tools=[PLAIN], max_tool_iterations=3, reflect_on_tool_use=True), replies.requests
    await made.run(task="go")

    assert replies.requests - before == 4 == standing(made)


async def test_what_is_put_in_the_place_of_a_method_is_assumed_away() -> None:
    """An agent whose method was replaced asks again, as a wrapper that tries again does."""
    agent = b()
    agent._call_llm = again(agent._call_llm)  # type: ignore[method-assign]
    made, before = flow_of(agent), replies.requests
    await made.run(task="go")

    assert replies.requests - before == 2 > (standing(made) or 0)
    assert any("1 own method of b" in said for said in assuming(made))


def again(work: Any) -> Any:
    """Return a function that does something twice."""

    async def inner(*words: Any, **options: Any) -> Any:
        async for _ in work(*words, **options):
            pass
        async for each in work(*words, **options):
            yield each

    return inner


KNOWN: dict[Any, set[str]] = {
    AssistantAgent: {
        *("name", "model_client", "tools", "workbench", "handoffs", "model_context", "description", "system_message"),
        *("model_client_stream", "reflect_on_tool_use", "max_tool_iterations", "tool_call_summary_format"),
        *("tool_call_summary_formatter", "output_content_type", "output_content_type_format", "memory", "metadata"),
    },
    UserProxyAgent: {"name", "description", "input_func"},
    CodeExecutorAgent: {
        *("name", "code_executor", "model_client", "model_context", "model_client_stream", "max_retries_on_error"),
        *("description", "system_message", "sources", "supported_languages", "approval_func"),
    },
    GraphFlow: {
        *("participants", "graph", "name", "description", "termination_condition", "max_turns", "runtime"),
        "custom_message_types",
    },
    DiGraphEdge: {"target", "condition", "condition_function", "activation_group", "activation_condition"},
}
"""What is read, or holds no code of the user's."""


@pytest.mark.parametrize("kind", KNOWN)
def test_no_other_argument_may_hold_code(kind: Any) -> None:
    """One that is new there is to be read, or to be added to those that are harmless."""
    assert set() == signature(kind).parameters.keys() - KNOWN[kind]
