"""What the list of runs of the inspector says each run is about: from its first input, which is read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.async_api import Browser, expect
from support.browsing import chromium
from support.inspected import MARKUP, begun, inspected, opened, travel
from support.serving import body, desk, served
from support.tenants import ACME, BOLT, verify

from fsm_orch import MemoryStore
from fsm_orch.kernel.inputs import Answered, Input, Started
from fsm_orch.messages import REDACTED, Message
from fsm_orch.service.inspector.remembered import Remembered
from fsm_orch.service.inspector.subjects import subject
from fsm_orch.store.beginnings import KeepsBeginnings
from fsm_orch.testing import CrashingStore

__all__ = ["chromium"]


class Counted(MemoryStore):
    """A store that counts the runs whose beginnings it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = list[str]()

    async def beginnings(self, run_ids: Sequence[str]) -> Mapping[str, Input]:
        self.asked += run_ids
        return await super().beginnings(run_ids)


def first(*texts: Any, messages: Sequence[str] = ()) -> Started:
    """Return the first input of a run."""
    said = tuple(Message(role="user", content=each) for each in messages)
    return Started(run_id="r", context={f"f{n}": text for n, text in enumerate(texts)}, messages=said, at=0.0)


@pytest.mark.parametrize(
    ("began", "about"),
    [
        (first(3, None, " \n", "two\n  words", "late"), "two words"),
        (first(REDACTED, "plain"), "plain"),
        (first(" " * 1_000, "\n" * 1_000 + "late"), "late"),
        (first(messages=["", "hello"]), "hello"),
        (first({"deep": "text"}, ["text"]), ""),
        (Answered(ask=1, id="x", at=0.0), ""),
    ],
)
def test_what_a_run_is_about(began: Input, about: str) -> None:
    """The first text of its context, or else of its messages; nothing that was redacted."""
    assert about == subject(began)


@given(st.text())
def test_it_is_one_short_line(text: str) -> None:
    """However long the text: a beginning of it, cut where it is cut."""
    about = subject(first(text))

    assert len(about) <= 60
    assert about == " ".join(about.split())
    assert " ".join(text.split()).startswith(about.removesuffix("…"))
    assert bool(about) == bool(text.strip())


async def test_the_list_the_run_and_the_fleet_say_it() -> None:
    """Alike, to who sees the run alone; and the beginning of a run is read once, however often it is listed."""
    store = Counted()
    async with served(desk(store=store), auth=verify, inspector="own") as client:
        mine = (await client.post("/runs", json=body("my words"), headers=ACME)).json()["run_id"]
        for _ in range(3):
            listed = (await client.get("/inspector/api/runs", headers=ACME)).json()
        told = (await client.get(f"/inspector/api/runs/{mine}", headers=ACME)).json()
        worst = (await client.get("/inspector/api/fleet", headers=ACME)).json()["worst"]
        others = await client.get("/inspector/api/runs", headers=BOLT)

    assert ["my words"] == [row["about"] for row in listed]
    assert listed == [told["row"]]
    assert {"my words"} >= {row["about"] for row in worst}
    assert [] == others.json()
    assert [mine] == store.asked


async def test_a_store_that_gives_no_beginnings_is_listed_without() -> None:
    """What one run is said to be about is what the list says: a page that finds two rows of a run asks again."""
    store = CrashingStore(MemoryStore(), writes=10**9)
    assert not isinstance(store, KeepsBeginnings)
    async with served(desk(store=store), auth=verify, inspector="own") as client:
        mine = (await client.post("/runs", json=body("my words"), headers=ACME)).json()["run_id"]
        listed = (await client.get("/inspector/api/runs", headers=ACME)).json()
        told = (await client.get(f"/inspector/api/runs/{mine}", headers=ACME)).json()

    assert [""] == [row["about"] for row in listed]
    assert listed == [told["row"]]


async def test_a_run_that_has_the_id_of_a_forgotten_one_is_another() -> None:
    """What was read of that one is not said of it, though it stands under the same id: as of a key that comes again."""
    now_s, key = [1_000.0], ACME | {"Idempotency-Key": "k"}
    store = MemoryStore(wall_clock=lambda: now_s[0])
    told = list[tuple[str, str, object]]()
    async with served(desk(store=store), auth=verify, inspector="own") as client:
        for text in ("break", "second words"):
            begun = (await client.post("/runs", json=body(text), headers=key)).json()["run_id"]
            (row,) = (await client.get("/inspector/api/runs", headers=ACME)).json()
            fleet = (await client.get("/inspector/api/fleet", headers=ACME)).json()
            told.append((begun, row["about"], sum(fleet["landings"].values())))
            now_s[0] += 100
            assert 1 == await store.prune(ended_before=now_s[0])

    assert told[0][0] == told[1][0]
    assert [("break", 1), ("second words", 0)] == [each[1:] for each in told]


@pytest.mark.slow
async def test_the_page_says_it_as_text(chromium: Browser) -> None:
    """Beside the id of each run, also where it is markup; and what is listed is asked for in detail once."""
    async with inspected(travel(), {"wish": "Oslo, soon"}) as url:
        await begun(url, {"wish": MARKUP})
        async with opened(chromium, url) as page:
            lines = page.locator("#left .runs .line")
            await expect(lines).to_have_text([MARKUP[:59].rstrip() + "…", "Oslo, soon"])
            await expect(page.locator("form.card")).to_be_visible()
            await page.wait_for_timeout(500)
            asked = list[str]()
            page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
            for _ in range(2):
                async with page.expect_response("**/inspector/api/runs"):
                    pass

            assert {"runs"} == {*asked}


def test_what_is_known_of_runs_takes_no_more_and_more_room() -> None:
    """Of 10,000 runs it is kept; those that were put in first are forgotten, and read again if they are asked for."""
    known = Remembered[int]()
    for number in range(10_001):
        known["r", float(number)] = number

    assert 10_000 == len(known)
    assert ("r", 0.0) not in known
    assert 10_000 == known["r", 10_000.0]
