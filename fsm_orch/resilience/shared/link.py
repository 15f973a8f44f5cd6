"""The link of a process to what it shares with others: is it there, how many are there, and one beat for all."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from itertools import count
from threading import Lock
from typing import Any, Protocol, TypeVar
from uuid import uuid4

from ...errors import StartError
from ...reported import report
from ..redis import Away, Server
from .aside import Aside, Ended, Work

T = TypeVar("T")
Call = Callable[..., Coroutine[Any, Any, Any]]
"""Runs a script, and returns what it answers."""

KNOCK_S = 1.0
"""How long nobody asks a server that is away."""

NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function text(number) return string.format('%.0f', number) end
"""
"""How scripts begin: the time of the server, in microseconds, and how such a number is stored."""

_ATTEND = f"""{NOW}
redis.call('ZADD', KEYS[1], text(now + ARGV[2]), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', text(now))
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[2] / 1000))
return redis.call('ZCARD', KEYS[1])
"""
_LEAVE = "return redis.call('ZREM', KEYS[1], ARGV[1])"


class Shared(Protocol):
    """Something that processes share, and that goes on alone when it must."""

    async def beat(self) -> None:
        """Report what this process holds, and see what others do. Raises Away: if the server does not answer."""
        ...

    def act_alone(self) -> None:
        """Go on without the others; the next beat that is answered ends that."""
        ...

    def close(self) -> None:
        """Let nobody wait any more."""
        ...


class Link:
    """A link to what processes share, over one connection, which is used in a thread aside.

    Args:
        url: of the server.
        namespace: who gives the same one shares.
        lease_s: after how many seconds without a beat a process has lost what it held.
        beat_s: seconds between two beats.
        timeout_s: how long an answer may take.
        processes: how many share, until that is seen.
    """

    def __init__(
        self, url: str, *, namespace: str, lease_s: float, beat_s: float, timeout_s: float, processes: int
    ) -> None:
        self.now = time.monotonic
        """The clock of what is seen, the same in all event loops."""
        self.lease_us = round(lease_s * 1e6)
        self.processes = processes
        """How many processes share, as was last seen."""
        self.is_alone = True
        """Whether each process acts for itself, since the server is away."""
        self.shared: list[Shared] = []
        self._me = uuid4().hex
        self._numbers = count(1)
        self._namespace, self._beat_s = namespace, beat_s
        self._server = Server(url, timeout_s=timeout_s, on_lost=self._lost)
        self._aside: Aside | None = None
        self._closing = Lock()
        self._settles_s = KNOCK_S + beat_s + 2 * timeout_s
        self._settled_at = 0.0
        self._away_since: float | None = None
        """Since when the server is away, and that has been told; None: it is not."""

    @property
    def is_settling(self) -> bool:
        """Whether the server is back, and others may not have told it yet what they hold."""
        return self.now() < self._settled_at

    def key(self, kind: str, name: str = "") -> str:
        """Return a key. All keys of a namespace are in one slot of a cluster.

        Args:
            kind: of what it holds, without a colon: else one name could be another's.
        """
        return f"fsm_orch:{{{self._namespace}}}:{kind}:{name}"

    def number(self) -> str:
        """Return what nothing else is called by, in any process."""
        return f"{self._me}:{next(self._numbers)}"

    async def call(self, script: str, keys: Sequence[str], *arguments: str | int | float) -> Any:
        """Run a script, and return what it answers. Raises Away: if the server does not, or is not to be asked."""
        if self.is_alone:
            raise Away
        return await self._server.call(script, keys, *arguments)

    async def see(self, script: str, keys: Sequence[str], *arguments: str | int | float) -> Any:
        """Run a script of a beat, be it of the one that ends acting alone."""
        return await self._server.call(script, keys, *arguments)

    async def ask(self, work: Work[T], *, undo: Callable[[T], Work[Any]] | None = None) -> T:
        """Have something done aside, and return what it comes to; it is done even if who asks is cancelled.

        Raises StartError: if the link is not open in this process.
        """
        if self._aside is not None:
            with suppress(Ended):
                return await self._aside.ask(work, undo=undo)
        raise StartError(
            "SharedGates are not open in this process: open them where runs are driven, and after a fork: "
            "with SharedGates(...) as shared: ..."
        )

    async def tell(self, work: Work[Any]) -> None:
        """Have something done aside; after the end of the link nothing is."""
        if self._aside is not None:
            with suppress(Ended):
                await self._aside.ask(work)

    def post(self, work: Work[Any]) -> None:
        """Have something done aside, and do not wait for it; after the end of the link nothing is."""
        if self._aside is not None:
            with suppress(Ended):
                self._aside.post(work)

    def open(self) -> None:
        """Begin to beat, and wait for the first one.

        Raises StartError: if the server lets nobody in, or the link is open.
        """
        if self._aside is not None:
            raise StartError("SharedGates are opened once: make new ones")
        self._aside = Aside("fsm_orch shared gates")
        self._aside.post(self._begin).result()
        if self._server.refusal is not None:
            self.close()
            raise StartError(
                f"Redis at {self._server.place} lets nobody in with this URL ({self._server.refusal}): "
                "check its user and password, and that this user may run scripts"
            )

    def close(self) -> None:
        """End the line to the server, and the thread; whoever waits is denied."""
        if self._aside is not None:
            with self._closing, suppress(Ended):
                self._aside.post(self._end).result()
                self._aside.end()

    async def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        self._working = loop.create_task(self._server.work())
        await self._beat()
        self._beating = loop.create_task(self._go_on())

    async def _end(self) -> None:
        self._beating.cancel()
        for each in self.shared:
            each.close()
        if not self.is_alone:
            await self._beat()
        with suppress(Away):
            await self.call(_LEAVE, [self.key("processes")], self._me)
        self.is_alone = True
        self._working.cancel()
        await self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=self._beat_s)

    async def _go_on(self) -> None:
        while True:
            await asyncio.sleep(KNOCK_S if self.is_alone else self._beat_s)
            await self._beat()

    async def _beat(self) -> None:
        """Report that this process is there, and see all that is shared, in one message and its answer."""
        try:
            attend = [self.key("processes")]
            processes = await self._server.call(_ATTEND, attend, self._me, self.lease_us, is_knock=True)
        except Away:
            return
        for error in await asyncio.gather(*(each.beat() for each in self.shared), return_exceptions=True):
            if isinstance(error, Exception) and not isinstance(error, Away):
                report("a beat of shared gates raised %s", type(error).__name__)
        if self._server.is_there:
            self._found()
            # others are still there, though they have not told a server yet that is back
            self.processes = max(processes, self.processes) if self.is_settling else processes

    def _found(self) -> None:
        self.is_alone = False
        if self._away_since is not None:
            seconds, self._away_since = self.now() - self._away_since, None
            self._settled_at = self.now() + self._settles_s
            report(
                "Redis at %s is back after %.1f s: gates are shared again", self._server.place, seconds,
                level=logging.WARNING,
            )  # fmt: skip

    def _lost(self, why: str) -> None:
        if self._away_since is None:
            self._away_since = self.now()
            report(
                "Redis at %s is away (%s): until it is back this process acts for itself, as one of %d",
                self._server.place, why, self.processes,
                level=logging.WARNING,
            )  # fmt: skip
        if not self.is_alone:
            self.is_alone = True
            for each in self.shared:
                each.act_alone()
