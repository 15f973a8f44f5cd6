"""Agents of AutoGen as nodes: what they are told, what they ask, and with which tools."""

from collections.abc import Iterator

from . import work
from .asked import package_of
from .beside import Beside, overriding
from .graph import Node
from .library import Library

AUTOGEN = Library("AutoGen", "autogen-agentchat", "autogen_agentchat", "0.7.5", siblings=("autogen_core",))

_PROVIDERS = {
    "OpenAIChatCompletionClient": "openai",
    "AzureOpenAIChatCompletionClient": "azure",
    "AnthropicChatCompletionClient": "anthropic",
    "OllamaChatCompletionClient": "ollama",
}
"""By the classes of clients, whose models have bare names."""

_CLIENTS = "autogen_ext"
"""The package of these clients."""

_BESIDE = {
    "_memory": "memory object",
    "_model_context": "model context",
    "_handoffs": "handoff",
    "_tool_call_summary_formatter": "summary function",
    "_approval_func": "approval function",
    "_code_executor": "code executor",
    "input_func": "input function",
}
"""Attributes of an agent that may hold code of the user's, with what is said of it."""

_MADE_UP = "An agent that provides assistance with ability to use tools."
"""What an AssistantAgent is described as that nobody has described."""


def node(key: str, agent: object) -> Node:
    """Return an agent as a node, by its client and its tools, or by the code of its class.

    Raises:
        Unreadable: if something that is read is not there.
    """
    said = AUTOGEN.words(agent, "description")
    does = "" if said == _MADE_UP else said
    if AUTOGEN.made(agent, "UserProxyAgent"):
        return Node(key=key, kind="human", does=does, calls=0)
    if AUTOGEN.made(agent, "MessageFilterAgent"):
        return node(key, AUTOGEN.get(agent, "_wrapped_agent"))
    if AUTOGEN.made(agent, "SocietyOfMindAgent"):
        return Node(key=key, kind="llm", does=does, calls=None)
    if not AUTOGEN.made(agent, "AssistantAgent") and AUTOGEN.find(agent, "_model_client") is not None:
        return Node(key=key, kind="llm", does=does, calls=None)
    if not AUTOGEN.made(agent, "AssistantAgent"):
        return work.node(key, work.outermost(AUTOGEN.methods_around(type(agent))), does=does)
    client = AUTOGEN.get(agent, "_model_client")
    options = AUTOGEN.find(client, "_create_args")
    told = [AUTOGEN.find(message, "content") for message in AUTOGEN.many(agent, "_system_messages")]
    most = AUTOGEN.find(options, "max_tokens")
    model = AUTOGEN.find(options, "model") or AUTOGEN.find(client, "model")
    return Node(
        key=key,
        kind="llm",
        instructions=told[0] if told and isinstance(told[0], str) else None,
        does=does,
        model=_named(model, type(client).__name__) if isinstance(model, str) else None,
        calls=_calls(agent),
        max_output_tokens=most if isinstance(most, int) else None,
        tools=tuple(name for name, _ in _tools(agent)),
    )


def _named(model: str, client: str) -> str:
    """Return a model with its provider, as far as its client tells."""
    provider = _PROVIDERS.get(client)
    return f"{provider}:{model}" if provider and ":" not in model else model


def _calls(agent: object) -> int | None:
    """Return the requests of a turn: one a round of tools, and one more that reflects on what they returned."""
    rounds = AUTOGEN.number(agent, "_max_tool_iterations")
    return None if rounds is None else rounds + bool(AUTOGEN.get(agent, "_reflect_on_tool_use"))


def _tools(agent: object) -> Iterator[tuple[str, object]]:
    """Yield the tools of an agent by their names; those of a workbench that tells them only when it runs, as one."""
    for tool in AUTOGEN.many(agent, "_tools"):
        yield AUTOGEN.text(tool, "name"), tool
    for bench in AUTOGEN.many(agent, "_workbench") if not AUTOGEN.many(agent, "_tools") else ():
        tools = AUTOGEN.find(bench, "_tools")
        if tools is None:
            yield type(bench).__name__, bench
        for tool in AUTOGEN.listed(tools, bench, "_tools"):
            yield AUTOGEN.text(tool, "name"), tool


def inner(agent: object) -> object:
    """Return the agent that filters stand around, or the agent itself."""
    while AUTOGEN.made(agent, "MessageFilterAgent"):
        agent = AUTOGEN.get(agent, "_wrapped_agent")
    return agent


def client(agent: object) -> object:
    """Return the client of an agent; None if it has none, or one of AutoGen's own that asks once."""
    found = AUTOGEN.find(inner(agent), "_model_client")
    is_known = package_of(type(found)) == _CLIENTS and type(found).__name__ in _PROVIDERS
    return None if is_known else found


def outside(key: str, agent: object) -> Iterator[str]:
    """Yield the tools that are agents or teams: each call of one is a run of its own."""
    for name, tool in _tools(inner(agent)) if AUTOGEN.made(inner(agent), "AssistantAgent") else ():
        if AUTOGEN.made(tool, "TaskRunnerTool"):
            yield f"{key}: the tool {name} is an agent, whose requests are not counted"


def beside(key: str, agent: object) -> Iterator[Beside]:
    """Yield what an agent runs beside its requests; what its tools run is said of them."""
    for name, noun in _BESIDE.items():
        yield Beside(key, noun, AUTOGEN.find(inner(agent), name))
    yield overriding(AUTOGEN, key, agent)
    if inner(agent) is not agent:
        yield overriding(AUTOGEN, key, inner(agent))


def trouble(key: str, agent: object) -> Iterator[str]:
    """Yield what an agent has that a state has not."""
    if AUTOGEN.made(agent, "MessageFilterAgent"):
        yield f"{key}: which messages its filter lets through"
    if AUTOGEN.made(agent, "SocietyOfMindAgent"):
        yield f"{key}: runs a team of its own, which is read apart"
