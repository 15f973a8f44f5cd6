"""What a run keeps in a new version, its limits and its prices, and what of that version does not hold within these."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from ...define.definition import Definition
from ...define.policies import Policy
from ...define.rules.start import cost_limits
from ...kernel.renames import NO_RENAMES, Renames
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
    return _loosened(_Asked(definition, kept))


def _is_within(kept: Limits, own: Limits) -> bool:
    most = own.cost_micros
    return (
        kept.hops <= own.hops
        and kept.tokens <= own.tokens
        and (most is None or (kept.cost_micros is not None and kept.cost_micros <= most))
        # what may time out depends on how these two compare
        and (kept.deadline_s, kept.visit_s) == (own.deadline_s, own.visit_s)
    )


class _Asked:
    """The key of a cache. The definition counts by identity: two of one digest may ask guards of other bodies."""

    def __init__(self, definition: Definition, kept: Limits) -> None:
        self.definition, self.kept = definition, kept

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Asked) and other.definition is self.definition and other.kept == self.kept

    def __hash__(self) -> int:
        return id(self.definition)


@lru_cache(maxsize=64)  # thousands of runs keep the same limits
def _loosened(asked: _Asked) -> str | None:
    definition = asked.definition
    by_kept, by_own = _held(definition, asked.kept), _held(definition, definition.limits)
    lost = next((policy for policy in by_own if policy not in by_kept), None)
    if lost is None:
        return None
    return f"it keeps its own limits, within which {lost} is not shown to hold as it is within those of the new version"


def _held(definition: Definition, limits: Limits) -> list[Policy]:
    found = explore(definition, limits=limits, max_configurations=_ROOM)
    return [each.policy for each in found.policies if each.verdict == "holds"]


def unpriced(old: Definition, new: Definition, limits: Limits, renames: Renames = NO_RENAMES) -> str | None:
    """Return why a run whose cost is limited could make calls at a price that it does not keep; None: it could not.

    A run keeps its prices, and they are those of the models that the old version named.

    Args:
        limits: of the run.
    """
    limited = [place for place, _ in cost_limits(new, limits)]
    known = {renames.place(place): model for place, model in _models(old)}
    for place, model in _models(new):
        if any(place.startswith(each) for each in limited) and known.get(place, _NONE) != model:
            return f"its cost is limited, and it keeps no price of the model of {place!r}"
    return None


_NONE = object()


def _models(definition: Definition, default: str | None = None, start: str = "") -> Iterator[tuple[str, str | None]]:
    """Yield the name of the model of each state that makes calls, by place; None: whatever the runner says."""
    chosen = default or definition.model
    yield from ((f"{start}{name}", model) for name, model in definition.models(chosen).items())
    for name, state in definition.states.items():
        for part in state.spec.parts:
            yield from _models(part.definition, chosen, f"{start}{name}.{part.name}.")
