"""The numbers of the inspector's fleet open the runs that they count: at a state, of a status, landed for a reason."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect
from support.browsing import axe, chromium, faults
from support.inspected import begun, inspected, opened, travel
from support.serving import ASYNC, HELD, body, desk, served
from support.tenants import ACME, BOLT, verify

__all__ = ["axe", "chromium"]

OSLO = {"wish": "Oslo"}


async def test_the_list_holds_what_the_fleet_counts() -> None:
    """For each state, each status and each reason, exactly so many runs; of others' runs, none."""
    async with served(desk(), auth=verify, inspector="own") as client:
        for text in ("a", "b", "break"):
            await client.post("/runs", json=body(text), headers=ACME)
        await client.post("/runs", json=body("hold"), headers=ACME | ASYNC)
        await client.post("/runs", json=body("theirs"), headers=BOLT)

        async def listed(who: dict[str, str], **wanted: str) -> list[Any]:
            return list((await client.get("/inspector/api/runs", headers=who, params=wanted)).json())

        fleet = (await client.get("/inspector/api/fleet", headers=ACME)).json()
        states = Counter(fleet["standing"]) + Counter(fleet["waiting"]) + Counter(fleet["ended"])
        at = {state: len(await listed(ACME, state=state)) for state in states}
        landed = {reason: len(await listed(ACME, landing=reason)) for reason in fleet["landings"]}
        ended = await listed(ACME, status="finished")
        both = await listed(ACME, status="finished", state=ended[0]["state"])
        nobody = [await listed(ACME, state="nowhere"), await listed(ACME, landing="never")]
        others = [len(await listed(BOLT, state=state)) for state in states]
        HELD["hold"].set()

    assert states == at
    assert fleet["landings"] == landed != {}
    assert sum(fleet["ended"].values()) == len(ended) == 3
    assert {ended[0]["state"]} == {row["state"] for row in both}
    assert [[], []] == nobody
    assert 1 == sum(others)


async def mixed(url: str, page: Page) -> None:
    """Have one run that was cancelled and two that wait."""
    await page.locator("form.card").get_by_role("button", name="cancel").click()
    await expect(page.locator("#left .pill")).to_have_text("desk")
    await page.locator("form.card").wait_for(state="detached")
    for _ in range(2):
        await begun(url, OSLO)
    await expect(page.locator("#left .runs li")).to_have_count(3)


@pytest.mark.slow
async def test_a_count_opens_its_runs(chromium: Browser) -> None:
    """By the keyboard: those of a state and of a status, with the focus on the way back to all of them."""
    async with inspected(travel(), OSLO) as url, opened(chromium, url) as page:
        await mixed(url, page)
        listed, back = page.locator("#left .runs li"), page.locator("#left").get_by_role("button", name="all")
        fleet = page.locator("button[data-view=fleet]")
        for name, count, word in (("ask: 2 runs", 2, "ask"), ("waiting for humans: 2 runs", 2, "waiting")):
            await fleet.click()
            await page.get_by_role("button", name=name).press("Enter")
            await expect(listed).to_have_count(count)
            await expect(page.locator("#left h2 small")).to_have_text(word)
            await expect(page.locator("#left .on .pill")).to_have_text("waiting")
            await expect(page.locator(".node.here .name")).to_have_text("ask")
            await expect(back).to_be_focused()
        await page.wait_for_timeout(2_000)  # it is asked for again, and stays so
        await expect(listed).to_have_count(2)
        await page.keyboard.press("Enter")
        await expect(listed).to_have_count(3)
        await expect(back).to_have_count(0)
        await expect(listed.locator("button").first).to_be_focused()
        await fleet.click()
        await page.get_by_role("button", name="book: 0 runs").click()
        await expect(page.locator("#left h2").first).to_have_text(re.compile("fleet", re.IGNORECASE))


@pytest.mark.slow
@pytest.mark.parametrize("colours", ["dark", "light"])
async def test_a_reason_opens_its_runs(chromium: Browser, axe: str, colours: Any) -> None:
    """Why runs were landed is a button for each reason, which keeps nobody out."""
    options: Any = {"bypass_csp": True, "color_scheme": colours, "reduced_motion": "reduce"}
    async with inspected(travel(), OSLO) as url, opened(chromium, url, **options) as page:
        await mixed(url, page)
        await page.locator(".runs li").last.locator("button").click()
        await page.locator(".runs li").first.locator("button").click()
        await page.locator("#right h2").get_by_role("button", name="cancel").click()
        await expect(page.locator("#left .on .pill")).to_have_text("desk")
        await page.add_script_tag(path=axe)
        await page.locator("button[data-view=fleet]").click()
        await expect(page.locator("#right .sums")).to_contain_text("cancelled")
        assert {} == await faults(page)
        await page.get_by_role("button", name="cancelled: 1 run").click()
        await expect(page.locator("#left .runs li")).to_have_count(1)
        await expect(page.locator("#left h2 small")).to_have_text("cancelled")
        await expect(page.locator("#ending")).to_contain_text("Landed in desk")
        assert {} == await faults(page)
