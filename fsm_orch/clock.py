"""Time as a capability: code that needs the time is given a clock and never fetches one.

Every bare float of time in this library is in seconds.
"""

from __future__ import annotations

import asyncio
from typing import Protocol


class Clock(Protocol):
    """A function that returns monotonic seconds from an arbitrary origin."""

    def __call__(self) -> float: ...


def loop_clock() -> float:
    """Return the running event loop's time.

    Raises RuntimeError: if no event loop is running.
    """
    # the loop's time, not `time.monotonic`: timeouts and records agree, and a test's virtual loop moves both
    return asyncio.get_running_loop().time()
