"""A real browser: its page is closed in the middle of a run, loaded again, or cut off by a process that ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import Browser
from support.browsing import begun, chromium, with_page
from support.patience import PATIENCE_S
from support.serving import DONE, HELD, app_of, body, client_of, desk, listening, until

from fsm_orch import MemoryStore

__all__ = ["chromium"]
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def nothing_is_held() -> None:
    """Begin each test anew: nothing is done, and nothing held."""
    DONE.clear()
    HELD.clear()


async def test_a_page_that_is_closed_ends_its_run_unless_it_may_go_on(chromium: Browser) -> None:
    """Closed in the middle: one run is cancelled after the grace, and the other ends well."""
    async with listening(with_page(app_of(desk(), grace_s=0.2))) as url, client_of(url) as client:
        pages = [await chromium.new_page() for _ in range(2)]
        left = await begun(pages[0], url, body("hold left"))
        goes_on = await begun(pages[1], url, body("hold on", on_disconnect="continue"))
        for page in pages:
            await page.close()
        cancelled = await until(client, left, status="finished")
        HELD["hold on"].set()
        ended = await until(client, goes_on, status="finished")

    assert ("human", "cancelled") == (cancelled["state"], cancelled["landing"]["reason"])
    assert "done" == ended["state"]


async def test_a_page_that_is_loaded_again_finds_its_run(chromium: Browser) -> None:
    """In time, by EventSource: the run goes on, and its page shows all of it."""
    async with listening(with_page(app_of(desk(), grace_s=PATIENCE_S))) as url:
        page = await chromium.new_page()
        await begun(page, url, body("hold"))
        await page.reload()
        await page.wait_for_function("told.length >= 3")
        HELD["hold"].set()
        await page.wait_for_function("window.result && result.status == 'finished'")
        told, result = await page.evaluate("[told, result]")

    assert "done" == result["state"]
    assert list(range(1, len(told) + 1)) == [number for number, _ in told]


async def test_a_page_that_is_cut_off_comes_back_by_itself(chromium: Browser) -> None:
    """To another process, with the number of its last event: no gap, none twice, and the run ends there."""
    store = MemoryStore()
    runners = [desk(store=store.beside(lease_s=15)) for _ in range(2)]
    apps = [with_page(app_of(runner, works=works, drain_s=0.01)) for runner, works in zip(runners, (0, 5), strict=True)]
    serves = apps[0]

    async def either(scope: Any, receive: Any, send: Any) -> None:
        await (apps[0] if scope["type"] == "lifespan" else serves)(scope, receive, send)

    async with listening(either) as url:
        page = await chromium.new_page()
        run_id = await begun(page, url, body("hold", on_disconnect="continue"))
        await page.reload()
        await page.wait_for_function("told.length >= 3")
        serves = apps[1]
        await runners[0].drain(grace_s=0)
        async with apps[1].router.lifespan_context(apps[1]):
            await page.wait_for_function("window.result && result.status == 'finished'")
            told, result = await page.evaluate("[told, result]")
            await page.close()
            await asyncio.sleep(0)

    assert (run_id, "run_finished") == (result["run_id"], told[-1][1])
    assert list(range(1, len(told) + 1)) == [number for number, _ in told]
