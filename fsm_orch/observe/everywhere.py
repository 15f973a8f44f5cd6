"""Observers of every run in the process, whoever makes its runner: for tests, notebooks and services."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..define.definition import Definition
from ..define.wording import kind_of
from ..reported import report
from .base import Observer, Tracer
from .telling import named

_makers: dict[object, Callable[[Definition], Observer | Tracer]] = {}
"""By block, since two blocks may be given equal makers, and are left in any order."""


@contextmanager
def everywhere(observer_of: Callable[[Definition], Observer | Tracer]) -> Iterator[None]:
    """Observe every run that begins inside the block, in all threads, besides what its runner's own observers do.

        with everywhere(lambda machine: log_records()):
            ...

    Args:
        observer_of: is called with the definition of a machine when a run is queued, begins or goes on, and returns its
            observer, or a tracer.
            What it raises is logged by its type, and does not touch the run.

    Raises TypeError: if it is no function.
    """
    if not callable(observer_of):
        how = "everywhere(lambda machine: ...)"
        raise TypeError(f"everywhere takes a function of a definition, not {kind_of(observer_of)}: {how}")
    block = object()
    _makers[block] = observer_of
    try:
        yield
    finally:
        del _makers[block]


def observers_of(definition: Definition) -> tuple[Observer | Tracer, ...]:
    """Return what observes a run that begins now, besides its runner's own observers."""
    if not _makers:
        return ()
    # a copy, made at once: other threads, and makers themselves, may enter and leave blocks meanwhile
    made = [_made(observer_of, definition) for observer_of in tuple(_makers.values())]
    return tuple([observer for observer in made if observer is not None])


def _made(observer_of: Callable[[Definition], Observer | Tracer], definition: Definition) -> Observer | Tracer | None:
    """Return an observer; None if there is none to be had."""
    try:
        observer = observer_of(definition)
        if not (isinstance(observer, Tracer) or callable(observer)):
            raise TypeError
    except BaseException as error:  # of any kind: a guest, as observers are
        report("%s made no observer: %s", named(observer_of), type(error).__name__)
        return None
    return observer
