"""How observers are told: whatever they raise is logged by its kind, and touches no run."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from types import FunctionType, MethodType

from ..kernel.records import Record
from .base import Observer

_log = logging.getLogger("fsm_orch")


def tell(observers: Iterable[Observer], records: Iterable[Record]) -> None:
    """Call each observer with each record."""
    for observer in observers:
        for record in records:
            try:
                observer(record)
            # Of any kind, an interrupt too: an observer is a guest, and what it watches goes on without it.
            except BaseException as error:
                report("observer %s raised %s on %s", named(observer), type(error).__name__, record.kind)


def report(text: str, *values: object, level: int = logging.ERROR) -> None:
    """Log what went wrong beside a run; a handler of the application that raises does not touch the run."""
    with suppress(BaseException):  # of any kind: a guest, as observers are
        _log.log(level, text, *values)


def named(observer: object) -> str:
    """Return the name of a function or of an object's class, without asking the object, whose own code may raise."""
    # a method may be one of any object, which has no name of its own
    inner = observer.__func__ if isinstance(observer, MethodType) else observer
    named = inner if isinstance(inner, FunctionType) else type(inner)
    return f"{named.__module__}.{named.__qualname__}"
