"""Gates, as the kernel knows them: which states nobody may enter now, at every level of the tree.

They are environment, so they come as an input. A shut state only closes handoffs: whatever a run then does, some run
without gates does too, so all that was proved holds.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from ..errors import StepError
from . import inputs, records
from .configuration import Configuration
from .course import Course
from .engine import CompiledMachine
from .requests import RunPart

NOTHING_SHUT = frozenset[str]()


def see(course: Course, event: inputs.GatesSeen) -> None:
    """Take over which states are shut, in the run and in all parts that run.

    Raises StepError: if it is for a part.
    """
    if event.path:
        raise StepError(f"'gates_seen' is for machine {event.path}: it is always for the run itself")
    course.now = _shutting(course.now, known(course.compiled, event.shut))
    course.records.append(records.GatesSeen(stamp=course.stamp, shut=tuple(sorted(course.now.shut))))


def known(compiled: CompiledMachine, shut: Iterable[str]) -> frozenset[str]:
    """Return the places that are states of the tree; a newer version of a machine may lack one that was shut."""
    return frozenset([place for place in shut if place in compiled.definition.places])


def inside(above: Configuration, ask: int) -> frozenset[str]:
    """Return what is shut in a part that a visit asked for, by where it is in that part."""
    if not above.shut or above.visit is None:
        return NOTHING_SHUT
    request = above.visit.asks[ask].request
    assert isinstance(request, RunPart)
    prefix = f"{above.state}.{request.part}."
    return frozenset([place.removeprefix(prefix) for place in above.shut if place.startswith(prefix)])


def _shutting(now: Configuration, shut: frozenset[str]) -> Configuration:
    now = replace(now, shut=shut)
    if now.visit is None or now.visit.round is None:
        return now
    asks = now.visit.asks
    for number in now.visit.round.numbers:
        ask = asks[number]
        if ask.child is not None:
            asks = asks.put(number, replace(ask, child=_shutting(ask.child, inside(now, number))))
    return replace(now, visit=replace(now.visit, asks=asks))
