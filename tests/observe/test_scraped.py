"""A Prometheus of Debian's scrapes a served shop: its alerts fire on the circle of the story, and not before."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from support.metered_alone import app
from support.servers import PrometheusServer, own_prometheus
from support.serving import client_of, listening

import fsm_orch
from fsm_orch import ScriptedModel

RULES = Path(fsm_orch.__file__).parent / "observe" / "ops" / "fsm_orch.rules.yml"


def hurried(rules: str) -> str:
    """Return rules whose minutes are seconds, and whose floors are as low as a test's traffic."""
    return re.sub(r"\[\d+[mh]\]", "[5s]", re.sub(r"for: \d+m", "for: 1s", rules)).replace("> 20\n", "> 2\n")


class Circling(ScriptedModel):
    """A model that is sure that another agent would know."""

    def __init__(self) -> None:
        super().__init__(iter(lambda: {"handoff": "to_inventory"}, None))


@asynccontextmanager
async def asking(client: httpx2.AsyncClient, text: str) -> AsyncIterator[None]:
    """Ask the same again and again while the block runs."""

    async def ask() -> None:
        while True:
            (await client.post("/runs", json={"context": {"text": text}})).raise_for_status()
            await asyncio.sleep(0.1)

    task = asyncio.ensure_future(ask())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(server: PrometheusServer, path: str, is_so: Any) -> Any:
    """Ask a server until it says what is wanted, for a minute at most; return that."""
    async with asyncio.timeout(60):
        while True:
            said = await asyncio.to_thread(server.asked, path)
            if is_so(said):
                return said
            await asyncio.sleep(0.2)


def firing(said: Any) -> set[tuple[str, str]]:
    """Return the alerts that fire, each with its machine."""
    return {
        (each["labels"]["alertname"], each["labels"]["machine"]) for each in said["alerts"] if each["state"] == "firing"
    }


def count_of(said: Any) -> float:
    """Return the sum of what a query found."""
    return sum(float(each["value"][1]) for each in said["result"])


@pytest.mark.slow
async def test_alerts_fire_on_the_circle() -> None:
    """Alerts on long runs and landed ones fire while a model sends queries in circles, and none while words route."""
    async with listening(app(Circling())) as url, client_of(url) as client:
        server = await asyncio.to_thread(own_prometheus, url.removeprefix("http://"), hurried(RULES.read_text()))
        try:
            async with asking(client, "do you have a red dress?"):
                healthy = 'query?query=sum(agent_handoff_count_total{handoff="to_search"})'
                await until(server, healthy, lambda said: count_of(said) > 20)
                before = firing(await asyncio.to_thread(server.asked, "alerts"))
            async with asking(client, "a grey woolly thing"):
                wanted = {("RequestHandoffs", "ShopFloor"), ("Landings", "ShopFloor")}
                during = firing(await until(server, "alerts", lambda said: firing(said) >= wanted))
        finally:
            server.stop()

    assert set() == before
    assert wanted == during
