"""Processes that share gates: each goes through them as it is told by a line of JSON, and says what came of it."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Self, cast

from redis.asyncio import Redis
from support.patience import PATIENCE_S, in_time

from fsm_orch.errors import CallDenied
from fsm_orch.resilience.shared import SharedGates

LEASE_S = 12.0
"""Twice what a beat and an answer may take, each on a machine that has much else to do."""
OPEN_S = 8.0
"""For how long their breaker is open."""


class Peer:
    """A process that has gates open, until its block is left.

    Args:
        words: the URL, and the namespace.
    """

    def __init__(self, *words: str) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.peers", *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._asks, self._answers = self._process.stdin, self._process.stdout

    def ask(self, what: str, *values: Any) -> Any:
        """Have something done, and return what came of it."""
        self.begin(what, *values)
        return self.answer()

    def begin(self, what: str, *values: Any) -> None:
        """Have something done."""
        self._asks.write(json.dumps([what, *values]) + "\n")
        self._asks.flush()

    def answer(self) -> Any:
        """Return what came of the first that was begun."""
        with in_time(self._process):
            return json.loads(self._answers.readline())

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, and wait until it is gone if it is killed by that."""
        self._process.send_signal(number)
        if number is signal.SIGKILL:
            self._process.wait(PATIENCE_S)

    def __enter__(self) -> Self:
        self.ask("is_there")
        return self

    def __exit__(self, *_: object) -> None:
        self._asks.close()
        self._answers.close()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)


@contextmanager
def peers(count: int, url: str, namespace: str) -> Iterator[list[Peer]]:
    """Start processes, and end them."""
    started = [Peer(url, namespace) for _ in range(count)]
    try:
        for each in started:
            each.__enter__()
        yield started
    finally:
        for each in started:
            each.__exit__()


def at_once(peers: list[Peer], what: str, *values: Any) -> list[Any]:
    """Have all do the same at the same time, and return what came of it."""
    with ThreadPoolExecutor(len(peers)) as threads:
        return list(threads.map(lambda peer: peer.ask(what, *values), peers))


class _Work:
    """What a process can be asked to do."""

    def __init__(self, url: str, namespace: str) -> None:
        self.shared = SharedGates(url, namespace=namespace, lease_s=LEASE_S, beat_s=0.2, timeout_s=5.0)
        self.pace = self.shared.pace("agent", 6_000, per_s=60)
        self.breaker = self.shared.breaker("agent", failures=3, window_s=600, open_s=OPEN_S)
        self.places = self.shared.places("agent", 8, queue=100)
        self._redis = Redis.from_url(url)
        self._held: list[Callable[[], Any]] = []

    async def is_there(self) -> bool:
        return True

    async def enter(self) -> int | str:
        """Enter the breaker."""
        try:
            return await self.breaker.enter()
        except CallDenied as error:
            return error.reason

    async def leave(self, number: int, came: Any) -> bool:
        """Leave the breaker, and say whether it is shut."""
        await self.breaker.leave(number, came)
        return self.breaker.is_shut

    async def is_shut(self) -> bool:
        """Say whether it is shut, once all that came before has been seen."""
        await asyncio.sleep(0.3)
        return self.breaker.is_shut

    async def hold(self, count: int, seconds: float) -> float | str:
        """Take places, and say at what time of the server that was done."""
        try:
            for _ in range(count):
                self._held.append(await self.places.take(seconds))
        except CallDenied as error:
            return error.reason
        return await self._time()

    async def give_back(self) -> float:
        """Give all places back, and say at what time of the server that began."""
        began = await self._time()
        while self._held:
            await self._held.pop()()
        return began

    async def stay(self, workers: int, times: int) -> list[tuple[float, float]]:
        """Take places, again and again; return when each was held for sure, by the clock of the server."""
        stays = list[tuple[float, float]]()

        async def one(number: int) -> None:
            chance = random.Random(number)
            for _ in range(times):
                give_back = await self.places.take(60)
                since = await self._time()
                await asyncio.sleep(chance.uniform(0.0, 0.02))
                stays.append((since, await self._time()))
                await give_back()

        await asyncio.gather(*(one(number) for number in range(workers)))
        return stays

    async def leave_for(self, seconds: float, workers: int) -> list[float]:
        """Make calls at the pace for some seconds; return when each left, by the clock of the server."""
        until, left = asyncio.get_running_loop().time() + seconds, list[float]()

        async def one() -> None:
            while (seconds_left := until - asyncio.get_running_loop().time()) > 0:
                try:
                    await self.pace.wait(seconds_left)
                except CallDenied:
                    return
                left.append(await self._time())

        await asyncio.gather(*(one() for _ in range(workers)))
        return left

    async def _time(self) -> float:
        seconds, micros = await cast("Coroutine[Any, Any, tuple[int, int]]", self._redis.time())
        return seconds + micros / 1e6

    async def close(self) -> None:
        """Close what is its own."""
        await self._redis.aclose()


async def _main(work: _Work) -> None:
    while line := await asyncio.to_thread(sys.stdin.readline):
        what, *values = json.loads(line)
        print(json.dumps(await getattr(work, what)(*values)), flush=True)
    await work.close()


if __name__ == "__main__":
    made = _Work(*sys.argv[1:])
    with made.shared:
        asyncio.run(_main(made))
