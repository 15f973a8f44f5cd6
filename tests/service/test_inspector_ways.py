"""Where the inspector draws what Graphviz does not: a landing from box to box, and a number on no name of an edge."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from itertools import accumulate, pairwise
from typing import Any

import pytest
from support.large_machines import sixty

from fsm_orch.service.inspector.drawing import NODE, drawn
from machines.travel import Travel

MACHINES = {place or "Travel": each for place, each in drawn(Travel.definition).items()} | {
    "sixty": drawn(sixty().definition)[""]
}
OUT = 18 + 14 + 40
"""How far a landing may bend beyond the layout."""


def parts(path: str) -> list[tuple[float, float]]:
    """Return where an edge may have its number: so far along its path, measured in many small steps."""
    begin, *rest = places(path)
    pieces = [(begin, *rest[:3]), *((rest[at - 1], *rest[at : at + 3]) for at in range(3, len(rest) - 1, 3))]
    points = [
        tuple(a * (1 - t) ** 3 + 3 * b * t * (1 - t) ** 2 + 3 * c * t * t * (1 - t) + d * t**3 for a, b, c, d in axes)
        for piece in pieces
        for axes in [list(zip(*piece, strict=True))]
        for t in (step / 500 for step in range(501))
    ]
    tip = [tuple(a + (b - a) * step / 50 for a, b in zip(rest[-2], rest[-1], strict=True)) for step in range(51)]
    gone = [0.0, *accumulate(math.dist(a, b) for a, b in pairwise([*points, *tip]))]
    along = [*points, *tip]
    return [along[bisect_left(gone, part * gone[-1])] for part in (0.28, 0.5, 0.7, 0.15, 0.82)]  # type: ignore[misc]


def places(path: str) -> list[tuple[float, float]]:
    """Return the numbers of a path, in pairs."""
    found = [float(each) for each in re.findall(r"-?\d+\.\d+", path)]
    return list(zip(found[::2], found[1::2], strict=True))


@pytest.mark.parametrize("name", MACHINES)
def test_each_state_has_a_landing(name: str) -> None:
    """From the border of its box to that of the fallback, and near the layout; an end has none."""
    machine: dict[str, Any] = MACHINES[name]
    fallback = next(node["at"] for node in machine["nodes"] if node["kind"] == "fallback")
    for node in machine["nodes"]:
        assert ("landing" in node) == (node["kind"] == "state")
        if node["kind"] != "state":
            continue
        path, label = node["landing"]
        begin, *_, end = places(path)
        for at, of in ((begin, node["at"]), (end, fallback)):
            x, y = abs(at[0] - of.x) - NODE.width / 2, abs(at[1] - of.y) - NODE.height / 2
            assert max(x, y) == pytest.approx(0, abs=4.1), (node["name"], at)
        for x, y in (*places(path), label):
            assert -OUT < x < machine["size"].width + OUT
            assert -OUT < y < machine["size"].height + OUT


@pytest.mark.parametrize("name", MACHINES)
def test_a_number_stands_on_its_edge_and_on_no_name(name: str) -> None:
    """At one of five places of it, and away from every label, for there is room in these."""
    machine = MACHINES[name]
    labels = [edge["label"] for edge in machine["edges"]]
    for edge in machine["edges"]:
        x, y = edge["number"]
        assert min(math.dist(at, (x, y)) for at in parts(edge["path"])) < 2, edge["handoff"]
        assert min(math.hypot((at.x - x) / 2.6, at.y - y) for at in labels) > 16, edge["handoff"]
