"""Virtual time: an event loop on which waiting takes no time.

A runner takes its time from the event loop, so on this one hours of timeouts and deadlines pass at once. In async tests
under pytest-asyncio, the marker of `looptime` does the same. The kit does not use that library: its plug-in (0.9)
breaks every fixture of a project without pytest-asyncio.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable


def virtual_time() -> asyncio.Runner:
    """Return an `asyncio.Runner` on virtual time, which begins at 0 s.

    with virtual_time() as loop:
        result = loop.run(Runner(Support).run(Ticket(query="...")))

    When all tasks wait, time skips to the next timer. Threads and sockets are waited for only if no timer is set.
    """
    return asyncio.Runner(loop_factory=VirtualLoop)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock only skips ahead."""

    def __init__(self) -> None:
        self._seconds = 0.0
        super().__init__(_Skipping(self._skip))

    def time(self) -> float:
        return self._seconds

    def _skip(self, seconds: float) -> None:
        self._seconds += seconds


class _Skipping(selectors.DefaultSelector):
    """A selector that skips time instead of waiting."""

    def __init__(self, skip: Callable[[float], None]) -> None:
        super().__init__()
        self._skip = skip

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(timeout if timeout is None else 0)
        if timeout is not None and timeout > 0 and not ready:
            self._skip(timeout)
        return ready
