"""The ports of gates and quotas: what paces calls, holds places, stops after failures, and holds what runs may cost.

Each is in memory, or shared by processes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from ..amounts import Amount

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


class Account(Struct, frozen=True):
    """What many runs may cost together in a window of time, such as all runs of one tenant in an hour.

    Windows are fixed: one ends whenever the seconds of the epoch are a multiple of `per_s`.
    """

    quota: str
    """The name of the quota, without a colon."""
    key: str
    """Whose account it is, such as the tenant's."""
    per_s: float
    """Seconds of a window."""
    most_tokens: int | None = None
    """Tokens of a window; None: not limited."""
    most_cost: int | None = None
    """Micro-dollars of a window; None: not limited."""

    @property
    def name(self) -> str:
        """What tells it from all others. With other windows it is another account."""
        return f"{float(self.per_s)}:{self.quota}:{self.key}"


class Holdings(Protocol):
    """Holds of accounts what runs may still cost, so that no sum of a window passes what it may be. Overruns apart.

    An account keeps of each run, until its window is over, what that was charged and what is held for it. To hold or to
    settle twice is the same as once. Either may be called from any event loop and any thread.
    """

    async def hold(self, run_id: str, accounts: Sequence[Account], *, settled: Amount, may_cost: Amount) -> None:
        """Hold what a run may still cost, in the window of now of every account; in all of them, or in none.

        An account that holds something for it in this window is left as it is: whoever takes a run over goes on with
        that. What the run was charged earlier in this window stays charged.

        Args:
            settled: what the run was charged so far.
            may_cost: what it may be charged besides.

        Raises Overloaded: if it is more than an account has left.
        """
        ...

    async def settle(self, run_id: str, accounts: Sequence[Account], *, settled: Amount) -> None:
        """Free what is held for a run, and keep what it was charged since that was held.

        What it was charged after it was settled comes on top when it is settled again. Nothing happens in an account
        that has nothing of it, or whose window is over.

        Args:
            settled: what the run was charged so far.
        """
        ...


def moment() -> float:
    """Return monotonic seconds: of the event loop that runs here, which a test may move, else of this machine."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return time.monotonic()
