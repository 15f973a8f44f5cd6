"""One process that runs a claim, answers it, and tells a receiver of it, until it is killed at its n-th point.

Points are before and after whatever it asks of its store, and before and after each request to the receiver.

    python -m support.killed_telling URL-OF-THE-STORE URL-OF-THE-RECEIVER N
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from support.approvals import Claim, PayBack
from support.receiver import SECRET

from fsm_orch import Runner
from fsm_orch.service.webhook_outlet import Outlet
from fsm_orch.service.webhooks import Webhooks
from fsm_orch.store.sql import SqlStore
from fsm_orch.store.sql.notices import SqlNotices

points = iter(range(1 << 30))


def point() -> None:
    """Pass a point, or be killed there."""
    if next(points) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)


def watched(method: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
    """Return a method with a point before it and one after it."""

    async def between(*args: Any, **options: Any) -> Any:
        point()
        came = await method(*args, **options)
        point()
        return came

    return between


async def main() -> None:
    """Run a claim until it is paid."""
    for kind, names in ((SqlStore, ["append", "load"]), (SqlNotices, ["take", "told"]), (Outlet, ["post"])):
        for name in names:
            setattr(kind, name, watched(getattr(kind, name)))
    _, store, receiver, _ = sys.argv
    runner = Runner(PayBack, store=store)
    hooks = Webhooks(receiver, secret=SECRET, poll_s=0.02, is_http_allowed=True, is_private_allowed=True)
    async with hooks.delivering(runner):
        await runner.run(Claim(query="My kettle is broken.", card="4000 1234"), run_id="r1")
        await asyncio.sleep(0.2)
        await runner.resume("r1", {"handoff": "yes"})
        await asyncio.sleep(0.2)


if __name__ == "__main__":
    asyncio.run(main())
