"""A breaker: after failures nobody asks an agent for a while; then one probe does, and what it comes to decides."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from threading import Lock
from typing import get_args

from ..clock import Clock
from ..define.options import positive, whole
from ..errors import CallDenied
from .base import Came, Why, moment

DEFAULT_COUNTS: tuple[Why, ...] = ("error", "timeout")

IS_SHUT = "shut: its agent has failed too often, and is tried again later"
"""Why a breaker lets nobody in."""


def counted(counts: Why | Iterable[Why]) -> frozenset[Why]:
    """Return which failures a breaker counts.

    Raises ValueError: if it is none, or something else.
    """
    found: frozenset[Why] = frozenset((counts,) if isinstance(counts, str) else counts)
    if not found or not found <= frozenset(get_args(Why)):
        words = ", ".join(map(repr, sorted(found, key=repr))) or "nothing"
        raise ValueError(f"counts= takes 'error', 'timeout' or 'refusal', or several, not {words}: it would never open")
    return found


class Breaker:
    """Opens after so many failures in so many seconds, and stays open for a while. Then one probe may enter.

    A probe that succeeds closes it, one that fails opens it anew; one that says nothing, as when its run was cancelled,
    lets another one try. Attempts that entered before it opened are not counted while it is open.

    Args:
        failures: how many open it.
        window_s: within how many seconds they come.
        open_s: for how many seconds it is open.
        counts: which failures count, one or several of `error`, `timeout` and `refusal`. By default a reply that was
            refused does not: a model that is confused is no service that is down.
        clock: monotonic seconds. None: the event loop's.

    Raises TypeError: if one of these is no number, or `failures` no whole one.
    Raises ValueError: if a number is not positive, or nothing counts, or what is no failure.
    """

    def __init__(
        self,
        *,
        failures: int = 5,
        window_s: float = 60.0,
        open_s: float = 30.0,
        counts: Why | Iterable[Why] = DEFAULT_COUNTS,
        clock: Clock | None = None,
    ) -> None:
        self.failures, self.counts = whole("failures= of a Breaker", failures), counted(counts)
        self.window_s = positive("window_s= of a Breaker", window_s, or_endless=True)
        self.open_s = positive("open_s= of a Breaker", open_s, or_endless=True)
        self._clock = clock or moment
        self._failed = deque[float](maxlen=failures)
        """When the last failures were."""
        self._open_until: float | None = None
        """None: it is closed."""
        self._probe = 0
        """The number of the probe that is under way; 0: none is."""
        self._probes = 0
        self._lock = Lock()

    @property
    def is_shut(self) -> bool:
        """Whether nobody may enter now; to look takes no probe."""
        until = self._open_until
        return until is not None and (self._probe != 0 or self._clock() < until)

    async def enter(self) -> int:
        """Return the number under which an attempt enters; 0, but for a probe.

        Raises CallDenied: if nobody may enter.
        """
        with self._lock:
            if self._open_until is None:
                return 0
            if self.is_shut:
                raise CallDenied(IS_SHUT)
            self._probes += 1
            self._probe = self._probes
            return self._probe

    async def leave(self, number: int, came: Came) -> None:
        """Count what an attempt came to; one that says nothing gives the probe back."""
        is_failure = came in self.counts
        with self._lock:
            if self._open_until is None:
                if is_failure:
                    self._count()
            elif number and self._probe in (0, number):  # else it was started anew, and another one probes
                self._probe = 0
                if is_failure:
                    self._open_until = self._clock() + self.open_s
                elif came is not None:
                    self._open_until = None
                    self._failed.clear()

    def restart(self, open_s: float | None) -> None:
        """Forget what failed and who probes; the numbers of probes go on.

        Args:
            open_s: for how many seconds it is open, and then one probe may enter; None: it is closed.
        """
        with self._lock:
            self._failed.clear()
            self._probe = 0
            self._open_until = None if open_s is None else self._clock() + open_s

    def _count(self) -> None:
        now = self._clock()
        self._failed.append(now)
        if len(self._failed) == self.failures and now - self._failed[0] <= self.window_s:
            self._open_until = now + self.open_s
