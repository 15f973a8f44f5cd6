"""What a run is owed in both versions: what may have begun, what a tool was given, what a human was asked.

The kernel folds none of that, so it is asked here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...define.states import State
from ...kernel.configuration import Configuration
from ...kernel.due import due
from ...kernel.effects import Act, UseTool
from ...kernel.engine import CompiledMachine
from ...kernel.renames import NO_RENAMES, Renames
from ...kernel.requests import AskHuman as AskedHuman
from ...kernel.requests import UseTool as AskedTool
from ...kernel.tree import levels
from .contexts import own_and_others, type_of


def why_not_due(
    old: CompiledMachine, was: Configuration, new: CompiledMachine, now: Configuration, renames: Renames = NO_RENAMES
) -> str | None:
    """Return why what is due in the new version is not what was due in the old one; None if it is.

    Args:
        was: where the run stands in the old version.
        now: where it stands in the new one: in the same place.
    """
    return next(_due(old, was, new, now, renames), None)


def _due(
    old: CompiledMachine, was: Configuration, new: CompiledMachine, now: Configuration, renames: Renames
) -> Iterator[str]:
    for effect in due(was):
        before, after = levels(old, was, effect.path)[-1], levels(new, now, effect.path)[-1]
        mine, theirs = (level.compiled.states[level.now.state].state for level in (before, after))
        if isinstance(effect, Act):
            if mine.acts_once and not theirs.acts_once:
                yield f"{theirs.name!r} may have acted, and could not be repeated then: now it would act again"
            elif _was_repeatable(mine) and theirs.acts_once:
                # its worker may have been drained in the midst of it, and let the run go as one that may act again
                yield f"{theirs.name!r} may have acted, and could be repeated then: it would act again, and must not"
            continue
        assert before.now.visit is not None  # something is due in it
        asked = before.now.visit.asks[effect.ask].request
        if isinstance(asked, AskedHuman):
            form = _form(mine, before.compiled, NO_RENAMES if effect.path else renames)
            if form != _form(theirs, after.compiled, NO_RENAMES):
                yield f"a human was asked in {mine.name!r} for what is no longer read as an answer: its form changed"
        elif isinstance(asked, AskedTool):
            yield from _of_tool(mine, theirs, asked.name, is_used=isinstance(effect, UseTool))


def _form(state: State, machine: CompiledMachine, renames: Renames) -> object:
    """Return what a human is asked for: the exits that may be chosen, and the fields to be filled in."""
    # An answer is read by the state that it comes to, and was given by the form of the one that asked. By the old name
    # even where a handoff was renamed: that is what the form offers.
    exits = [(handoff.name, renames.state(handoff.target.name)) for handoff in state.exits]
    return exits, {name: type_of(machine.definition.context, name) for name in state.spec.written_names}


def _of_tool(mine: State, theirs: State, name: str, *, is_used: bool) -> Iterator[str]:
    if _taken_by(mine, name) != _taken_by(theirs, name):
        yield f"tool {name!r} was asked for with arguments, and it takes others now"
    could, can = (_is_repeatable(state, name) for state in (mine, theirs))
    if is_used and could != can:
        then, but = ("could", ", and must not") if could else ("could not", "")
        yield f"tool {name!r} may have been used, and {then} be repeated then: it would be used again{but}"


def _was_repeatable(state: State) -> bool:
    return state.spec.kind == "code" and state.repeatable


def _is_repeatable(state: State, tool: str) -> bool:
    return any(each.name == tool and each.repeatable for each in state.spec.tools)


def _taken_by(state: State, tool: str) -> object:
    """Return what a tool takes, as a digest tells it; None if its agent does not say."""
    for each in (state.spec.canonical or {}).get("tools", ()):
        if each["name"] == tool:
            takes = each.get("takes")
            # what a server takes is told by a schema of JSON
            return own_and_others(takes) if isinstance(takes, Mapping) and "types" in takes else takes
    return None
