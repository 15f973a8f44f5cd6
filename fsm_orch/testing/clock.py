"""Virtual time: an event loop on which waiting takes no time.

A runner takes its time from the event loop, so on this one hours of timeouts and deadlines pass at once. For async
tests under pytest-asyncio the marker of `looptime` does the same. The kit itself does not stand on that library: its
plug-in (0.9) fails every fixture of a project that has no pytest-asyncio.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable


def virtual_time() -> asyncio.Runner:
    """Give an `asyncio.Runner` on virtual time, which begins at 0 s.

    with virtual_time() as loop:
        result = loop.run(Runner(Support).run(Ticket(query="...")))

    When all tasks wait, time skips to the next that is due. Threads and sockets are not waited for while one is.
    """
    return asyncio.Runner(loop_factory=_VirtualLoop)


class _VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes by skipping."""

    def __init__(self) -> None:
        self._seconds = 0.0
        super().__init__(_Skipping(self._skip))

    def time(self) -> float:
        return self._seconds

    def _skip(self, seconds: float) -> None:
        self._seconds += seconds


class _Skipping(selectors.DefaultSelector):
    """A selector that skips the time that it would wait for."""

    def __init__(self, skip: Callable[[float], None]) -> None:
        super().__init__()
        self._skip = skip

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(timeout if timeout is None else 0)
        if timeout is not None and timeout > 0 and not ready:
            self._skip(timeout)
        return ready
