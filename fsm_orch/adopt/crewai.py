"""CrewAI Flow: its definition is data. Methods listen to the names of others, and to the texts that routers return."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from .asked import attribute
from .beside import Beside, clients, overriding, told
from .functions import layers, plain
from .graph import END, Cap, Edge, Graph, Node, Trust, by_source
from .library import Library
from .source import routed, spreads
from .starts import opening
from .work import first_line_of, node

CREWAI = Library("CrewAI Flow", "crewai", "crewai", "1.15.30")

_Texts = Mapping[str, Trust]
"""What a method says when it is done, and how sure that is."""

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
    beside = told(CREWAI, _beside(thing, name, definition, methods))
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
        uncounted=beside.uncounted,
        assumed=(*_assumed(flow, methods, said), *beside.assumed, *clients(CREWAI, _clients(methods))),
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


def _said(flow: object, key: str, method: object) -> _Texts:
    """Return what a method says when it is done: its name, or what a router returns, be it declared or not."""
    if not CREWAI.get(method, "router"):
        return {key: "declared"}
    if outcomes := _outcomes(method):
        return dict.fromkeys(outcomes, "declared")
    declared = CREWAI.texts(CREWAI.many(method, "emit"), method, "emit")
    function = plain(CREWAI.get(flow, key))
    read = None if function is None or spreads(function) or _is_wrapped(flow, key) else routed(function)
    if read is None and not declared:
        return {_ANY: "assumed"}
    return {**dict.fromkeys(sorted(read or ()), "read"), **dict.fromkeys(declared, "declared")}


def _outcomes(method: object) -> tuple[str, ...]:
    """Return the texts one of which a human's answer to a method comes to, in the place of what its code returns."""
    feedback = CREWAI.get(method, "human_feedback")
    return () if feedback is None else CREWAI.texts(CREWAI.many(feedback, "emit"), feedback, "emit")


def _is_wrapped(flow: object, key: str) -> bool:
    """Return whether a function of the user's stands around that of a method, so that results may be others."""
    around = [each for each in layers(CREWAI.get(flow, key)) if attribute(each, "__wrapped__") is not None]
    return any(callable(each) and not CREWAI.made(each) and not CREWAI.wrote(each) for each in around)


def _is_in_sight(flow: object, key: str) -> bool:
    """Return whether each text that a router says is written in its code."""
    function = plain(CREWAI.get(flow, key))
    return function is not None and not _is_wrapped(flow, key) and routed(function, by_names=False) is not None


def _edges(source: str, methods: Mapping[str, object], said: _Texts) -> Iterator[Edge]:
    """Yield the ways from a method: to those that listen to its name, a router's too, and to what a router says."""
    for key, method in methods.items():
        for event in _events(CREWAI.get(method, "listen")) + _events(CREWAI.get(method, "start")):
            if event == source:
                yield Edge(source=source, target=key, via="listens", chooses="always")
            elif event in said or (_ANY in said and event not in methods):
                trust = said.get(event, "assumed")
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


def _ends(key: str, methods: Mapping[str, object], said: _Texts) -> Iterator[Edge]:
    """Yield how a flow can end after a method: by what nobody listens to."""
    unheard = said.keys() - _heard(methods)
    for text in sorted(unheard):
        is_plain = not CREWAI.get(methods[key], "router")
        yield Edge(
            source=key,
            target=END,
            via="nobody listens" if is_plain or text == _ANY else f"nobody listens to {text!r}",
            chooses="always" if is_plain else "code",
            trust=said[text],
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
    # a model decides which of the texts an answer means, and is asked once more if its reply has not that form
    more = 2 if _outcomes(method) else 0
    is_endless = made.calls is None or CREWAI.find(feedback, "learn", False)  # for then a memory asks too
    calls = None if is_endless else (made.calls or 0) + more
    return replace(made, kind="human" if calls == 0 else "llm", calls=calls, blind=False, is_counted=calls is not None)


def _lost(methods: Mapping[str, object], said: Mapping[str, _Texts]) -> Iterator[str]:
    yield "the state of the flow, and what methods return to those that listen"
    heard = _heard(methods)
    for key, method in methods.items():
        dead = sorted(said[key].keys() - heard - {_ANY})
        if dead and CREWAI.get(method, "router"):
            yield f"{key}: nobody listens to {', '.join(map(repr, dead))}, and the flow then ends as if well"
        if CREWAI.get(method, "human_feedback") is not None:
            yield f"{key}: asks a human, and may ask a model what the answer means"


def _assumed(flow: object, methods: Mapping[str, object], said: Mapping[str, _Texts]) -> Iterator[str]:
    computed = [key for key, texts in said.items() if _ANY in texts]
    if computed:
        yield f"no name of a method is said by {', '.join(computed)}, which would run who listens to that"
    routers = [key for key, method in methods.items() if _is_router(method) and key not in computed]
    hidden = [key for key in routers if not _is_in_sight(flow, key)]
    if hidden:
        yield f"nothing is said by {', '.join(hidden)} but what is declared or was seen in the code"


def _is_router(method: object) -> bool:
    """Return whether a method is a router whose texts are its code's to say, and not a human's."""
    return bool(CREWAI.get(method, "router")) and not _outcomes(method)


def _beside(thing: object, name: str, definition: object, methods: Mapping[str, object]) -> Iterator[Beside]:
    """Yield what a flow runs beside its methods."""
    yield overriding(CREWAI, name, thing, but=methods)
    stores = [CREWAI.find(holder, "persistence") for holder in (thing, CREWAI.find(definition, "persist"))]
    yield Beside(name, "store", {id(store): store for store in stores})
    yield Beside(name, "input provider", CREWAI.find(thing, "input_provider"))
    for key, method in methods.items():
        yield Beside(key, "store", CREWAI.find(CREWAI.find(method, "persist"), "persistence"))
        yield Beside(key, "feedback provider", CREWAI.find(CREWAI.find(method, "human_feedback"), "provider"))


def _clients(methods: Mapping[str, object]) -> dict[str, object]:
    return {key: CREWAI.find(CREWAI.find(method, "human_feedback"), "llm") for key, method in methods.items()}


def _unused(methods: Mapping[str, object], said: Mapping[str, _Texts]) -> Iterator[str]:
    """Yield what is listened to and never said; nothing if a router may say anything."""
    spoken = {text for texts in said.values() for text in texts}
    for key, method in methods.items():
        for event in _heard({key: method}) if _ANY not in spoken else ():
            if event not in spoken and event not in methods:
                yield f"{key}: listens to {event!r}, which nothing says"
