"""Agents of openai-agents as nodes: what they are told, what they ask, and what a state has not."""

from collections.abc import Iterator, Mapping

from ..define.wording import number_of
from .beside import Beside, overriding
from .graph import Node
from .library import Library, called

OPENAI_AGENTS = Library("openai-agents", "openai-agents", "agents", "0.24.0")

_DEFAULT_MODEL = ("agents.models.default_models", "get_default_model")
"""Where it says which model it asks if an agent names none."""

_BESIDE = {
    "instructions": "instructions function",
    "base_instructions": "instructions function",
    "capabilities": "capability",
    "prompt": "prompt function",
    "hooks": "hook",
    "tool_use_behavior": "tool_use_behavior function",
}
"""Attributes of an agent that may hold code of the user's, with what is said of it."""


def node(key: str, agent: object, source: str | None) -> Node:
    """Return an agent as a node.

    Args:
        key: Its name.
        agent: Of openai-agents.
        source: How it is reached from its module; None if it cannot be.

    Raises:
        Unreadable: if something that is read is not there.
    """
    instructions = OPENAI_AGENTS.get(agent, "instructions")
    settings = OPENAI_AGENTS.get(agent, "model_settings")
    tools = tuple(
        str(OPENAI_AGENTS.find(tool, "name", type(tool).__name__)) for tool in OPENAI_AGENTS.many(agent, "tools")
    )
    lent = OPENAI_AGENTS.find(agent, "capabilities")  # of a sandbox, which are tools when it runs
    has_tools = bool(tools) or bool(OPENAI_AGENTS.many(agent, "mcp_servers")) or bool(lent)
    return Node(
        key=key,
        kind="llm",
        instructions=instructions if isinstance(instructions, str) else None,
        does=OPENAI_AGENTS.words(agent, "handoff_description"),
        model=_model(agent),
        calls=None if has_tools else 1,
        max_output_tokens=OPENAI_AGENTS.number(settings, "max_tokens"),
        tools=tools,
        source=source,
    )


def _model(agent: object) -> str | None:
    """Return the name of an agent's model, or of the SDK's own, with its provider; None if neither can be read."""
    model = OPENAI_AGENTS.get(agent, "model") or OPENAI_AGENTS.answer(*_DEFAULT_MODEL)
    name = model if isinstance(model, str) else OPENAI_AGENTS.find(model, "model")
    if not isinstance(name, str):
        return None
    if ":" in name:
        return name
    provider, slash, last = name.rpartition("/")
    return f"{provider}:{last}" if slash else f"openai:{name}"


def trouble(key: str, agent: object) -> Iterator[str]:
    """Yield what an agent has that a state has not."""
    servers = OPENAI_AGENTS.many(agent, "mcp_servers")
    if servers:
        yield f"{key}: the tools of its MCP servers ({len(servers)}), which are known only when they are connected"
    yield from outside(key, agent)
    guards = guardrails(agent)
    if guards:
        yield f"{key}: {number_of(len(guards), 'guardrail')}, which may ask models"
    shape = OPENAI_AGENTS.get(agent, "output_type")
    if shape is not None:
        yield f"{key}: the output_type {called(shape)}; name fields in writes="


def outside(key: str, agent: object) -> Iterator[str]:
    """Yield the tools that are agents: each call of one is a run of its own, with turns of its own."""
    for tool in OPENAI_AGENTS.many(agent, "tools"):
        if OPENAI_AGENTS.find(tool, "_is_agent_tool", False):
            named = OPENAI_AGENTS.text(tool, "name")
            yield f"{key}: the tool {named} is an agent, whose requests are not counted"


def assumed(key: str, agent: object) -> Iterator[str]:
    """Yield what numbers of an agent hold under."""
    servers = OPENAI_AGENTS.many(agent, "mcp_servers")
    if servers:
        yield f"no request to a model by the MCP servers of {key}"
    if OPENAI_AGENTS.get(agent, "model") is None and _model(agent) is not None:
        yield f"{key} names no model, and openai-agents takes {_model(agent)} by itself"


def retried(agents: Mapping[str, object]) -> Iterator[str]:
    """Yield of which agents a run makes requests again that failed: openai-agents does so where it is told to."""
    retries = {
        key: OPENAI_AGENTS.find(OPENAI_AGENTS.get(each, "model_settings"), "retry") for key, each in agents.items()
    }
    tries = {key: OPENAI_AGENTS.find(each, "max_retries") for key, each in retries.items()}
    told = [
        f"{key} (up to {number_of(count, 'time')})" for key, count in tries.items() if isinstance(count, int) and count
    ]
    if told:
        yield f"what is asked again when it failed, by the retry settings of {', '.join(told)}"


def remembering(agents: Mapping[str, object]) -> Iterator[str]:
    """Yield which agents in a sandbox have a memory, which openai-agents writes by agents of its own."""
    found = [
        key
        for key, agent in agents.items()
        for each in OPENAI_AGENTS.listed(OPENAI_AGENTS.find(agent, "capabilities"), agent, "capabilities")
        if OPENAI_AGENTS.made(each, "Memory") and OPENAI_AGENTS.find(each, "generate") is not None
    ]
    if found:
        yield f"what the memory of {', '.join(found)} asks of models"


def beside(key: str, agent: object) -> Iterator[Beside]:
    """Yield what an agent runs beside its requests; what its tools run is said of them."""
    for guardrail in guardrails(agent):
        yield Beside(key, "guardrail", OPENAI_AGENTS.find(guardrail, "guardrail_function"))
    for name, noun in _BESIDE.items():
        yield Beside(key, noun, OPENAI_AGENTS.find(agent, name))
    shape = OPENAI_AGENTS.get(agent, "output_type")
    yield Beside(key, "output_type class", shape if OPENAI_AGENTS.made(shape, "AgentOutputSchemaBase") else None)
    yield overriding(OPENAI_AGENTS, key, agent)


def guardrails(agent: object) -> list[object]:
    """Return what checks what an agent takes, and what it puts out."""
    return [*OPENAI_AGENTS.many(agent, "input_guardrails"), *OPENAI_AGENTS.many(agent, "output_guardrails")]
