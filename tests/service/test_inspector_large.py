"""The page of the inspector with a large machine and a long run: it can be read, and costs little for each record."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, expect
from support.browsing import chromium
from support.inspected import inspected, opened
from support.large_machines import STATES, sixty

__all__ = ["chromium"]


@pytest.mark.slow
@pytest.mark.parametrize("width", [1440, 360])
async def test_sixty_states_can_be_read(chromium: Browser, width: int) -> None:
    """No word of the diagram is below 9 px; what does not fit is scrolled to, and the state of the run is seen."""
    size = (width, 860)
    async with inspected(sixty(), {"query": "go"}) as url, opened(chromium, url, size=size) as page:
        await expect(page.locator(".node")).to_have_count(STATES + 2)
        await expect(page.locator(".record").nth(230)).to_be_attached()
        smallest = """() => Math.min(...[...document.querySelectorAll("#diagram text")].map((each) =>
            parseFloat(getComputedStyle(each).fontSize) * each.getScreenCTM().a))"""
        assert await page.evaluate(smallest) >= 9
        seen = """() => {
          const box = document.querySelector("#diagram").getBoundingClientRect();
          const here = document.querySelector(".node.here .box").getBoundingClientRect();
          return here.left >= box.left && here.right <= box.right && here.top >= box.top && here.bottom <= box.bottom;
        }"""
        for number in (200, 120, 3):
            await page.evaluate("number => { document.querySelectorAll('.record .to')[number].click() }", number)
            await expect(page.locator(".record.at")).to_have_count(1)
            assert await page.evaluate(seen), number
            assert width == await page.evaluate("document.documentElement.scrollWidth")
        away = (
            """() => { const box = document.querySelector("#diagram"); return box.scrollHeight - box.clientHeight }"""
        )
        for is_whole in (True, False):
            await page.get_by_role("button", name="whole", pressed=not is_whole).click()
            assert is_whole == (await page.evaluate(away) <= 0)


@pytest.mark.slow
async def test_a_record_of_a_long_run_changes_little(chromium: Browser) -> None:
    """One step in time changes a few nodes of the thousands that are there, and makes few anew."""
    async with inspected(sixty(), {"query": "go"}) as url, opened(chromium, url) as page:
        await expect(page.locator(".record").nth(230)).to_be_attached()
        await page.locator("#prev").click()
        counted: Any = await page.evaluate("""async () => {
          let count = 0;
          const kinds = {subtree: true, childList: true, attributes: true, characterData: true};
          const watch = new MutationObserver((found) => { count += found.length });
          watch.observe(document, kinds);
          document.querySelector("#prev").click();
          await new Promise(requestAnimationFrame);
          return [count, document.querySelectorAll("*").length];
        }""")

        assert 0 < counted[0] < 80
        assert counted[1] > 2_000
