"""The page of the inspector stays still: what somebody reads, marks, or writes is not drawn again under their hands."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect
from support.browsing import chromium
from support.inspected import attacked, attacker, begun, inspected, looked_at, opened, travel

__all__ = ["chromium"]

OSLO = {"wish": "Oslo"}
CHANGES = """() => {
  window.changes = [];
  const seen = (each) => each.type + " " + (each.target.id || each.target.nodeName) + " " + (each.attributeName ?? "");
  const kinds = {subtree: true, childList: true, attributes: true, characterData: true};
  new MutationObserver((found) => changes.push(...found.map(seen))).observe(document, kinds);
}"""

HIDDEN = """hidden => {
  Object.defineProperty(document, "hidden", {configurable: true, get: () => hidden});
  document.dispatchEvent(new Event("visibilitychange"));
}"""


async def polled(page: Page, times: int = 2) -> None:
    """Wait until the page has asked for the runs again so often, and has drawn what it was told."""
    for _ in range(times):
        async with page.expect_response("**/inspector/api/runs"):
            pass
    await page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


@pytest.mark.slow
async def test_nothing_is_drawn_when_nothing_has_changed(chromium: Browser) -> None:
    """Not an attribute changes in two polls, neither of a run that waits nor in what is proved."""
    async with inspected(travel(), OSLO) as url, opened(chromium, url) as page:
        await expect(page.locator("form.card")).to_be_visible()
        await page.clock.set_fixed_time("2030-01-01")  # how old a run is changes by itself
        async for view in looked_at(page):
            await polled(page)
            await page.evaluate(CHANGES)
            await polled(page)
            assert [] == await page.evaluate("changes"), view


@pytest.mark.slow
async def test_each_view_comes_back_as_it_was(chromium: Browser) -> None:
    """The runs, their records and the ledger are there again after what is proved and the fleet were looked at."""
    async with inspected(travel(), OSLO) as url, opened(chromium, url) as page:
        await expect(page.locator("form.card")).to_be_visible()
        await page.clock.set_fixed_time("2030-01-01")
        await polled(page)
        before = await page.locator("main").inner_text()
        async for _ in looked_at(page):
            await polled(page)

        assert before == await page.locator("main").inner_text()


@pytest.mark.slow
@pytest.mark.parametrize("where", ["#left .runs button", ".record .to >> nth=2", ".node.opens", "#records"])
async def test_the_focus_stays(chromium: Browser, where: str) -> None:
    """On a run, a record, a state and the list of records, while another run begins and the page is told so."""
    async with inspected(travel(), OSLO) as url, opened(chromium, url) as page:
        await expect(page.locator("form.card")).to_be_visible()
        await page.locator(where).focus()
        held = await page.evaluate_handle("document.activeElement")
        await begun(url, OSLO)
        await expect(page.locator("#left .runs li")).to_have_count(2)
        await polled(page)

        assert await page.evaluate("held => held === document.activeElement", held)


@pytest.mark.slow
async def test_what_is_written_and_where_it_is_read_stay(chromium: Browser) -> None:
    """The words in a form, the place of the cursor, and how far the records are scrolled, over two polls."""
    async with inspected(attacked(), auth=attacker) as url:
        await begun(url, {"query": "what?"})
        async with opened(chromium, url) as page:
            field, records = page.locator("form.card textarea"), page.locator("#records")
            await field.fill("half a reply")
            await field.evaluate("field => field.setSelectionRange(4, 4)")
            await records.evaluate("box => { box.scrollTop = 37 }")
            await begun(url, {"query": "another"})
            await expect(page.locator("#left .runs li")).to_have_count(2)
            await polled(page)
            await expect(field).to_be_focused()
            await page.keyboard.type("long ")

            assert "halflong  a reply" == await field.input_value()
            assert 37 == await records.evaluate("box => box.scrollTop")


@pytest.mark.slow
async def test_records_that_are_there_are_not_made_again(chromium: Browser) -> None:
    """One that comes is added, and the diagram is the same; back in time no record goes."""
    async with inspected(travel(), OSLO) as url, opened(chromium, url) as page:
        await expect(page.locator("form.card")).to_be_visible()
        kept: Any = await page.evaluate_handle("[...document.querySelectorAll('.record, .node, svg, #records')]")
        await page.locator("form.card").get_by_role("button", name="confirm").click()
        await expect(page.locator("#left .pill")).to_have_text("booked")
        await page.locator("body").press("ArrowLeft")
        await expect(page.locator(".record.later")).to_have_count(1)

        assert await page.evaluate("kept => kept.every(each => each.isConnected)", kept)


@pytest.mark.slow
async def test_who_looks_elsewhere_costs_the_service_nothing(chromium: Browser) -> None:
    """A page that is hidden asks for nothing, and has all that came meanwhile when it is looked at again."""
    async with inspected(travel(), OSLO) as url, opened(chromium, url) as page:
        await expect(page.locator("form.card")).to_be_visible()
        await page.evaluate(HIDDEN, True)
        asked = list[str]()
        page.on("request", lambda request: asked.append(request.url))
        await page.wait_for_timeout(2_000)
        assert [] == asked
        await page.evaluate(HIDDEN, False)
        await page.locator("form.card").get_by_role("button", name="confirm").click()
        await expect(page.locator("#left .pill")).to_have_text("booked")
        numbers = await page.locator("#moment").inner_text()

        assert re.match(r"^(\d+)/\1 ", numbers)
