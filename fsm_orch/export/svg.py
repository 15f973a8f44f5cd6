"""A definition as a picture: an SVG that any browser shows.

Graphviz itself lays it out; it comes inside the wheel of `pygraphviz`, so no program has to be installed or is started.
"""

from __future__ import annotations

import pygraphviz

from ..define.definition import Definition
from .dot import dot


def svg(definition: Definition) -> str:
    """Draw a definition as an SVG document, in the colours of its DOT text."""
    graph = pygraphviz.AGraph(string=dot(definition))
    drawn = graph.draw(format="svg", prog="dot")
    assert isinstance(drawn, bytes)  # it draws to memory, since no path is given
    return drawn.decode()
