"""The kernel: `step` applies an input to a configuration and returns the next one. It is pure."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import assert_never

from msgspec.structs import replace

from ..amounts import Allowance
from ..errors import StepError
from . import VERSION, attempts, booking, children, humans, inputs
from .begin import begin
from .codec import to_json
from .configuration import Configuration
from .course import Course, Step
from .engine import CompiledMachine
from .inputs import Input
from .ledger import Ledger
from .records import Record

_AT_ANY_TIME = inputs.Cancelled | inputs.Overspent
"""What may come while a run waits, too: a caller leaves, or a bill arrives, when they will."""


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
        if isinstance(event, inputs.Started):
            return begin(compiled, event, Ledger(Allowance(compiled.limits.tokens, compiled.limits.cost_micros)))
        raise StepError(f"{event.kind!r} came first: a journal begins with 'started'")
    if now.status == "finished":
        # not ignored: the result has been handed out, and a journal that went on would contradict it
        raise StepError(f"{event.kind!r} came after run {now.run_id} had finished")
    if (now.status == "waiting") != isinstance(event, inputs.Resumed) and not isinstance(event, _AT_ANY_TIME):
        raise StepError(f"{event.kind!r} came while run {now.run_id} is {now.status}: only a waiting run is resumed")
    # Time never runs backwards: a clock that was set back would give visits and deadlines time that is gone. An input
    # stamped before the last one is taken to happen at the same time, not refused: it may report what was billed.
    return _take(Course(compiled, now if event.at <= now.at else replace(now, at=event.at)), event)


def _take(course: Course, event: Input) -> Step:
    match event:  # the most frequent first
        case inputs.Replied():
            attempts.take_reply(course, event)
        case inputs.CallReserved():
            course.book(booking.reserve(course.compiled, course.now, event))
        case inputs.CallSettled():
            course.charge(booking.settle(course.compiled, course.now, event.call, event.usage))
        case inputs.CallReleased():
            course.book(booking.release(course.compiled, course.now, event.call))
        case inputs.Overspent():
            _overspend(course, event)
        case inputs.Failed():
            attempts.take_failure(course, event.reason, event.detail)
        case inputs.Cancelled():
            course.land("cancelled", event.detail)
        case inputs.Asked() | inputs.Answered():
            raise StepError("rounds are not taken yet")
        case inputs.Paused():
            humans.pause(course, event.question)
        case inputs.Resumed():
            humans.resume(course, event.answer)
        case inputs.Split():
            children.split(course, event)
        case inputs.ChildInput():
            name, machine, child = children.child_of(course, event)
            course.keep_child(event.call, name, step(machine, child, event.input))
        case inputs.Merged():
            course.charge(booking.merge(course.compiled, course.now, event.call))
        case inputs.Started():
            raise StepError(f"run {course.now.run_id} has started already")
        case _:
            assert_never(event)
    return course.done()


def _overspend(course: Course, event: inputs.Overspent) -> None:
    """Charge what came late where its visit was, or as near above that as a machine lives."""
    child = children.living(course, event.path[0]) if event.path else None
    if child is None:
        course.charge(booking.overspend(course.compiled, course.now, event))
    else:
        name, machine, now = child
        course.keep_child(event.path[0], name, step(machine, now, replace(event, path=event.path[1:])))


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
