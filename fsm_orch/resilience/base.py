"""The ports of gates: what paces calls, what holds places, and what stops after failures; in memory or shared."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

Why = Literal["error", "timeout", "refusal"]
"""How an attempt can fail: it raised, its visit's time ran out, or its reply was refused for good."""

Came = Why | Literal["ok"] | None
"""What an attempt came to; None: it says nothing of its agent, as when its run was cancelled."""


class Pacing(Protocol):
    """Spreads calls over time."""

    async def wait(self, seconds_left: float) -> float:
        """Wait until the next call is due, and return for how many seconds.

        Raises CallDenied: at once, if that would be later than there is time for; then no turn is taken.
        """
        ...


class Places(Protocol):
    """So many may be at work at once; the others wait in line."""

    @property
    def is_full(self) -> bool:
        """Whether nobody could even wait for a place now. It is read often, so it costs nothing, and may be old."""
        ...

    async def take(self, seconds_left: float) -> Callable[[], Awaitable[None]]:
        """Wait for a place, and return what gives it back.

        Raises CallDenied: if the line is full, or no place came free in time.
        """
        ...


class Breaking(Protocol):
    """Stops asking an agent that fails, and tries it again with one probe."""

    @property
    def is_shut(self) -> bool:
        """Whether nobody may enter now. It takes no probe, is read often, so it costs nothing, and may be old."""
        ...

    async def enter(self) -> int:
        """Return the number under which an attempt enters; 0, but for a probe.

        Raises CallDenied: if nobody may enter.
        """
        ...

    async def leave(self, number: int, came: Came) -> None:
        """Count what an attempt came to; one that says nothing gives the probe back."""
        ...


def moment() -> float:
    """Return monotonic seconds: of the event loop that runs here, which a test may move, else of this machine."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return time.monotonic()
