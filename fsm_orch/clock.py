"""Time as a capability: code that needs the time is given a clock and never fetches one.

Every bare float of time in this library is in seconds.
"""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """A function that returns monotonic seconds from an arbitrary origin."""

    def __call__(self) -> float: ...
