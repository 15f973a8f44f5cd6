"""How tracers are told of a run: guests too, which cost it nothing but their time, whatever they raise."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextvars import Context, copy_context

from msgspec.structs import replace

from ..kernel.effects import Effect
from ..kernel.inputs import Started
from ..kernel.records import Record
from ..reported import report
from .base import Observer, Trace, Tracer
from .telling import named

_TRACE_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def is_trace_parent(text: str) -> bool:
    """Return whether a text is a span as the header `traceparent` of W3C trace context writes it.

    Of a later version than 00 what comes after the flags is not taken.
    """
    return _TRACE_PARENT.fullmatch(text) is not None


def called(first: Started, observers: Iterable[Observer | Tracer]) -> Started:
    """Return the beginning of a run with its caller's span, if a tracer knows one; else as it is."""
    callers = (_asked(each, each.caller) for each in observers if isinstance(each, Tracer))
    caller = next((one for one in callers if isinstance(one, str) and is_trace_parent(one)), None)
    return first if caller is None else replace(first, trace_parent=caller)


def observing(
    observers: Iterable[Observer | Tracer], first: Started, made: Sequence[Record], *, is_stored: bool
) -> tuple[Observer, ...]:
    """Return the observers of one run: those given, and instead of each tracer the one that it makes."""

    def made_by(each: Observer | Tracer) -> object:
        return _asked(each, lambda: each.trace(first, made, is_stored=is_stored)) if isinstance(each, Tracer) else each

    return tuple([one for one in map(made_by, observers) if callable(one)])


def entered(traces: Sequence[Trace], effect: Effect) -> Context:
    """Return the context of a piece of work that begins."""
    context = copy_context()
    for trace in traces:
        _asked(trace, lambda trace=trace: context.run(trace.enter, effect))  # type: ignore[misc]
    return context


def leave(traces: Iterable[Trace]) -> None:
    """Leave a run that is driven here no more."""
    for trace in traces:
        _asked(trace, trace.leave)


def _asked(guest: object, ask: Callable[[], object]) -> object:
    try:
        return ask()
    except BaseException as error:  # of any kind: a guest, as observers are
        report("%s raised %s", named(guest), type(error).__name__)
        return None
