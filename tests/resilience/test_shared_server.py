"""A server that may be away, on virtual time: however slow it is, and however many ask, each is told in time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fsm_orch.resilience.redis import Away, Server

pytestmark = pytest.mark.looptime

TIMEOUT_S = 0.25


class Slow:
    """A client of a server that takes a while for each message.

    Args:
        after_s: seconds for one message, however many calls are in it.
    """

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self.sent = list[int]()

    def pipeline(self, *, transaction: bool) -> Slow:
        """Begin a message."""
        assert not transaction
        self.sent.append(0)
        return self

    def eval(self, *_: Any) -> None:
        """Add a call."""
        self.sent[-1] += 1

    async def execute(self) -> list[int]:
        """Send it."""
        count = self.sent[-1]
        await asyncio.sleep(self._after_s)
        return list(range(count))

    async def aclose(self) -> None:
        """Do nothing."""


def server(client: Slow) -> tuple[Server, list[str]]:
    """Return a server that is there, and what is told when it is not."""
    lost = list[str]()
    made = Server("redis://127.0.0.1:1", timeout_s=TIMEOUT_S, on_lost=lost.append)
    made._client, made.is_there = client, True  # type: ignore[assignment]
    made._made = lambda: client  # type: ignore[method-assign, assignment, return-value]
    return made, lost


async def asked(server: Server, count: int) -> list[tuple[str, float]]:
    """Let so many ask at once; return what each is told, and after how many seconds."""
    loop, working = asyncio.get_running_loop(), asyncio.create_task(server.work())
    began = loop.time()

    async def one() -> tuple[str, float]:
        try:
            await server.call("", [])
        except Away:
            return "away", loop.time() - began
        return "answered", loop.time() - began

    try:
        return await asyncio.gather(*(one() for _ in range(count)))
    finally:
        working.cancel()
        await asyncio.wait({working})


async def test_calls_that_come_together_go_together() -> None:
    """The first goes alone or not; a hundred are one message, and all are answered when it is."""
    made, lost = server(client := Slow(0.2))

    assert [("answered", 0.2)] * 100 == [(what, pytest.approx(after)) for what, after in await asked(made, 100)]
    assert ([100], []) == (client.sent, lost)


async def test_a_long_line_before_a_slow_server_is_told_in_time() -> None:
    """Each answer is in time, but a thousand would wait for seconds: that is as good as none, and beats wait there."""
    made, lost = server(Slow(0.2))
    told = await asked(made, 1_000)

    assert max(after for _, after in told) <= 2 * TIMEOUT_S + 1e-6
    assert ["answered"] * 200 + ["away"] * 800 == [what for what, _ in told]
    assert (["TimeoutError"], False) == (lost, made.is_there)


async def test_a_server_that_does_not_answer_is_told_once() -> None:
    """Whoever waits is told when the first answer is too late, and whoever asks then at once."""
    made, lost = server(Slow(9.0))

    assert {("away", TIMEOUT_S)} == set(await asked(made, 300))
    assert {("away", 0.0)} == set(await asked(made, 5))
    assert ["TimeoutError"] == lost
