"""The ports of observers, which see every record as it is made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from ..kernel.effects import Effect
from ..kernel.inputs import Started
from ..kernel.records import Record

Observer = Callable[[Record], object]
"""Called with every record, in order, on the event loop: be quick.

What an observer raises, whatever it is, is logged by its type and does not touch the run: to end a run, cancel it.
"""


class Trace(ABC):
    """An observer of one run, while it is driven here."""

    @abstractmethod
    def __call__(self, record: Record) -> None:
        """Take note of a record."""

    @abstractmethod
    def enter(self, effect: Effect) -> None:
        """Enter a piece of work: called in the context (of `contextvars`) that it will have, before it begins."""

    @abstractmethod
    def leave(self) -> None:
        """Leave the run: it has ended, waits, or goes on elsewhere, and no record of it comes any more."""


class Tracer(ABC):
    """What makes an observer for each run that is driven here."""

    @abstractmethod
    def caller(self) -> str | None:
        """Return the span that is current, as W3C trace context writes it; None: none is."""

    @abstractmethod
    def trace(self, first: Started, made: Sequence[Record], *, is_stored: bool) -> Trace:
        """Return the observer of a run.

        Args:
            first: how it began.
            made: its records until now, which the observer is not told.
            is_stored: whether it comes from a store, so that its caller is not here.
        """
