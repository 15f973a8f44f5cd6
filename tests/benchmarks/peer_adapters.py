"""The peers of `peers.py`: the same agents and script, each with the ordinary way to hand off of its library."""

from __future__ import annotations

import functools
import logging
import operator
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from speed import CodeRing, Handoff2, Query, Ring, Stub

from fsm_orch import Machine, Response, Runner
from fsm_orch.models import Request

PROMPT = "You are {}. Do your part."
ANSWER = "fine TERMINATE"
"""What the stubs answer; the word is what peers look for that end on a condition."""


@dataclass(frozen=True)
class Task:
    """What is to be done: agents, the first being the initial one, with the handoffs that each may choose."""

    agents: Mapping[str, Sequence[str]]
    outcome: tuple[int, str]
    """How many handoffs there are to be, and who answers."""
    last: int | None = None
    """Which call is an answer although there are handoffs to choose, counting from 1 in each play."""

    @property
    def initial(self) -> str:
        return next(iter(self.agents))

    @property
    def calls(self) -> int:
        return self.outcome[0] + 1


DESK = Task({"triage": ("sales", "support"), "sales": (), "support": ()}, (1, "sales"))
RING = Task({"a": ("b",), "b": ("c",), "c": ("d",), "d": ("e",), "e": ("a",)}, (50, "a"), last=51)


@dataclass
class Script:
    """What every stub does, whatever a library calls it: choose the first handoff on offer, else answer.

    The calls of a task with a `last` are counted here, so its plays take turns; those of other tasks may overlap.
    """

    task: Task
    wait: Callable[[bool], Awaitable[None]] | None = None
    """What a call waits for; it is told whether the call is an answer."""
    calls: int = field(default=0, init=False)

    async def choose(self, offered: Sequence[str]) -> str | None:
        """Give the handoff chosen, or None for an answer."""
        self.calls += 1
        is_last = self.task.last is not None and self.calls % self.task.last == 0
        chosen = offered[0] if offered and not is_last else None
        if self.wait is not None:
            await self.wait(chosen is None)
        return chosen


@dataclass(frozen=True)
class Peer:
    """A library made ready for a task."""

    run: Callable[[Any], Awaitable[Any]]
    """Play a conversation with what was built for it."""
    outcome: Callable[[Any], tuple[int, str]]
    """Read out of what a play gave back how many handoffs were made and who answered."""
    build: Callable[[], Any] = lambda: None
    """Build what a conversation cannot share with another."""

    async def play(self) -> Any:
        return await self.run(self.build())


class Skipped(Exception):
    """A figure is not for this peer."""


class OwnModel(Stub):
    """The stub of `speed.py`, paced by a script."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self._script = script

    async def complete(self, request: Request) -> Response:
        properties = request.schema["properties"] if request.schema else {}
        await self._script.choose(() if "answer" in properties else properties["handoff"]["enum"])
        return await super().complete(request)


def _own(machine: type[Machine[Query]], script: Script) -> Peer:
    runner = Runner(machine, model=OwnModel(script))
    return Peer(
        run=lambda _: runner.run(Query(text="hi")),
        outcome=lambda result: (len(result.path) - 1, result.path[-1].source),
    )


def fsm_orch(task: Task, script: Script) -> Peer:
    """The machines of `speed.py`."""
    return _own(Ring if task is RING else Handoff2, script)


def fsm_orch_code(task: Task, script: Script) -> Peer:
    """The ring of plain functions of `speed.py`.

    Raises Skipped: if the task is to choose, which is for a model.
    """
    if task is not RING:
        raise Skipped("plain functions do not choose among handoffs")
    return _own(CodeRing, script)


def pydantic_graph(task: Task, script: Script) -> Peer:
    """Nodes that return the next node; a graph is shared by its runs."""
    from pydantic_graph import BaseNode, End, GraphBuilder

    @dataclass
    class Trail:
        handoffs: int = 0

    nodes: dict[str, type[Any]] = {}

    def node(name: str, offered: Sequence[str]) -> type[Any]:
        class Agent(BaseNode):
            async def run(self, ctx):  # type: ignore[no-untyped-def]
                chosen = await script.choose(offered)
                if chosen is None:
                    return End((ctx.state.handoffs, name))
                ctx.state.handoffs += 1
                return nodes[chosen]()

            @classmethod
            def get_node_id(cls) -> str:
                return name

        return Agent

    nodes.update({name: node(name, offered) for name, offered in task.agents.items()})
    builder = GraphBuilder(state_type=Trail, input_type=BaseNode, output_type=tuple, auto_instrument=False)
    for name, offered in task.agents.items():  # the edges are read out of the return type
        nodes[name].run.__annotations__["return"] = functools.reduce(operator.or_, map(nodes.get, offered), End[tuple])
        builder.add(builder.node(nodes[name]))
    initial = nodes[task.initial]
    builder.add(builder.edge_from(builder.start_node).to(initial))
    graph = builder.build()
    return Peer(run=lambda _: graph.run(state=Trail(), inputs=initial()), outcome=lambda ended: ended)


def burr(task: Task, script: Script) -> Peer:
    """Actions and conditional transitions; the graph is shared, an application holds the state of one run."""
    from burr.core import ApplicationBuilder, GraphBuilder, State, action, when

    def step(name: str, offered: Sequence[str]) -> Any:
        @action(reads=["handoffs"], writes=["handoffs", "by", "to"])
        async def run(state: State) -> State:
            chosen = await script.choose(offered)
            handoffs = state["handoffs"] + (chosen is not None)
            return state.update(handoffs=handoffs, by=name, to=chosen or "answered")

        return run

    @action(reads=[], writes=[])
    async def answered(state: State) -> State:
        return state

    graph = (
        GraphBuilder()
        .with_actions(answered=answered, **{name: step(name, offered) for name, offered in task.agents.items()})
        .with_transitions(
            *((name, to, when(to=to)) for name, offered in task.agents.items() for to in (*offered, "answered"))
        )
        .build()
    )

    def build() -> Any:
        state = {"handoffs": 0, "by": "", "to": ""}
        return ApplicationBuilder().with_graph(graph).with_state(**state).with_entrypoint(task.initial).build()

    async def run(application: Any) -> Any:
        _, _, state = await application.arun(halt_before=["answered"])
        return state

    return Peer(run, lambda state: (state["handoffs"], state["by"]), build)


def openai_agents(task: Task, script: Script) -> Peer:
    """Agents with `handoffs`; they are shared by their runs."""
    from agents import Agent, HandoffOutputItem, Model, ModelResponse, RunConfig, Usage, set_tracing_disabled
    from agents import Runner as AgentsRunner
    from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

    set_tracing_disabled(True)

    class StubModel(Model):
        async def get_response(
            self,
            system_instructions: Any,
            input: Any,
            model_settings: Any,
            tools: Any,
            output_schema: Any,
            handoffs: Sequence[Any],
            tracing: Any,
            **others: Any,
        ) -> ModelResponse:
            chosen = await script.choose([handoff.tool_name for handoff in handoffs])
            said: Any
            if chosen is None:
                text = ResponseOutputText(text=ANSWER, type="output_text", annotations=[])
                said = ResponseOutputMessage(
                    id=f"m{script.calls}", content=[text], role="assistant", status="completed", type="message"
                )
            else:
                said = ResponseFunctionToolCall(
                    call_id=f"c{script.calls}", name=chosen, arguments="{}", type="function_call"
                )
            used = Usage(requests=1, input_tokens=50, output_tokens=8, total_tokens=58)
            return ModelResponse(output=[said], usage=used, response_id=None)

        def stream_response(self, *args: Any, **options: Any) -> AsyncIterator[Any]:
            raise NotImplementedError

    model = StubModel()
    agents: dict[str, Any] = {
        name: Agent(name=name, instructions=PROMPT.format(name), model=model) for name in task.agents
    }
    for name, offered in task.agents.items():
        agents[name].handoffs = [agents[to] for to in offered]
    config = RunConfig(tracing_disabled=True)

    def outcome(result: Any) -> tuple[int, str]:
        return sum(isinstance(item, HandoffOutputItem) for item in result.new_items), result.last_agent.name

    return Peer(
        run=lambda _: AgentsRunner.run(agents[task.initial], "hi", max_turns=task.calls + 1, run_config=config),
        outcome=outcome,
    )


def langgraph_swarm(task: Task, script: Script) -> Peer:
    """`create_agent` with handoff tools in a swarm without checkpoints; the compiled graph is shared by its runs."""
    from langchain.agents import create_agent
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, ToolMessage
    from langchain_core.outputs import ChatGeneration, ChatResult
    from langgraph_swarm import create_handoff_tool, create_swarm

    class StubChat(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "stub"

        def bind_tools(self, tools: Sequence[Any], **options: Any) -> Any:
            return self.bind(tools=[tool.name for tool in tools])

        def _generate(self, *args: Any, **options: Any) -> ChatResult:
            raise NotImplementedError

        async def _agenerate(self, *args: Any, **options: Any) -> ChatResult:
            chosen = await script.choose(options.get("tools", ()))
            calls = [] if chosen is None else [{"name": chosen, "args": {}, "id": f"c{script.calls}"}]
            used = {"input_tokens": 50, "output_tokens": 8, "total_tokens": 58}
            said = AIMessage(content="" if chosen else ANSWER, tool_calls=calls, usage_metadata=used)
            return ChatResult(generations=[ChatGeneration(message=said)])

    model = StubChat()
    agents = [
        create_agent(
            model,
            tools=[create_handoff_tool(agent_name=to) for to in offered],
            system_prompt=PROMPT.format(name),
            name=name,
        )
        for name, offered in task.agents.items()
    ]
    swarm = create_swarm(agents, default_active_agent=task.initial).compile()
    limits = {"recursion_limit": 4 * task.calls}
    asked = {"messages": [{"role": "user", "content": "hi"}]}

    def outcome(state: Any) -> tuple[int, str]:
        return sum(isinstance(said, ToolMessage) for said in state["messages"]), state["messages"][-1].name

    return Peer(run=lambda _: swarm.ainvoke(asked, limits), outcome=outcome)


def agent_framework(task: Task, script: Script) -> Peer:
    """A handoff workflow; agents are shared, a workflow holds one conversation and is built for each."""
    from agent_framework import (
        Agent,
        BaseChatClient,
        ChatMiddlewareLayer,
        ChatResponse,
        Content,
        FunctionInvocationLayer,
        Message,
    )
    from agent_framework.observability import ChatTelemetryLayer, disable_instrumentation
    from agent_framework.orchestrations import HandoffBuilder

    disable_instrumentation()
    # It warns of agents that cannot hand off, at each build.
    logging.getLogger("agent_framework_orchestrations").setLevel(logging.ERROR)

    class StubClient(FunctionInvocationLayer, ChatMiddlewareLayer, ChatTelemetryLayer, BaseChatClient):
        """The layers that the library's own clients have."""

        async def _inner_get_response(self, *, options: Mapping[str, Any], **others: Any) -> ChatResponse:
            chosen = await script.choose([tool.name for tool in options.get("tools") or ()])
            said = (
                Content.from_text(ANSWER)
                if chosen is None
                else Content.from_function_call(f"c{script.calls}", chosen, arguments="{}")
            )
            used = {"input_token_count": 50, "output_token_count": 8, "total_token_count": 58}
            return ChatResponse(messages=[Message(role="assistant", contents=[said])], usage_details=used)

    client = StubClient()
    agents = {
        name: Agent(client, PROMPT.format(name), name=name, id=name, require_per_service_call_history_persistence=True)
        for name in task.agents
    }

    def build() -> Any:
        builder = HandoffBuilder(
            participants=list(agents.values()),
            termination_condition=lambda conversation: "TERMINATE" in conversation[-1].text,
        ).with_start_agent(agents[task.initial])
        for name, offered in task.agents.items():
            if offered:
                builder.add_handoff(agents[name], [agents[to] for to in offered])
        return builder.build()

    def outcome(events: Any) -> tuple[int, str]:
        handoffs = [event.data for event in events if event.type == "handoff_sent"]
        answer = events.get_outputs()[-1]
        assert ANSWER in answer.text
        return len(handoffs), handoffs[-1].target

    return Peer(run=lambda workflow: workflow.run("hi"), outcome=outcome, build=build)


def autogen(task: Task, script: Script) -> Peer:
    """A `Swarm`; its agents hold their conversation, so both are built for each."""
    from autogen_agentchat.agents import AssistantAgent
    from autogen_agentchat.conditions import TextMentionTermination
    from autogen_agentchat.messages import HandoffMessage
    from autogen_agentchat.teams import Swarm
    from autogen_core import FunctionCall
    from autogen_core.models import ChatCompletionClient, CreateResult, ModelInfo, RequestUsage

    used = RequestUsage(prompt_tokens=50, completion_tokens=8)

    class StubClient(ChatCompletionClient):
        async def create(self, messages: Any, *, tools: Sequence[Any] = (), **options: Any) -> CreateResult:
            chosen = await script.choose([tool.name for tool in tools])
            if chosen is None:
                return CreateResult(finish_reason="stop", content=ANSWER, usage=used, cached=False)
            call = FunctionCall(id=f"c{script.calls}", name=chosen, arguments="{}")
            return CreateResult(finish_reason="function_calls", content=[call], usage=used, cached=False)

        def create_stream(self, *args: Any, **options: Any) -> Any:
            raise NotImplementedError

        async def close(self) -> None:
            return None

        def actual_usage(self) -> RequestUsage:
            return used

        def total_usage(self) -> RequestUsage:
            return used

        def count_tokens(self, *args: Any, **options: Any) -> int:
            return 60

        def remaining_tokens(self, *args: Any, **options: Any) -> int:
            return 100_000

        @property
        def capabilities(self) -> Any:
            return self.model_info

        @property
        def model_info(self) -> ModelInfo:
            return ModelInfo(
                vision=False, function_calling=True, json_output=False, family="unknown", structured_output=False
            )

    client = StubClient()

    def build() -> Any:
        agents = [
            AssistantAgent(name, client, handoffs=list(offered), system_message=PROMPT.format(name))
            for name, offered in task.agents.items()
        ]
        return Swarm(agents, termination_condition=TextMentionTermination("TERMINATE"))

    def outcome(result: Any) -> tuple[int, str]:
        return sum(isinstance(said, HandoffMessage) for said in result.messages), result.messages[-1].source

    return Peer(run=lambda team: team.run(task="hi"), outcome=outcome, build=build)


PEERS: dict[str, tuple[str, Callable[[Task, Script], Peer]]] = {
    "fsm_orch": ("fsm_orch", fsm_orch),
    "fsm_orch_code": ("fsm_orch", fsm_orch_code),
    "pydantic_graph": ("pydantic-graph", pydantic_graph),
    "burr": ("apache-burr", burr),
    "openai_agents": ("openai-agents", openai_agents),
    "langgraph_swarm": ("langgraph-swarm", langgraph_swarm),
    "agent_framework": ("agent-framework-core", agent_framework),
    "autogen": ("autogen-agentchat", autogen),
}
"""The distribution whose version is reported, and how to make the library ready."""
