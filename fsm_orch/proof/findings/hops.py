"""Findings about hops that end too early: a machine without a cycle needs as many as its longest way, and no bound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ...define import codes
from ...define.definition import Definition
from ...define.graph import Graph, shortest_cycle
from ...errors import Finding
from ..explore.exploration import Exploration


def cut_short(definition: Definition, exploration: Exploration, known: Iterable[Finding] = ()) -> Iterator[Finding]:
    """Find a run that lacks hops in a machine without a cycle.

    Args:
        known: what was found so far; where no run can afford a state (FSM301) that is the thing to mend.
    """
    graph, limits = definition.successors, definition.limits
    if any(finding.code == "FSM301" for finding in known) or shortest_cycle(graph) is not None:
        return
    if (drawn := _longest(graph, definition.initial.name)) <= limits.hops:
        return
    # guards may keep runs from the longest way that is drawn, so it is asked how far they get with hops enough
    hops, trace = replace(exploration.measures, limits=limits.model_copy(update={"hops": drawn})).hops
    if hops > limits.hops:
        cut = trace.legs[limits.hops - 1]  # the last hop is kept for landing, unless this one ends the run
        handoff = next(each for each in definition.handoffs if each.name == cut.handoff)
        yield codes.finding(
            "FSM207",
            where=handoff.where,
            about=handoff.name,
            problem=f"no hop is left to take {handoff.name!r}: hops={limits.hops}, and the longest way takes {hops}, "
            f"{trace}",
            fix=f"give the machine Limits(hops={hops})",
        )


def _longest(graph: Graph[str], start: str) -> int:
    """Return how many hops the longest way from a state takes; the graph has no cycle."""
    here, hops = {start}, 0
    while here := {successor for node in here for successor in graph[node]}:
        hops += 1
    return hops
