"""AutoGen: GraphFlow, whose graph is a private attribute, and Swarm, whose ways are its agents' private handoffs."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from .autogen_nodes import AUTOGEN, beside, client, inner, node, outside, trouble
from .beside import Beside, clients, overriding, told
from .graph import END, Cap, Chooser, Edge, Graph
from .library import called
from .starts import Opening, opening

_TEAMS = ("GraphFlow", "Swarm")


def reads(thing: object) -> bool:
    """Return whether it is a team of AutoGen whose ways are declared: a GraphFlow or a Swarm."""
    return AUTOGEN.made(thing, *_TEAMS) and not isinstance(thing, type)


def read(thing: object, name: str) -> Graph:
    """Return what a team tells of itself.

    Raises:
        Unreadable: if something that is read is not there, most of which is private.
    """
    is_flow = _is_flow(thing)
    listed = AUTOGEN.many(thing, "_input_participants" if is_flow else "_participants")
    agents = {AUTOGEN.text(each, "name"): each for each in listed}
    graph = _flow(thing, name, agents) if is_flow else _swarm(thing, name, agents)
    graph = _with_what_is_beside(graph, thing, agents)
    return graph.with_steps_of_each("turns, each of all agents that are due")


def _is_flow(thing: object) -> bool:
    return AUTOGEN.made(thing, "GraphFlow")


def _with_what_is_beside(graph: Graph, thing: object, agents: Mapping[str, object]) -> Graph:
    """Return the graph of a team with what is said of code that is run beside its agents' turns."""
    condition = AUTOGEN.find(thing, "_input_termination_condition") or AUTOGEN.find(thing, "_termination_condition")
    each = [part for key, agent in agents.items() for part in beside(key, agent)]
    each.append(Beside(graph.name, "termination condition", [*_conditions(condition)]))
    each.append(overriding(AUTOGEN, graph.name, thing))
    for key, made in AUTOGEN.table(AUTOGEN.get(thing, "_graph"), "nodes").items() if _is_flow(thing) else ():
        asked = [AUTOGEN.get(edge, "condition_function") for edge in AUTOGEN.many(made, "edges")]
        each.append(Beside(key, "condition", asked))
    said = told(AUTOGEN, each)
    return replace(
        graph,
        outside=tuple(clause for key, agent in agents.items() for clause in outside(key, agent)),
        uncounted=said.uncounted,
        assumed=(*said.assumed, *clients(AUTOGEN, {key: client(agent) for key, agent in agents.items()})),
    )


def _conditions(condition: object) -> Iterator[object]:
    """Yield the termination conditions that one is made of, and the functions that they ask."""
    if AUTOGEN.made(condition, "OrTerminationCondition", "AndTerminationCondition"):
        for each in AUTOGEN.many(condition, "_conditions"):
            yield from _conditions(each)
    elif condition is not None:
        yield AUTOGEN.find(condition, "_func") or condition


def _flow(thing: object, name: str, agents: dict[str, object]) -> Graph:
    graph = AUTOGEN.get(thing, "_graph")
    declared = AUTOGEN.table(graph, "nodes")
    edges = {key: [_edge(key, each) for each in AUTOGEN.many(made, "edges")] for key, made in declared.items()}
    start = opening(_starts(graph, edges), agents)
    forks = frozenset(key for key, leaving in edges.items() if _is_fork(leaving))
    one_by_one = _graph(
        thing,
        name,
        start=start,
        agents={key: agent for key, agent in agents.items() if key in declared},
        edges=tuple(edge for key, leaving in edges.items() for edge in [*leaving, *_end(key, leaving)]),
        lost=(*_flow_lost(edges), *_ended(thing, "_input_termination_condition")),
    )
    return replace(
        one_by_one,
        joins=_joins(declared),
        forks=start.forks | forks,
        may_fork=frozenset(key for key, leaving in edges.items() if len(leaving) > 1) - forks,
        often=_often(declared),
    )


def _edge(source: str, made: object) -> Edge:
    text, function = AUTOGEN.get(made, "condition"), AUTOGEN.get(made, "condition_function")
    target = AUTOGEN.text(made, "target")
    if isinstance(text, str):
        via = f"{text!r} in the last message"
        return Edge(source=source, target=target, via=via, chooses="model", condition=repr(text))
    if function is None:
        return Edge(source=source, target=target, via="edge", chooses="always")
    name = called(function)
    return Edge(source=source, target=target, via=name, chooses="code", condition=name)


def _starts(graph: object, edges: dict[str, list[Edge]]) -> list[str]:
    """Return the nodes that a run starts with: the default one, else all that no edge leads to."""
    default = AUTOGEN.get(graph, "default_start_node")
    targets = {edge.target for leaving in edges.values() for edge in leaving}
    starts = [default] if isinstance(default, str) else [key for key in edges if key not in targets]
    if not starts:
        raise AUTOGEN.gone(graph, "has no node to start with")
    return starts


def _end(key: str, leaving: list[Edge]) -> Iterator[Edge]:
    if not leaving:
        yield Edge(source=key, target=END, via="no edge leaves it", chooses="always")
    elif all(edge.condition for edge in leaving):
        yield Edge(source=key, target=END, via="no condition holds", chooses="model", trust="assumed")


def _is_fork(leaving: list[Edge]) -> bool:
    """Return whether several edges are taken at once: one has no condition, or two look for the same text."""
    texts = [edge.condition for edge in leaving if edge.chooses == "model"]
    return len(leaving) > 1 and (any(edge.condition is None for edge in leaving) or len(texts) > len(set(texts)))


def _joins(declared: dict[str, object]) -> dict[str, tuple[str, ...]]:
    """Return what waits for several others; edges of a group of their own wait for those of that group alone."""
    leading: dict[str, dict[str, list[str]]] = {key: {} for key in declared}
    for source, made in declared.items():
        for each in AUTOGEN.many(made, "edges"):
            if AUTOGEN.text(each, "activation_condition") == "all":
                groups = leading.setdefault(AUTOGEN.text(each, "target"), {})
                groups.setdefault(AUTOGEN.text(each, "activation_group"), []).append(source)
    joins: dict[str, tuple[str, ...]] = {}
    for key, groups in leading.items():
        waited = [tuple(dict.fromkeys(sources)) for sources in groups.values() if len(set(sources)) > 1]
        if waited:
            joins[key] = tuple(dict.fromkeys(source for sources in waited for source in sources))
    return joins


def _often(declared: dict[str, object]) -> dict[str, int]:
    """Return how often nodes may speak in one turn: once for each group of edges that leads to them."""
    groups: dict[str, set[str]] = {}
    for made in declared.values():
        for each in AUTOGEN.many(made, "edges"):
            groups.setdefault(AUTOGEN.text(each, "target"), set()).add(AUTOGEN.text(each, "activation_group"))
    return {key: len(leading) for key, leading in groups.items() if len(leading) > 1}


def _flow_lost(edges: dict[str, list[Edge]]) -> Iterator[str]:
    for key, leaving in edges.items():
        if sum(edge.condition is not None for edge in leaving) > 1:
            yield f"{key}: every edge whose condition holds is taken there, one of them in a machine"


def _swarm(thing: object, name: str, agents: dict[str, object]) -> Graph:
    condition = AUTOGEN.get(thing, "_termination_condition")
    ends, ending = condition is not None, set(_ending(condition))
    return _graph(
        thing,
        name,
        start=opening(list(agents)[:1], agents),
        agents=agents,
        edges=tuple(edge for key, agent in agents.items() for edge in _spoken(key, agent, agents, ending, ends=ends)),
        lost=tuple(_ended(thing, "_termination_condition")),
    )


def _ending(condition: object) -> Iterator[str]:
    """Yield the names to which a handoff ends the team, such as `user`; conditions stand in one another."""
    if AUTOGEN.made(condition, "HandoffTermination"):
        yield AUTOGEN.text(condition, "_target")
    elif AUTOGEN.made(condition, "OrTerminationCondition"):
        for each in AUTOGEN.many(condition, "_conditions"):
            yield from _ending(each)


def _spoken(key: str, agent: object, others: Collection[str], ending: set[str], *, ends: bool) -> Iterator[Edge]:
    """Yield the ways from an agent of a swarm: its handoffs, itself again without one, and the end of the team.

    Args:
        key: The agent's name.
        agent: The agent.
        others: All agents of the team: to each of these code of the user's may hand off.
        ending: Names to which a handoff ends the team, be they of nobody.
        ends: True if the team has a termination condition.
    """
    agent = inner(agent)
    has_model = AUTOGEN.made(agent, "AssistantAgent")
    is_coded = not AUTOGEN.wrote(type(agent))
    chooses: Chooser = "model" if has_model else "code"
    for handoff in AUTOGEN.many(agent, "_handoffs") if has_model else ():
        target = AUTOGEN.text(handoff, "target")
        yield Edge(
            source=key,
            target=END if target in ending and target not in others else target,
            via=AUTOGEN.text(handoff, "name"),
            chooses="model",
            description=_description(handoff),
        )
    for target in others if is_coded else ():
        if target != key:
            yield Edge(source=key, target=target, via="HandoffMessage", chooses="code", trust="assumed")
    yield Edge(source=key, target=key, via="no handoff", chooses=chooses, description="the same agent speaks again")
    if ends:
        yield Edge(source=key, target=END, via="the termination condition", chooses=chooses)


def _description(handoff: object) -> str:
    """Return what a model is told of a handoff; what AutoGen made up of the target's name says nothing."""
    said = AUTOGEN.words(handoff, "description")
    return "" if said == f"Handoff to {AUTOGEN.text(handoff, 'target')}." else said


def _graph(
    thing: object,
    name: str,
    *,
    start: Opening,
    agents: dict[str, object],
    edges: tuple[Edge, ...],
    lost: tuple[str, ...],
) -> Graph:
    return Graph(
        framework=AUTOGEN.name,
        name=name,
        entry=start.entry,
        is_entry_added=bool(start.nodes),
        nodes={**start.nodes, **{key: node(key, agent) for key, agent in agents.items()}},
        edges=(*start.edges, *edges),
        cap=Cap(
            name="max_turns",
            value=AUTOGEN.number(thing, "_max_turns"),
            unit="turns of an agent",
            then="the team stops with what it has",
        ),
        forks=start.forks,
        lost=(*lost, *(said for key, agent in agents.items() for said in trouble(key, agent))),
        on_unknown="raises an error in the middle of the run",
    )


def _ended(thing: object, held_as: str) -> Iterator[str]:
    if (condition := AUTOGEN.get(thing, held_as)) is not None:
        yield f"the termination condition {type(condition).__name__}, which can end the team after any agent"
