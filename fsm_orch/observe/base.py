"""The port of observers: who is told of every record, as it is made."""

from __future__ import annotations

from collections.abc import Callable

from ..kernel.records import Record

Observer = Callable[[Record], object]
"""Called with every record, in order, on the event loop: be quick.

What an observer raises is logged and does not touch the run.
"""
