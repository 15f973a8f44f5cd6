"""What is done beside a run, and ends nothing if it fails: that is logged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ..reported import report
from .raised import Raised, tried

_UNDER_WAY: set[asyncio.Future[None]] = set()
"""What nobody waits for; an event loop alone would forget it."""


def aside(doing: Callable[[], Awaitable[object]], what: str) -> None:
    """Do something that nobody waits for.

    Args:
        what: is said in the log not to have been done, such as "an answer could not be refused".
    """
    done = asyncio.ensure_future(logged(doing, what))
    _UNDER_WAY.add(done)
    done.add_done_callback(_UNDER_WAY.discard)


async def logged(doing: Callable[[], Awaitable[object]], what: str) -> None:
    """Do something with a store; what it raises is logged."""
    if isinstance(came := await tried(doing), Raised):
        report("%s: the store raised %s", what, type(came.error).__name__)
