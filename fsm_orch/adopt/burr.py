"""Burr: actions, and transitions of which the first whose condition holds is taken. All of it is public."""

from collections.abc import Iterator, Sequence

from .beside import Beside, overriding, told
from .functions import around, plain
from .graph import END, Cap, Edge, Graph, Node, by_source
from .library import Library
from .starts import begins_with
from .work import first_line, node

BURR = Library("Burr", "apache-burr", "burr", "0.43.0")

_PARALLEL = ("TaskBasedParallelAction",)
_PRIOR = "__PRIOR_STEP"
"""Where a state says which action was the last."""
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
    entry = next(iter(actions)) if thing is graph else BURR.text(thing, "entrypoint")
    said = told(BURR, _beside(thing, name, graph))
    return Graph(
        framework=BURR.name,
        name=name,
        entry=entry,
        nodes={key: _node(key, action) for key, action in actions.items()},
        edges=(*edges, *filter(None, stops)),
        cap=Cap(name="halt_after", value=None, unit="steps", then="the run never ends"),
        sends=frozenset(key for key, action in actions.items() if BURR.made(action, *_PARALLEL)),
        lost=tuple(_lost(actions)),
        uncounted=said.uncounted,
        assumed=(*_begins(thing, graph, entry), *said.assumed),
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


def _begins(thing: object, graph: object, entry: str) -> Iterator[str]:
    """Yield what is taken for granted of where a run begins: an application that has a state may go on from there."""
    if thing is graph:
        yield begins_with(entry)
    elif (step := BURR.find(BURR.find(thing, "state"), _PRIOR)) is not None:
        yield f"a run begins with {entry}, though the application has come to {step}"


def _beside(thing: object, name: str, graph: object) -> Iterator[Beside]:
    """Yield what an application runs beside its actions."""
    if thing is not graph:
        yield overriding(BURR, name, thing)
        yield Beside(name, "hook", BURR.find(BURR.find(thing, "_adapter_set"), "_adapters"))
        yield Beside(name, "tracker", BURR.find(thing, "_tracker"))
        yield Beside(name, "store", BURR.find(thing, "_state_persister"))
    for way in BURR.many(graph, "transitions"):
        key = BURR.text(BURR.get(way, "from_"), "name")
        for condition in _conditions(BURR.get(way, "condition")):
            yield Beside(key, "condition", BURR.find(condition, "resolver"))
            yield overriding(BURR, key, condition)


def _conditions(condition: object) -> Iterator[object]:
    """Yield a condition, and those that it is made of by `&`, `|` and `~`: Burr's functions hold them."""
    yield condition
    resolver = plain(BURR.find(condition, "resolver"))
    if resolver is not None and BURR.wrote(resolver):
        for name, held in around(resolver).items():
            if name in resolver.__code__.co_freevars and BURR.made(held, "Condition"):
                yield from _conditions(held)


def _stop(key: str, leaving: Sequence[Edge]) -> Edge | None:
    """Return how a run can end after an action: none leads on, or none that does is sure to hold."""
    if not leaving:
        return Edge(source=key, target=END, via="no transition leaves it", chooses="always")
    if all(edge.condition for edge in leaving):
        return Edge(source=key, target=END, via="no condition holds", chooses="code", trust="assumed")
    return None


def _node(key: str, action: object) -> Node:
    function = BURR.find(action, "fn")
    own = BURR.methods_around(type(action))
    methods = {name: BURR.find(type(action), name) for name in _RUNS if name in own}
    if BURR.made(action, "Input") and not methods:
        return Node(key=key, kind="human", does=first_line(action), calls=0)
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
