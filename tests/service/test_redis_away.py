"""Redis that is killed, paused and started under a service whose gates are shared: no caller is told of it."""

from __future__ import annotations

import asyncio
import logging

import pytest
from support.loaded import gated
from support.patience import PATIENCE_S
from support.servers import own_redis
from support.serving import SSE, events_of, served

from fsm_orch import MemoryStore
from fsm_orch.resilience.shared import SharedGates


@pytest.mark.slow
async def test_no_request_fails_while_redis_is_away(caplog: pytest.LogCaptureFixture) -> None:
    """Plain and streamed, all are answered well; then the gates are shared again."""
    caplog.set_level(logging.WARNING)
    server, answers, is_over = own_redis(), list[tuple[int, str]](), asyncio.Event()
    with SharedGates(server.url, namespace="service", processes=1, lease_s=2.0, beat_s=0.05, timeout_s=0.5) as shared:
        async with served(gated(shared, store=MemoryStore())) as client:

            async def plain() -> None:
                while not is_over.is_set():
                    came = await client.post("/runs", json={"context": {}})
                    answers.append((came.status_code, came.json().get("state", "")))

            async def streamed() -> None:
                while not is_over.is_set():
                    async with client.stream("POST", "/runs", json={"context": {}}, headers=SSE) as response:
                        *_, last = [event async for event in events_of(response)]
                    answers.append((response.status_code, last.data.get("state", "")))

            asking = [asyncio.ensure_future(each()) for each in (plain, plain, streamed, streamed)]
            for harm, mend in ((server.stop, server.start), (server.pause, server.go_on)):
                await asyncio.sleep(0.3)
                harm()
                async with asyncio.timeout(PATIENCE_S):
                    while not shared._link.is_alone:  # noqa: ASYNC110 - nothing tells of it
                        await asyncio.sleep(0.01)
                    count = len(answers)
                    while len(answers) < count + 3 * len(asking):  # noqa: ASYNC110 - others note them
                        await asyncio.sleep(0.01)
                mend()
                async with asyncio.timeout(PATIENCE_S):
                    while shared._link.is_alone:  # noqa: ASYNC110 - likewise
                        await asyncio.sleep(0.01)
            is_over.set()
            await asyncio.gather(*asking)
    server.stop()

    assert {(200, "done")} == set(answers)
    assert "Traceback" not in caplog.text
