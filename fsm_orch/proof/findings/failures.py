"""Findings about failure edges that cannot be paid for when they are needed (304).

What a run has spent when a visit ends is exact here, guards aside: usage may be anything from nothing to the caps, so
with limit L, calls c and grant g a visit that is entered with at most m spent ends with at most min(m + c * g, L).
Where m itself would leave no room for the first call, less was spent, and the calls fill the limit all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from ...amounts import FREE
from ...define import codes
from ...define.definition import Definition
from ...define.rules.start import entry_of
from ...define.states import State
from ...errors import Finding
from ..bounds.certificate import Certificate
from ..bounds.words import limits_as_written

_MOST_PLACES = 20_000
"""Beyond it visits are no longer counted: the finding may then name a path that visits a state too often."""


class Spent(NamedTuple):
    """The most that can be spent when a visit of a state ends, and on which path."""

    tokens: int
    path: tuple[str, ...]


def unaffordable(definition: Definition, certificate: Certificate) -> Iterator[Finding]:
    """Find failure edges into states whose first call may cost more than is left when the visit has failed.

    Args:
        certificate: its own; where the worst case fits the limit, every edge can be paid for.
    """
    limits, bound = definition.limits, certificate.bounds["tokens"].bound
    failing = [(source, handoff) for source, handoff in definition.edges if handoff.kind != "handoff"]
    if bound <= limits.tokens or not any(isinstance(handoff.target, State) for _, handoff in failing):
        return
    worst = most_spent(definition)
    unlimited = most_spent(replace(definition, limits=limits.model_copy(update={"tokens": bound})))
    for source, handoff in failing:
        target, spent = handoff.target, worst.get((source, handoff.target.name))
        if spent is None or not isinstance(target, State):
            continue
        grant, left = target.spec.grant(FREE).tokens, limits.tokens - spent.tokens
        if grant > left:
            enough = min(bound, unlimited[source, target.name].tokens + grant)
            what = "whose first call" if target.spec.calls else f"and {entry_of(target)}"
            yield codes.finding(
                "FSM304",
                where=handoff.where,
                about=handoff.name,
                problem=f"{handoff.name!r} enters {target.name!r}, {what} may take {grant:,} tokens, and as few as "
                f"{left:,} may be left: {' -> '.join(spent.path)}",
                fix=f"raise the limit, {limits_as_written(limits, tokens=enough)}, or hand failures to code or to a "
                "final state",
            )


_Worst = dict[tuple[str, str], Spent]
"""By a state and one that it leads to, which visits and hops still admit: the most spent between the two."""


def most_spent(definition: Definition) -> _Worst:
    """Return the most that may have been spent from one state to another, wherever one leads to the other."""
    counted = tuple(name for name, state in definition.states.items() if state.max_visits is not None)
    try:
        return _layers(definition, counted)
    except _TooManyError:
        return _layers(definition, ())


class _TooManyError(Exception):
    """Visits cannot be counted in so few places."""


def _layers(definition: Definition, counted: tuple[str, ...]) -> _Worst:
    """Go hop by hop; a place is a state with the visits, of the states counted, that led to it."""
    hops = definition.limits.hops
    worst: _Worst = {}
    layer = {
        (start, _visited(counted, (0,) * len(counted), start)): _left(definition, start, Spent(0, ()))
        for start in definition.starts
    }
    for _ in range(hops - 1):  # a failure edge into a state needs two hops: its own and the one that lands
        onward: dict[tuple[str, tuple[int, ...]], Spent] = {}
        for (name, visits), spent in layer.items():
            for target in definition.successors[name]:
                if not _can_enter(definition, target, counted, visits):
                    continue
                worst[name, target] = max(spent, worst.get((name, target), spent), key=lambda one: one.tokens)
                place = (target, _visited(counted, visits, target))
                further = _left(definition, target, spent)
                onward[place] = max(onward.get(place, further), further, key=lambda one: one.tokens)
        if len(onward) > _MOST_PLACES:
            raise _TooManyError
        layer = onward
    return worst


def _can_enter(definition: Definition, target: str, counted: tuple[str, ...], visits: tuple[int, ...]) -> bool:
    state = definition.states.get(target)
    if state is None or state.spec.grant(FREE).tokens > definition.limits.tokens:
        return False
    return target not in counted or visits[counted.index(target)] < (state.max_visits or 0)


def _visited(counted: tuple[str, ...], visits: tuple[int, ...], name: str) -> tuple[int, ...]:
    return tuple(number + (one == name) for one, number in zip(counted, visits, strict=True))


def _left(definition: Definition, name: str, before: Spent) -> Spent:
    """Spend as much as a visit can."""
    worst = before.tokens + definition.states[name].spec.worst_case(FREE).tokens
    return Spent(min(worst, definition.limits.tokens), (*before.path, name))
