"""The page of the inspector is for everybody: by axe-core, by the keyboard, on narrow screens, in few colours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect
from support.browsing import axe, chromium, faults
from support.inspected import attacked, attacker, begun, figures_in, forked_beside, inspected, looked_at, opened, travel
from support.serving import app_of, listening
from support.tenants import verify

__all__ = ["axe", "chromium"]

SIZES = [(1440, 860), (768, 1024), (360, 740)]
OSLO = {"wish": "Oslo"}
REFUSED = "Failed to load resource: the server responded with a status of 401"


@pytest.mark.slow
@pytest.mark.parametrize("colours", ["dark", "light"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: str(size[0]))
async def test_nobody_is_kept_out(chromium: Browser, axe: str, colours: Any, size: tuple[int, int]) -> None:
    """No fault in any view, nor inside a state, nor beside a parent, in either set of colours, however wide."""
    options: Any = {"bypass_csp": True, "color_scheme": colours, "reduced_motion": "reduce", "size": size}
    async with inspected(travel(), OSLO) as url, opened(chromium, url, **options) as page:
        await expect(page.locator("form.card")).to_be_visible()
        await page.add_script_tag(path=axe)
        found = {}
        async for view in looked_at(page):
            found[view] = await faults(page)
        await page.get_by_role("button", name="fly: look inside").press("Enter")
        await expect(page.locator("#crumbs")).to_contain_text("Flights")
        found["inside"] = await faults(page)
        await forked_beside(page)
        found["beside"] = await faults(page)

    assert {} == {view: each for view, each in found.items() if each}


@pytest.mark.slow
@pytest.mark.parametrize("colours", ["dark", "light"])
async def test_a_form_keeps_nobody_out(chromium: Browser, axe: str, colours: Any) -> None:
    """No fault of a form with fields to fill in, nor of what the service says is wrong with them."""
    options: Any = {"bypass_csp": True, "color_scheme": colours, "reduced_motion": "reduce"}
    async with inspected(attacked(), auth=attacker) as url:
        await begun(url, {"query": "what?"})
        async with opened(chromium, url, odd="Failed to load resource", **options) as page:
            await expect(page.locator("form.card textarea")).to_be_visible()
            await page.add_script_tag(path=axe)
            before = await faults(page)
            await page.locator("form.card textarea").fill("x" * 100_000)
            await page.locator("form.card .yes").click()

            assert {} == before
            assert {} == await faults(page)


@pytest.mark.slow
@pytest.mark.parametrize("colours", ["dark", "light"])
async def test_figures_and_the_form_of_a_fork_keep_nobody_out(
    chromium: Browser, axe: str, colours: Any, tmp_path: Path
) -> None:
    """Nor do figures of tests and of an evaluation on edges, nor the form that has a run go on otherwise."""
    found = {}
    async with (
        inspected(travel(), OSLO, **figures_in(tmp_path)) as url,
        opened(chromium, url, bypass_csp=True, color_scheme=colours, reduced_motion="reduce") as page,
    ):
        await expect(page.locator("form.card")).to_be_visible()
        await page.add_script_tag(path=axe)
        await page.locator("button[data-view=proof]").click()
        for figures in ("taken by tests", "right routes"):
            await page.get_by_role("button", name=figures).click()
            await expect(page.locator(".edge.never").first).to_be_attached()
            found |= {(figures, rule): where for rule, where in (await faults(page)).items()}
        await page.locator("button[data-view=runs]").click()
        await page.locator("#edit").click()
        await expect(page.locator("#otherwise form")).to_be_visible()
        found |= {("fork", rule): where for rule, where in (await faults(page)).items()}

    assert {} == found


@pytest.mark.slow
@pytest.mark.parametrize("colours", ["dark", "light"])
async def test_the_door_keeps_nobody_out(chromium: Browser, axe: str, colours: Any) -> None:
    """No fault of the dialog that asks for a token."""
    options: Any = {"bypass_csp": True, "color_scheme": colours}
    app = app_of(travel(), auth=verify, inspector="own")
    async with listening(app) as url, opened(chromium, url, odd=REFUSED, **options) as page:
        await expect(page.locator("#door")).to_be_visible()
        await page.add_script_tag(path=axe)

        assert {} == await faults(page)


@pytest.mark.slow
async def test_a_door_that_is_shut_by_escape_asks_again(chromium: Browser) -> None:
    """No token is sent that nobody gave: the dialog stays until there is one."""
    app = app_of(travel(), auth=verify, inspector="own")
    async with listening(app) as url, opened(chromium, url, odd=REFUSED) as page:
        await expect(page.locator("#door")).to_be_visible()
        asked = list[str]()
        page.on("request", lambda request: asked.append(request.url))
        for _ in range(3):
            await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Enter").click()
        await expect(page.locator("#door")).to_be_visible()

        assert [] == asked
        assert await page.evaluate("sessionStorage.getItem('fsm-orch-token')") is None


@pytest.mark.slow
async def test_keys_are_for_what_is_seen(chromium: Browser) -> None:
    """Where no run is seen, arrows and Escape leave it where it is looked at; a dialog has its Escape to itself."""
    async with inspected(travel(), OSLO) as url, opened(chromium, url) as page:
        await expect(page.locator("form.card")).to_be_visible()
        await page.locator("body").press("ArrowLeft")
        before = await page.locator("#moment").inner_text()
        for view in ("fleet", "proof"):
            await page.locator(f"button[data-view={view}]").click()
            for key in ("ArrowLeft", "ArrowLeft", "Escape", "ArrowRight"):
                await page.locator("body").press(key)
            await page.locator("button[data-view=runs]").click()
            await expect(page.locator("#moment")).to_have_text(before)


@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 360, 768, 1080])
async def test_nothing_is_cut_off_on_narrow_screens(chromium: Browser, width: int) -> None:
    """No view is wider than the screen, and the diagram has most of it where the columns would not fit."""
    async with inspected(travel(), OSLO) as url, opened(chromium, url, size=(width, 800)) as page:
        await expect(page.locator("form.card")).to_be_visible()
        async for view in looked_at(page):
            wide = await page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]")
            assert [width, width] == wide, view
        stage = await page.locator("#diagram").evaluate("box => box.clientWidth")

        assert stage >= min(0.85 * width, 500)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1440, 860), (1200, 620)])
async def test_the_ledger_is_seen_without_scrolling(chromium: Browser, size: tuple[int, int]) -> None:
    """On a wide screen the diagram takes what is left, and pushes nothing out of the window."""
    async with inspected(travel(), OSLO) as url, opened(chromium, url, size=size) as page:
        await expect(page.locator("form.card")).to_be_visible()
        bottom = await page.locator("#ledger").evaluate("box => box.getBoundingClientRect().bottom")

        assert 0 < bottom <= size[1]


@pytest.mark.slow
async def test_nothing_moves_for_who_does_not_want_that(chromium: Browser) -> None:
    """No animation and no transition is left."""
    async with inspected(travel(), OSLO) as url, opened(chromium, url, reduced_motion="reduce") as page:
        await expect(page.locator("form.card")).to_be_visible()
        moves = """[...document.querySelectorAll("*")].filter(each => {
          const style = getComputedStyle(each);
          return style.animationName !== "none" || style.transitionDuration !== "0s";
        }).map(each => each.outerHTML.slice(0, 80))"""

        assert [] == await page.evaluate(moves)


@pytest.mark.slow
async def test_in_few_colours_things_are_told_apart(chromium: Browser) -> None:
    """With the colours of a system alone: the path, the state, the bar and what is picked are drawn in them."""
    async with inspected(travel(), OSLO) as url, opened(chromium, url, forced_colors="active") as page:
        await expect(page.locator("form.card")).to_be_visible()
        style = "([query, name]) => getComputedStyle(document.querySelector(query))[name]"

        async def drawn(query: str, name: str) -> str:
            return str(await page.evaluate(style, [query, name]))

        ground, text = await drawn("html body", "backgroundColor"), await drawn("#machine", "color")
        assert text == await drawn(".node .name", "fill")
        for query in (".edge.taken path", ".node.here .box"):
            assert await drawn(query, "stroke") not in (ground, text, "none"), query
        for query in (".record.at", "#left .on"):
            assert await drawn(query, "borderTopColor") not in (ground, text), query
        assert await drawn(".bar .settled", "backgroundColor") not in (ground, text)
        assert await drawn(".bar .ahead", "backgroundColor") not in (
            ground,
            await drawn(".bar .settled", "backgroundColor"),
        )


@pytest.mark.slow
async def test_what_streams_is_read_once(chromium: Browser) -> None:
    """A sentence is told when it is whole; what is not whole yet is hidden from screen readers."""
    async with inspected(travel()) as url, opened(chromium, url) as page:
        await page.evaluate("document.body.append(Object.assign(document.createElement('p'), {id: 'said'}))")
        page_of = "import('./panels.js').then(({streamed}) => import('./dom.js').then(({fill}) => "
        for text, whole in (("One. Tw", ["One. "]), ("One. Two! Thr", ["One. ", "Two! "])):
            await page.evaluate(f"text => {page_of} {{ fill('#said', streamed(text)) }}))", text)
            told = await page.locator("#said span:not([aria-hidden])").all_inner_texts()
            assert [each.strip() for each in whole] == [each.strip() for each in told]
            assert re.sub(r"\s", "", text) == re.sub(r"\s", "", await page.locator("#said").inner_text())
