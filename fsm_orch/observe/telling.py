"""How observers are told: whatever they raise is logged by its kind, and touches no run."""

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType, MethodType

from ..kernel.records import Record
from ..reported import report
from .base import Observer


def tell(observers: Iterable[Observer], records: Iterable[Record]) -> None:
    """Call each observer with each record."""
    for observer in observers:
        for record in records:
            try:
                observer(record)
            # Of any kind, an interrupt too: an observer is a guest, and what it watches goes on without it.
            except BaseException as error:
                report("observer %s raised %s on %s", named(observer), type(error).__name__, record.kind)


def named(observer: object) -> str:
    """Return the name of a function or of an object's class, without asking the object, whose own code may raise."""
    # a method may be one of any object, which has no name of its own
    inner = observer.__func__ if isinstance(observer, MethodType) else observer
    named = inner if isinstance(inner, FunctionType) else type(inner)
    return f"{named.__module__}.{named.__qualname__}"
