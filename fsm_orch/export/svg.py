"""A definition as an SVG picture, which any browser shows.

Graphviz lays it out. It comes inside the wheel of `pygraphviz`, so no program has to be installed or started.
"""

from __future__ import annotations

import pygraphviz

from ..define.definition import Definition
from .dot import dot


def svg(definition: Definition) -> str:
    """Return a definition as an SVG document, laid out and coloured as its DOT text says."""
    graph = pygraphviz.AGraph(string=dot(definition))
    drawn = graph.draw(format="svg", prog="dot")
    assert isinstance(drawn, bytes)  # it draws to memory, since no path is given
    return drawn.decode()
