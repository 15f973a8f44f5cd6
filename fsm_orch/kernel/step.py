"""The kernel: `step` applies an input to a configuration and returns the next one. It is pure."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import assert_never

from msgspec.structs import replace

from ..errors import StepError
from . import VERSION, asks, attempts, booking, gates, inputs, rounds
from .begin import begin
from .codec import to_json
from .configuration import Configuration
from .course import Course, Step
from .effects import Path
from .engine import CompiledMachine
from .inputs import Input
from .records import Record


def step(compiled: CompiledMachine, now: Configuration | None, event: Input) -> Step:
    """Apply one input, and return the next configuration with its records.

    Args:
        now: the configuration it happened in; None for `Started`, which begins a run.

    Raises StepError: if the input does not fit the configuration; nothing has changed then.
    """
    # NaN fails this too; it would never be past a deadline, and the run would have no end
    if not 0 <= event.at < math.inf:
        raise StepError(f"{event.kind} at {event.at}: time is a finite number of seconds, 0 or more")
    if now is None:
        if isinstance(event, inputs.Started) and not event.path:
            return begin(compiled, event)
        raise StepError(f"{event.kind!r} came first: a journal begins with 'started'")
    if now.status == "finished":
        # not ignored: the result has been handed out, and a journal that went on would contradict it
        raise StepError(f"{event.kind!r} came after run {now.run_id} had finished")
    # Time never runs backwards: a clock that was set back would give visits and deadlines time that is gone. An input
    # stamped before the last one is taken to happen at the same time, not refused: it may report what was billed.
    course = Course(compiled, now if event.at <= now.at else replace(now, at=event.at))
    if event.path:
        _take_inside(course, event, event.path)
    else:
        _take(course, event)
    return course.done()


def _take_inside(course: Course, event: Input, path: Path) -> None:
    """Take an input to the machine that it is for; whatever ends there is merged on the way back."""
    # The path travels beside the input: to rewrite the input at each level took 10 us.
    number, deeper = path[0], path[1:]
    inside = course.inside(number)
    if inside is None:
        if not isinstance(event, inputs.Overspent):
            raise StepError(f"{event.kind!r} is for machine {event.path}, which is not running")
        _take(course, event)  # that machine has ended: here is the nearest one above it that lives
        return
    if deeper:
        _take_inside(inside.course, event, deeper)
    else:
        _take(inside.course, event)
    child = inside.course.now
    course.book(asks.keep(course.compiled, course.now, number, child, ask=inside.ask, since=inside.since))
    rounds.go_on(course)


_OF_AGENTS = inputs.Replied | inputs.Asked | inputs.CallReserved


def _take(course: Course, event: Input) -> None:
    visit = course.now.visit
    if visit is not None and visit.round is not None and isinstance(event, _OF_AGENTS):
        raise StepError(f"{event.kind!r} came from {course.now.state!r}, whose agent is not at work: its round is open")
    match event:  # the most frequent first
        case inputs.Replied():
            attempts.take_reply(course, event)
        case inputs.CallReserved():
            course.book(booking.reserve(course.compiled, course.now, event))
        case inputs.CallSettled():
            course.charge(booking.settle(course.compiled, course.now, event))
        case inputs.CallReleased():
            course.book(booking.release(course.compiled, course.now, event))
        case inputs.Answered():
            rounds.answer(course, event)
        case inputs.Asked():
            rounds.ask(course, event)
        case inputs.Overspent():
            course.charge(booking.overspend(course.compiled, course.now, event))
        case inputs.Failed():
            attempts.take_failure(course, event.reason, event.detail)
        case inputs.GatesSeen():
            gates.see(course, event)
        case inputs.Cancelled():
            course.land("cancelled", event.detail)
        case inputs.Started():
            raise StepError(f"run {course.now.run_id} has started already")
        case _:
            assert_never(event)


def fold(compiled: CompiledMachine, journal: Iterable[Input]) -> Configuration:
    """Apply the inputs of a journal in order, and return the configuration it ends in.

    Raises StepError: if it is empty, damaged, or of another machine or kernel.
    """
    return fold_recorded(compiled, journal)[0]


def fold_recorded(compiled: CompiledMachine, journal: Iterable[Input]) -> tuple[Configuration, tuple[Record, ...]]:
    """Fold a journal into the configuration it ends in, and every record on the way.

    Raises StepError: if it is empty, damaged, or of another machine or kernel.
    """
    now: Configuration | None = None
    records: list[Record] = []
    for event in journal:
        stepped = step(compiled, now, event)
        now = stepped.configuration
        records += stepped.records
    if now is None:
        raise StepError("the journal is empty: it begins with 'started'")
    return now, tuple(records)


def journal_digest(journal: Iterable[Input]) -> str:
    """Return a name for a journal: the kernel's version, and SHA-256 over its inputs as JSON lines."""
    digest = hashlib.sha256()
    for event in journal:
        digest.update(to_json(event) + b"\n")
    # with the version: another kernel may fold the same inputs into another run
    return f"k{VERSION}:{digest.hexdigest()}"
