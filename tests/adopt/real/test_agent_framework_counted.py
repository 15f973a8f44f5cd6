"""Requests that hostile workflows of agent-framework really make, against the numbers that are printed of them."""

from typing import Any

import pytest
from support.counted import Asked, assuming, standing, too_small

pytest.importorskip("agent_framework", reason="agent-framework is not installed; nox -s adopt installs it")

from contextlib import suppress
from inspect import signature

from agent_framework import (
    Agent,
    AgentExecutor,
    AgentExecutorResponse,
    AgentMiddleware,
    AgentResponse,
    BaseAgent,
    BaseChatClient,
    Case,
    CharacterEstimatorTokenizer,
    ChatMiddleware,
    ChatMiddlewareLayer,
    ChatResponse,
    Content,
    ContextProvider,
    Default,
    Executor,
    FunctionInvocationLayer,
    FunctionTool,
    Message,
    SummarizationStrategy,
    TokenBudgetComposedStrategy,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    WorkflowConvergenceException,
    agent_middleware,
    handler,
)

from fsm_orch.adopt import detect


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


class Replies(FunctionInvocationLayer, ChatMiddlewareLayer, BaseChatClient):
    """Stand for a client of a model that calls each tool that it is given, and counts its requests."""

    def __init__(self, rounds: int = 3, **more: Any) -> None:
        super().__init__(function_invocation_configuration={"max_iterations": rounds}, **more)
        self.requests = 0

    def _inner_get_response(self, *, messages: Any, stream: bool, options: Any, **_: Any) -> Any:
        return self._answer(options)

    async def _answer(self, options: Any) -> ChatResponse:
        self.requests += 1
        tools = options.get("tools") if options.get("tool_choice") != "none" else None
        call = Content.from_function_call(call_id=str(self.requests), name="look", arguments="{}") if tools else "done"
        return ChatResponse(messages=[Message(role="assistant", contents=[call])], response_id="r")


class Doubling(Replies):
    """Makes ten requests for one."""

    async def _answer(self, options: Any) -> ChatResponse:
        self.requests += 9
        return await super()._answer(options)


replies = Replies()


async def ask_many(*_: Any) -> None:
    """Ask a model nine times in a way that source does not show."""
    for _n in range(9):
        await getattr(replies, "_answer")({})  # noqa: B009 - hidden


def look() -> str:
    """Look."""
    return "seen"


@agent_middleware
async def middle(context: Any, call_next: Any) -> None:
    await ask_many()
    await call_next()


class Middle(AgentMiddleware):
    """Runs an agent again and again."""

    async def process(self, context: Any, call_next: Any) -> None:
        for _ in range(3):
            await call_next()


class Around(ChatMiddleware):
    """Makes a request again and again."""

    async def process(self, context: Any, call_next: Any) -> None:
        for _ in range(3):
            await call_next()


class Reminding(ContextProvider):
    """Asks what matters."""

    async def before_run(self, **_: Any) -> None:
        await ask_many()


class Lending(ContextProvider):
    """Gives a tool, so that there are as many rounds as a client has."""

    async def before_run(self, *, context: Any, **_: Any) -> None:
        context.extend_tools("lending", [FunctionTool(func=look, name="look")])


class Shortening:
    """Asks for a summary."""

    async def __call__(self, messages: Any) -> bool:
        await ask_many()
        return False


class Own(Agent):
    """Answers after many questions."""

    def run(self, *words: Any, **options: Any) -> Any:
        replies.requests += 9
        return super().run(*words, **options)


class Team(BaseAgent):
    """Asks as often as it pleases, and is no agent with a client."""

    def run(self, *words: Any, **options: Any) -> Any:
        return self._asked()

    async def _asked(self) -> AgentResponse:
        await ask_many()
        return AgentResponse(messages=[Message(role="assistant", contents=["done"])])


class Executing(AgentExecutor):
    """Asks before its agent does."""

    @handler
    async def from_str(self, text: str, ctx: WorkflowContext[AgentExecutorResponse, AgentResponse]) -> None:
        await ask_many()
        await super().from_str(text, ctx)


def asks_at_once(*_: Any) -> bool:
    replies.requests += 9
    return True


def select(_: Any, targets: list[str]) -> list[str]:
    return targets if asks_at_once() else []


def of(agent: Any) -> Workflow:
    """Return a workflow of one agent."""
    return WorkflowBuilder(start_executor=agent).build()


def agent(*, client: Any = None, **options: Any) -> Workflow:
    """Return a workflow of one agent of the framework."""
    return of(Agent(client or replies, name="a", id="a", **options))


def two(**options: Any) -> Workflow:
    """Return a workflow of two agents, with a condition between them."""
    a, b = (AgentExecutor(Agent(replies, name=name), id=name) for name in "ab")
    return WorkflowBuilder(start_executor=a).add_edge(a, b, **options).build()


def selected() -> Workflow:
    a, b, c = (AgentExecutor(Agent(replies, name=name), id=name) for name in "abc")
    return WorkflowBuilder(start_executor=a).add_multi_selection_edge_group(a, [b, c], select).build()


def cased() -> Workflow:
    a, b, c = (AgentExecutor(Agent(replies, name=name), id=name) for name in "abc")
    cases: list[Any] = [Case(condition=asks_at_once, target=b), Default(target=c)]
    return WorkflowBuilder(start_executor=a).add_switch_case_edge_group(a, cases).build()


BESIDE: dict[str, tuple[Workflow, str]] = {
    "a middleware": (agent(middleware=[middle]), "1 middleware function of a"),
    "a middleware that runs an agent again": (agent(middleware=[Middle()]), "1 middleware function of a"),
    "a middleware of requests": (agent(middleware=[Around()]), "1 middleware function of a"),
    "a middleware of a client": (agent(client=Replies(middleware=[Around()])), "1 middleware function of a"),
    "a context provider": (agent(context_providers=[Reminding("x")], client=Replies(1)), "1 context provider of a"),
    "a function that shortens": (agent(compaction_strategy=Shortening()), "1 compaction function of a"),
    "one that shortens for a client": (
        agent(client=Replies(compaction_strategy=Shortening())),
        "1 compaction function of a",
    ),
    "an agent of an own class": (of(Own(replies, name="a")), "own method of a"),
    "an agent without a client": (of(Team(name="a")), "no request to a model in a"),
    "an executor of an own class": (of(Executing(Agent(replies, name="a"), id="a")), "own method of a"),
    "a client of its own": (agent(client=Doubling()), "the client of a"),
    "a condition": (two(condition=asks_at_once), "1 condition of a"),
    "a selection": (selected(), "1 selection function of a"),
    "a case": (cased(), "1 condition of a"),
}


@pytest.mark.parametrize("name", BESIDE)
async def test_what_asks_beside_the_visits_is_assumed_away(name: str) -> None:
    """A run makes more requests than its agents, and what is printed says where none was taken to be made."""
    workflow, clause = BESIDE[name]
    most, before = standing(workflow), replies.requests
    client: Any = getattr(getattr(workflow.executors["a"], "agent", None), "client", replies)
    await ran(workflow)
    requests = replies.requests - before + (client.requests if client is not replies else 0)

    assert most is not None
    assert requests > most
    assert any(clause in said for said in assuming(workflow)), assuming(workflow)


async def test_tools_that_a_context_provider_gives_are_rounds() -> None:
    """So that an agent without tools of its own asks as often as its client goes round."""
    client = Replies(4)
    workflow = agent(client=client, context_providers=[Lending("lending")])
    await ran(workflow)

    assert 4 + 1 == client.requests == standing(workflow)


def test_a_workflow_that_is_an_agent_is_one_inside() -> None:
    """Nothing bounds its requests in one visit."""
    node = detect.read(of(two().as_agent("inner")), "thing").nodes["inner"]

    assert ("llm", None) == (node.kind, node.calls)


def test_what_the_framework_itself_asks_to_shorten_is_more() -> None:
    """Of an agent, of its client, or in a strategy of several."""
    asks = SummarizationStrategy(client=replies)
    several = TokenBudgetComposedStrategy(token_budget=9, tokenizer=CharacterEstimatorTokenizer(), strategies=[asks])

    for workflow in (agent(compaction_strategy=several), agent(client=Replies(compaction_strategy=asks))):
        assert any(
            "what is asked of a model to make the conversation of a shorter" in said for said in assuming(workflow)
        )


class Repeating(AgentExecutor):
    """Sends its answer as often as it pleases."""

    @handler
    async def from_str(self, text: str, ctx: WorkflowContext[str, str]) -> None:
        for _ in range(9):
            await ctx.send_message("x")


async def test_an_executor_of_an_agent_may_send_many_messages() -> None:
    """One of the user's own class, whose code is looked into as that of any other."""
    client = Asked()
    first, last = Repeating(Agent(replies, name="a"), id="a"), Asking("last", client)
    workflow = WorkflowBuilder(start_executor=first).add_edge(first, last).build()
    await ran(workflow)

    assert (9, None) == (client.requests, standing(workflow))


KNOWN: dict[Any, set[str]] = {
    Agent: {
        *("client", "instructions", "id", "name", "description", "tools", "default_options", "context_providers"),
        *("middleware", "require_per_service_call_history_persistence", "compaction_strategy", "tokenizer"),
        "additional_properties",
    },
    AgentExecutor: {"agent", "session", "id", "context_mode", "context_filter", "ensure_trailing_user_turn"},
    BaseChatClient: {"compaction_strategy", "tokenizer", "additional_properties"},
    FunctionInvocationLayer: {"middleware", "function_invocation_configuration", "kwargs"},
}
"""What is read, or holds no code of the user's."""


@pytest.mark.parametrize("kind", KNOWN)
def test_no_other_argument_may_hold_code(kind: Any) -> None:
    """One that is new there is to be read, or to be added to those that are harmless."""
    assert set() == signature(kind).parameters.keys() - KNOWN[kind]
