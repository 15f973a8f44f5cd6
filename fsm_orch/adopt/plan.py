"""What the machine of a graph will be, before it is written: names, bounds, and handoffs that several states share."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..limits import MOST_HOPS
from .graph import END, Chooser, Edge, Graph, Node
from .ways import cyclic, ending, reached
from .written import name_for

ANSWERED = "answered"
FALLBACK = "human"
STOPPED = "stopped"
"""Where a node leads that has no way to an end: a state from which runs can only be landed does not build."""
TAKEN = (ANSWERED, FALLBACK, STOPPED, "limits", "model", "policies", "definition", "name", "none_of_these", "self")
"""Names that no state and no handoff of the machine may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """The bounds of the machine that is made of a graph, where the graph has none of its own."""

    max_visits: int = 2
    """Of each state that a run may come back to."""

    hops: int | None = None
    """None: as many as all visits, or the framework's own cap if that is less; no more than a machine may have."""

    calls: int = 2
    """Requests of one visit of a state with a model, or more if it has tools."""

    input_tokens: int = 2_048
    """Of one request."""

    output_tokens: int = 256
    """Of one reply, where the graph names no number."""

    model: str | None = None
    """`provider:model` for all; None: what the graph names."""


def with_ends(graph: Graph, ends: tuple[str, ...]) -> Graph:
    """Return a graph in which a run may end at some more nodes, such as those where it waits for its user.

    Raises:
        KeyError: if there is no such node.
    """
    added = [Edge(source=key, target=END, via="--end", chooses=_chooser(graph.nodes[key])) for key in ends]
    fresh = [edge for edge in added if END not in {each.target for each in graph.leaving(edge.source)}]
    return replace(graph, edges=(*graph.edges, *fresh))


def _chooser(node: Node) -> Chooser:
    return "model" if node.kind == "llm" else "code"


@dataclass(frozen=True, slots=True)
class Way:
    """One handoff of the machine."""

    sources: tuple[str, ...]
    """Names of states."""
    target: str
    """The name of a state or final state."""
    description: str
    remark: str
    """What is to be known of it, or nothing."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A machine, as far as a graph tells."""

    graph: Graph
    caps: Caps
    names: Mapping[str, str]
    """Names of states, by the keys of their nodes, in order."""
    bounded: frozenset[str]
    """Nodes that a run may come back to."""
    ending: frozenset[str]
    """Nodes from which a run can end."""

    @property
    def models(self) -> tuple[str, ...]:
        """The models that nodes name, once each."""
        return tuple(dict.fromkeys(node.model for key in self.names if (node := self.graph.nodes[key]).model))

    def calls(self, key: str) -> int:
        """Return how many requests a visit of a node may make."""
        node = self.graph.nodes[key]
        if node.kind != "llm":
            return 0
        return max(self.caps.calls, 1 + len(node.tools) if node.calls is None else node.calls)

    def output_tokens(self, key: str) -> int:
        """Return the tokens of one reply."""
        return self.graph.nodes[key].max_output_tokens or self.caps.output_tokens

    def visits(self, key: str) -> int:
        """Return how often a run may come to a node."""
        return self.caps.max_visits if key in self.bounded else 1

    @property
    def hops(self) -> int:
        """How many hops a run may make."""
        most = sum(self.visits(key) for key in self.names)
        cap = self.graph.cap.value if self.graph.cap.counts in ("steps", "requests") else None
        there = cap + self.graph.is_entry_added if cap else most
        return self.caps.hops or max(1, min(most, there, MOST_HOPS))

    @property
    def tokens(self) -> int:
        """What a run may cost at most, if every state is visited as often as it may be."""
        each = (
            self.visits(key) * self.calls(key) * (self.caps.input_tokens + self.output_tokens(key))
            for key in self.names
        )
        return max(1, sum(each))

    def ends(self, key: str) -> bool:
        """Return whether a run may end after a node."""
        return any(edge.target == END for edge in self.graph.leaving(key))

    def leaving(self, key: str) -> tuple[Way, ...]:
        """Return the ways out of a node, one a target; one is added if no way leads to an end."""
        first: dict[str, Edge] = {}
        for edge in self.graph.leaving(key):
            if edge.target == END or edge.target in self.names:
                first.setdefault(edge.target, edge)
        is_chosen = len(first) + (key not in self.ending) > 1
        is_model = is_chosen and self.graph.nodes[key].kind == "llm"
        ways = [
            Way(
                (self.names[key],),
                ANSWERED if to == END else self.names[to],
                self._told(edge) if is_chosen else edge.description,
                _remark(edge, is_model),
            )
            for to, edge in first.items()
        ]
        if key not in self.ending:
            ways.append(Way((self.names[key],), STOPPED, "it cannot go on", "added: no way led to an end"))
        return tuple(ways)

    def _told(self, edge: Edge) -> str:
        if edge.target == END:
            return edge.description or "it is answered"
        return edge.description or self.graph.nodes[edge.target].does or f"TODO: when to go to {edge.target}"

    def joined(self) -> tuple[Way, ...]:
        """Return all handoffs: one for several states, where they are told the same of one target."""
        together: dict[tuple[str, str, str], list[str]] = {}
        for key in self.names:
            for way in self.leaving(key):
                together.setdefault((way.target, way.description, way.remark), []).extend(way.sources)
        return tuple(Way(tuple(sources), *rest) for rest, sources in together.items())


def _remark(edge: Edge, is_model: bool) -> str:
    """Return what a reader of the machine must know of a way: how sure it is, what else held there, and who chose it.

    Args:
        edge: The way there.
        is_model: Whether a model chooses it in the machine.
    """
    trust = {
        "declared": "",
        "read": f"read from the source of {edge.via}",
        "assumed": f"assumed: {edge.via} says nothing",
    }
    todo = f"TODO a guard: {edge.condition}" if edge.condition else ""
    if is_model and edge.chooses == "code":
        by_code = f"TODO: code chose this there, by {edge.via}; here the model does"
        todo = f"{todo}, which chose there; until then the model does" if todo else by_code
    return "; ".join(filter(None, [trust[edge.trust], todo]))


def plan(graph: Graph, caps: Caps) -> Plan:
    """Return what the machine of a graph will be; nodes that no run comes to are left out."""
    come_to = reached(graph)
    names: dict[str, str] = {}
    taken: set[str] = {*TAKEN}
    for key in (graph.entry, *graph.nodes):
        if key in come_to and key not in names:
            names[key] = name_for(key, taken)
            taken.add(names[key])
    return Plan(graph, caps, names, bounded=cyclic(graph) & come_to, ending=ending(graph))
