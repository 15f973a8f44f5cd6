"""Observers of every run in the process, whoever makes its runner: for tests, notebooks and services."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..define.definition import Definition
from .base import Observer

_makers: list[Callable[[Definition], Observer]] = []


@contextmanager
def everywhere(observer_of: Callable[[Definition], Observer]) -> Iterator[None]:
    """Observe every run that begins inside the block, in all threads, besides what its runner's own observers do.

        with everywhere(lambda machine: log_records()):
            ...

    Args:
        observer_of: is called with the definition of a machine at the start of each run, and returns its observer.
    """
    _makers.append(observer_of)
    try:
        yield
    finally:
        _makers.remove(observer_of)


def observers_of(definition: Definition) -> tuple[Observer, ...]:
    """Return what observes a run that begins now, besides its runner's own observers."""
    return tuple([observer_of(definition) for observer_of in _makers])
