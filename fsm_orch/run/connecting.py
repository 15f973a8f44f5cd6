"""What a runner keeps connected from run to run: the servers that its tools are used through."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

from .driver import Driver
from .servers import connected


class Connecting:
    """The part of a runner that is a context: `async with runner:`."""

    _driver: Driver
    _contexts: dict[asyncio.AbstractEventLoop, list[AbstractAsyncContextManager[None]]]
    """Those that are open, by the loop that opened them: no other can close them."""

    async def __aenter__(self) -> Self:
        """Connect the servers that runs need, and keep them connected; without it each run does that for itself.

        Raises StartError: if one cannot be reached, or its tools are not as they were pinned.
        """
        context = connected(self._driver.needs)
        await context.__aenter__()
        self._contexts.setdefault(asyncio.get_running_loop(), []).append(context)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections of this event loop that nobody else uses."""
        loop = asyncio.get_running_loop()
        context = self._contexts[loop].pop()
        if not self._contexts[loop]:
            del self._contexts[loop]
        await context.__aexit__(None, None, None)
