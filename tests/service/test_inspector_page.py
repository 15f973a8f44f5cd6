"""The page of the inspector in a real browser: clicked through as people do, and attacked with markup."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect
from support import clerks
from support.browsing import chromium
from support.inspected import (
    MARKUP,
    attacked,
    attacker,
    begun,
    forked_beside,
    inspected,
    looked_at,
    looked_at_both,
    opened,
    refused,
    tainted,
    tainted_inside,
    travel,
)  # fmt: skip
from support.serving import app_of, listening
from support.tenants import ACME, verify

import fsm_orch
from fsm_orch import MemoryStore, Runner, ScriptedModel
from fsm_orch.service import Caller

__all__ = ["chromium"]

FILES = sorted((Path(fsm_orch.__file__).parent / "service/inspector/page").iterdir())
OSLO = {"wish": "Oslo"}
FAILED = "Failed to load resource"
REFUSED = "Failed to load resource: the server responded with a status of 401"


@pytest.mark.slow
async def test_a_whole_approval(chromium: Browser) -> None:
    """A run that is begun meanwhile is shown, its question is answered, and it is seen to end."""
    async with inspected(travel()) as url, opened(chromium, url) as page:
        await expect(page.locator("#ledger")).to_contain_text("No run yet")
        await begun(url, OSLO)
        card = page.locator("form.card")
        await expect(card).to_contain_text("Book this?")
        await expect(card).to_contain_text("SK 2652")
        await expect(page.locator(".node.here.waits .name")).to_have_text("ask")
        await card.get_by_role("button", name="confirm").click()
        await expect(page.locator(".node.here .name")).to_have_text("booked")
        await expect(page.locator("#left .pill")).to_have_text("booked")
        await expect(card).to_have_count(0)
        await expect(page.locator(".edge.taken")).to_have_count(4)
        await page.locator("form.card").wait_for(state="detached")
        await page.get_by_role("button", name="fly: look inside").press("Enter")
        await expect(page.locator("#crumbs")).to_contain_text("Hotels")
        await page.locator("#crumbs").get_by_role("button", name="Flights").click()  # it ran beside it
        await expect(page.locator(".node .name", has_text="when")).to_be_visible()
        await expect(page.locator(".node.here .name")).to_have_text("looked")


@pytest.mark.slow
async def test_who_answered_is_told(chromium: Browser) -> None:
    """Of a question as of an approval: in the record of the answer, and to whoever opens the page later."""

    async def ada() -> Caller:
        return Caller(who="ada@example.org")

    async with inspected(travel(), OSLO, auth=ada) as url:
        async with opened(chromium, url) as page:
            await page.locator("form.card").get_by_role("button", name="confirm").click()
            await expect(page.locator("#left .pill")).to_have_text("booked")
            told = page.locator(".record", has_text="ask 1 answered")
            await expect(told.last).to_contain_text("by ada@example.org")
        async with opened(chromium, url) as page:
            await expect(page.locator(".record", has_text="ada@example.org")).to_have_count(1)


@pytest.mark.slow
async def test_in_time_by_keys_and_slider(chromium: Browser) -> None:
    """What is shown is what was so after that record: the diagram, the ledger and the list agree."""
    async with inspected(travel(), OSLO) as url, opened(chromium, url) as page:
        moment, time = page.locator("#moment"), page.locator("#time")
        await expect(page.locator("form.card")).to_be_visible()
        count = int((await moment.inner_text()).split("/")[0])
        await page.locator("body").press("ArrowLeft")
        await page.locator("body").press("ArrowLeft")
        await expect(moment).to_have_text(re.compile(f"^{count - 2}/{count} "))
        await expect(page.locator("form.card")).to_have_count(0)  # it was not asked yet
        await page.locator("body").press("ArrowRight")
        await expect(moment).to_have_text(re.compile(f"^{count - 1}/{count} "))
        await time.fill("2")
        await expect(page.locator(".node.here .name")).to_have_text("read")
        await expect(page.locator(".record.at")).to_have_count(1)
        await expect(page.locator(".record.later")).to_have_count(count - 2)
        await time.press("ArrowRight")
        await expect(moment).to_have_text(re.compile(f"^3/{count} "))
        await page.locator("body").press("Escape")
        await expect(page.locator("#now")).to_have_attribute("aria-pressed", "true")
        await expect(page.locator("form.card")).to_be_visible()
        await expect(page.locator(".record.at")).to_be_in_viewport()


@pytest.mark.slow
async def test_a_fork_goes_on(chromium: Browser) -> None:
    """From a moment before the booking, beside its parent; both end, and the parent stays as it was."""
    async with inspected(travel(), OSLO) as url, opened(chromium, url) as page:
        await page.locator("form.card").get_by_role("button", name="confirm").click()
        await expect(page.locator("#left .pill")).to_have_text("booked")
        await page.locator(".record .to", has_text=re.compile(r"^\d\.\d+bookmenu")).click()
        await page.locator("#fork").click()
        await expect(page.locator("#left .runs li")).to_have_count(2)
        await expect(page.locator("#left .on")).to_contain_text("a fork")
        await expect(page.locator(".node.here .name")).to_have_text("book")
        await page.get_by_role("button", name="beside its parent").click()
        await expect(page.locator(".two > *")).to_have_count(2)
        await page.get_by_role("button", name="go on").click()
        await expect(page.locator("#left .on .pill")).to_have_text("booked")
        await expect(page.locator(".node.here .name")).to_have_text("booked")
        await expect(page.get_by_role("button", name="go on")).to_have_count(0)


@pytest.mark.slow
async def test_a_fork_that_stops_before_an_effect_says_so(chromium: Browser) -> None:
    """Of a trip that was cancelled, nothing is recorded of a booking: it stands, says why, and goes on if told to."""
    async with inspected(travel(), OSLO) as url, opened(chromium, url) as page:
        await page.locator("form.card").get_by_role("button", name="cancel").click()
        await expect(page.locator("#left .pill")).to_have_text("desk")
        await page.locator(".record .to", has_text=re.compile(r"^\d\.\d+askmenu")).click()
        await page.locator("#fork").click()
        await page.get_by_role("button", name="go on").click()
        await page.locator("form.card").get_by_role("button", name="confirm").click()
        await expect(page.locator("#ending")).to_contain_text("It stands in book, and nobody drives it")
        await expect(page.locator("#ending")).to_contain_text("has not begun the code of 'book'")
        await page.reload()
        await page.locator("#left .runs button", has_text="running").click()
        await page.get_by_role("button", name="go on, with its effects").click()
        await expect(page.locator("#left .on .pill")).to_have_text("booked")
        await expect(page.locator("#ending")).to_contain_text("Ended in booked")


@pytest.mark.slow
async def test_a_fork_with_another_reply(chromium: Browser) -> None:
    """What the kernel does not take is told in the form, and nothing is stored; what it takes is a run of its own."""
    odd = "Failed to load resource: the server responded with a status of 422"
    async with inspected(travel(), OSLO) as url, opened(chromium, url, odd=odd) as page:
        await expect(page.locator("form.card")).to_be_visible()
        await page.locator("#edit").click()
        form = page.locator("#otherwise form")
        wrong = form.get_by_role("alert")
        for values in ("{", '{"sky": 1}', '{"flight": 1}'):
            await form.get_by_label("What it writes").fill(values)
            await form.get_by_role("button", name="Fork").click()
            await expect(wrong).not_to_have_text("")
        await expect(wrong).to_contain_text("flight")
        await expect(page.locator("#left .runs li")).to_have_count(1)
        await form.get_by_label("What it writes").fill("")
        await form.get_by_label("Handoff").select_option(index=0)
        await form.get_by_role("button", name="Fork").click()
        await expect(page.locator("#left .on")).to_contain_text("a fork")
        await expect(page.locator("#otherwise")).to_be_hidden()


@pytest.mark.slow
async def test_a_fork_takes_another_way(chromium: Browser) -> None:
    """Its form offers the handoffs of the state whose reply it changes, and no others; then it goes on from there."""
    async with inspected(travel(), OSLO) as url, opened(chromium, url) as page:
        await expect(page.locator("form.card")).to_be_visible()
        form, edit = page.locator("#otherwise form"), page.locator("#edit")
        await page.locator(".record .to", has_text=re.compile(r"^\d\.\d+flymenu")).click()
        await edit.click()
        await expect(form.locator("h2")).to_have_text("Another reply of read: record 5, input 4")
        await expect(form.locator("option")).to_have_text(["as it was: by_air", "by_air", "only_hotel"])
        await form.get_by_role("button", name="Cancel").click()
        await page.locator("#now").click()
        await edit.click()
        await expect(form.locator("option")).to_have_text(["as it was", "seat", "no_seat"])
        await form.get_by_label("Handoff").select_option("no_seat")
        await form.get_by_label("What it writes").fill('{"hotel": "Hotel Sud"}')
        await form.get_by_role("button", name="Fork").click()
        await expect(page.locator("#left .on .pill")).to_have_text("sorry")
        await expect(page.locator(".node.here .name")).to_have_text("sorry")
        await expect(page.locator("#left .runs li")).to_have_count(2)


@pytest.mark.slow
async def test_a_state_says_what_it_is(chromium: Browser) -> None:
    """Clicked on, or by a key: its ways on with their guards, and its visits, each of which leads to its record."""
    async with inspected(travel(), OSLO) as url, opened(chromium, url) as page:
        await expect(page.locator("form.card")).to_be_visible()
        state = page.locator("#state")
        await page.get_by_role("button", name="book: what it is").click()
        await expect(state).to_contain_text("not visited")
        await page.get_by_role("button", name="read: what it is").press("Enter")
        await expect(state.locator("dt")).to_have_text(["by_air → fly", "only_hotel → stay"])
        await expect(state.locator("dd").first).to_have_text("a trip; only if ~wants_hotel_only")
        await state.get_by_role("button", name="record 2").click()
        await expect(page.locator(".record.at .line")).to_have_text("read")
        await expect(page.locator("#right h2 small").first).to_have_text(re.compile(r"^2 of \d+, input 1 of \d+$"))
        await page.locator("#now").click()
        await page.get_by_role("button", name="fly: look inside").click()
        await page.get_by_role("button", name="search: what it is").click()
        await expect(state.locator("dt")).to_have_text(["flow → looked"])
        await state.get_by_role("button", name="record").click()
        await expect(page.locator(".record.at .line")).to_have_text("search")
        await state.get_by_role("button", name="close").click()
        await expect(state).to_have_count(0)


@pytest.mark.slow
async def test_a_counterexample_is_played(chromium: Browser) -> None:
    """From what is proved: the run that breaks a policy, record by record, as any other run."""
    runner: Any = Runner(clerks.Shop, model=ScriptedModel([]), store=MemoryStore())
    async with inspected(runner) as url, opened(chromium, url) as page:
        await page.get_by_role("button", name="Proof").click()
        await expect(page.locator("#right")).to_contain_text("never(till.tool(refund)) is violated")
        await page.get_by_role("button", name="Play it").first.click()
        await expect(page.locator("#moment")).to_have_text(re.compile("^1/"))
        await page.locator("#next").click()
        await expect(page.locator(".record.at")).to_have_count(1)
        await page.locator("#now").click()
        await expect(page.locator(".record.later")).to_have_count(0)
        await expect(page.locator("#fork")).to_be_disabled()


@pytest.mark.slow
async def test_what_was_kept_of_a_prompt_is_shown_beside_its_call(chromium: Browser) -> None:
    """What the model was sent, and what it answered, under the record of that call alone."""
    async with inspected(travel(), OSLO) as url, opened(chromium, url) as page:
        call, held = page.locator(".record .to", has_text="call 1 took").first, page.locator(".record .held")
        await call.click()
        await expect(held).to_contain_text("Where to?")
        await expect(held.locator("dt").last).to_have_text("reply")
        await expect(held.locator("dd").last).to_contain_text('"Oslo"')
        await page.locator("#prev").click()
        await expect(held).to_have_count(0)


@pytest.mark.slow
async def test_who_has_no_token_is_asked_for_it(chromium: Browser) -> None:
    """Again while it is wrong; it is kept in the tab alone, and one in the link is in its address no more."""
    app = app_of(travel(), auth=verify, inspector="own")
    token = ACME["Authorization"].removeprefix("Bearer ")
    async with listening(app) as url:
        async with opened(
            chromium, url, odd="Failed to load resource: the server responded with a status of 401"
        ) as page:
            for given in ("wrong", token):
                await expect(page.locator("#door")).to_be_visible()
                await page.get_by_label("Token").fill(given)
                await page.get_by_label("Token").press("Enter")
            await expect(page.locator("#machine")).to_have_text("Travel")
            await page.reload()
            await expect(page.locator("#machine")).to_have_text("Travel")
            assert 0 == await page.evaluate("localStorage.length + document.cookie.length")
        async with opened(
            chromium, url, odd="Failed to load resource: the server responded with a status of 401"
        ) as page:
            await page.goto("about:blank")
            await page.goto(f"{url}/inspector/#token={token}")
            await expect(page.locator("#machine")).to_have_text("Travel")
            assert f"{url}/inspector/" == page.url


@pytest.mark.slow
async def test_nothing_runs_that_a_model_a_tool_or_a_user_says(chromium: Browser) -> None:
    """Markup in the context, the answers, a handoff that is refused, a tool's arguments and result: it is text."""
    async with inspected(attacked(), auth=attacker) as url:
        run = await begun(url, {"query": MARKUP}, thread_id=MARKUP[:200])
        assert "waiting" == run["status"], run
        async with opened(chromium, url) as page:
            await expect(page.locator("form.card")).to_contain_text("<img src=x onerror=")
            for number in range(await page.locator(".record").count()):
                await page.locator(".record .to").nth(number).click()
            await page.locator("#now").click()
            await page.locator("form.card textarea").fill(MARKUP)
            await page.locator("form.card .yes").click()
            await expect(page.locator("#left .pill")).to_have_text("done")
            async for _ in looked_at(page):
                assert 0 == await page.locator("img, iframe, a[href^=javascript], svg svg, main script").count()


@pytest.mark.slow
async def test_nothing_runs_whatever_the_service_says(chromium: Browser) -> None:
    """Markup behind every text of every answer, names and messages of errors among them, in every view."""
    async with inspected(travel(), OSLO) as url, opened(chromium, url) as page:
        await page.locator("form.card").get_by_role("button", name="cancel").click()
        await expect(page.locator("#left .pill")).to_have_text("desk")
        await page.route("**/inspector/api/**", tainted)
        await page.reload()
        await expect(page.locator("#machine")).to_contain_text("<script>")
        await expect(page.locator("form.card, .record").first).to_be_visible()
        async for _ in looked_at(page):
            assert 0 == await page.locator("img, iframe, a[href^=javascript], svg svg, main script").count()
        for number in range(await page.locator(".record").count()):
            await page.locator(".record .to").nth(number).click()


@pytest.mark.slow
async def test_nothing_runs_side_by_side(chromium: Browser) -> None:
    """Neither of what a model and a tool said in both runs, nor with markup in every text that the service says."""
    nothing = "img, iframe, a[href^=javascript], svg svg, main script"
    async with inspected(attacked(), auth=attacker) as url:
        await begun(url, {"query": MARKUP})
        async with opened(chromium, url) as page:
            await expect(page.locator("form.card")).to_be_visible()
            await forked_beside(page)
            await looked_at_both(page)
            assert 0 == await page.locator(nothing).count()
    async with inspected(travel(), OSLO) as url, opened(chromium, url) as page:
        await page.locator("form.card").get_by_role("button", name="confirm").click()
        await expect(page.locator("#left .pill")).to_have_text("booked")
        await page.locator(".record .to", has_text=re.compile(r"^\d\.\d+bookmenu")).click()
        await page.locator("#fork").click()
        await page.get_by_role("button", name="go on").click()
        await expect(page.locator("#left .on .pill")).to_have_text("booked")  # both streams end
        await page.route("**/inspector/api/**", tainted)
        await page.reload()
        await page.get_by_role("button", name="beside its parent").click()
        await looked_at_both(page)
        assert 0 == await page.locator(nothing).count()


@pytest.mark.slow
async def test_nothing_runs_inside_or_played(chromium: Browser) -> None:
    """Markup in every text: inside a state, in what went wrong, in a counterexample."""
    runner: Any = Runner(clerks.Shop, model=ScriptedModel([]), store=MemoryStore())
    nothing = "img, iframe, a[href^=javascript], svg svg, main script, header script"
    async with inspected(travel(), OSLO) as url, opened(chromium, url, odd=FAILED) as page:
        await page.locator("form.card").get_by_role("button", name="cancel").click()  # its stream must end
        await expect(page.locator("#left .pill")).to_have_text("desk")
        await page.route("**/inspector/api/**", tainted_inside)
        await page.reload()
        await page.locator(".node.opens").first.press("Enter")
        await expect(page.locator("#crumbs")).to_contain_text("Flights")
        assert 0 == await page.locator(nothing).count()
        await page.route("**/fork", refused)
        await page.locator("#fork").click()
        await expect(page.locator("#live")).to_contain_text("<script>")
        assert 0 == await page.locator(nothing).count()
    async with inspected(runner) as url, opened(chromium, url) as page:
        await page.route("**/inspector/api/**", tainted)
        await page.reload()
        await page.locator("button[data-view=proof]").click()
        await page.get_by_role("button", name="Play it").first.click()
        await page.locator("#now").click()
        await expect(page.locator("#records")).to_contain_text("<script>")
        assert 0 == await page.locator(nothing).count()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_page_takes_no_text_for_markup(file: Path) -> None:
    """There is no word in it by which text would become elements or code; and nothing comes from elsewhere."""
    words = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|srcdoc|DOMParser|setHTML"
    text = file.read_text(encoding="utf-8")

    assert not re.search(words, text)
    assert not re.search(r"""\s(on\w+|style)=["']""", text) or file.suffix != ".html"
    assert not [url for url in re.findall(r"https?://[^\s\"')]+", text) if not url.startswith("http://www.w3.org/")]
