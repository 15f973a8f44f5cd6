"""What a runner keeps connected from run to run: the servers that its tools are used through."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

from .driver import Driver
from .servers import connected


class Connecting:
    """The part of a runner that is a context: `async with runner:`."""

    _driver: Driver
    _contexts: list[AbstractAsyncContextManager[None]]

    async def __aenter__(self) -> Self:
        """Connect the servers that runs need, and keep them connected; without it each run does that for itself.

        Raises StartError: if one cannot be reached, or its tools are not as they were pinned.
        """
        context = connected(self._driver.needs)
        await context.__aenter__()
        self._contexts.append(context)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections that nobody else uses."""
        await self._contexts.pop().__aexit__(None, None, None)
