"""Metrics of several processes: whichever is asked gives what all have counted, and what those do that are alive."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx2
import pytest
from support.metered_alone import alone
from support.patience import PATIENCE_S
from support.servers import free_port
from support.serving import ASYNC, client_of


async def ready(client: httpx2.AsyncClient) -> None:
    """Wait until a service listens."""
    async with asyncio.timeout(60):
        while True:
            try:
                assert (await client.get("/healthz")).is_success
                return
            except httpx2.TransportError:
                await asyncio.sleep(0.05)


async def figures(client: httpx2.AsyncClient) -> dict[str, float]:
    """Return all series that a service gives out."""
    text = (await client.get("/metrics")).text
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {series: float(value) for series, _, value in lines}


async def figure(client: httpx2.AsyncClient, series: str, wanted: float) -> float:
    """Return a figure, once it is the one that is wanted, or in the end."""
    until = time.monotonic() + PATIENCE_S
    while (found := (await figures(client))[series]) != wanted and time.monotonic() < until:  # noqa: ASYNC110 - likewise
        await asyncio.sleep(0.05)
    return found


EDGE = 'agent_handoff_count_total{handoff="to_search",machine="ShopFloor",source="triage",target="search"}'
ENDED = 'agent_request_handoffs_count{machine="ShopFloor"}'
ACTIVE = 'agent_runs_active{machine="ShopFloor"}'


@pytest.mark.slow
async def test_whichever_is_asked_tells_of_all(tmp_path: Path) -> None:
    """Two processes tell the same sums; what one that was killed had to do is gone, and what it has counted stays."""
    ports = free_port(), free_port()
    with alone(ports[0], tmp_path) as first, alone(ports[1], tmp_path):
        here, there = (client_of(f"http://127.0.0.1:{port}") for port in ports)
        async with here, there:
            await asyncio.gather(ready(here), ready(there))
            before = await figures(here)
            for client, queries in ((here, 3), (there, 4)):
                for _ in range(queries):
                    assert (
                        await client.post("/runs", json={"context": {"text": "do you have a red dress?"}})
                    ).is_success
                await client.post("/runs", json={"context": {"text": "hm"}}, headers=ASYNC)

            # asked there alone: what this process has to do is told without its being asked
            assert 2.0 == await figure(there, ACTIVE, 2.0)
            assert (0.0, 0.0) == (before[EDGE], before[ENDED])
            assert [7.0] * 4 == [(await figures(client))[name] for client in (here, there) for name in (EDGE, ENDED)]
            assert [2.0, 2.0] == [await figure(client, ACTIVE, 2.0) for client in (here, there)]
            first.kill()
            first.wait()
            assert 1.0 == await figure(there, ACTIVE, 1.0)
            assert 7.0 == (await figures(there))[ENDED]
