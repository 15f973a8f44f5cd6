"""What was read of a graph, against the requests that a run of the real one made."""

from fsm_orch.adopt import detect
from fsm_orch.adopt.assumed import assumptions
from fsm_orch.adopt.examine import is_bounded
from fsm_orch.adopt.graph import Graph
from fsm_orch.adopt.plan import Caps
from fsm_orch.adopt.skeleton import skeleton
from fsm_orch.adopt.ways import cyclic
from fsm_orch.adopt.worst import as_it_stands
from fsm_orch.cli.imported import proved_source
from fsm_orch.errors import DefinitionError


class Asked:
    """Stand for a client of a model, and count its requests."""

    def __init__(self) -> None:
        self.requests = 0

    def create(self, *_: object) -> str:
        self.requests += 1
        return "again"


def standing(thing: object) -> int | None:
    """Return the number that is printed of a run as it stands; None: it is said that nothing bounds it."""
    return as_it_stands(detect.read(thing, "thing"), lambda _: None).requests


def too_small(thing: object, requests: int) -> list[str]:
    """Return in words which of the printed numbers is less than the requests that a real run made.

    A machine has caps of its own in cycles, so that its number is held against runs of graphs without any.
    """
    graph = detect.read(thing, "thing")
    stands, machine = as_it_stands(graph, lambda _: None).requests, _calls(graph)
    found = [f"as it stands: {stands} < {requests}"] if stands is not None and stands < requests else []
    return found + ([f"as a machine: {machine} < {requests}"] if machine is not None and machine < requests else [])


def _calls(graph: Graph) -> int | None:
    """Return what is proved of the requests of a machine; None if nothing is, or it caps what the graph does not."""
    if cyclic(graph) or not is_bounded(graph) or any(node.calls is None for node in graph.nodes.values()):
        return None
    proved = proved_source(skeleton(graph, Caps(calls=1), "app:thing"), "counted_machine")
    return None if isinstance(proved, DefinitionError) or not proved.proof.is_sound() else proved.proof.bounds.calls


def assuming(thing: object) -> tuple[str, ...]:
    """Return what is printed as taken for granted of a graph."""
    graph = detect.read(thing, "thing")
    return assumptions(graph, as_it_stands(graph, lambda _: None), Caps())
