"""Why a run landed and what it used of what it may: a stranger reads it from the page alone."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace as copied
from typing import Any

import pytest
from msgspec.structs import replace
from playwright.async_api import Browser, expect
from support.browsing import axe, chromium, faults
from support.inspected import begun, inspected, opened, travel
from support.landings import LANDINGS, Claim, is_small, landing, look
from support.serving import served

from fsm_orch import Final, Limits, Machine, Message, Response, Runner, RunResult, ScriptedModel, State, Usage, Visit
from fsm_orch.kernel.records import Answered, CallSettled, GatesSeen, Landed, Refused, Stamp
from fsm_orch.models import Request
from fsm_orch.proof.bounds.words import most_in_words
from fsm_orch.run.result import used_in_words
from fsm_orch.service import Caller
from fsm_orch.service.inspector.ending import ending_json, led_by
from fsm_orch.testing import virtual_time

__all__ = ["axe", "chromium"]

OSLO = {"wish": "Oslo"}
KINDS = {
    "a visit bound": "visit_started",
    "a denied budget": "call_denied",
    "no money": "visit_started",
    "a hop bound": "visit_started",
    "a cap": "attempt_failed",
    "a guard": "refused",
    "a refused reply": "refused",
    "a provider that failed": "attempt_failed",
    "a provider that overspent": "call_settled",
}
"""Of each landing the record that led there."""


@pytest.mark.parametrize("name", LANDINGS)
async def test_why_it_landed_and_what_led_there(name: str) -> None:
    """In one sentence, with the record that says it, and what was used of what no run exceeds."""
    wanted, runner = LANDINGS[name], landing(name)
    async with served(runner, inspector="own") as client:
        context = {"query": wanted.query, "cents": wanted.cents}
        run_id = (await client.post("/runs", json={"context": context})).json()["run_id"]
        found = (await client.get(f"/inspector/api/runs/{run_id}")).json()
    told = found["ending"]
    assert runner.store is not None
    result = runner.replay(await runner.store.load(run_id))
    led_by = result.records[told["landing"]["led_by"] - 1]

    assert wanted.reason == (result.landing and result.landing.reason)
    assert wanted.says in told["landing"]["why"]
    assert told["landing"]["why"].endswith(f"({wanted.reason})")
    assert KINDS[name] == led_by.__struct_config__.tag
    assert (used_in_words(result), result.used_before) == (told["used"], told["used_before"])
    assert told["used"].startswith(f"{found['row']['tokens']:,} tokens, ")
    assert told["most"] == most_in_words(
        runner.definition, limits=runner.compiled.limits, prices=runner.compiled.prices
    )


@pytest.mark.parametrize("api", ["", "/inspector/api"])
async def test_who_cancelled_it_is_told(api: str) -> None:
    """If auth says who that is; the journal keeps it, so whoever looks later reads it too."""

    async def ada() -> Caller:
        return Caller(who="ada@example.org")

    async with served(travel(), inspector="own", auth=ada) as client:
        run_id = (await client.post("/runs", json={"context": OSLO})).json()["run_id"]
        assert 202 == (await client.post(f"{api}/runs/{run_id}/cancel")).status_code
        found = (await client.get(f"/inspector/api/runs/{run_id}")).json()

    assert "it was cancelled from outside, by ada@example.org" == found["ending"]["landing"]["why"]
    assert "it was cancelled from outside, by ada@example.org" == found["inputs"][-1]["input"]["detail"]


@pytest.mark.parametrize("beyond", [0, 1])
def test_of_two_open_calls_the_one_that_overspent_led_there(beyond: int) -> None:
    """Whichever was settled last: the other has kept to what it had reserved."""

    async def both(visit: Visit[Claim]) -> Any:
        """Ask twice at once."""
        said = [(Message(role="user", content=each),) for each in ("one", "two")]
        await asyncio.gather(*map(visit.model.ask, said), return_exceptions=True)
        return {Claim.note: "asked"}

    class Pair(Machine[Claim]):
        """Ask twice at once."""

        work = State(both, reads=Claim.query, writes=Claim.note, calls=2, max_input_tokens=200, initial=True)
        done, human = Final(), Final(fallback=True)
        on = work.to(done)
        limits = Limits(hops=4, tokens=3_000)

    class Spends(ScriptedModel):
        async def complete(self, request: Request) -> Response:
            call = int(request.messages[0].content == "two")
            await asyncio.sleep(call)
            return Response(text="x", usage=Usage(requests=1, input_tokens=900 if call == beyond else 9))

    with virtual_time() as loop:
        result = loop.run(Runner(Pair, model=Spends([])).run(Claim(query="?")))
    at = next(i for i, each in enumerate(result.records) if isinstance(each, Landed))
    led = result.records[led_by(result.records, at)]

    assert "overrun" == (result.landing and result.landing.reason)
    assert isinstance(led, CallSettled)
    assert beyond + 1 == led.call
    assert led.overrun


OWN = Stamp(
    run_id="r", thread_id=None, trace_id="r", at=0, state="work", agent="Agent", hops=0, path=(),
    settled=0, reserved=0, remaining=9, ahead=0,
)  # fmt: skip
INSIDE = replace(OWN, path=("part",))
NO = {"handoff": "on", "reason": "guard", "detail": "no", "is_repaired": False}
OK = {"ask": 1, "ok": True, "who": None, "tokens": 0, "cost": 0}


@pytest.mark.parametrize(
    ("reason", "before"),
    [
        ("refusal", [Refused(stamp=OWN, **NO), Refused(stamp=INSIDE, **NO)]),
        ("shut", [GatesSeen(stamp=OWN, shut=("act",)), GatesSeen(stamp=OWN, shut=())]),
        ("shut", [GatesSeen(stamp=OWN, shut=("act",)), Answered(stamp=OWN, end="answered", **OK)]),
        ("cancelled", [Answered(stamp=OWN, end="answered", **OK), Answered(stamp=OWN, end="unneeded", **OK)]),
        ("cancelled", [Answered(stamp=OWN, end="answered", **OK), Refused(stamp=INSIDE, **NO)]),
    ],
)
def test_what_came_later_did_not_lead_there(reason: Any, before: list[Any]) -> None:
    """Neither what is inside the run, nor gates that have opened, nor what was needed no more."""
    landed = Landed(stamp=OWN, source="work", target="human", reason=reason, detail="")

    assert 0 == led_by([*before, landed], len(before))


def ending(runner: Runner[Claim, None], result: RunResult[Claim]) -> dict[str, Any]:
    """Return how a run ended, as the page is told it."""
    told = ending_json(runner.compiled, result)
    assert told is not None
    return told


def test_without_all_prices_no_dollars_are_told() -> None:
    """Where a model of the run has no price, what those of the others come to would be a false number."""
    runner = landing("a guard")
    result = runner.run_sync(Claim(query="?", cents=5_000))
    told = [ending(runner, each)["most"] for each in (result, copied(result, cost_usd=None))]

    assert [True, False] == ["$" in each for each in told]


def test_a_landing_inside_is_not_that_of_the_run() -> None:
    """What led there is asked of the run's own, though another came first."""
    runner = landing("a guard")
    result = runner.run_sync(Claim(query="?", cents=5_000))
    inside = Landed(stamp=INSIDE, source="look", target="human", reason="failure", detail="")
    after = copied(result, records=(inside, *result.records))

    assert ending(runner, result)["landing"]["led_by"] + 1 == ending(runner, after)["landing"]["led_by"]


def test_what_a_guard_says_after_a_landing_is_left_out() -> None:
    """The landing may have set what it reads, so that it may say another thing than before."""

    class Once(Machine[Claim]):
        """Pay small claims, or look again."""

        work = State(look, writes=Claim.note, initial=True, max_visits=1)
        paid, human = Final(), Final(fallback=True, sets={Claim.cents: 9_000})
        pay = work.to(paid, guard=is_small)
        again = work.to(work)

    runner = Runner(Once)
    result = runner.run_sync(Claim(query="?", cents=5_000))
    why = ending(runner, result)["landing"]["why"]

    assert "'again' since 'work' has been visited" in why
    assert "'pay'" not in why


async def test_what_has_not_ended_has_no_ending() -> None:
    """A run that waits has none; one that ends as its machine means it has no reason."""
    async with served(travel(), inspector="own") as client:
        run_id = (await client.post("/runs", json={"context": OSLO})).json()["run_id"]
        path = f"/inspector/api/runs/{run_id}"
        waits = (await client.get(path)).json()["ending"]
        await client.post(f"{path}/cancel")
        ended = (await client.get(path)).json()
        landed = ended["ending"]

    assert waits is None
    assert landed["used"].startswith(f"{ended['row']['tokens']:,} tokens, 2 calls, ")  # of machines inside too
    assert ("desk", "it was cancelled") == (landed["state"], landed["landing"]["why"][:16])


def test_no_run_takes_more_than_its_limit() -> None:
    """Where what is proved is above the limit, the limit is told: the ledger keeps it."""
    told = most_in_words(landing("a guard").definition, limits=Limits(hops=12, tokens=700))

    assert "no run takes more than 4 calls, 4 hops, 700 tokens, 40 s" == told


@pytest.mark.slow
async def test_a_stranger_reads_why_it_landed(chromium: Browser) -> None:
    """At the top: where, why, what was used of what it may; and one click goes to the record that led there."""
    for name, wanted in LANDINGS.items():
        context = {"query": wanted.query, "cents": wanted.cents}
        async with inspected(landing(name), context) as url, opened(chromium, url) as page:
            ending = page.get_by_role("status").filter(has_text="Landed in human")
            await expect(ending).to_contain_text(wanted.says)
            await expect(ending).to_contain_text(
                re.compile(r"It took .* calls?, \$0.*no run takes more than .*\$0\.00")
            )
            await ending.get_by_role("button", name="what led there").click()
            await expect(page.locator(".record.at")).to_contain_text(wanted.led_by)
            await expect(ending).to_be_visible()


@pytest.mark.slow
async def test_the_ending_is_of_the_run_that_is_looked_at(chromium: Browser) -> None:
    """It comes when a run ends, and goes with the view, and with the run."""
    async with inspected(travel(), OSLO) as url, opened(chromium, url) as page:
        await expect(page.locator("form.card")).to_be_visible()
        await expect(page.locator("#ending")).to_be_empty()
        await page.locator("form.card").get_by_role("button", name="confirm").click()
        await expect(page.locator("#ending")).to_contain_text("Ended in booked")
        await page.get_by_role("button", name="Fleet").click()
        await expect(page.locator("#ending")).to_be_hidden()
        await begun(url, OSLO)
        await page.get_by_role("button", name="Runs", exact=True).click()
        await expect(page.locator("#left .runs li")).to_have_count(2)
        await page.locator("#left .runs button", has_text="waiting").click()
        await expect(page.locator("form.card")).to_be_visible()
        await expect(page.locator("#ending")).to_be_empty()


@pytest.mark.slow
@pytest.mark.parametrize("colours", ["dark", "light"])
async def test_an_ending_keeps_nobody_out(chromium: Browser, axe: str, colours: Any) -> None:
    """No fault by axe-core, however wide the page."""
    options: Any = {"bypass_csp": True, "color_scheme": colours, "reduced_motion": "reduce"}
    async with inspected(landing("a visit bound"), {"query": "?"}) as url, opened(chromium, url, **options) as page:
        await expect(page.locator("#ending b")).to_be_visible()
        await page.add_script_tag(path=axe)
        found = {}
        for width in (1440, 768, 360):
            await page.set_viewport_size({"width": width, "height": 800})
            found[width] = await faults(page)

    assert {1440: {}, 768: {}, 360: {}} == found
