"""Nodes of LangGraph: functions, tools, and graphs inside, such as what create_agent makes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from types import FunctionType

from . import source, work
from .asked import attribute
from .chat_models import cap_of, closed_over, models, name_of
from .functions import plain
from .graph import Node, Trust
from .in_sight import shows_ways
from .library import Library

LANGGRAPH = Library("LangGraph", "langgraph", "langgraph", "1.2.24")

_DESTINATION = "__handoff_destination"
"""The key under which langgraph-swarm and langgraph-supervisor say where a tool hands a run to."""
_AROUND = ("wrap_model_call_handler", "awrap_model_call_handler")
"""What create_agent calls the middleware around a request in its functions; None without one."""
_RUNS = ("func", "afunc", "coroutine")
"""Where nodes, routers and tools hold the functions that they run: one for runs that are async, too."""


@dataclass(frozen=True, slots=True)
class Handing:
    """A tool that hands a run of the outer graph to a node."""

    name: str
    does: str
    targets: tuple[str, ...]
    trust: Trust
    is_open: bool
    """Whether where it leads is computed."""


def is_graph(runnable: object) -> bool:
    """Return whether it is a compiled graph."""
    return LANGGRAPH.made(runnable, "Pregel", "CompiledStateGraph")


def function_of(runnable: object) -> FunctionType | None:
    """Return the function that a node, router or tool runs; None if it is not in Python."""
    return plain(_held(runnable)[0])


def is_wrapped(runnable: object) -> bool:
    """Return whether another function stands around the one that is read, so that results may be others."""
    return attribute(_held(runnable)[0], "__wrapped__") is not None


def _held(runnable: object) -> list[object]:
    """Return the functions that a node, router or tool holds, the one that is read first; itself if it holds none."""
    each = (LANGGRAPH.find(runnable, name) for name in _RUNS)
    return [held for held in each if held is not None] or [runnable]


def node(key: str, spec: object, *, policy: object = None) -> Node:
    """Return a node by what runs in it, as often as it is tried.

    Args:
        key: Its name.
        spec: What it was added as.
        policy: By which it is tried again if it has none of its own; None: it is not.

    Raises:
        Unreadable: if something that is read is not there.
    """
    once = _once(key, spec)
    tries = _tries(LANGGRAPH.find(spec, "retry_policy") or policy)
    return once if once.calls is None else replace(once, calls=once.calls * tries)


def _tries(policy: object) -> int:
    """Return how often a node is tried: as often as that of several policies says which says the most."""
    is_one = LANGGRAPH.made(policy, "RetryPolicy")  # which is a tuple too
    several = policy if isinstance(policy, list | tuple) and not is_one else [policy]
    each = [LANGGRAPH.find(one, "max_attempts") for one in several]
    return max((count for count in each if isinstance(count, int)), default=1)


def handled(one: Node, handler: Node) -> Node:
    """Return a node with what handles its errors, which runs in the same step."""
    calls = None if one.calls is None or handler.calls is None else one.calls + handler.calls
    asks = "llm" in (one.kind, handler.kind)
    return replace(
        one,
        kind="llm" if asks else one.kind,
        calls=calls,
        model=_one_of(each.model for each in (one, handler) if each.kind == "llm"),
        max_output_tokens=_most_of(each.max_output_tokens for each in (one, handler) if each.kind == "llm"),
        blind=one.blind or handler.blind,
        is_counted=one.is_counted or handler.is_counted,
    )


def _once(key: str, spec: object) -> Node:
    runnable = LANGGRAPH.get(spec, "runnable")
    if is_graph(runnable):
        return _inner(key, runnable)
    tools = tuple(tool for tool, _ in _tools_of(runnable))
    if tools:
        return Node(key=key, calls=0, tools=tools, does="use the tools that the model asked for")
    function = function_of(runnable)
    seen = work.node(key, {} if function is None else {"runs": function})
    held = models(runnable)
    if not held:
        return seen
    return _asking(replace(seen, kind="llm", calls=seen.calls or None, blind=False), held, runnable)


def _inner(key: str, runnable: object) -> Node:
    """Return a node that is a graph of its own: what that asks of models is bounded by its own limit alone."""
    specs = _specs(runnable).values()
    tools = tuple(tool for spec in specs for tool, _ in _tools_of(LANGGRAPH.get(spec, "runnable")))
    asking = [one for one in (node(key, spec) for spec in specs) if one.kind == "llm"]
    if not asking:
        return Node(key=key, calls=0, tools=tools, blind=True)
    return Node(
        key=key,
        kind="llm",
        calls=None,
        tools=tools,
        model=_one_of(one.model for one in asking),
        instructions=asking[0].instructions,
        max_output_tokens=_most_of(one.max_output_tokens for one in asking),
    )


def _asking(seen: Node, held: list[object], runnable: object) -> Node:
    """Return a node with what is known of its models: a name and a cap only if they hold for all of them.

    The node of create_agent asks once, or as often as a middleware pleases that stands around its request.
    """
    function = function_of(runnable)
    told = closed_over(function).get("system_message") if function is not None else None
    text = None if told is None else LANGGRAPH.find(told, "content")
    is_theirs = function is not None and _is_theirs(function)
    return replace(
        seen,
        does="" if is_theirs else seen.does,
        calls=seen.calls if not is_theirs else None if _is_taken_over(runnable) else 1,
        is_counted=seen.is_counted and not is_theirs,
        model=_one_of(map(name_of, held)),
        max_output_tokens=_most_of(map(cap_of, held)),
        instructions=text if isinstance(text, str) else None,
    )


def _is_theirs(function: FunctionType) -> bool:
    return str(function.__module__).startswith(("langchain", "langgraph"))


def _is_taken_over(runnable: object) -> bool:
    """Return whether a middleware stands around the request of a node of create_agent, be it for async runs alone."""
    functions = map(plain, _held(runnable))
    inside = (closed_over(function) for function in functions if function is not None)
    return any(names.get(name) is not None for names in inside for name in _AROUND)


def _one_of(names: Iterable[str | None]) -> str | None:
    """Return the name that several are; None if they are not one."""
    each = {*names}
    return each.pop() if len(each) == 1 else None


def _most_of(caps: Iterable[int | None]) -> int | None:
    """Return the greatest of several caps; None if one is open."""
    each = [*caps]
    known = [cap for cap in each if cap is not None]
    return max(known) if known and len(known) == len(each) else None


def _specs(graph: object) -> dict[str, object]:
    """Return what a compiled graph was built of, by the keys of its nodes."""
    return LANGGRAPH.table(LANGGRAPH.get(graph, "builder"), "nodes")


def _tools_of(runnable: object) -> Iterator[tuple[str, object]]:
    """Yield the tools of a node that uses them, by their names."""
    if LANGGRAPH.made(runnable, "ToolNode"):
        yield from LANGGRAPH.table(runnable, "tools_by_name").items()


def handed(graph: object) -> Iterator[Handing]:
    """Yield the tools of an inner graph that hand a run of the outer one on, and the nodes that do."""
    for key, spec in _specs(graph).items():
        runnable = LANGGRAPH.get(spec, "runnable")
        yield from _sent_by(function_of(runnable), key, "")
        for name, tool in _tools_of(runnable):
            does = str(LANGGRAPH.find(tool, "description") or "")
            if (marked := _marked(tool)) is not None:
                yield Handing(name, does, (marked,), "declared", is_open=False)
            else:
                yield from _sent_by(function_of(tool), name, does)


def _marked(tool: object) -> str | None:
    """Return where a tool says that it hands a run to; None if it says nothing."""
    found = LANGGRAPH.find(LANGGRAPH.find(tool, "metadata") or {}, _DESTINATION)
    return found if isinstance(found, str) else None


def _sent_by(function: FunctionType | None, name: str, does: str) -> Iterator[Handing]:
    """Yield where a function hands a run of the outer graph to, if it does."""
    found = None if function is None else source.sent(function)
    if found is not None and found.to_parent and (found.targets or found.is_open):
        trust: Trust = "assumed" if found.is_open else "read"
        yield Handing(name, does, tuple(sorted(found.targets)), trust, is_open=found.is_open)


def hides_ways(spec: object) -> bool:
    """Return whether a node, or what handles its errors, may lead where no way of it was seen."""
    runnable = LANGGRAPH.get(spec, "runnable")
    if is_graph(runnable):
        return any(hides_ways(inner) for inner in _specs(runnable).values())
    if LANGGRAPH.made(runnable, "ToolNode"):
        return any(_is_tool_hiding(tool) for _, tool in _tools_of(runnable))
    function = function_of(runnable)
    if function is None or _is_theirs(function):
        return function is None
    return _runs_more(runnable) or not shows_ways(function)


def _is_tool_hiding(tool: object) -> bool:
    """Return whether a tool may lead elsewhere than it is marked to, or to the graph around."""
    if _marked(tool) is not None:
        return False
    function = function_of(tool)
    if function is None or _runs_more(tool) or not shows_ways(function):
        return True
    found = source.sent(function)
    return bool(found.targets or found.is_open) and not found.to_parent


def _runs_more(runnable: object) -> bool:
    """Return whether more runs than the function that is read: one around it, or another if the run is async."""
    read, *others = _held(runnable)
    return is_wrapped(runnable) or any(attribute(other, "__wrapped__", other) is not read for other in others)


def trouble(key: str, spec: object) -> Iterator[str]:
    """Yield what a node has that a state has not."""
    if LANGGRAPH.find(spec, "retry_policy"):
        yield f"{key}: its retry_policy; the runner retries by Retry(...)"
    if LANGGRAPH.find(spec, "error_handler_node"):
        yield f"{key}: what handles its errors, which is one visit with it"
    if LANGGRAPH.find(spec, "defer"):
        yield f"{key}: it is put off until all others are done"
    runnable = LANGGRAPH.get(spec, "runnable")
    function = None if is_graph(runnable) else function_of(runnable)
    if function is not None and source.calls(function, "interrupt"):
        yield f"{key}: its interrupt(), which waits for a human; make that a state with a HumanAgent"
    if is_graph(runnable):
        yield f"{key}: it is a graph inside, of which a state is made"
