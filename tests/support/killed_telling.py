"""Processes that run a claim, answer it, and tell a receiver of it, each until it is killed at its n-th point.

Points are before and after whatever is asked of the store about the run, and before and after each request. What is
read is a line for each process, `URL-OF-THE-STORE URL-OF-THE-RECEIVER N`; what is written is how it ended.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from support.approvals import Claim, PayBack
from support.patience import PATIENCE_S
from support.receiver import SECRET

from fsm_orch import Runner
from fsm_orch.service.webhook_outlet import Outlet
from fsm_orch.service.webhooks import Webhooks
from fsm_orch.store.sql import SqlStore
from fsm_orch.store.sql.notices import SqlNotices

WATCHED = {SqlStore: ["append", "load"], SqlNotices: ["told"], Outlet: ["post"]}


def watched(method: Callable[..., Awaitable[Any]], point: Callable[[], None]) -> Callable[..., Any]:
    """Return a method with a point before it and one after it."""

    async def between(*args: Any, **options: Any) -> Any:
        point()
        came = await method(*args, **options)
        point()
        return came

    return between


async def told(store: str, receiver: str, place: int) -> None:
    """Run a claim until it is paid, and tell of it, or be killed at a place."""
    points, notices = iter(range(1 << 30)), list[object]()

    def point() -> None:
        if next(points) == place:
            os.kill(os.getpid(), signal.SIGKILL)

    tell = SqlNotices.told

    async def noted(*args: Any, **options: Any) -> Any:
        came = await tell(*args, **options)
        notices.append(args)
        return came

    async def until_told(count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(notices) < count:  # noqa: ASYNC110 - another task tells
                await asyncio.sleep(0.01)

    SqlNotices.told = noted  # type: ignore[method-assign]
    for kind, names in WATCHED.items():
        for name in names:
            setattr(kind, name, watched(getattr(kind, name), point))
    runner = Runner(PayBack, store=store)
    hooks = Webhooks(
        receiver, secret=SECRET, poll_s=0.01, timeout_s=30, drain_s=60, is_http_allowed=True, is_private_allowed=True
    )
    async with hooks.delivering(runner):
        await runner.run(Claim(query="My kettle is broken.", card="4000 1234"), run_id="r1")
        await until_told(1)
        await runner.resume("r1", {"handoff": "yes"})
        await until_told(2)


def main() -> None:
    """Begin a process for each line."""
    for line in sys.stdin:
        store, receiver, place = line.split()
        if (child := os.fork()) == 0:  # nothing runs beside: no thread, no loop
            asyncio.run(told(store, receiver, int(place)))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
