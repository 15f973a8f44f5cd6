"""A browser with a page that begins runs and follows them, as a page of an application does."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from playwright.async_api import Browser, Page, async_playwright, expect
from support.patience import PATIENCE_S
from support.servers import missing

_WORDS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
)  # fmt: skip

expect.set_options(timeout=PATIENCE_S * 1_000)
"""What a page comes to show it may show late: five seconds, which are usual, may pass without a turn of its process."""

AXE = os.environ.get("AXE_CORE")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}

PAGE = """<!doctype html>
<script>
window.told = [];                                             // [number, kind] of each event
async function begin(body) {                                  // POST streams: fetch, since EventSource only gets
  const response = await fetch("/runs", {
    method: "POST", body: JSON.stringify(body),
    headers: {"Content-Type": "application/json", "Accept": "text/event-stream"},
  });
  sessionStorage.run = response.headers.get("location");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let read; !(read = await reader.read()).done;)
    for (const [, id, kind] of read.value.matchAll(/id: (\\d+)\\nevent: (\\w+)/g)) told.push([+id, kind]);
}
function follow() {
  const source = new EventSource(sessionStorage.run + "/events");
  const kinds = ["run_started", "visit_started", "handed_off", "landed", "run_finished", "attempt_failed", "result"];
  for (const kind of [...kinds, "run_resumed"])
    source.addEventListener(kind, event => {
      if (kind == "result") { window.result = JSON.parse(event.data); if (result.status == "finished") source.close(); }
      else told.push([+event.lastEventId, kind]);
    });
}
if (sessionStorage.run) follow();                             // a page that was loaded again
</script>
"""


def with_page(app: FastAPI) -> FastAPI:
    """Add the page to an application; return that."""

    @app.get("/", response_class=HTMLResponse)
    async def page() -> str:
        return PAGE

    return app


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Yield Chromium, without a window; it is skipped where it is not installed."""
    path = shutil.which("chromium")
    if path is None:
        missing("Chromium is not installed: in Debian it is the package `chromium`")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(_WORDS))
        try:
            yield browser
        finally:
            await browser.close()


async def begun(page: Page, url: str, body: dict[str, object]) -> str:
    """Have a page begin a run; return its id once three of its events have come."""
    await page.goto(url)
    await page.evaluate("body => { begin(body) }", body)
    await page.wait_for_function("told.length >= 3")
    return str(await page.evaluate("sessionStorage.run")).rpartition("/")[2]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    """Yield a browser, which is one for all tests of a module: each has contexts of its own.

    So those tests share an event loop. See `conftest.py`.
    """
    async with browser() as chromium:
        yield chromium


async def faults(page: Page) -> dict[str, list[str]]:
    """Return what axe-core calls a fault of WCAG 2 A or AA, or of what is good use: by rule, where."""
    told = await page.evaluate("rules => axe.run(document, rules)", RULES)
    return {each["id"]: [node["html"][:200] for node in each["nodes"]] for each in told["violations"]}


@pytest.fixture
def axe() -> str:
    """Return the path of axe-core."""
    if AXE is None:
        missing("axe-core is not there: `npm pack axe-core`, unpack it, and the path of its axe.min.js in AXE_CORE")
    return AXE
