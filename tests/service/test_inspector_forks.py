"""Forks in the inspector: what one would not begin is told before and after, from what is stored alone."""

from __future__ import annotations

import re
import threading
from types import MappingProxyType
from typing import Any

import pytest
from playwright.async_api import Browser, expect
from support.asking import Claim, Refunds
from support.browsing import chromium
from support.inspected import inspected, opened
from support.serving import served, until

from fsm_orch import Final, Limits, LLMAgent, Machine, MemoryStore, Runner, ScriptedModel, State, Tool
from fsm_orch.run.unrecorded import Unrecorded, unrecorded
from fsm_orch.service.inspector import looks

__all__ = ["chromium"]

API = "/inspector/api"
QUERY = {"query": "order 41"}


def pay_back(order: int) -> str:
    """Pay an order back."""
    return "paid"


class PaysBack(Machine[Claim]):
    """Pay back what a human approves."""

    refund = State(
        LLMAgent(
            "Pay the order back.", reads=Claim.query, writes=Claim.note, tools=Tool(pay_back, approval=True), calls=2,
            max_input_tokens=2_000, max_output_tokens=100,
        ),
        initial=True,
    )  # fmt: skip
    done, human = Final(), Final(fallback=True)
    end = refund.to(done)
    limits = Limits(hops=2, tokens=9_000)


def paying(then: Any = MappingProxyType({"note": "well"})) -> Runner[Claim, None]:
    """Return a runner whose model asks to pay back, and then says what came of it."""
    use = {"use": {"tool": "pay_back", "arguments": {"order": 41}}}
    return Runner(PaysBack, model=ScriptedModel([{"reply": use}, *[dict(then)] * 9]), store=MemoryStore())


async def test_a_fork_says_what_it_would_not_begin() -> None:
    """Before a yes with its question, after it with why it stands; with its effects it goes on, and says no more."""
    async with served(paying(), inspector="own") as client:
        run_id = (await client.post("/runs", json={"context": QUERY})).json()["run_id"]
        parent = (await client.get(f"{API}/runs/{run_id}")).json()
        await client.post(f"{API}/runs/{run_id}/answer", json={"answer": False})
        at = parent["cuts"][-1]["at"]
        fork = (await client.post(f"{API}/runs/{run_id}/fork", json={"at": at})).json()["run_id"]
        path = f"{API}/runs/{fork}"
        before = (await client.get(path)).json()
        answered = await client.post(f"{path}/answer", json={"answer": True})
        stands = await until(client, fork, status="running")
        after = (await client.get(path)).json()
        await client.post(f"{path}/resume?effects=true")
        ended = await until(client, fork, status="finished")
        gone = (await client.get(path)).json()

    assert ({}, None) == (parent["unrecorded"], parent["withheld"])
    (question,) = before["run"]["waiting"]
    assert ({question["key"]: "pay_back"}, None) == (before["unrecorded"], before["withheld"])
    assert (202, "refund") == (answered.status_code, stands["state"])
    assert "has not begun the tool 'pay_back' of 'refund'" in after["withheld"]
    assert {} == after["unrecorded"]
    assert ("done", None) == (ended["state"], gone["withheld"])


async def test_what_is_told_of_a_fork_is_new_once_its_parent_went_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that has it is told anew, and else is not; journals are folded where no loop waits for it."""
    threads = set[threading.Thread]()

    def elsewhere(*given: Any) -> Unrecorded:
        threads.add(threading.current_thread())
        return unrecorded(*given)

    monkeypatch.setattr(looks, "unrecorded", elsewhere)
    async with served(paying(), inspector="own") as client:
        run_id = (await client.post("/runs", json={"context": QUERY})).json()["run_id"]
        at = (await client.get(f"{API}/runs/{run_id}")).json()["cuts"][-1]["at"]
        fork = (await client.post(f"{API}/runs/{run_id}/fork", json={"at": at})).json()["run_id"]
        path = f"{API}/runs/{fork}"
        first = await client.get(path)
        known = {"If-None-Match": first.headers["ETag"]}
        same = await client.get(path, headers=known)
        await client.post(f"{API}/runs/{run_id}/answer", json={"answer": True})
        await until(client, run_id, status="finished")
        then = await client.get(path, headers=known)

    assert (["pay_back"], 304) == ([*first.json()["unrecorded"].values()], same.status_code)
    assert (200, {}) == (then.status_code, then.json()["unrecorded"])
    assert threading.current_thread() not in threads


@pytest.mark.slow
async def test_a_strangers_store(chromium: Browser) -> None:
    """It opens on a run of this machine, whatever others began since; an approval of a fork stands, and is let go."""
    runner = paying()
    assert runner.store is not None
    async with inspected(runner, QUERY) as url:
        await Runner(Refunds, store=runner.store).run(Claim(query="x"))
        async with opened(chromium, url) as page:
            card = page.locator("form.card")
            await expect(card).to_contain_text("Use pay_back(order=41)?")
            await expect(page.locator(".node.here.waits .sub")).to_have_text("waits for a human")
            await expect(page.locator("#left .runs li")).to_have_count(1)
            await expect(page.locator("#left .note")).to_contain_text("1 more in the store, of another machine")
            await card.get_by_role("button", name="Decline").click()
            await expect(page.locator("#left .pill")).to_have_text("done")
            await expect(page.locator(".record", has_text="ask 1 declined: pay_back")).to_contain_text("not used")
            await page.locator(".record .to", has_text="asks pay_back").click()
            await page.locator("#fork").click()
            await expect(card).to_contain_text("This is a fork: it begins only what has a recorded reply")
            await card.get_by_role("button", name="Approve").click()
            await page.get_by_role("button", name="go on, with its effects").click()
            await expect(page.locator("#ending")).to_contain_text("Ended in done, from ")


@pytest.mark.slow
async def test_what_was_done_and_told_is_seen_at_the_end(chromium: Browser) -> None:
    """A landing says which tools were used before it, and the end of a run what each field holds."""
    async with inspected(paying({"sky": 1}), QUERY) as url, opened(chromium, url, size=(1440, 560)) as page:
        await page.locator("form.card").get_by_role("button", name="Approve").click()
        await expect(page.locator("#ending")).to_contain_text("Used before: pay_back (once). What they did stands.")
        end = page.locator(".record.at", has_text="ends in human")
        await expect(end.locator("dt")).to_have_text([*Claim.model_fields])
        await expect(end.locator("dd").first).to_have_text("order 41")
        await page.reload()
        await expect(end.locator("dd").last).to_be_in_viewport(ratio=1)
        await expect(page.locator("#fork")).to_have_attribute("title", re.compile(r"record \d+, before it was landed$"))


@pytest.mark.slow
async def test_a_link_leads_to_a_record(chromium: Browser) -> None:
    """It opens the run at the record; a call whose prompt is not kept says how it would be, a button why it is off."""
    async with inspected(paying(), QUERY, QUERY) as url, opened(chromium, url) as page:
        await page.locator("#left .runs button").last.click()
        await page.locator(".record .to", has_text="call 1 took").click()
        await expect(page.locator(".record.at .held")).to_contain_text("on_prompt=Recorder(store)")
        await expect(page).to_have_url(re.compile(r"#run=\w+&record=4$"))
        run_id = page.url.partition("#run=")[2].partition("&")[0]
        asked = list[int]()

        def answered(answer: Any) -> None:
            if answer.url.endswith(f"/runs/{run_id}"):
                asked.append(answer.status)

        page.on("response", answered)
        await page.reload()
        await expect(page.locator("#left .runs .on")).to_have_count(1)
        await expect(page.locator("#left .runs li").last.locator("button")).to_have_class("on")
        await expect(page.locator(".record.at")).to_contain_text("call 1 took")
        await expect(page.locator("code.whole")).to_have_text(run_id)
        await expect(page.locator("#left .on")).to_contain_text("0 hops")
        await expect(page.locator("#edit")).to_be_disabled()
        await expect(page.locator("#edit")).to_have_attribute("title", re.compile("no agent has replied up to here"))
        await expect(page.locator(".record.at .held")).to_contain_text("on_prompt=Recorder(store)")

        assert [200] == [status for status in asked if status != 304]


async def test_a_fork_that_knows_the_reply_withholds_nothing() -> None:
    """What its parent has recorded is given again after a yes."""
    async with served(paying(), inspector="own") as client:
        run_id = (await client.post("/runs", json={"context": QUERY})).json()["run_id"]
        at = (await client.get(f"{API}/runs/{run_id}")).json()["cuts"][-1]["at"]
        await client.post(f"{API}/runs/{run_id}/answer", json={"answer": True})
        await until(client, run_id, status="finished")
        known, free = [
            (await client.post(f"{API}/runs/{run_id}/fork", json={"at": at, "effects": each})).json()["run_id"]
            for each in (False, True)
        ]
        told = [(await client.get(f"{API}/runs/{each}")).json() for each in (known, free)]

    assert [({}, None)] * 2 == [(each["unrecorded"], each["withheld"]) for each in told]
