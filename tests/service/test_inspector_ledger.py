"""The figures of the page agree: what is proved, what may still follow, what was taken, and when."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Browser, expect
from support.browsing import chromium
from support.inspected import inspected, opened, travel
from support.landings import Refunds, landing
from support.serving import served

from fsm_orch import Context, Final, Limits, Machine, MemoryStore, Runner, State, Visit
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.proof.report import prove
from fsm_orch.service.inspector.ending import most_json
from fsm_orch.service.inspector.proof import proof_json

__all__ = ["chromium"]


async def test_what_is_proved_of_the_machine_is_told_with_each_run() -> None:
    """By place, as the sentence of its ending says it: the smaller of the limit and of what is proved."""
    runner = landing("a visit bound")
    async with served(runner, inspector="own") as client:
        run_id = (await client.post("/runs", json={"context": {"query": "?"}})).json()["run_id"]
        told: Any = (await client.get(f"/inspector/api/runs/{run_id}")).json()

    assert {"": {"tokens": 2_640, "seconds": 40}} == told["most"] == most_json(runner.compiled)
    assert "2,640 tokens" in told["ending"]["most"]
    assert Refunds.definition.limits.tokens > told["most"][""]["tokens"]


class Lap(Context):
    """Nothing."""


def go_round(visit: Visit[Lap]) -> None:
    """Go on by the first handoff, also to where no visit is left."""


class Laps(Machine[Lap]):
    """Go round, until no visit is left."""

    near, far = State(go_round, initial=True, max_visits=2), State(go_round)
    home, human = Final(), Final(fallback=True)
    on, back, off = near.to(far, "round"), far.to(near, "round"), far.to(home, "home")
    limits = Limits(hops=8, tokens=100)


async def test_why_it_landed_is_said_once() -> None:
    """What is closed says what is used up: neither general words nor the code of the reason stand beside it."""
    runner: Any = Runner(Laps, store=MemoryStore())
    async with served(runner, inspector="own") as client:
        run_id = (await client.post("/runs", json={"context": {}})).json()["run_id"]
        told: Any = (await client.get(f"/inspector/api/runs/{run_id}")).json()["ending"]["landing"]

    assert "'back' is not legal now: 'near' has been visited 2 times, which is its limit" == told["why"]


@pytest.mark.slow
async def test_the_ledger_says_no_other_bound_than_the_banner(chromium: Browser) -> None:
    """In time it names the smaller bound; at an end nothing is ahead, and the hop for landing was used."""
    async with inspected(landing("a visit bound"), {"query": "?"}) as url, opened(chromium, url) as page:
        ledger, ahead = page.locator("#ledger"), page.locator("#ledger .keys span", has_text="ahead at most")
        await expect(page.locator("#ending")).to_contain_text("no run takes more than 4 calls, 4 hops, 2,640 tokens")
        await expect(ledger).to_contain_text(
            re.compile(r"ended after \d+\.\d\d s of at most 40 s; waiting for people is not")
        )
        await expect(page.locator("#ending")).to_contain_text(re.compile(r"Begun .*20\d\d, .*, ended .*\d:\d\d"))
        await expect(page.locator("#left .runs span[title]")).to_have_attribute(
            "title", re.compile("stored last .* ago")
        )
        await expect(ledger.locator(".hops u.on")).to_have_count(4)
        await expect(ledger.locator(".hops u").last).to_have_class("on")
        for landed in ("ends in", "landed in"):
            await page.locator(".record .to", has_text=landed).click()
            await expect(ahead.locator("b")).to_have_text("0")
        await page.locator("#time").fill("2")
        await expect(ledger).to_contain_text("at most 2,640 when it ends, proved of every run")
        await expect(ledger.locator(".hops u").last).to_have_class("kept")
        await expect(ahead).to_have_attribute("title", re.compile("before the run ends"))


async def test_a_bound_is_the_sum_of_its_calls() -> None:
    """Of tokens: visits by calls by input and output; of dollars what its models cost, or whose price is not known."""
    told = list[Any]()
    for runner in (landing("a visit bound"), travel()):
        async with served(runner, inspector="own") as client:
            told.append((await client.get("/inspector/api/proof")).json())
    sums = [next(each["sum"] for each in proof["bounds"] if each["measure"] == "tokens") for proof in told]

    assert ["route: 2 visits x 2 calls x (600 in + 60 out)"] == sums[0]
    assert 2_640 == 2 * 2 * (600 + 60)
    assert ["at most $0.001080", "no price known, or nothing to pay"] == [proof["cost"] for proof in told]
    unpriced = proof_json(prove(Refunds), CompiledMachine(Refunds.definition))
    assert "no price known, or nothing to pay" == unpriced["cost"]


_HIDES = """() => {
  const path = document.querySelector(".edge.landing path"), words = [...document.querySelectorAll(".edge:not(.landing) text")];
  const long = path.getTotalLength(), hidden = new Set();
  for (let i = 1; i < 80; i++) {
    const { x, y } = path.getPointAtLength((long * i) / 80), is_in = (box) => x > box.x && x < box.x + box.width && y > box.y && y < box.y + box.height;
    for (const each of [...words, ...document.querySelectorAll(".node .box")]) if (is_in(each.getBBox())) hidden.add(each.textContent || each.parentNode.querySelector(".name").textContent);
  }
  return [...hidden];
}"""  # noqa: E501 - of the browser


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a visit bound", "cancelled"])
async def test_a_landing_hides_nothing(chromium: Browser, name: str) -> None:
    """Its line goes through no state, and through no name of an edge."""
    runner, context = (travel(), {"wish": "Oslo"}) if name == "cancelled" else (landing(name), {"query": "?"})
    async with inspected(runner, context) as url, opened(chromium, url) as page:
        if name == "cancelled":
            await page.locator("#right h2").get_by_role("button", name="cancel").click()
        await expect(page.locator(".edge.landing")).to_have_count(1)
        assert [] == await page.evaluate(_HIDES)
        await page.get_by_role("button", name="Proof").click()
        await expect(page.locator("#ledger .note").first).to_contain_text(" in + ")
        await page.get_by_text("what the words mean").click()
        await expect(page.locator("#left dt", has_text="configurations")).to_be_visible()
