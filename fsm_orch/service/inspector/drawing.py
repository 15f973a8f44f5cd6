"""A machine as the page draws it: its states and edges with their places, and those of every machine inside it.

Graphviz says where things go; what they look like, and what of them is lit, is for the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from ...define.agent_spec import AgentSpec
from ...define.definition import Definition
from ...define.states import Final, State
from ...define.wording import number_of
from ...export.layout import Layout, Line, Point, Size, Spread, laid_out
from .ways import landing, number

NODE = Size(168, 62)
"""How large a state is drawn, in the units of the layout."""
_LABEL_PX, _EM = 12, 0.58
"""The size of an edge's name, and the mean width of its characters as a part of that."""
_SPREADS = (Spread("TB", 0.6, 0.5), Spread("TB", 1.0, 0.6), Spread("LR", 0.5, 0.5), Spread("LR", 0.9, 0.4))
_STAGE = 1.6
"""How wide the stage of the page is, as a multiple of its height."""
_MOST_TRIED = 30
"""Of larger machines one picture is made: they take Graphviz long, and are no better in another."""


def drawn(definition: Definition) -> dict[str, Any]:
    """Return a machine and all that may run inside it, by place: `""` is the machine itself, `fly.fares` a part.

    It is JSON, and holds no value of any run.
    """
    return {place: _machine(each) for place, each in machines_in(definition)}


def machines_in(definition: Definition, place: str = "") -> Iterator[tuple[str, Definition]]:
    """Yield a machine, and all that may run inside it, each with its place."""
    yield place, definition
    for name, state in definition.states.items():
        for part in state.spec.parts:
            yield from machines_in(part.definition, f"{place}.{name}.{part.name}".lstrip("."))


def _machine(definition: Definition) -> dict[str, Any]:
    nodes: dict[str, State | Final] = {**definition.states, **definition.finals}
    numbers = {name: place for place, name in enumerate(nodes)}
    ends = [(numbers[source], numbers[edge.target.name], _label(edge.name)) for source, edge in definition.edges]
    layout = _best([NODE] * len(nodes), ends)
    labels = [
        (line.label, Size(size.width + 8, size.height + 2))
        for line, (_, _, size) in zip(layout.lines, ends, strict=True)
        if line.label is not None
    ]
    fallback = layout.nodes[numbers[definition.fallback.name]]
    limits = definition.limits
    return {
        "name": definition.name,
        "digest": definition.digest,
        "about": definition.doc,
        "where": _short(definition.where),
        "size": layout.size,
        "node": NODE,
        "initial": definition.initial.name,
        "fallback": definition.fallback.name,
        "limits": {
            "hops": limits.hops,
            "tokens": limits.tokens,
            "cost_usd": None if limits.cost_usd is None else float(limits.cost_usd),
            "deadline_s": limits.deadline_s,
        },
        "nodes": [
            _node(each, at)
            | ({"landing": landing(at, fallback, layout, NODE, labels)} if isinstance(each, State) else {})
            for each, at in zip(nodes.values(), layout.nodes, strict=True)
        ],
        "edges": [
            {
                "source": source,
                "handoff": edge.name,
                "target": edge.target.name,
                "kind": edge.kind,
                "guard": None if edge.guard is None else repr(edge.guard),
                "about": edge.description,
                "where": _short(edge.where),
                "path": _path(line),
                "label": line.label,
                "number": number(line, [label for label, _ in labels]),
            }
            for (source, edge), line in zip(definition.edges, layout.lines, strict=True)
        ],
        "policies": [str(policy) for policy in definition.policies],
    }


def _node(node: State | Final, at: Point) -> dict[str, Any]:
    told: dict[str, Any] = {"name": node.name, "at": at, "where": _short(node.where)}
    if isinstance(node, Final):
        return told | {
            "kind": "fallback" if node.fallback else "final",
            "sub": "the fallback" if node.fallback else "an end",
        }
    spec = node.spec
    return told | {
        "kind": "state",
        "agent": spec.kind,
        "sub": _sub(spec),
        "is_start": node.initial or node.entry,
        "most": node.max_visits,
        "parts": [part.name for part in spec.parts],
        "tools": [tool.name for tool in spec.tools],
    }


def _sub(spec: AgentSpec) -> str:
    """Return what a state is, in a few words."""
    if spec.parts:
        return " · ".join(f"{part.most} × {part.name}" if part.most > 1 else part.name for part in spec.parts)
    if spec.calls:
        caps = spec.call_limits
        return f"{number_of(spec.calls, 'call')} of {caps.max_input_tokens + caps.max_output_tokens:,}"
    return "a human" if spec.asks_human else spec.name


def _best(nodes: Sequence[Size], ends: Sequence[tuple[int, int, Size | None]]) -> Layout:
    """Return the picture that is nearest to the shape of the stage."""
    tried = _SPREADS if len(nodes) <= _MOST_TRIED else _SPREADS[:1]
    return min((laid_out(nodes, ends, spread) for spread in tried), key=_unlike)


def _unlike(layout: Layout) -> float:
    """Return how far a picture is from the shape of the stage; a large one is worse."""
    width, height = layout.size
    return abs(math.log(width / height / _STAGE)) + (width * height) / 4e6


def _label(name: str) -> Size:
    return Size(len(name) * _LABEL_PX * _EM, _LABEL_PX + 4)


def _short(where: str) -> str:
    """Return a place in a file without the folders of this machine."""
    return "/".join(where.replace("\\", "/").split("/")[-2:])


def _path(line: Line) -> str:
    """Return a curve as SVG writes it, up to the tip of its arrow."""
    begin, *rest = (f"{point.x:.1f},{point.y:.1f}" for point in line.curve)
    return f"M{begin}C{' '.join(rest)}L{line.tip.x:.1f},{line.tip.y:.1f}"
