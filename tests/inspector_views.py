"""Take the pictures of the inspector: `python tests/inspector_views.py [FOLDER]`, with Chromium.

Each view is of a service that runs, in dark and in light. Those that how-to/inspector.md shows go into its pictures;
with a FOLDER all go there, those of a large machine and of narrow screens too.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.async_api import Browser, Page, expect

sys.path.insert(0, str(Path(__file__).parents[1]))

from support import clerks
from support.browsing import browser
from support.inspected import forked_beside, inspected, opened, travel
from support.large_machines import sixty

from fsm_orch import MemoryStore, Runner, ScriptedModel

PICTURES = Path(__file__).parents[1] / "notebooks" / "pictures"
DOCUMENTED = (
    "inspector",
    "inspector-in-time",
    "inspector-inside",
    "inspector-beside",
    "inspector-landed",
    "inspector-fleet",
    "inspector-proof",
)
WISHES = ("Oslo", "somewhere by the sea", "a museum in the north", "fjords")


async def _waiting(page: Page) -> None:
    await expect(page.locator("form.card")).to_be_visible()
    await expect(page.locator("#fork")).to_be_enabled()  # all of it is loaded


async def _trips(page: Page) -> AsyncIterator[str]:
    """Yield the name of each view of trips, once the page shows it."""
    await _waiting(page)
    yield "inspector"
    await page.locator(".record .to", has_text="call 1 took").first.click()
    yield "inspector-in-time"
    await page.locator("#now").click()
    await page.get_by_role("button", name="fly: look inside").press("Enter")
    await page.evaluate("document.activeElement.blur()")
    yield "inspector-inside"
    await page.locator("#crumbs button").first.click()
    await page.locator("form.card").get_by_role("button", name="confirm").click()
    await expect(page.locator("#left .on .pill")).to_have_text("booked")
    await page.locator(".record .to", has_text=re.compile(r"^\d\.\d+bookmenu")).click()
    await forked_beside(page)
    await page.get_by_role("button", name="go on").click()
    await expect(page.locator("#left .on .pill")).to_have_text("booked")
    await expect(page.locator("#ending")).to_contain_text("Ended in booked")
    yield "inspector-beside"
    await page.locator("#left .runs button", has_text="waiting").first.click()
    await _waiting(page)
    await page.locator("form.card").get_by_role("button", name="cancel").click()
    await expect(page.locator("#left .on .pill")).to_have_text("desk")
    await page.locator("#left .runs button", has_text="waiting").first.click()
    await _waiting(page)
    await page.locator("#right h2").get_by_role("button", name="cancel").click()
    await expect(page.locator("#ending")).to_contain_text("Landed in desk")
    await expect(page.locator("#left .on .pill")).to_have_text("desk")
    yield "inspector-landed"
    await page.get_by_role("button", name="Fleet").click()
    await expect(page.locator("#left .note")).to_be_visible()
    yield "inspector-fleet"
    await page.get_by_role("button", name="Proof").click()
    await expect(page.locator("#right h2").first).to_be_visible()
    await expect(page.locator("#left .note").first).not_to_have_text("proving …")
    yield "inspector-proof"


async def _shop(page: Page) -> AsyncIterator[str]:
    await page.get_by_role("button", name="Proof").click()
    await page.get_by_role("button", name="Play it").first.click()
    await page.locator("#now").click()
    yield "counterexample"


async def _sixty(page: Page) -> AsyncIterator[str]:
    await expect(page.locator(".record").nth(230)).to_be_attached()
    yield "sixty"
    await page.locator(".record .to").nth(120).click()
    yield "sixty-in-time"


def _clerks() -> Any:
    return Runner(clerks.Shop, model=ScriptedModel([]), store=MemoryStore())


async def _take(
    chromium: Browser,
    runner: Any,
    views: Callable[[Page], AsyncIterator[str]],
    contexts: Any,
    to: Path,
    **more: Any,
) -> None:
    for colours in ("light", "dark"):
        options = {"color_scheme": colours, "reduced_motion": "reduce", **more}
        async with inspected(runner(), *contexts) as url, opened(chromium, url, **options) as page:
            async for name in views(page):
                await page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
                suffix = "" if colours == "light" else "-dark"
                narrow = f"-{more['size'][0]}" if "size" in more and more["size"][0] < 1000 else ""
                if to != PICTURES or name in DOCUMENTED:
                    _kept(await page.screenshot(), to / f"{name}{narrow}{suffix}.png")


def _kept(taken: bytes, to: Path) -> None:
    """Keep a picture in 256 colours: a fifth as large, and no colour is off by more than a few of 255 steps."""
    image = Image.open(BytesIO(taken)).convert("RGB")
    image.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE).save(to, optimize=True)


async def main(to: Path) -> None:
    """Take all pictures."""
    trips = [{"wish": wish} for wish in WISHES]
    async with browser() as chromium:
        await _take(chromium, travel, _trips, trips, to, size=(1440, 820))
        if to == PICTURES:
            return
        await _take(chromium, _clerks, _shop, [], to)
        await _take(chromium, sixty, _sixty, [{"query": "go"}], to)
        for size in ((768, 1024), (360, 740)):
            await _take(chromium, travel, _trips, trips, to, size=size)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if sys.argv[1:] else PICTURES))
