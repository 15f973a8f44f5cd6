"""A trace drawn on the diagram of its machine: the edges that it takes are thick."""

from __future__ import annotations

from ..define.definition import Definition
from ..proof.explore.trace import Trace
from .diagram import diagram
from .mermaid import mermaid

_MARK = "stroke-width:5px"


def drawn(definition: Definition, trace: Trace) -> str:
    """Return a definition as a mermaid flowchart in which the path of a trace is marked, its start included."""
    ids = {name: f"n{number}" for number, name in enumerate((*definition.states, *definition.finals))}
    taken = {(ids[leg.state], leg.handoff) for leg in trace.legs}
    starts = definition.starts
    arrows = enumerate(diagram(definition).arrows, len(starts))
    marked = [n for n, arrow in arrows if (arrow.source, next(iter(arrow.lines), None)) in taken]
    return f"{mermaid(definition)}  linkStyle {','.join(map(str, [starts.index(trace.path[0]), *marked]))} {_MARK}\n"
