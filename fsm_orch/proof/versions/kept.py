"""What a run that continues keeps, beside where it stands: what may have begun, what humans were asked, what it pays.

The kernel folds none of that, so it is asked here.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...define.definition import Definition
from ...define.rules.start import cost_limits
from ...define.states import State
from ...kernel.configuration import Configuration
from ...kernel.due import due
from ...kernel.effects import Act, AskHuman, Path, UseTool
from ...kernel.engine import CompiledMachine
from ...kernel.requests import AskHuman as AskedHuman
from ...kernel.requests import Request
from ...kernel.requests import UseTool as AskedTool
from ...kernel.tree import levels
from ...limits import Limits
from .rebinding import NO_RENAMES, Renames


def why_not_due(old: CompiledMachine, was: Configuration, new: CompiledMachine, now: Configuration) -> str | None:
    """Return why what is due in the new version is not what was due in the old one; None if it is.

    Args:
        was: where the run stands in the old version.
        now: where it stands in the new one: in the same place.
    """
    return next(_due(old, was, new, now), None)


def _due(old: CompiledMachine, was: Configuration, new: CompiledMachine, now: Configuration) -> Iterator[str]:
    for effect in due(was):
        mine, theirs = _state_at(old, was, effect.path), _state_at(new, now, effect.path)
        asked = None if isinstance(effect, Act) else _asked(was, effect.path, effect.ask)
        if isinstance(effect, AskHuman) and isinstance(asked, AskedHuman):
            yield from _of_form(mine, theirs)
        elif isinstance(effect, Act) and mine.acts_once and not theirs.acts_once:
            yield f"{theirs.name!r} may have acted, and could not be repeated then: now it would act again"
        elif isinstance(effect, Act) and _was_repeatable(mine) and theirs.acts_once:
            # its worker may have been drained in the midst of it, and let the run go as one that may act again
            yield f"{theirs.name!r} may have acted, and could be repeated then: now it would act again, and must not"
        elif isinstance(effect, UseTool) and isinstance(asked, AskedTool):
            before, after = (_is_repeatable(state, asked.name) for state in (mine, theirs))
            if after != before:
                could, but = ("could", ", and must not") if before else ("could not", "")
                yield f"tool {asked.name!r} may be in use, and {could} be repeated then: now it would be again{but}"


def _of_form(mine: State, theirs: State) -> Iterator[str]:
    # An answer is read by the state that it comes to, and was given by the form of the one that asked. By the old name
    # even where a handoff was renamed: that is what the form offers.
    one, other = (([h.name for h in state.exits], sorted(state.spec.written_names)) for state in (mine, theirs))
    if one != other:
        yield f"a human was asked in {mine.name!r} for what is no longer read as an answer: its exits or fields changed"


def _was_repeatable(state: State) -> bool:
    return state.spec.kind == "code" and state.repeatable


def _is_repeatable(state: State, tool: str) -> bool:
    return any(each.name == tool and each.repeatable for each in state.spec.tools)


def _state_at(compiled: CompiledMachine, now: Configuration, path: Path) -> State:
    level = levels(compiled, now, path)[-1]
    return level.compiled.states[level.now.state].state


def _asked(now: Configuration, path: Path, ask: int) -> Request | None:
    for number in path:
        inside = None if now.visit is None else now.visit.asks[number].child
        assert inside is not None  # what is due in a machine runs
        now = inside
    return None if now.visit is None else now.visit.asks[ask].request


def unpriced(old: Definition, new: Definition, limits: Limits, renames: Renames = NO_RENAMES) -> str | None:
    """Return the place of a model of which a run whose cost is limited keeps no price; None if there is none.

    A run keeps its prices, and they are those of the models that the old version named.

    Args:
        limits: of the run.
    """
    limited = [place for place, _ in cost_limits(new, limits)]
    known = {renames.place(place): model for place, model in _models(old)}
    for place, model in _models(new):
        if any(place.startswith(each) for each in limited) and known.get(place, _NONE) != model:
            return place
    return None


_NONE = object()


def _models(definition: Definition, default: str | None = None, start: str = "") -> Iterator[tuple[str, str | None]]:
    """Yield the name of the model of each state that makes calls, by place; None: whatever the runner says."""
    chosen = default or definition.model
    yield from ((f"{start}{name}", model) for name, model in definition.models(chosen).items())
    for name, state in definition.states.items():
        for part in state.spec.parts:
            yield from _models(part.definition, chosen, f"{start}{name}.{part.name}.")
