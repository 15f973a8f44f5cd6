"""A service in a process of its own, `python -m support.serving_alone URL-OF-STORE PORT`; its work waits for a file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI
from support.patience import PATIENCE_S

from fsm_orch import Context, Final, Machine, Runner, State, Visit
from fsm_orch.service import router
from fsm_orch.store.sql import SqlStore

LEASE_S = 12.0
"""After how long the runs of a process that is dead are taken over; one that lives may have no turn for long."""


class Job(Context):
    """What is to be done."""

    file: str
    """Until there is such a file, the second step waits."""
    steps: tuple[str, ...] = ()
    answer: str | None = None


async def step(visit: Visit[Job]) -> Any:
    return {Job.answer: visit.context.file}


async def waits(visit: Visit[Job]) -> Any:
    while not Path(visit.context.file).exists():  # noqa: ASYNC110, ASYNC240 - another process makes it
        await asyncio.sleep(0.01)
    return {Job.answer: visit.context.file}


class Steps(Machine[Job]):
    """Three steps, which may be done again."""

    one = State(step, reads=Job.file, writes=Job.answer, initial=True, repeatable=False)
    two = State(waits, reads=Job.file, writes=Job.answer, repeatable=True, timeout_s=50)
    three = State(step, reads=Job.file, writes=Job.answer)
    done, human = Final(), Final(fallback=True)
    to_two, to_three, end = one.to(two), two.to(three), three.to(done)


def main(url: str, port: str) -> None:
    """Serve until a signal ends it."""
    app = FastAPI()
    runner = Runner(Steps, store=SqlStore(url, lease_s=LEASE_S))
    app.include_router(router(runner, works=5, drain_s=0.5, heartbeat_s=0.1))
    uvicorn.run(app, port=int(port), log_level="warning")


class Alone:
    """A service in a process of its own."""

    def __init__(self, url: str, folder: Path, name: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self._url, self._log = f"http://127.0.0.1:{port}", folder / f"{name}.log"
        words = [sys.executable, "-m", "support.serving_alone", url, str(port)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log, env=environment, start_new_session=True)

    async def url(self) -> str:
        """Wait until it listens; return its URL."""
        async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:
            while True:
                assert self.process.poll() is None, self.said
                with contextlib.suppress(httpx2.ConnectError):
                    await client.get(f"{self._url}/healthz")
                    return self._url
                await asyncio.sleep(0.02)

    async def ended(self, what: signal.Signals) -> int:
        """Send it a signal; return its exit code once it has ended."""
        self.process.send_signal(what)
        return await asyncio.to_thread(self.process.wait)

    @property
    def said(self) -> str:
        """What it has written to its log."""
        return self._log.read_text()


@contextmanager
def alone(url: str, folder: Path, *names: str) -> Iterator[list[Alone]]:
    """Start services over one store; none is left behind."""
    services = [Alone(url, folder, name) for name in names]
    try:
        yield services
    finally:
        for each in services:
            with contextlib.suppress(ProcessLookupError):
                each.process.kill()
            each.process.wait(PATIENCE_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
