"""What the two numbers of an import hold under: each a clause, to be read beside them."""

from collections.abc import Iterable, Iterator

from ..define.wording import number_of
from .graph import END, Graph
from .plan import Caps, plan
from .worst import REPLY_TOKENS, Worst


def assumptions(graph: Graph, worst: Worst, caps: Caps) -> tuple[str, ...]:
    """Return all that is taken for granted: first what the number as it stands needs, then what both need.

    Args:
        graph: What was read.
        worst: What it costs as it stands.
        caps: Of the machine that is made of it.
    """
    return (*_standing(graph, worst), *_machine(graph, caps), *_seen(graph))


def _standing(graph: Graph, worst: Worst) -> Iterator[str]:
    if worst.requests:
        if graph.cap.value is not None:
            yield f"as it stands: no run is started with another {graph.cap.name}"
        yield "as it stands: nothing that a run is started with asks a model, and no code changes the graph"
        yield "as it stands: no client repeats a request that failed, though most do so twice"
        if worst.is_one_a_visit:
            yield "as it stands: one request a visit where nothing bounds them, so the true number is more"
    for said in graph.uncounted if worst.requests is not None else ():
        yield f"as it stands: {said}, which is not counted, so the true number is more"
    if worst.requests and worst.cost_usd is not None:
        models = ", ".join(worst.models)
        yield f"as it stands: every request fills the window of its model, at the list price of {models}"
        if worst.has_open_replies:
            yield f"as it stands: {REPLY_TOKENS:,} tokens of a reply that nothing bounds, though some models write more"
    if worst.requests and worst.unnamed:
        yield f"as it stands: no tokens or dollars, for no one model is named by {_listed(worst.unnamed)}: see --model"


def _machine(graph: Graph, caps: Caps) -> Iterator[str]:
    made = plan(graph, caps)
    of: dict[int, list[str]] = {}
    for key in made.names:
        if graph.nodes[key].kind == "llm" and graph.nodes[key].calls is None:
            of.setdefault(made.calls(key), []).append(key)
    for calls, keys in of.items():
        most = f"at most {number_of(calls, 'request')} a visit of {_listed(keys)}"
        yield f"as a machine: {most}, where nothing bounds them now"


def _seen(graph: Graph) -> Iterator[str]:
    counted = [key for key, node in graph.nodes.items() if node.is_counted]
    if counted:
        yield f"no more requests a visit of {_listed(counted)} than were seen in the code"
    blind = [key for key, node in graph.nodes.items() if node.blind]
    if blind:
        yield f"no request to a model in {_listed(blind)}: none was seen there"
    tools = [key for key, node in graph.nodes.items() if node.tools]
    if tools:
        yield f"no request to a model in the tools of {_listed(tools)}: they are not looked into"
    yield from graph.assumed
    if any(edge.trust == "assumed" and edge.target != END for edge in graph.edges):
        yield "every node is possible where a way declares no targets"


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(keys)
