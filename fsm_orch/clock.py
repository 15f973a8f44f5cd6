"""Time as a capability: code that needs the hour is given a clock, it never fetches one.

Every bare float of time in this library is seconds.
"""

from __future__ import annotations

import asyncio
from typing import Protocol


class Clock(Protocol):
    """Monotonic seconds from an arbitrary origin."""

    def __call__(self) -> float: ...


def loop_clock() -> float:
    """Tell the running event loop's time, so that a virtual loop makes everything virtual.

    Raises RuntimeError: if no event loop is running.
    """
    return asyncio.get_running_loop().time()
