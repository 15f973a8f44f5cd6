"""CrewAI Flow: its definition is data. Methods listen to the names of others, and to the texts that routers return."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from .functions import plain
from .graph import END, Cap, Edge, Graph, Node, Trust, by_source
from .library import Library
from .source import routed, spreads
from .starts import opening
from .work import first_line_of, node

CREWAI = Library("CrewAI Flow", "crewai", "crewai", "1.15.30")

_ANY = "*"
"""Said by a router whose texts are not known."""


def reads(thing: object) -> bool:
    """Return whether it is a flow of CrewAI, or the class of one."""
    return CREWAI.made(thing, "Flow")


def read(thing: object, name: str) -> Graph:
    """Return what a flow, or its class, tells of itself.

    Raises:
        Unreadable: if something that is read is not there.
    """
    flow = thing if isinstance(thing, type) else type(thing)
    definition = CREWAI.call(flow, "flow_definition")
    methods = CREWAI.table(definition, "methods")
    said = {key: _said(flow, key, method) for key, method in methods.items()}
    edges = [edge for source in methods for edge in _edges(source, methods, said[source])]
    start = opening(_starts(flow, methods), methods)
    return Graph(
        framework=CREWAI.name,
        name=name,
        entry=start.entry,
        is_entry_added=bool(start.nodes),
        nodes={**start.nodes, **{key: _node(flow, key, method) for key, method in methods.items()}},
        edges=(*start.edges, *edges, *(edge for key in methods for edge in _ends(key, methods, said[key]))),
        cap=Cap(
            name="max_method_calls",
            value=CREWAI.number(CREWAI.get(definition, "config") if flow is thing else thing, "max_method_calls"),
            unit="calls of each method",
            counts="each",
            then="RecursionError is raised",
        ),
        joins={key: waited for key, method in methods.items() if (waited := _waited(method, methods))},
        forks=start.forks | {key for key, leaving in by_source(edges).items() if _is_fork(leaving)},
        often=_often(methods, edges),
        lost=tuple(_lost(methods, said)),
        assumed=tuple(_assumed(said)),
        unused=tuple(_unused(methods, said)),
        on_unknown="ends the flow as if well",
    )


def _starts(flow: object, methods: Mapping[str, object]) -> list[str]:
    """Return the methods that a run begins with: starts without a condition, and if there are none, all starts."""
    found = {key: start for key, method in methods.items() if (start := CREWAI.get(method, "start"))}
    if not found:
        raise CREWAI.gone(flow, "has no method that is a start")
    return [key for key, start in found.items() if start is True] or list(found)


def _often(methods: Mapping[str, object], edges: Sequence[Edge]) -> dict[str, int]:
    """Return how often starts may run for each call that the cap counts: it does not count those by what is said."""
    came = Counter(edge.target for edge in edges)
    return {key: 1 + came[key] for key in methods if CREWAI.get(methods[key], "start") and came[key]}


def _said(flow: object, key: str, method: object) -> tuple[frozenset[str], Trust]:
    """Return the texts that a method says when it is done: its name, or what a router returns."""
    if not CREWAI.get(method, "router"):
        return frozenset({key}), "declared"
    declared = CREWAI.many(method, "emit")
    if declared:
        return frozenset(CREWAI.texts(declared, method, "emit")), "declared"
    function = plain(CREWAI.get(flow, key))
    texts = None if function is None or spreads(function) else routed(function)
    return (frozenset({_ANY}), "assumed") if texts is None else (texts, "read")


def _edges(source: str, methods: Mapping[str, object], said: tuple[frozenset[str], Trust]) -> Iterator[Edge]:
    """Yield the ways from a method: to those that listen to its name, a router's too, and to what a router says."""
    texts, trust = said
    for key, method in methods.items():
        for event in _events(CREWAI.get(method, "listen")) + _events(CREWAI.get(method, "start")):
            if event == source:
                yield Edge(source=source, target=key, via="listens", chooses="always")
            elif event in texts or (_ANY in texts and event not in methods):
                yield Edge(source=source, target=key, via=f"router says {event!r}", chooses="code", trust=trust)


def _events(condition: object) -> list[str]:
    """Return the texts that a condition names: one, or several under `and` and `or`, in one another."""
    if isinstance(condition, str):
        return [condition]
    if isinstance(condition, Mapping):
        condition = list(condition.values())
    if isinstance(condition, Sequence):
        return list(dict.fromkeys(event for part in condition for event in _events(part)))
    return []


def _heard(methods: Mapping[str, object]) -> set[str]:
    return {
        event
        for method in methods.values()
        for event in _events(CREWAI.get(method, "listen")) + _events(CREWAI.get(method, "start"))
    }


def _ends(key: str, methods: Mapping[str, object], said: tuple[frozenset[str], Trust]) -> Iterator[Edge]:
    """Yield how a flow can end after a method: by what nobody listens to."""
    texts, trust = said
    unheard = texts - _heard(methods)
    for text in sorted(unheard):
        is_plain = not CREWAI.get(methods[key], "router")
        yield Edge(
            source=key,
            target=END,
            via="nobody listens" if is_plain or text == _ANY else f"nobody listens to {text!r}",
            chooses="always" if is_plain else "code",
            trust=trust,
        )


def _waited(method: object, methods: Mapping[str, object]) -> tuple[str, ...]:
    """Return the methods that one waits for, all of them."""
    condition = CREWAI.get(method, "listen")
    if isinstance(condition, Mapping) and "and" in condition:
        return tuple(event for event in _events(condition) if event in methods)
    return ()


def _is_fork(leaving: Sequence[Edge]) -> bool:
    """Return whether several run at once: one text is listened to by several, or a router's name beside its texts."""
    by = [edge.via for edge in leaving]
    return len(by) > len(set(by)) or ("listens" in by and len(by) > 1)


def _node(flow: object, key: str, method: object) -> Node:
    does = first_line_of(CREWAI.words(method, "description"))
    made = node(key, {"method": CREWAI.get(flow, key)}, does=does)
    feedback = CREWAI.get(method, "human_feedback")
    if feedback is None:
        return made
    told = bool(CREWAI.many(feedback, "emit"))  # a model then decides which of the texts an answer means
    calls = None if made.calls is None else made.calls + told
    return replace(made, kind="human" if calls == 0 else "llm", calls=calls, blind=False)


def _lost(methods: Mapping[str, object], said: Mapping[str, tuple[frozenset[str], Trust]]) -> Iterator[str]:
    yield "the state of the flow, and what methods return to those that listen"
    heard = _heard(methods)
    for key, method in methods.items():
        texts, _ = said[key]
        dead = sorted(texts - heard - {_ANY})
        if dead and CREWAI.get(method, "router"):
            yield f"{key}: nobody listens to {', '.join(map(repr, dead))}, and the flow then ends as if well"
        if CREWAI.get(method, "human_feedback") is not None:
            yield f"{key}: asks a human, and may ask a model what the answer means"


def _assumed(said: Mapping[str, tuple[frozenset[str], Trust]]) -> Iterator[str]:
    computed = [key for key, (texts, _) in said.items() if _ANY in texts]
    if computed:
        yield f"no name of a method is said by {', '.join(computed)}, which would run who listens to that"


def _unused(methods: Mapping[str, object], said: Mapping[str, tuple[frozenset[str], Trust]]) -> Iterator[str]:
    """Yield what is listened to and never said; nothing if a router may say anything."""
    spoken = frozenset().union(*(texts for texts, _ in said.values()))
    for key, method in methods.items():
        for event in _heard({key: method}) if _ANY not in spoken else ():
            if event not in spoken and event not in methods:
                yield f"{key}: listens to {event!r}, which nothing says"
