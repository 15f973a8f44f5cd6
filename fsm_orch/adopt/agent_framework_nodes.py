"""Executors of agent-framework as nodes: agents with their clients, workflows inside, and code of the user's."""

from collections.abc import Iterator

from . import work
from .asked import package_of
from .beside import Beside, overriding
from .graph import Node
from .library import Library

AGENT_FRAMEWORK = Library("agent-framework", "agent-framework-core", "agent_framework", "1.23.0")

_BESIDE = {"middleware": "middleware function", "context_providers": "context provider", "tokenizer": "tokenizer"}
"""Attributes of an agent that may hold code of the user's, with what is said of it."""

_BESIDE_CLIENT = {
    "chat_middleware": "middleware function",
    "function_middleware": "middleware function",
    "tokenizer": "tokenizer",
}
"""The same of its client."""

_MORE_TOOLS = ("mcp_tools", "context_providers")
"""Attributes of an agent that may give it tools when it runs."""

_STRATEGIES = ("compaction_strategy", "before_strategy", "after_strategy", "strategies")
"""Where agents, clients and context providers hold what makes a conversation shorter, which may ask a model."""

_CLIENTS = ("anthropic", "azure", "azure_ai", "bedrock", "foundry", "ollama", "openai")
"""Packages of clients, which begin with the name of the library."""


def is_agent(executor: object) -> bool:
    """Return whether what an executor runs is an agent."""
    return AGENT_FRAMEWORK.made(executor, "AgentExecutor")


def node(key: str, executor: object) -> Node:
    """Return an executor as a node.

    Raises:
        Unreadable: if something that is read is not there.
    """
    if is_agent(executor):
        return _agent(key, AGENT_FRAMEWORK.get(executor, "agent"))
    if AGENT_FRAMEWORK.made(executor, "WorkflowExecutor"):
        return Node(key=key, kind="llm", does="A workflow of its own", calls=None)
    return work.node(key, work.outermost(functions(executor)))


def functions(executor: object) -> dict[str, object]:
    """Return what an executor runs: the function it was made of, or the methods of its class."""
    original = AGENT_FRAMEWORK.find(executor, "_original_func")
    return AGENT_FRAMEWORK.methods_around(type(executor)) if original is None else {"function": original}


def _agent(key: str, agent: object) -> Node:
    if AGENT_FRAMEWORK.made(agent, "WorkflowAgent"):
        return Node(key=key, kind="llm", does="A workflow of its own", calls=None)
    if not AGENT_FRAMEWORK.made(agent, "RawAgent"):
        return work.node(key, work.outermost(AGENT_FRAMEWORK.methods_around(type(agent))))
    options = AGENT_FRAMEWORK.find(agent, "default_options") or {}
    tools = AGENT_FRAMEWORK.listed(AGENT_FRAMEWORK.find(options, "tools"), agent, "tools")
    asked = AGENT_FRAMEWORK.find(agent, "client")
    model = AGENT_FRAMEWORK.find(options, "model") or AGENT_FRAMEWORK.find(asked, "model")
    more = [each for name in _MORE_TOOLS for each in _many(agent, name)]
    told = AGENT_FRAMEWORK.find(options, "instructions")
    most = AGENT_FRAMEWORK.find(options, "max_tokens")
    return Node(
        key=key,
        kind="llm",
        instructions=told if isinstance(told, str) else None,
        does=str(AGENT_FRAMEWORK.find(agent, "description") or ""),
        model=model if isinstance(model, str) else None,
        calls=_calls(asked) if tools or more else 1,
        max_output_tokens=most if isinstance(most, int) else None,
        tools=tuple(str(AGENT_FRAMEWORK.find(tool, "name") or type(tool).__name__) for tool in (*tools, *more)),
    )


def _calls(client: object) -> int | None:
    """Return the requests of a visit with tools: the client's rounds, and one more that may use none."""
    rounds = AGENT_FRAMEWORK.find(AGENT_FRAMEWORK.find(client, "function_invocation_configuration"), "max_iterations")
    return rounds + 1 if isinstance(rounds, int) else None


def _many(thing: object, name: str) -> list[object]:
    """Return what an attribute holds, which need not be there."""
    return AGENT_FRAMEWORK.listed(AGENT_FRAMEWORK.find(thing, name), thing, name)


def client(executor: object) -> object:
    """Return the client of an agent; None if there is none, or one of the makers of the library."""
    found = AGENT_FRAMEWORK.find(AGENT_FRAMEWORK.find(executor, "agent"), "client") if is_agent(executor) else None
    known = {f"{AGENT_FRAMEWORK.module}_{each}" for each in _CLIENTS}
    return None if package_of(type(found)) in known else found


def asks_more(key: str, executor: object) -> Iterator[str]:
    """Yield what of agent-framework itself asks a model beside the requests of an agent."""
    agent = AGENT_FRAMEWORK.find(executor, "agent") if is_agent(executor) else None
    strategies = [*_strategies(agent)]
    if any(AGENT_FRAMEWORK.find(each, "client") is not None for each in strategies):
        yield f"what is asked of a model to make the conversation of {key} shorter"


def _strategies(agent: object) -> Iterator[object]:
    """Yield what makes the conversation of an agent shorter, which may be made of others."""
    todo = [agent, AGENT_FRAMEWORK.find(agent, "client"), *_many(agent, "context_providers")]
    seen: set[int] = set()
    while todo:
        holder = todo.pop()
        seen.add(id(holder))
        for held in (AGENT_FRAMEWORK.find(holder, name) for name in _STRATEGIES):
            found = [each for each in (held if isinstance(held, list) else [held]) if each and id(each) not in seen]
            yield from found
            todo += found


def beside(key: str, executor: object) -> Iterator[Beside]:
    """Yield what an agent runs beside its requests; what its tools run is said of them."""
    if not is_agent(executor):
        return
    agent = AGENT_FRAMEWORK.get(executor, "agent")
    asked = AGENT_FRAMEWORK.find(agent, "client")
    yield overriding(AGENT_FRAMEWORK, key, executor)
    if AGENT_FRAMEWORK.made(agent, "RawAgent"):
        yield overriding(AGENT_FRAMEWORK, key, agent)
    yield Beside(key, "context filter", AGENT_FRAMEWORK.find(executor, "_context_filter"))
    yield Beside(key, "compaction function", [*_strategies(agent)])
    for holder, names in ((agent, _BESIDE), (asked, _BESIDE_CLIENT)):
        for name, noun in names.items():
            yield Beside(key, noun, AGENT_FRAMEWORK.find(holder, name))
