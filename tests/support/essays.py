"""The smallest machine: one function writes, and the run is over."""

from __future__ import annotations

from typing import Any

from fsm_orch import Context, Final, Machine, Preset, Runner, State, Visit


class Essay(Context):
    topic: str
    notes: Preset[tuple[str, ...]] = ()
    text: str = ""


def write(visit: Visit[Essay]) -> dict[Any, Any]:
    return {Essay.notes: ("one",)}


class Writing(Machine[Essay]):
    """Write an essay."""

    drafting = State(write, reads=Essay.notes, writes=Essay.notes, initial=True)
    done = Final()
    human = Final(fallback=True)
    end = drafting.to(done)


def runner(**options: Any) -> Runner[Essay]:
    """Make a runner of the machine."""
    return Runner(Writing, **options)
