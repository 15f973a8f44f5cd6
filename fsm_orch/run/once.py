"""What a piece of work may do in the world: whether all must be stored before it begins, and whether it may do it twice."""

from __future__ import annotations

from ..kernel.effects import Act, Effect, UseTool
from ..kernel.engine import CompiledState
from ..kernel.requests import UseTool as Request
from .writer import Run


def reaches_out(run: Run, effect: Effect) -> bool:
    """Return whether work may have an effect in the world as soon as it begins.

    What asks a model has none: each request waits for its reservation to be stored, and all that came before with it.
    """
    return isinstance(effect, UseTool) or (isinstance(effect, Act) and _state(run, effect).is_code)


def is_once(run: Run, effect: Effect) -> bool:
    """Return whether work must not be done again if nobody knows whether it was: code and tools not `repeatable`."""
    if isinstance(effect, Act):
        return _state(run, effect).acts_once
    if not isinstance(effect, UseTool):
        return False
    visit = run.levels(effect.path)[-1].now.visit
    asked = None if visit is None else visit.asks[effect.ask].request
    tool = _state(run, effect).tools.get(asked.name) if isinstance(asked, Request) else None
    return tool is None or not tool.repeatable


def _state(run: Run, effect: Effect) -> CompiledState:
    compiled = run.levels(effect.path)[-1].compiled if effect.path else run.compiled
    return compiled.states[effect.state]
