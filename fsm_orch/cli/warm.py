"""Before a process works on runs its runners are made warm, so that what cannot be asked is said at once."""

from __future__ import annotations

from typing import Any

from ..errors import NotWarm
from ..run.runner import Runner


async def warm(runner: Runner[Any, Any], log: Any, event: str = "worker_not_warm") -> None:
    """Make a runner warm, and log what is down for the moment.

    Args:
        event: what that is called in the log.

    Raises StartError: if it cannot be warm.
    """
    try:
        await runner.warm()
    except NotWarm as error:
        if not error.transient:
            raise
        log.msg(event, why=str(error))
