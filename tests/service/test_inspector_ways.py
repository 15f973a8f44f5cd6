"""Where the inspector draws what Graphviz does not: a landing from box to box, and a number on no name of an edge."""

from __future__ import annotations

import math
import re
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
    """Within what the edge spans, and away from every label, for there is room in these."""
    machine = MACHINES[name]
    labels = [edge["label"] for edge in machine["edges"]]
    near = 0
    for edge in machine["edges"]:
        (x, y), spans = edge["number"], places(edge["path"])
        assert min(each[0] for each in spans) - 0.1 <= x <= max(each[0] for each in spans) + 0.1
        assert min(each[1] for each in spans) - 0.1 <= y <= max(each[1] for each in spans) + 0.1
        near += any(math.hypot((each.x - x) / 2.6, each.y - y) <= 16 for each in labels)

    assert 0 == near
