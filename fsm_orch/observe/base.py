"""The port of observers, which see every record as it is made."""

from __future__ import annotations

from collections.abc import Callable

from ..kernel.records import Record

Observer = Callable[[Record], object]
"""Called with every record, in order, on the event loop: be quick.

What an observer raises, whatever it is, is logged by its type and does not touch the run: to end a run, cancel it.
"""
