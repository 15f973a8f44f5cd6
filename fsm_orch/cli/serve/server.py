"""The server of `fsm-orch serve`: uvicorn, which ends when it is told to, and whose words are lines of JSON."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType
from typing import Any

import uvicorn

from ...run.runner import Runner
from ...service.heads import limited_http
from ..warm import warm
from .address import listening

_CONNECTIONS_S = 5
"""For how many seconds connections that do nothing are waited for, once runs have had their time to end."""


class Server(uvicorn.Server):
    """A server that is told to end by signals.

    The first drains it. The second, which gives runs no time any more, waits for no connection either. The third ends
    the process, as a crash does.
    """

    def __init__(self, app: Any, *, drain_s: float, started: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=limited_http(),
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=int(drain_s) + _CONNECTIONS_S,
            )
        )
        self._started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - what uvicorn is given
        """End, the sooner the more signals there were."""
        # not as uvicorn does, which would end the process by the signal: a service that was drained has not failed
        if self.force_exit:
            signal.signal(sig, signal.SIG_DFL)
            os.kill(os.getpid(), sig)
        self.force_exit = self.should_exit
        self.should_exit = True
        if self.force_exit:
            self._loop.call_soon_threadsafe(self._cut_off)

    def _cut_off(self) -> None:
        """Close all connections, which uvicorn would wait for, whatever it is told."""
        for connection in list(self.server_state.connections):
            if (transport := connection.transport) is not None:
                transport.abort()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End all that is open."""
        await super().shutdown(sockets)
        if self.force_exit:  # uvicorn leaves this out then, and runs would be left as by a crash
            await self.lifespan.shutdown()


class _Access(logging.Handler):
    """Writes each request to a logger of structlog: without its query, which may hold anything."""

    def __init__(self, log: Any) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one request."""
        if isinstance(record.args, tuple) and len(record.args) == 5:
            client, method, path, _, status = record.args
            self._log.msg("request", client=client, method=method, path=str(path).partition("?")[0], status=status)


def accesses(log: Any, stack: ExitStack) -> None:
    """Write each request to a log, until the stack is closed."""
    handler, logger = _Access(log), logging.getLogger("uvicorn.access")
    stack.callback(logger.setLevel, logger.level)
    stack.callback(logger.removeHandler, handler)
    stack.callback(setattr, logger, "propagate", logger.propagate)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)


def run(
    runner: Runner[Any, Any],
    app: Any,
    bare: socket.socket,
    *,
    drain_s: float,
    log: Any,
    started: Callable[[], None],
    logs_requests: bool = True,
) -> None:
    """Serve an application until a signal has drained it, on uvloop where that is installed.

    Args:
        runner: is made warm before the first connection is taken, and stays so.
        bare: listens from then on.
        drain_s: how long runs may take to end.
        started: is called once it listens.
        logs_requests: whether each request is logged.

    Raises StartError: if the runner cannot be warm.
    Raises CommandError: if another program listens there by then.
    """
    server = Server(app, drain_s=drain_s, started=started)

    async def serve() -> None:
        async with runner:
            await warm(runner, log, "serve_not_warm")
            await server.serve(sockets=[listening(bare)])  # uvloop, left to it, does not say that it cannot

    with ExitStack() as stack, asyncio.Runner(loop_factory=server.config.get_loop_factory()) as loop:
        if logs_requests:
            accesses(log, stack)
        loop.run(serve())
