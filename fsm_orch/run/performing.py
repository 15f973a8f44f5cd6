"""What is performed for a run: an attempt of an agent, or a use of a tool, by whom the cast has for it."""

from __future__ import annotations

from typing import Any

from ..clock import Clock
from ..kernel.effects import Act, Effect, UseTool
from ..resilience.retry import Retry
from .attempt import attempt
from .cast import Cast
from .drive import Perform
from .forked import ForkedRun
from .gates import Gates
from .tool import use
from .work import Doing
from .writer import Run


def performing(run: Run, ours: Cast, retry: Retry | None, deps: Any, wall: Clock, gates: Gates | None) -> Perform:
    """Return what begins a piece of work of a run.

    Args:
        ours: of the machine of the run, and of those inside it.
        deps: live objects for agents.
        wall: seconds of the epoch.
        gates: in front of its agents; None: there are none.
    """

    def perform(effect: Effect) -> Doing | None:
        cast = ours.at(run.levels(effect.path)) if effect.path else ours
        state = effect.state
        if isinstance(effect, Act):
            gate = None if gates is None else gates.at(run.levels(effect.path), state)
            return attempt(run, effect, cast.agents[state], cast.models.get(state), retry, deps, wall, gate)
        assert isinstance(effect, UseTool)  # what a human is asked is waited for
        return use(run, effect, cast.agents[state], deps)

    return run.performing(perform) if isinstance(run, ForkedRun) else perform
