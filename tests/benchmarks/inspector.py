"""Measure what looking on costs: `python tests/benchmarks/inspector.py [SECONDS [RUNS_A_MINUTE]]`, or `… redraw`.

A service in a process of its own is given runs, 1,000 a minute, while 0, 1 and 10 pages of its inspector are open: all
show the list of runs and one run, then all show the fleet. Told are the processor time of the service, that of the
main threads of the pages (their tasks, of these scripts and layout), and how many nodes a page holds.

`redraw` moves the slider over each of the 266 records of a run on a page of sixty states, there and back and in leaps.
Told is how long a redraw takes, with its layout, by `performance.measure`; drawing on the screen comes after that.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import httpx2
import uvicorn
from playwright.async_api import Browser, Page, expect

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.service import Server
from support.browsing import browser
from support.inspected import inspected, opened
from support.large_machines import sixty
from support.serving import app_of, desk

REDRAWS = """() => {
  const time = document.querySelector("#time"), most = Number(time.max);
  const steps = [...Array(most).keys()].map((i) => i + 1);
  const leaps = steps.map((i) => 1 + ((i * 97) % most));
  for (const number of [...steps, ...steps.toReversed(), ...leaps]) {
    performance.mark("moved");
    time.value = number;
    time.dispatchEvent(new Event("input"));
    document.body.offsetHeight;  // the layout is part of it
    performance.measure("redraw", "moved");
  }
  return performance.getEntriesByName("redraw").map((each) => each.duration);
}"""
METRICS = ("TaskDuration", "ScriptDuration", "LayoutDuration", "RecalcStyleDuration")


def serve() -> None:
    """Serve until the process is ended."""
    config = uvicorn.Config(app_of(desk(), inspector="own"), port=0, log_level="error", timeout_graceful_shutdown=1)
    listening = config.bind_socket()
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[listening])


class Seen:
    """A page, and what its main thread has taken.

    Args:
        page: of the inspector.
        devtools: a session of the tools for developers.
    """

    def __init__(self, page: Page, devtools: Any) -> None:
        self.page = page
        self._devtools = devtools

    @classmethod
    async def opened(cls, chromium: Browser, url: str, view: str) -> Seen:
        """Return a page that shows a view."""
        page = await (await chromium.new_context()).new_page()
        devtools = await page.context.new_cdp_session(page)
        await devtools.send("Performance.enable")
        await page.goto(f"{url}/inspector/")
        await page.locator(f"button[data-view={view}]").click()
        return cls(page, devtools)

    async def metrics(self) -> dict[str, float]:
        """Return its metrics by name: seconds, and counts."""
        told = await self._devtools.send("Performance.getMetrics")
        return {each["name"]: each["value"] for each in told["metrics"]}


async def load(client: httpx2.AsyncClient, a_minute: float) -> None:
    """Begin runs at an even pace until it is cancelled."""
    number, begun, pending = 0, time.monotonic(), set[Any]()
    while True:
        await asyncio.sleep(max(0.0, begun + number * 60 / a_minute - time.monotonic()))
        number += 1
        task = asyncio.ensure_future(client.post("/runs", json={"context": {"text": f"when do you open? {number}"}}))
        pending.add(task)
        task.add_done_callback(pending.discard)


async def phase(server: Any, seen: list[Seen], seconds: float) -> str:
    """Return what a while costs, as a line of a table."""
    before, at = [await each.metrics() for each in seen], time.monotonic()
    cpu = server.cpu_s()
    await asyncio.sleep(seconds)
    took, cpu = time.monotonic() - at, server.cpu_s() - cpu
    after = [await each.metrics() for each in seen]
    line = f"server {100 * cpu / took:5.1f} % of a core"
    if seen:
        spent = {name: sum(b[name] - a[name] for a, b in zip(before, after, strict=True)) for name in METRICS}
        parts = ", ".join(
            f"{name.removesuffix('Duration')} {100 * spent[name] / took / len(seen):.2f}" for name in METRICS
        )
        line += f"; each page, % of a core: {parts}; nodes {max(each['Nodes'] for each in after):.0f}"
    return line


async def redraw() -> None:
    """Measure how long a redraw takes, and print it."""
    async with browser() as chromium, inspected(sixty(), {"query": "go"}) as url, opened(chromium, url) as page:
        await expect(page.locator(".record").nth(230)).to_be_attached()
        await expect(page.locator("#ending b")).to_be_visible()
        records = await page.locator(".record").count()
        for _ in range(2):  # the first is of code that is not compiled yet
            told = sorted(await page.evaluate(REDRAWS))
            await page.evaluate("performance.clearMeasures()")
    print(f"{len(told)} redraws of {records} records: median {median(told):.1f} ms, "
          f"95 of 100 {told[len(told) * 95 // 100]:.1f} ms, worst {told[-1]:.1f} ms")  # fmt: skip


async def main(seconds: float, a_minute: float) -> None:
    """Measure, and print it."""
    process = await asyncio.create_subprocess_exec(sys.executable, __file__, "serve", stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        url = f"http://127.0.0.1:{port}"
        server = Server(process, port)  # type: ignore[arg-type]  # it reads nothing but the process's number
        async with httpx2.AsyncClient(base_url=url, timeout=60, trust_env=False) as client, browser() as chromium:
            loading = asyncio.ensure_future(load(client, a_minute))
            print(f"{'nobody':>9}: {await phase(server, [], seconds)}", flush=True)
            for view in ("runs", "fleet"):
                seen = list[Seen]()
                for count in (1, 10):
                    seen += [await Seen.opened(chromium, url, view) for _ in range(count - len(seen))]
                    await asyncio.sleep(3)
                    print(f"{count:>3} {view:>5}: {await phase(server, seen, seconds)}", flush=True)
                for each in seen:
                    await each.page.context.close()
            loading.cancel()
    finally:
        process.kill()
        await process.wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve()
    elif sys.argv[1:2] == ["redraw"]:
        asyncio.run(redraw())
    else:
        asyncio.run(main(float((sys.argv[1:] or ["30"])[0]), float((sys.argv[2:] or ["1000"])[0])))
