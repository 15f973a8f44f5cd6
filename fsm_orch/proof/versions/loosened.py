"""Policies that hold of a new version within its own limits, and not within those that a run of the old one keeps."""

from __future__ import annotations

from functools import lru_cache

from ...define.definition import Definition
from ...define.policies import Policy
from ...limits import Limits
from ..explore.exploration import explore

_ROOM = 20_000
"""The most configurations that are looked at; beyond them nobody knows."""


def loosened(definition: Definition, kept: Limits) -> str | None:
    """Return which policy of a new version may be broken by a run that keeps other limits; None if none may.

    Args:
        definition: the new version.
        kept: the limits of the run.
    """
    # a run that may use less can do no less wrong: it only lands sooner
    if not definition.policies or _is_within(kept, definition.limits):
        return None
    return _loosened(_Itself(definition), kept)


def _is_within(kept: Limits, own: Limits) -> bool:
    most = own.cost_micros
    return (
        kept.hops <= own.hops
        and kept.tokens <= own.tokens
        and (most is None or (kept.cost_micros is not None and kept.cost_micros <= most))
        # what may time out depends on how these two compare
        and (kept.deadline_s, kept.visit_s) == (own.deadline_s, own.visit_s)
    )


class _Itself:
    """A definition as the key of a cache, by identity: two of one digest may ask guards of other bodies."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and other.definition is self.definition

    def __hash__(self) -> int:
        return id(self.definition)


@lru_cache(maxsize=64)  # thousands of runs keep the same limits
def _loosened(of: _Itself, kept: Limits) -> str | None:
    definition = of.definition
    by_kept, by_own = _held(definition, kept), _held(definition, definition.limits)
    lost = next((policy for policy in by_own if policy not in by_kept), None)
    if lost is None:
        return None
    return f"it keeps its own limits, within which {lost} is not shown to hold as it is within those of the new version"


def _held(definition: Definition, limits: Limits) -> list[Policy]:
    found = explore(definition, limits=limits, max_configurations=_ROOM)
    return [each.policy for each in found.policies if each.verdict == "holds"]
