"""The page of the inspector by the keyboard alone: one stop for all states, and the focus goes back where it was."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect
from support.browsing import axe, chromium, faults
from support.inspected import forked_beside, inspected, opened, travel
from support.large_machines import STATES, sixty

__all__ = ["axe", "chromium"]

OSLO = {"wish": "Oslo"}
LIVE = re.compile(r"^(\d+)/\1 ")


def state(page: Page, name: str) -> Locator:
    """Return a state of the diagram."""
    return page.locator(f"#state-{name}")


@pytest.mark.slow
async def test_all_states_are_one_stop(chromium: Browser) -> None:
    """Of Tab, however many there are: the one where the run stands, then the one that had the focus last."""
    async with inspected(sixty(), {"query": "go"}) as url, opened(chromium, url) as page:
        await expect(page.locator(".node")).to_have_count(STATES + 2)
        await expect(page.locator(".record").nth(230)).to_be_attached()
        await page.locator("#whole").focus()
        await page.keyboard.press("Tab")
        first = page.locator(".node:focus")
        await expect(first).to_have_attribute("aria-current", "step")
        await page.keyboard.press("Tab")
        await expect(page.locator("#prev, #time")).to_have_count(2)
        await expect(page.locator("#stage .node:focus")).to_have_count(0)
        await page.keyboard.press("Shift+Tab")
        await page.keyboard.press("ArrowLeft")
        name = str(await page.locator(".node:focus").get_attribute("id"))
        await page.keyboard.press("Tab")
        await page.keyboard.press("Shift+Tab")
        await expect(page.locator(".node:focus")).to_have_attribute("id", name)
        await expect(page.locator(".node[tabindex='0']")).to_have_count(1)


@pytest.mark.slow
async def test_each_state_is_reached_by_arrows(chromium: Browser) -> None:
    """Left and right as one reads, up and down to the nearest; it is seen, and the run stays where it is looked at."""
    async with inspected(sixty(), {"query": "go"}) as url, opened(chromium, url) as page:
        await expect(page.locator(".record").nth(230)).to_be_attached()
        moment = await page.locator("#moment").inner_text()
        await page.locator(".node[tabindex='0']").focus()
        for _ in range(STATES + 2):
            await page.keyboard.press("ArrowLeft")
        reached = set[Any]()
        for _ in range(STATES + 2):
            reached.add(await page.locator(".node:focus").get_attribute("id"))
            await expect(page.locator(".node:focus .box")).to_be_in_viewport(ratio=0.9)
            await page.keyboard.press("ArrowRight")

        assert STATES + 2 == len(reached)
        assert moment == await page.locator("#moment").inner_text()
    async with inspected(travel(), OSLO) as url, opened(chromium, url) as page:
        await expect(page.locator("form.card")).to_be_visible()
        await state(page, "ask").focus()
        for key, name in (("Up", "stay"), ("Up", "read"), ("Down", "fly"), ("Right", "stay"), ("Left", "fly")):
            await page.keyboard.press(f"Arrow{key}")
            await expect(state(page, name)).to_be_focused()


@pytest.mark.slow
async def test_what_a_state_is_gives_the_focus_back(chromium: Browser) -> None:
    """Closed by its button or by Escape, to the state that opened it; a moment that is looked at stays as it is."""
    async with inspected(travel(), OSLO) as url, opened(chromium, url) as page:
        await expect(page.locator("form.card")).to_be_visible()
        await page.locator("#prev").click()
        moment = await page.locator("#moment").inner_text()
        for close in ("Enter", "Escape"):
            await state(page, "book").press("Enter")
            await page.get_by_role("button", name="close").focus()
            await page.keyboard.press(close)
            await expect(page.locator("#state")).to_have_count(0)
            await expect(state(page, "book")).to_be_focused()
            assert moment == await page.locator("#moment").inner_text()
        await page.keyboard.press("Escape")
        await expect(page.locator("#moment")).to_have_text(LIVE)


@pytest.mark.slow
async def test_escape_closes_what_was_opened_last(chromium: Browser) -> None:
    """A state inside, the machine that it is in, the state around it; each time the focus goes back, then to live."""
    async with inspected(travel(), OSLO) as url, opened(chromium, url) as page:
        await expect(page.locator("form.card")).to_be_visible()
        await page.locator("#prev").click()
        await state(page, "fly").press("Enter")
        await expect(page.locator("#crumbs")).to_contain_text("Hotels")
        await expect(page.locator(".node:focus")).to_have_count(1)
        inner = str(await page.locator(".node:focus").get_attribute("id"))
        await page.keyboard.press("Enter")
        await expect(page.locator("#state b").first).to_have_text(inner.removeprefix("state-"))
        await page.keyboard.press("Escape")
        await expect(page.locator("#state")).to_have_count(0)
        await expect(page.locator(f"#{inner}")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.locator("#crumbs")).to_be_empty()
        await expect(state(page, "fly")).to_be_focused()
        await expect(page.locator("#moment")).not_to_have_text(LIVE)
        await page.keyboard.press("Escape")
        await expect(page.locator("#moment")).to_have_text(LIVE)
        await state(page, "fly").press("Enter")
        await page.locator("#crumbs").get_by_role("button", name="Travel").press("Enter")
        await expect(state(page, "fly")).to_be_focused()
        await state(page, "fly").press("Enter")
        await page.keyboard.press("Escape")
        await expect(page.locator("#crumbs")).to_be_empty()
        await expect(page.locator("#state")).to_be_visible()  # what it is, which was opened with it
        await page.keyboard.press("Escape")
        await expect(page.locator("#state")).to_have_count(0)
        await expect(state(page, "fly")).to_be_focused()


@pytest.mark.slow
async def test_the_form_of_a_fork_gives_the_focus_back(chromium: Browser) -> None:
    """By Escape and by its button; so does a run that is looked at beside its parent, which Escape ends."""
    async with inspected(travel(), OSLO) as url, opened(chromium, url) as page:
        await expect(page.locator("form.card")).to_be_visible()
        edit, form = page.locator("#edit"), page.locator("#otherwise form")
        await expect(edit).to_be_enabled()
        for way in ("Escape", "Enter"):
            await edit.press("Enter")
            await form.get_by_role("button", name="Cancel").focus()
            await page.keyboard.press(way)
            await expect(form).to_be_hidden()
            await expect(edit).to_be_focused()
        await forked_beside(page)
        await page.locator("body").press("Escape")
        await expect(page.locator(".two")).to_have_count(0)
        await expect(page.get_by_role("button", name="beside its parent")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="alone")).to_be_focused()


@pytest.mark.slow
async def test_a_fold_gives_the_focus_back(chromium: Browser) -> None:
    """Escape closes what the words mean, and the focus is on what opened it."""
    async with inspected(travel(), OSLO) as url, opened(chromium, url) as page:
        await page.locator("button[data-view=proof]").click()
        fold = page.locator("details", has_text="what the words mean")
        await fold.locator("summary").press("Enter")
        await expect(fold.locator("dl")).to_be_visible()
        await page.locator("button[data-view=fleet]").focus()
        await page.keyboard.press("Escape")
        await expect(fold.locator("dl")).to_be_hidden()
        await expect(fold.locator("summary")).to_be_focused()


@pytest.mark.slow
@pytest.mark.parametrize("colours", ["dark", "light"])
async def test_sixty_states_keep_nobody_out(chromium: Browser, axe: str, colours: Any) -> None:
    """No fault of a diagram that is scrolled, of one of its states with the focus, and of what that state is."""
    options: Any = {"bypass_csp": True, "color_scheme": colours, "reduced_motion": "reduce"}
    async with inspected(sixty(), {"query": "go"}) as url, opened(chromium, url, **options) as page:
        await expect(page.locator(".record").nth(230)).to_be_attached()
        await page.add_script_tag(path=axe)
        await page.locator(".node[tabindex='0']").press("Enter")
        await expect(page.locator("#state")).to_be_visible()

        assert {} == await faults(page)
