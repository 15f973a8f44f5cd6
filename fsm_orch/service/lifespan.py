"""The life of a service: it is made warm, works on the runs of its store, and leaves them to others when it is to end.

uvicorn waits for open connections before it says that the process ends, and a client that follows a run has one for as
long as that takes. So the runner is drained at the signal itself, which ends what is followed; give uvicorn
`--timeout-graceful-shutdown` for connections that do nothing.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from ..define.options import positive, whole
from ..reported import report
from ..run.deps import Factory
from ..run.raised import Raised, tried
from ..run.runner import Runner
from ..run.worker import told
from .hub import Hub

AGAIN_S = 5.0
"""Seconds between two tries to be warm."""


def lifespan(
    runner: Runner[Any, Any], hub: Hub, deps: Factory[Any] | None, *, works: int, drain_s: float
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """Return the life of a service, as an application takes it.

    Args:
        deps: makes the dependencies of runs that it works on.
        works: how many runs it works on at once that others have left, or queued; 0: it leaves them to workers.
        drain_s: how long what is under way may take to end when the process is to.
    """

    whole("works= of a router", works, least=0)
    positive("drain_s= of a router", drain_s, or_zero=True)

    @asynccontextmanager
    async def life(app: object) -> AsyncIterator[None]:  # noqa: ARG001 - what an application gives
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(runner)
            if threading.current_thread() is threading.main_thread():  # signals arrive nowhere else
                await stack.enter_async_context(runner.draining(grace_s=drain_s))
            warming = asyncio.ensure_future(_warm(runner))
            working = asyncio.ensure_future(_work(runner, deps, works))
            try:
                yield
            finally:
                warming.cancel()
                await asyncio.wait({warming})
                await runner.drain(grace_s=drain_s)
                await working
                await hub.gone()

    return life


async def _warm(runner: Runner[Any, Any]) -> None:
    """Make a runner warm, however often that has to be tried: what is down for the moment comes back."""
    said = None
    while True:
        try:
            await runner.warm()
        except (Exception, SystemExit) as error:  # an exit would end every run with it
            if said != (said := told(error)):
                report("the service is not ready yet: %s", said)
            await asyncio.sleep(AGAIN_S)
        else:
            return


async def _work(runner: Runner[Any, Any], deps: Factory[Any] | None, works: int) -> None:
    """Work on runs until the runner is drained."""
    if not works:
        return
    options: dict[str, Any] = {} if runner.definition.deps is None else {"deps": deps}
    came = await tried(lambda: runner.work(concurrency=works, **options))
    if isinstance(came, Raised):
        report("the service works on no runs that others have left: %s", told(came.error))
