"""What a run of a graph can cost where it stands: in its own framework, with nothing but that one's cap to stop it.

But for a graph without a cycle in which nothing runs side by side: it ends by itself.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from ..amounts import Price
from ..define.graph import reachable, reversed_graph
from .graph import END, Edge, Graph, Node
from .ways import is_line, reached, ways

REPLY_TOKENS = 16_384
"""Tokens of one reply that has no cap: what gpt-4o writes at most, by OpenAI's page of models."""

MOST_REQUESTS = 10**12
"""Of a run; more are not counted, since a cap that allows them stops nothing."""

_MOST_WORK = 2_000_000
"""Edges that are followed to count a run: what further steps ask is bounded by the dearest node, or not counted."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What one request to a model costs at most."""

    price: Price
    window: int
    """Tokens that it may hold."""


RatesOf = Callable[[str], Rates | None]
"""Returns the rates of a model by its name; None if they are not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worst:
    """The worst run of a graph where it stands."""

    requests: int | None
    """None: nothing bounds them."""
    unbounded: str
    """Why nothing bounds the requests; empty if something does."""
    tokens: int | None
    """If every request fills its model's window, and every reply has the length it may have; None: not bounded."""
    cost_usd: Fraction | None
    """The same in dollars, at the list price; None: not bounded."""
    models: tuple[str, ...]
    """The models that it was counted with."""
    is_one_a_visit: bool
    """Whether a visit whose requests nothing bounds was counted as one of one request: the true worst case is more."""
    is_more: bool
    """Whether the true worst case is more than was counted: by such visits, or by what asks models beside the nodes."""
    has_open_replies: bool
    """Whether some reply was counted with `REPLY_TOKENS`, since nothing bounds it."""
    unnamed: tuple[str, ...]
    """The nodes that ask a model which is named nowhere."""


def as_it_stands(graph: Graph, rates_of: RatesOf, *, model: str | None = None) -> Worst:
    """Return the worst run of a graph in its own framework.

    Args:
        graph: What was read.
        rates_of: What models cost.
        model: That of nodes which name none.
    """
    come_to = reached(graph)
    asked = {key: node for key, node in graph.nodes.items() if node.kind == "llm" and key in come_to}
    unbounded = _unbounded(graph, asked)
    requests = None if unbounded else _requests(graph, {key: node.calls or 1 for key, node in asked.items()})
    if requests is not None and requests > MOST_REQUESTS:
        unbounded, requests = f"{graph.cap.name} allows more requests than are counted", None
    named = {key: node.model or model for key, node in asked.items()}
    rates = {name: rates_of(name) for name in dict.fromkeys(named.values()) if name}
    priced = requests if all(name and rates[name] for name in named.values()) else None
    each = [] if priced is None else [_request(rates[name], asked[key]) for key, name in named.items() if name]
    is_one_a_visit = graph.cap.counts != "requests" and any(node.calls is None for node in asked.values())
    return Worst(
        requests=requests,
        unbounded=unbounded,
        tokens=None if priced is None else priced * max((tokens for tokens, _ in each), default=0),
        cost_usd=None if priced is None else priced * max((dollars for _, dollars in each), default=Fraction(0)),
        models=tuple(rates),
        is_one_a_visit=is_one_a_visit,
        is_more=is_one_a_visit or bool(graph.uncounted),
        has_open_replies=any(node.max_output_tokens is None for node in asked.values()),
        unnamed=tuple(key for key, name in named.items() if not name),
    )


def _unbounded(graph: Graph, asked: Collection[str]) -> str:
    """Return why nothing bounds the requests of a run; empty if something does."""
    if graph.cap.value is None and not is_line(graph):
        return f"{graph.cap.name} is not set"
    passed_on = graph.cap.counts == "messages"
    asking = reachable(reversed_graph(ways(graph)), asked) if passed_on else {*asked}
    for key in sorted(graph.sends & reached(graph)):
        if any(edge.target in asking for edge in graph.leaving(key)):
            return f"{key} starts as many nodes as its code pleases"
    return graph.outside[0] if graph.outside else ""


def _request(rates: Rates | None, node: Node) -> tuple[int, Fraction]:
    """Return the tokens and the dollars of one request that fills its window."""
    assert rates is not None
    reply = node.max_output_tokens or REPLY_TOKENS
    dollars = (rates.price.input * rates.window + rates.price.output * reply) / 1_000_000
    return rates.window + reply, dollars


def _requests(graph: Graph, of: Mapping[str, int]) -> int:
    """Return the most requests of a run, by how many a visit of each node makes."""
    cap = graph.cap
    if cap.value is None:
        return _walk(graph, of, len(graph.nodes))
    match cap.counts:
        case "requests":
            return cap.value if of else 0
        case "each":
            return cap.value * sum(graph.often.get(key, 1) * count for key, count in of.items())
        case "messages":
            return _messages(graph, of, cap.value)
    return _walk(graph, of, cap.value + graph.is_entry_added)


def _walk(graph: Graph, of: Mapping[str, int], steps: int) -> int:
    """Return the most requests of a walk of so many steps from the entry."""
    following = {key: [to for to in after if to != END] for key, after in ways(graph).items()}
    most = {graph.entry: of.get(graph.entry, 0)}
    top = most[graph.entry]
    work = 0
    for step in range(1, steps):
        came: dict[str, int] = {}
        work += sum(len(following[key]) for key in most)
        if work > _MOST_WORK:
            return top + (steps - step) * max(of.values(), default=0)
        for key, before in most.items():
            for to in following[key]:
                came[to] = max(came.get(to, 0), before + of.get(to, 0))
        if not came:
            break
        most = came
        top = max(top, *most.values())
    return top


def _messages(graph: Graph, of: Mapping[str, int], steps: int) -> int:
    """Return the most requests of a run of so many steps, in which each message that comes to a node is a visit of it.

    A message is followed by itself: of the edges that shut each other out it takes the dearest, and all of the others.
    """
    leaving = {key: [edge for edge in graph.leaving(key) if not edge.is_waited] for key in graph.nodes}
    most = dict.fromkeys(graph.nodes, 0)
    work = 0
    for _ in range(steps):
        work += sum(map(len, leaving.values()))
        if most[graph.entry] > MOST_REQUESTS or work > _MOST_WORK:
            return MOST_REQUESTS + 1
        before = most
        most = {key: of.get(key, 0) + _sent(leaving[key], before) for key in graph.nodes}
        if before == most:
            break
    return most[graph.entry]


def _sent(edges: Iterable[Edge], costs: Mapping[str, int]) -> int:
    """Return what the messages of one visit come to."""
    total, dearest = 0, dict[int, int]()
    for edge in edges:
        cost = costs.get(edge.target, 0)
        if edge.choice is None:
            total += cost
        else:
            dearest[edge.choice] = max(dearest.get(edge.choice, 0), cost)
    return total + sum(dearest.values())
