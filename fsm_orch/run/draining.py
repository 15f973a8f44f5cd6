"""A process is told to end, by SIGTERM or Ctrl-C: its runs are drained, so that they go on elsewhere."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any

from .driven import Driven

_SIGNALS = signal.SIGTERM, signal.SIGINT


@asynccontextmanager
async def draining(driven: Driven, grace_s: float) -> AsyncIterator[None]:
    """Drain runs when the process is told to end, until the block is left. See `Runner.draining`."""
    loop, block = asyncio.get_running_loop(), asyncio.current_task()
    assert block is not None  # a coroutine that is awaited has one
    ending = _Ending(driven, block, grace_s)
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def arrived(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(ending.arrived, number)
        handler = before[signal.Signals(number)]
        if callable(handler) and handler is not signal.default_int_handler:
            # after the runs are told: what it cancels must not land
            ending.is_left_to_another = True
            loop.call_soon_threadsafe(handler, number, frame)

    try:
        for number in _SIGNALS:
            signal.signal(number, arrived)
    except ValueError:
        raise RuntimeError(
            "signals arrive in the main thread alone: use draining() there, or drain() when told"
        ) from None
    try:
        yield
    except asyncio.CancelledError:
        if ending.cancelled_by is None:
            raise
        raise ending.cancelled_by from None
    finally:
        ending.is_over = True
        for number, handler in before.items():
            signal.signal(number, handler)


class _Ending:
    """What is done when signals arrive."""

    def __init__(self, driven: Driven, block: asyncio.Task[Any], grace_s: float) -> None:
        self._driven, self._block, self._grace_s = driven, block, grace_s
        self._drainings: list[asyncio.Task[None]] = []
        self.is_left_to_another = False
        """Whether somebody else ends the process."""
        self.is_over = False
        """Whether the block is left."""
        self.cancelled_by: BaseException | None = None
        """What the block raises that was cancelled, once nothing is driven."""

    def arrived(self, number: int) -> None:
        """Drain; at the second signal, and at Ctrl-C, without a grace."""
        self._driven.begin_draining()
        is_hurried = bool(self._drainings) or number == signal.SIGINT
        draining = asyncio.ensure_future(self._driven.drain(0.0 if is_hurried else self._grace_s))
        self._drainings.append(draining)
        draining.add_done_callback(lambda _: self._drained(number))

    def _drained(self, number: int) -> None:
        if self.is_left_to_another or self.is_over or self.cancelled_by is not None:
            return
        self.cancelled_by = KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)
        self._block.cancel()
