"""Burr: actions, and transitions of which the first whose condition holds is taken. All of it is public."""

from collections.abc import Sequence

from .graph import END, Cap, Edge, Graph, Node, by_source
from .library import Library
from .starts import begins_with
from .work import first_line, node

BURR = Library("Burr", "apache-burr", "burr", "0.43.0")

_PARALLEL = ("TaskBasedParallelAction",)
_RUNS = ("run", "update", "run_and_update", "stream_run", "stream_run_and_update")


def reads(thing: object) -> bool:
    """Return whether it is an application of Burr, or a graph of one."""
    return BURR.made(thing, "Application", "Graph") and not isinstance(thing, type)


def read(thing: object, name: str) -> Graph:
    """Return what an application, or its graph, tells of itself.

    Raises:
        Unreadable: if something that is read is not there.
    """
    graph = BURR.get(thing, "graph") if BURR.made(thing, "Application") else thing
    actions = {BURR.text(action, "name"): action for action in BURR.many(graph, "actions")}
    if not actions:
        raise BURR.gone(graph, "has no actions")
    edges, unused = _edges(graph)
    leaving = by_source(edges)
    stops = tuple(_stop(key, leaving.get(key, ())) for key in actions)
    first = next(iter(actions))
    return Graph(
        framework=BURR.name,
        name=name,
        entry=first if thing is graph else BURR.text(thing, "entrypoint"),
        nodes={key: _node(key, action) for key, action in actions.items()},
        edges=(*edges, *filter(None, stops)),
        cap=Cap(name="halt_after", value=None, unit="steps", then="the run never ends"),
        sends=frozenset(key for key, action in actions.items() if BURR.made(action, *_PARALLEL)),
        lost=tuple(_lost(actions)),
        assumed=(begins_with(first),) if thing is graph else (),
        unused=tuple(unused),
        on_unknown="refuses it when the application is built",
    )


def _edges(graph: object) -> tuple[list[Edge], list[str]]:
    """Return the edges in order, and in words those that stand behind a default of the same action."""
    rows = [
        (
            BURR.text(BURR.get(way, "from_"), "name"),
            BURR.text(BURR.get(way, "to"), "name"),
            BURR.text(BURR.get(way, "condition"), "name"),
        )
        for way in BURR.many(graph, "transitions")
    ]
    edges: list[Edge] = []
    unused: list[str] = []
    settled: set[str] = set()
    seen: set[str] = set()
    for source, target, condition in rows:
        if source in settled:
            unused.append(f"{source} -> {target}: stands behind the default of {source}, which always holds")
            continue
        is_default = condition == "default"
        is_alone = is_default and source not in seen
        seen.add(source)
        edges.append(
            Edge(
                source=source,
                target=target,
                via=condition,
                chooses="always" if is_alone else "code",
                condition=None if is_default else condition,
            )
        )
        settled |= {source} if is_default else set()
    return edges, unused


def _stop(key: str, leaving: Sequence[Edge]) -> Edge | None:
    """Return how a run can end after an action: none leads on, or none that does is sure to hold."""
    if not leaving:
        return Edge(source=key, target=END, via="no transition leaves it", chooses="always")
    if all(edge.condition for edge in leaving):
        return Edge(source=key, target=END, via="no condition holds", chooses="code", trust="assumed")
    return None


def _node(key: str, action: object) -> Node:
    if BURR.made(action, "Input"):
        return Node(key=key, kind="human", does=first_line(action), calls=0)
    function = BURR.find(action, "fn")
    own = BURR.methods_around(type(action))
    methods = {name: BURR.find(type(action), name) for name in _RUNS if name in own}
    return node(key, methods if function is None else {"fn": function})


def _lost(actions: dict[str, object]) -> list[str]:
    lost = ["halt_after is said at every run, so only an action that no transition leaves is taken for an end"]
    for key, action in actions.items():
        needed = _inputs(action)
        if needed:
            lost.append(f"{key}: takes {', '.join(needed)} from the caller at run time")
    return lost


def _inputs(action: object) -> tuple[str, ...]:
    """Return the inputs that an action cannot do without; Burr lists them alone, or beside the optional ones."""
    found = BURR.get(action, "inputs")
    required = found[0] if isinstance(found, tuple) and found and isinstance(found[0], list | tuple) else found
    return tuple(
        text for text in BURR.texts(BURR.listed(required, action, "inputs"), action, "inputs") if text[:2] != "__"
    )
