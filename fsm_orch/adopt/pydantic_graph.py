"""pydantic-graph: return annotations are edges (0.x, 1.x), or paths and decisions of a builder (2.x). All is public."""

from collections.abc import Iterator
from dataclasses import dataclass

from .beside import Beside, overriding, told
from .graph import END, Cap, Edge, Graph, Node
from .library import called
from .pydantic_graph_nodes import PYDANTIC_GRAPH, class_node, hides_ways, only_declared
from .starts import begins_with
from .work import node

_CAP = Cap(name="a limit of steps", value=None, unit="steps", then="the run never ends")


def reads(thing: object) -> bool:
    """Return whether it is a graph of pydantic-graph, of the nodes or of the builder."""
    return PYDANTIC_GRAPH.made(thing, "Graph") and not isinstance(thing, type)


def read(thing: object, name: str) -> Graph:
    """Return what a graph tells of itself.

    Raises:
        Unreadable: if something that is read is not there.
    """
    if PYDANTIC_GRAPH.find(thing, "node_defs") is not None:
        return _of_nodes(thing, name)
    if PYDANTIC_GRAPH.find(thing, "edges_by_source") is None:
        raise PYDANTIC_GRAPH.gone(thing, "has neither 'node_defs' nor 'edges_by_source'")
    return _Built(thing).graph(name)


def _of_nodes(thing: object, name: str) -> Graph:
    """Return the graph of classes whose `run` says by its annotation what may come next."""
    definitions = PYDANTIC_GRAPH.table(thing, "node_defs")
    edges = tuple(edge for key, definition in definitions.items() for edge in _returned(key, definition, definitions))
    first = next(iter(definitions))
    kinds = {key: PYDANTIC_GRAPH.get(each, "node") for key, each in definitions.items()}
    hidden = [key for key in kinds if hides_ways(kinds[key], [kinds[to] for to in _annotated(definitions, key)])]
    said = told(
        PYDANTIC_GRAPH,
        [overriding(PYDANTIC_GRAPH, name, thing)]
        + [overriding(PYDANTIC_GRAPH, key, kind, but=["run"]) for key, kind in kinds.items()],
    )
    return Graph(
        framework=PYDANTIC_GRAPH.name,
        name=name,
        entry=first,
        nodes={key: class_node(key, kind) for key, kind in kinds.items()},
        edges=edges,
        cap=_CAP,
        lost=("the state and the fields of nodes, which carry values from one to the next",),
        uncounted=said.uncounted,
        assumed=(begins_with(first), *only_declared(hidden), *said.assumed),
        on_unknown="raises GraphRuntimeError in the middle of the run",
    )


def _annotated(definitions: dict[str, object], key: str) -> list[str]:
    """Return the nodes that may come after one: those of its annotation, or all if it names a BaseNode."""
    if PYDANTIC_GRAPH.get(definitions[key], "returns_base_node"):
        return [*definitions]
    return [to for to in PYDANTIC_GRAPH.table(definitions[key], "next_node_edges") if to in definitions]


def _returned(key: str, definition: object, definitions: dict[str, object]) -> Iterator[Edge]:
    """Yield the edges that a return annotation declares."""
    ways = PYDANTIC_GRAPH.table(definition, "next_node_edges")
    end = PYDANTIC_GRAPH.get(definition, "end_edge")
    is_open = bool(PYDANTIC_GRAPH.get(definition, "returns_base_node"))
    alone = len(ways) + (end is not None) == 1 and not is_open
    for target, way in [*ways.items(), *([] if end is None else [(END, end)])]:
        yield Edge(
            source=key,
            target=target,
            via="return annotation",
            chooses="always" if alone else "code",
            description=PYDANTIC_GRAPH.words(way, "label"),
        )
    for target in definitions if is_open else ():
        if target not in ways:
            yield Edge(source=key, target=target, via="returns BaseNode", chooses="code", trust="assumed")


@dataclass(frozen=True, slots=True)
class _Way:
    """Where one path leads, and what a decision asks before it is taken."""

    target: str
    via: str = "edge"
    description: str = ""
    is_decided: bool = False
    condition: str | None = None


class _Built:
    """A graph of the builder: forks and decisions are nodes there, and most of them belong to the one before."""

    def __init__(self, thing: object) -> None:
        self.thing = thing
        self.nodes = PYDANTIC_GRAPH.table(thing, "nodes")
        self.paths = {
            source: PYDANTIC_GRAPH.listed(paths, thing, "edges_by_source")
            for source, paths in PYDANTIC_GRAPH.table(thing, "edges_by_source").items()
        }
        self.ways = {key: list(self._ways(key)) for key in self.nodes}
        self.forks: set[str] = set()
        self.sends: set[str] = set()

    def graph(self, name: str) -> Graph:
        """Return it as nodes that do something, joins among them, and the edges between them."""
        starts = [key for key in self.nodes if self._is(key, "StartNode")]
        folded = {key for key in self.nodes if self._is(key, "Fork", "Decision") and self._before(key)}
        kept = [key for key in self.nodes if key not in folded and not self._is(key, "StartNode", "EndNode")]
        edges = tuple(edge for key in kept for edge in self._edges(key, folded))
        entry = next((way.target for key in starts for way in self.ways[key]), None)
        if entry is None or entry not in kept:
            raise PYDANTIC_GRAPH.gone(self, "has no node that it starts with")
        said = told(PYDANTIC_GRAPH, self._beside(name))
        return Graph(
            framework=PYDANTIC_GRAPH.name,
            name=name,
            entry=entry,
            nodes={key: self._node(key) for key in kept},
            edges=edges,
            cap=_CAP,
            joins={
                key: tuple(dict.fromkeys(edge.source for edge in edges if edge.target == key))
                for key in kept
                if self._is(key, "Join")
            },
            forks=frozenset(self.forks),
            sends=frozenset(self.sends),
            uncounted=said.uncounted,
            assumed=(*only_declared(key for key in kept if self._hides_ways(key, edges)), *said.assumed),
            lost=("what steps give to the next, and the functions on paths that change it", *self._lost(kept)),
            on_unknown="refuses it when the graph is built",
        )

    def _is(self, key: str, *kinds: str) -> bool:
        return key in self.nodes and PYDANTIC_GRAPH.made(self.nodes[key], *kinds)

    def _before(self, key: str) -> str | None:
        """Return the step or join whose only way leads to a fork or a decision that nothing else leads to."""
        before = [source for source, ways in self.ways.items() for way in ways if way.target == key]
        single = len(before) == 1 and self._is(before[0], "Step", "NodeStep", "Join")
        return before[0] if single else None

    def _ways(self, key: str) -> Iterator[_Way]:
        for path in self.paths.get(key, ()):
            yield from self._along(path, _Way(""))
        if not self._is(key, "Decision"):
            return
        for branch in PYDANTIC_GRAPH.many(self.nodes[key], "branches"):
            asked = PYDANTIC_GRAPH.get(branch, "matches")
            yield from self._along(
                PYDANTIC_GRAPH.get(branch, "path"),
                _Way(
                    "",
                    via=f"a value of {_type(PYDANTIC_GRAPH.get(branch, 'source'))}",
                    is_decided=True,
                    condition=None if asked is None else called(asked),
                ),
            )

    def _along(self, path: object, so_far: _Way) -> Iterator[_Way]:
        """Yield where a path leads; what forks on it was made a node when the graph was built."""
        label = ""
        for item in PYDANTIC_GRAPH.many(path, "items"):
            if PYDANTIC_GRAPH.made(item, "LabelMarker"):
                label = PYDANTIC_GRAPH.text(item, "label")
            elif PYDANTIC_GRAPH.made(item, "DestinationMarker"):
                target = PYDANTIC_GRAPH.text(item, "destination_id")
                yield _Way(target, so_far.via, label, so_far.is_decided, so_far.condition)
                return
        raise PYDANTIC_GRAPH.gone(path, "leads to no node")

    def _edges(self, key: str, folded: set[str]) -> Iterator[Edge]:
        ways, at = self.ways[key], key
        if len(ways) == 1 and ways[0].target in folded:
            at = ways[0].target
            ways = self.ways[at]
        if self._is(at, "Fork"):
            is_map = bool(PYDANTIC_GRAPH.get(self.nodes[at], "is_map"))
            (self.sends if is_map else self.forks).add(key)
        for way in ways:
            yield Edge(
                source=key,
                target=END if self._is(way.target, "EndNode") else way.target,
                via=way.via if way.is_decided else at if at != key else way.via,
                chooses="code" if way.is_decided and len(ways) > 1 else "always",
                description=way.description,
                condition=way.condition,
            )

    def _hides_ways(self, key: str, edges: tuple[Edge, ...]) -> bool:
        """Return whether a node that is a class may return another than those that its ways lead to."""
        if not self._is(key, "NodeStep"):
            return False
        after = [edge.target for edge in edges if edge.source == key and self._is(edge.target, "NodeStep")]
        kind, *kinds = [PYDANTIC_GRAPH.get(self.nodes[each], "node_type") for each in (key, *after)]
        return hides_ways(kind, kinds)

    def _beside(self, name: str) -> Iterator[Beside]:
        """Yield what is run beside steps: on paths, in joins and in decisions."""
        yield overriding(PYDANTIC_GRAPH, name, self.thing)
        branches = {
            key: PYDANTIC_GRAPH.many(made, "branches") for key, made in self.nodes.items() if self._is(key, "Decision")
        }
        for key, each in branches.items():
            yield Beside(key, "condition", [PYDANTIC_GRAPH.find(branch, "matches") for branch in each])
        for key, paths in [
            *self.paths.items(),
            *((key, [PYDANTIC_GRAPH.get(branch, "path") for branch in each]) for key, each in branches.items()),
        ]:
            items = [item for path in paths for item in PYDANTIC_GRAPH.many(path, "items")]
            yield Beside(key, "path function", [PYDANTIC_GRAPH.find(item, "transform") for item in items])
        for key in self.nodes:
            if self._is(key, "Join"):
                made = self.nodes[key]
                yield Beside(
                    key, "join function", [PYDANTIC_GRAPH.find(made, n) for n in ("reducer", "initial_factory")]
                )

    def _node(self, key: str) -> Node:
        made = self.nodes[key]
        if self._is(key, "NodeStep"):
            return class_node(key, PYDANTIC_GRAPH.get(made, "node_type"))
        if self._is(key, "Step"):
            return node(key, {"call": PYDANTIC_GRAPH.get(made, "call")})
        if self._is(key, "Join", "Fork", "Decision"):
            return Node(key=key, calls=0)
        raise PYDANTIC_GRAPH.gone(made, "is a kind of node that is not known")

    def _lost(self, kept: list[str]) -> Iterator[str]:
        for key in kept:
            if self._is(key, "Join"):
                yield f"{key}: how a join makes one value of several"
            if self._is(key, "Decision"):
                note = PYDANTIC_GRAPH.words(self.nodes[key], "note")
                yield f"{key}: the type of a value decides" + (f" ({note})" if note else "")


def _type(source: object) -> str:
    """Return what a branch asks for, such as `Literal['x']`."""
    return source.__name__ if isinstance(source, type) else str(source).replace("typing.", "")
