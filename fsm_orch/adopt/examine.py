"""What is found in a graph of another framework, before it is a machine."""

from collections import Counter
from collections.abc import Iterable, Iterator

from ..define.codes import finding
from ..define.graph import shortest_cycle
from ..define.wording import number_of
from ..errors import Finding, Level
from .graph import END, Edge, Graph
from .ways import cycles, ending, is_line, reached

_LEVELS: tuple[Level, ...] = ("error", "warning", "note")
_TRIED = 100
"""Nodes of a cycle that a shortest one is looked for through; of one with more, any short one does."""

_MANY = 8
"""How many names a message lists at most."""


def examine(graph: Graph, where: str) -> tuple[Finding, ...]:
    """Return all that is found in a graph, errors first.

    Args:
        graph: What was read.
        where: Where the user declared it, as `file:line`.
    """
    rules = (_loops, _circles, _lost_nodes, _strays, _trust, _at_once, _models, _blind, _left_out, _landing)
    found = [each for rule in rules for each in rule(graph, where)]
    return tuple(sorted(found, key=lambda each: (_LEVELS.index(each.level), each.code)))


def is_bounded(graph: Graph) -> bool:
    """Return whether bounds of a machine made of it speak of all its work: none is side by side, or outside."""
    return not (graph.is_beside or graph.outside)


def stop(graph: Graph) -> str:
    """Return in words what stops a cycle."""
    cap = graph.cap
    if cap.value is None:
        return f"nothing stops it, since {cap.name} is not set"
    return f"only {cap.name}={cap.value:,} ({cap.unit}) stops it, and then {cap.then}"


def _loops(graph: Graph, where: str) -> Iterator[Finding]:
    for edge in graph.edges:
        if edge.source == edge.target:
            problem = f"{edge.source!r} may go to itself by {edge.via!r}, which {_who([edge])}: {stop(graph)}"
            yield finding("FSM601", where=where, problem=problem, about=edge.source)


def _circles(graph: Graph, where: str) -> Iterator[Finding]:
    for nodes in cycles(graph):
        others = {key: tuple(to for to in following if to != key) for key, following in nodes.items()}
        shortest = shortest_cycle(others, through=[*others][:_TRIED])
        if shortest is None:
            continue
        more = len(nodes) - len(shortest) + 1
        inside = [edge for key in nodes for edge in graph.leaving(key) if edge.target in nodes]
        around = " -> ".join(shortest) + (f", and {number_of(more, 'more node')} in it" if more else "")
        problem = f"A cycle has no bound of its own: {around}. {_who(inside).capitalize()}; {stop(graph)}"
        yield finding("FSM602", where=where, problem=problem, about=shortest[0])


def _who(edges: Iterable[Edge]) -> str:
    """Return in words who takes one of these edges."""
    words = {"model": "a model chooses", "code": "code chooses", "always": "is always taken"}
    said = [words[each] for each in sorted({edge.chooses for edge in edges})]
    return " or ".join(said)


def _lost_nodes(graph: Graph, where: str) -> Iterator[Finding]:
    come_to, end = reached(graph), ending(graph)
    for key in graph.nodes:
        if key not in come_to:
            problem = f"{key!r} is never reached from {graph.entry!r}"
            yield finding("FSM603", where=where, problem=problem, about=key)
        elif key not in end:
            yield finding("FSM604", where=where, problem=f"No way leads from {key!r} to an end", about=key)
    for said in graph.unused:
        key = said.partition(": ")[0]
        yield finding("FSM603", where=where, problem=f"Never taken: {said}", level="warning", about=key)


def _strays(graph: Graph, where: str) -> Iterator[Finding]:
    for edge in graph.edges:
        if edge.target != END and edge.target not in graph.nodes:
            problem = f"{edge.source!r} names {edge.target!r} by {edge.via!r}, and there is none: {graph.framework} "
            yield finding("FSM605", where=where, problem=problem + graph.on_unknown, about=edge.source)


def _trust(graph: Graph, where: str) -> Iterator[Finding]:
    ways = Counter((edge.source, edge.via, edge.trust) for edge in graph.edges)
    for (source, via, trust), count in ways.items():
        if trust == "assumed":
            possible = number_of(count, "target")
            problem = f"Where {via!r} of {source!r} leads is written nowhere: {possible} taken as possible"
            yield finding("FSM606", where=where, problem=problem, about=source)
        elif trust == "read":
            problem = f"Where {via!r} of {source!r} leads was read from its source; nothing declares it"
            yield finding("FSM607", where=where, problem=problem, about=source)
    opaque = [f"{edge.source} -> {edge.shown} ({edge.condition})" for edge in graph.edges if edge.condition]
    if opaque:
        problem = f"Conditions are not looked into, so that each may hold or not: {_some(opaque, '; ')}"
        yield finding("FSM608", where=where, problem=problem)


def _at_once(graph: Graph, where: str) -> Iterator[Finding]:
    for key, sources in graph.joins.items():
        problem = f"{key!r} waits for {_some(sources)}, which run side by side"
        yield finding("FSM609", where=where, problem=problem, about=key)
    for key in sorted(graph.forks):
        targets = dict.fromkeys(edge.shown for edge in graph.leaving(key))
        problem = f"{key!r} goes to several nodes at once: {_some(targets)}"
        yield finding("FSM610", where=where, problem=problem, about=key)
    for key in sorted(graph.may_fork):
        targets = dict.fromkeys(edge.shown for edge in graph.leaving(key))
        problem = f"{key!r} may go to several nodes at once, since nothing says that it names one: {_some(targets)}"
        yield finding("FSM610", where=where, problem=problem, about=key)
    for key in sorted(graph.sends):
        problem = f"{key!r} starts as many nodes as its code pleases, side by side"
        yield finding("FSM611", where=where, problem=problem, about=key)


def _models(graph: Graph, where: str) -> Iterator[Finding]:
    """Yield what is found in nodes that ask models: once for all nodes of which it holds."""
    come_to = reached(graph)
    asked = [key for key in graph.nodes if key in come_to and graph.nodes[key].kind == "llm"]
    if long := [key for key in asked if graph.nodes[key].max_output_tokens is None]:
        problem = f"Replies of the model of {_quoted(long)} may be of any length"
        yield finding("FSM613", where=where, problem=problem, about=long[0])
    if endless := [key for key in asked if graph.nodes[key].calls is None]:
        tools = sum(len(graph.nodes[key].tools) for key in endless)
        having = f", with {number_of(tools, 'tool')}" if tools else ""
        ends = stop(graph) if graph.cap.counts == "requests" else "nothing bounds them"
        problem = f"One visit of {_quoted(endless)} may make any number of requests{having}: {ends}"
        yield finding("FSM614", where=where, problem=problem, about=endless[0])
    if untold := [edge for key in asked for edge in graph.leaving(key) if _is_untold(edge)]:
        chosen = _quoted(dict.fromkeys(edge.target for edge in untold))
        problem = f"The model of {_quoted(dict.fromkeys(edge.source for edge in untold))} may choose {chosen}"
        problem += ", and is not told what that is for"
        yield finding("FSM615", where=where, problem=problem, about=untold[0].source)
    if computed := [key for key in asked if graph.nodes[key].instructions is None]:
        problem = f"The instructions of the model of {_quoted(computed)} are not text"
        yield finding("FSM616", where=where, problem=problem, about=computed[0])


def _is_untold(edge: Edge) -> bool:
    return edge.chooses == "model" and edge.target != END and not edge.description.strip()


def _blind(graph: Graph, where: str) -> Iterator[Finding]:
    come_to = reached(graph)
    blind = [key for key in graph.nodes if key in come_to and graph.nodes[key].blind]
    if blind:
        problem = f"No request to a model was seen in {_some(blind)}, so none is counted there: an assumption"
        yield finding("FSM617", where=where, problem=problem, about=blind[0])


def _left_out(graph: Graph, where: str) -> Iterator[Finding]:
    for what, keys in graph.not_kept().items():
        said = f"{_some(keys)}: {what}" if keys else what
        yield finding("FSM612", where=where, problem=f"A machine does not keep this: {said}", about=(keys or ("",))[0])


def _landing(graph: Graph, where: str) -> Iterator[Finding]:
    cap = graph.cap
    run = "a run that fails" if is_line(graph) else "a run that goes on or fails"
    problem = f"There is no landing: {cap.name} is not set, and {run} has no answer for its caller"
    if cap.value is not None:
        ends = f"when a run comes to {cap.name}={cap.value:,}, {cap.then}"
        problem = f"There is no landing: {ends}, and the caller has no answer"
    yield finding("FSM618", where=where, problem=problem)


def _quoted(names: Iterable[str]) -> str:
    return _some(map(repr, names))


def _some(names: Iterable[str], between: str = ", ") -> str:
    """Return the first names of several, and how many more there are."""
    listed = [*names]
    more = f" and {len(listed) - _MANY} more" if len(listed) > _MANY else ""
    return between.join(listed[:_MANY]) + more
