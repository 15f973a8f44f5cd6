"""Uses of tools as moments of a run: which begin in a step, and which tools some policies speak of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ...define.policies import Policy
from ...define.used import Used
from ...kernel.configuration import Configuration
from ...kernel.due import difference
from ...kernel.effects import UseTool
from ...kernel.requests import UseTool as Request

Spoken = Mapping[str, tuple[str, ...]]
"""By state, the tools whose use makes a difference."""


def spoken_of(policies: Iterable[Policy]) -> Spoken:
    """Return the tools that policies speak of, by state."""
    found: dict[str, dict[str, None]] = {}
    for policy in policies:
        for atom in policy.atoms:
            if isinstance(atom, Used):
                found.setdefault(atom.state.name, {})[atom.tool] = None
    return {state: tuple(tools) for state, tools in found.items()}


def begun(before: Configuration | None, after: Configuration) -> Iterator[str]:
    """Yield the tools that are due after a step, and were not before it, in the order in which they were asked for."""
    if after.visit is None or after.visit.round is None:
        return
    for effect in difference(before, after).begun:
        if isinstance(effect, UseTool) and effect.path == after.path:
            request = after.visit.asks[effect.ask].request
            assert isinstance(request, Request)
            yield request.name


def declined(before: Configuration | None, after: Configuration) -> Iterator[str]:
    """Yield the tools of which a human has said in a step that they may not be used."""
    was = before.visit if before and before.hops == after.hops else None
    if was is None or after.visit is None:
        return
    for number, ask in was.asks.items():
        if ask.is_gated and isinstance(ask.request, Request) and after.visit.asks[number].end == "declined":
            yield ask.request.name
