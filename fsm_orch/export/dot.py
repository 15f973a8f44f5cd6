"""A definition in the DOT language of Graphviz: `fsm-orch graph MODULE --format dot | dot -Tsvg`."""

from __future__ import annotations

from collections.abc import Iterable

from ..define.definition import Definition
from .diagram import Arrow, ArrowKind, Node, NodeKind, diagram

_SHAPES: dict[NodeKind, str] = {
    "state": 'shape=box, style="rounded,filled", fillcolor="#eef4ff", color="#3b6fb6"',
    "final": 'shape=box, peripheries=2, style="rounded,filled", fillcolor="#e9f7ec", color="#2e8b57"',
    "fallback": 'shape=box, peripheries=2, style="rounded,filled", fillcolor="#fff4e0", color="#c77700"',
}
_ARROWS: dict[ArrowKind, str] = {
    "handoff": "style=solid",
    "failure": 'style=solid, color="#b3261e", fontcolor="#b3261e"',
    "landing": 'style=dotted, color="#c77700"',
}


def dot(definition: Definition) -> str:
    """Return a definition as a DOT text.

    Solid edges are handoffs, with their guards in brackets. Red ones are taken when a visit fails. Dotted ones land.
    """
    drawn = diagram(definition)
    return "\n".join(
        [
            "digraph machine {",
            f'  graph [label={_quoted(drawn.title)}, labelloc=t, fontname="Helvetica"]',
            '  node [fontname="Helvetica"]',
            '  edge [fontname="Helvetica", fontsize=11]',
            '  start [shape=point, label=""]',
            *(f"  {_node(node)}" for node in drawn.nodes),
            *(f"  start -> {start}" for start in drawn.starts),
            *(f"  {_edge(arrow)}" for arrow in drawn.arrows),
            "}",
            "",
        ]
    )


def _node(node: Node) -> str:
    return f"{node.id} [label={_quoted(node.lines)}, {_SHAPES[node.kind]}]"


def _edge(arrow: Arrow) -> str:
    label = f"label={_quoted(arrow.lines)}, " if arrow.lines else ""
    return f"{arrow.source} -> {arrow.target} [{label}{_ARROWS[arrow.kind]}]"


def _quoted(lines: Iterable[str]) -> str:
    r"""Return a quoted DOT string of several lines, joined by `\n`."""
    return '"' + r"\n".join(map(_escaped, lines)) + '"'


def _escaped(text: str) -> str:
    # Backslashes begin escapes in DOT, and `&` begins an HTML entity in every label: a user's text must do neither.
    return text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
