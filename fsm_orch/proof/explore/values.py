"""Values that make a possible path real: simple ones, and those that guards compare with, tried by the real kernel."""

from __future__ import annotations

import ast
import math
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple

from msgspec.structs import replace as with_fields
from pydantic import TypeAdapter

from ...define.context import Context, given_fields
from ...define.guards import Guard
from ...kernel.inputs import Input, Replied
from .reality import SIMPLE
from .trace import Leg, Trace

MOST_TRIED = 500
"""The most combinations of values that are tried on one path."""
_MOST_LETTERS = 1_000
"""The longest text that is tried because a guard compares with a number, which may be of letters."""


SHOWN_AS_CALLS = frozenset({"datetime", "decimal", "uuid"})
"""Modules whose values show themselves as the call that makes them, such as `Decimal('501')`."""


_FAR: tuple[object, ...] = (-1, 10**9, "9999-12-31", "0001-01-01")
"""Values beyond what most guards compare with."""


class _Slot(NamedTuple):
    """A place on a path where a value is open."""

    number: int
    """The number of the input that writes it; -1 for the start of the run."""
    name: str
    """The field."""


def with_values(
    context_type: type[Context],
    trace: Trace,
    may_read: Mapping[Guard[Any], frozenset[str]],
    is_real: Callable[[Trace], bool],
) -> Trace | None:
    """Find values for the opaque fields of a path with which it is the path of a real run.

    Args:
        context_type: of the machine.
        trace: a path that may depend on opaque guards.
        may_read: the guards, each with the fields that it may read.
        is_real: returns whether a run takes a path with these values, and shows what it is to show.

    Returns: the path with these values, which then depends on no guard; None if none of those tried makes it real.
    """
    read = frozenset[str]().union(*may_read.values())
    slots = [slot for slot in _slots(context_type, trace) if slot.name in read]
    constants = _spoken_of(may_read)
    options = [_fitting(context_type, slot.name, (*constants, *SIMPLE, *_FAR)) for slot in slots]
    for chosen in islice(_nearest_first(options), MOST_TRIED):
        filled = _filled(trace, dict(zip(slots, chosen, strict=True)))
        if is_real(filled):
            return filled
    return None


def _slots(context_type: type[Context], trace: Trace) -> Iterator[_Slot]:
    given = given_fields(context_type)
    yield from (_Slot(-1, name) for name in trace.start if name in trace.opaque and name in given)
    events = [*(event for leg in trace.legs for event in leg.inputs), *trace.inputs]
    for number, event in enumerate(events):
        if isinstance(event, Replied):
            yield from (_Slot(number, name) for name in event.changes if name in trace.opaque)


def _nearest_first(options: Sequence[Sequence[object]]) -> Iterator[tuple[object, ...]]:
    """Yield every combination of options, those first whose options stand first."""
    # A plain product would vary the last field alone for as long as there is patience.
    for steps in range(1 + sum(len(values) - 1 for values in options)):
        yield from _in_steps(options, steps)


def _in_steps(options: Sequence[Sequence[object]], steps: int) -> Iterator[tuple[object, ...]]:
    if not options:
        if not steps:
            yield ()
        return
    first, *rest = options
    for number, value in enumerate(first[: steps + 1]):
        for others in _in_steps(rest, steps - number):
            yield (value, *others)


def _filled(trace: Trace, values: Mapping[_Slot, object]) -> Trace:
    """Return a path with values in its slots, on which no guard is open any more."""
    number = 0

    def of(events: tuple[Input, ...]) -> tuple[Input, ...]:
        nonlocal number
        found: list[Input] = []
        for event in events:
            if isinstance(event, Replied):
                changes = {name: values.get(_Slot(number, name), value) for name, value in event.changes.items()}
                event = with_fields(event, changes=changes)  # noqa: PLW2901
            found.append(event)
            number += 1
        return tuple(found)

    def leg_of(leg: Leg) -> Leg:
        events = of(leg.inputs)
        last = events[-1] if events else None
        changes = {n: last.changes[n] for n in leg.changes} if isinstance(last, Replied) else leg.changes
        return replace(leg, inputs=events, changes=changes, assumed=())

    legs = tuple(map(leg_of, trace.legs))
    known = {slot.name for slot in values}
    return replace(
        trace,
        start={name: values.get(_Slot(-1, name), value) for name, value in trace.start.items()},
        legs=legs,
        inputs=of(trace.inputs),
        assumed=(),
        opaque=tuple(name for name in trace.opaque if name not in known),
    )


def spoken_of(context_type: type[Context], name: str, leaves: Iterable[Guard[Any]]) -> list[object]:
    """Return the values that guards speak of, and those just beside them, as far as a field accepts them."""
    return _fitting(context_type, name, _spoken_of(leaves))


def _spoken_of(leaves: Iterable[Guard[Any]]) -> list[object]:
    found = dict.fromkeys((type(value), value) for leaf in leaves for value in _constants(leaf))
    return [value for _, value in found]


def _fitting(context_type: type[Context], name: str, options: Iterable[object]) -> list[object]:
    """Return what a field makes of those values that it accepts, each once, in their order."""
    adapter = TypeAdapter(context_type.__pydantic_fields__[name].rebuild_annotation(), config=context_type.model_config)
    found: dict[str, object] = {}
    for value in options:
        with suppress(Exception):  # a validator is user code: whatever it raises is a no
            held = adapter.validate_python(value)
            if is_plain(held):
                found.setdefault(repr(held), held)
    return list(found.values())


def is_plain(value: object) -> bool:
    """Return whether a value can be written in a test: a literal, or one that shows itself as its call."""
    if type(value).__module__ in SHOWN_AS_CALLS:
        return True
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError):
        return False


def _constants(leaf: Guard[Any]) -> Iterator[object]:
    """Yield what the code of a guard speaks of, and what is just beside it."""
    code = getattr(leaf.predicate, "__code__", None)
    if isinstance(code, types.CodeType):
        for value in _said(code, getattr(leaf.predicate, "__globals__", {})):
            yield from _beside(value)


def _said(code: types.CodeType, names: Mapping[str, object]) -> Iterator[object]:
    """Yield the constants of code and of functions in it, and the globals that it names."""
    for value in (*code.co_consts, *(names[name] for name in code.co_names if name in names)):
        if isinstance(value, types.CodeType):
            yield from _said(value, names)
        elif isinstance(value, tuple | frozenset | set | list):
            yield from value
        else:
            yield value


def _beside(value: object) -> Iterator[Any]:
    if isinstance(value, bool) or (isinstance(value, float | Decimal) and not math.isfinite(value)):
        return
    if isinstance(value, int | float | Decimal):
        yield from (value + 1, value, value - 1)
        yield from ("x" * int(letters) for letters in (value + 1, value, value - 1) if 0 <= letters <= _MOST_LETTERS)
    elif isinstance(value, str) or type(value).__module__ in SHOWN_AS_CALLS:
        yield value
