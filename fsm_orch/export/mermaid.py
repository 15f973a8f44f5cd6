"""A definition as a mermaid flowchart, which GitHub and notebooks draw.

A flowchart and not a stateDiagram: only the flowchart has dotted edges and styles an edge by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..define.definition import Definition
from .diagram import Arrow, ArrowKind, Diagram, Node, NodeKind, diagram

_SHAPES: dict[NodeKind, tuple[str, str]] = {"state": ("(", ")"), "final": ("([", "])"), "fallback": ("([", "])")}
_ARROWS: dict[ArrowKind, str] = {"handoff": "-->", "failure": "-->", "landing": "-.->"}
_HEAD = """\
flowchart TD
  classDef state fill:#eef4ff,stroke:#3b6fb6,color:#111
  classDef final fill:#e9f7ec,stroke:#2e8b57,stroke-width:3px,color:#111
  classDef fallback fill:#fff4e0,stroke:#c77700,stroke-width:3px,color:#111"""
_RISKY = re.compile(r"[^\w .,+()$-]|\.(?=\w)|\$(?=\$)|(?<![^\W_])_|_(?![^\W_])")
"""Everything but words and harmless punctuation: mermaid reads labels as HTML and as markdown, which links `www.x`."""
_FAILURE_STYLE = "stroke:#b3261e,color:#b3261e"
_LANDING_STYLE = "stroke:#c77700"


def mermaid(definition: Definition) -> str:
    """Return a definition as a mermaid flowchart.

    Solid edges are handoffs, with their guards in brackets. Red ones are taken when a visit fails. Dotted ones land.
    """
    drawn = diagram(definition)
    return "\n".join(
        [
            _HEAD,
            f"  subgraph machine[{_label(drawn.title)}]",
            '    start(("start"))',
            *(f"    {_node(node)}" for node in drawn.nodes),
            *(f"    start --> {start}" for start in drawn.starts),
            *(f"    {_edge(arrow)}" for arrow in drawn.arrows),
            "  end",
            *_styles(drawn),
            "",
        ]
    )


def _node(node: Node) -> str:
    opening, closing = _SHAPES[node.kind]
    return f"{node.id}{opening}{_label(node.lines)}{closing}:::{node.kind}"


def _edge(arrow: Arrow) -> str:
    label = f"|{_label(arrow.lines)}|" if arrow.lines else ""
    return f"{arrow.source} {_ARROWS[arrow.kind]}{label} {arrow.target}"


def _styles(drawn: Diagram) -> list[str]:
    """Return the lines that colour edges; mermaid numbers edges as they come, those from the start first."""
    styles: list[tuple[ArrowKind, str]] = [("failure", _FAILURE_STYLE), ("landing", _LANDING_STYLE)]
    numbers = {
        kind: ",".join(
            str(number) for number, arrow in enumerate(drawn.arrows, len(drawn.starts)) if arrow.kind == kind
        )
        for kind, _ in styles
    }
    return [f"  linkStyle {numbers[kind]} {style}" for kind, style in styles if numbers[kind]]


def _label(lines: Iterable[str]) -> str:
    return '"' + "<br/>".join(map(_escaped, lines)) + '"'


def _escaped(text: str) -> str:
    return _RISKY.sub(lambda found: f"#{ord(found[0])};", text)
