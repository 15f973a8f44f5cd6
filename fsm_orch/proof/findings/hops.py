"""Findings about hops that end too early: as visits bound each cycle, a machine needs as many as its longest way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ...define import codes
from ...define.definition import Definition
from ...define.graph import knots
from ...errors import Finding
from ...limits import MOST_HOPS
from ..explore.exploration import Exploration
from ..explore.measures import Measures

_MOST_CONFIGURATIONS = 1_000
"""Of the look at longer runs; what it has not seen by then is not said."""
_MOST_STEPS = 4_000
"""Of that look too, or as many as the proof took before: it is no dearer than that, or is over in about a second."""


def cut_short(definition: Definition, exploration: Exploration, known: Iterable[Finding] = ()) -> Iterator[Finding]:
    """Find a run that is ended by hops, and not by visits, which bound each cycle that there may be.

    Args:
        known: what was found so far; where no run can afford a state (FSM301) that is the thing to mend.
    """
    limits, enough = definition.limits, _enough(definition)
    if enough <= limits.hops or not exploration.is_complete or any(finding.code == "FSM301" for finding in known):
        return
    # guards may keep runs from the longest way that is drawn, so it is asked how far they get with hops enough
    seen = longer(exploration, enough)
    hops, trace = seen.hops
    if hops > limits.hops:
        cut = trace.legs[limits.hops - 1]  # the last hop is kept for landing, unless this one ends the run
        handoff = next(each for each in definition.handoffs if each.name == cut.handoff)
        # an opaque guard may never answer so, nor a function propose so: then runs have hops enough
        hangs_on = " and ".join((*map(str, trace.assumptions), *trace.proposals))
        way = "a way may take" if hangs_on else "the longest way takes" if seen.is_complete else "a way takes"
        has_cycle = bool(knots(definition.successors))
        yield codes.finding(
            "FSM207",
            where=handoff.where,
            about=handoff.name,
            problem=f"no hop is left to take {handoff.name!r}: hops={limits.hops}, and {way} {hops}, {trace}"
            + f", if {hangs_on}" * bool(hangs_on),
            fix=f"give the machine Limits(hops={hops}){' or more' * (not seen.is_complete)}"
            + f"{', unless its hops bound it, and not its visits' * has_cycle}",
            level="note" if has_cycle or hangs_on else "warning",
        )


def longer(exploration: Exploration, hops: int) -> Measures:
    """Return what runs with so many hops can use, as far as a look that has an end comes."""
    more = exploration.measures.limits.model_copy(update={"hops": hops})
    steps = max(_MOST_STEPS, exploration.steps)
    return replace(exploration.measures, limits=more, room=_MOST_CONFIGURATIONS, most_steps=steps)


def _enough(definition: Definition) -> int:
    """Return a number of hops that no run exceeds, whatever the limit of hops.

    A cycle has a state with a number of visits, or else the machine does not build. So between two visits of such
    states a run enters each of the others once at most.
    """
    visits = [state.max_visits for state in definition.states.values() if state.max_visits is not None]
    return min((sum(visits) + 1) * (len(definition.states) - len(visits) + 1), MOST_HOPS)
