"""Runs in the inspector that are not the caller's, of another version, too many for a page, or changed by it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from support import inspected
from support.asking import Both, Claim, Refunds
from support.databases import KINDS, url_of
from support.serving import DONE, HELD, Query, body, desk, events_of, served, until
from support.tenants import ACME, BOLT, NONE, verify

from fsm_orch import MemoryStore, Runner, ScriptedModel
from fsm_orch.errors import StoreError
from fsm_orch.run.cuts import walked
from fsm_orch.service.driving import Driving
from fsm_orch.service.inspector.runs import Fleet
from fsm_orch.service.inspector.subjects import Subjects
from fsm_orch.store.sql import SqlStore
from machines.travel import Travel

API = "/inspector/api"
REFUND = {"context": {"query": "x"}}


@pytest.fixture(autouse=True)
def nothing_held() -> Iterator[None]:
    """Begin with nothing done, and nothing held; let go what is."""
    DONE.clear()
    HELD.clear()
    yield
    for each in HELD.values():
        each.set()


@pytest.mark.parametrize("other", [BOLT, NONE], ids=["another tenant", "no tenant"])
async def test_by_no_route_is_the_run_of_another_there(other: dict[str, str]) -> None:
    """Each says it in the words of a run that never was, no list has it, and it stays as it is."""
    async with served(Runner(Refunds, store=MemoryStore()), auth=verify, inspector="own") as client:
        run_id = (await client.post("/runs", json=REFUND, headers=ACME)).json()["run_id"]

        async def tried(name: str) -> list[tuple[int, str]]:
            path = f"{API}/runs/{name}"
            answers = [await client.get(f"{path}{each}", headers=other) for each in ("", "/prompts")]
            for act, sent in (("answer", {"answer": {"handoff": "yes", "note": "mine"}}), ("fork", {"at": 1})):
                answers.append(await client.post(f"{path}/{act}", json=sent, headers=other))
            answers += [
                await client.post(f"{path}/{act}", headers=other) for act in ("cancel", "resume", "resume?effects=true")
            ]
            async with client.stream("GET", f"{path}/records", headers=other) as followed:
                if followed.status_code != 200:  # else it has no end, and this is to fail
                    await followed.aread()
            return [(each.status_code, each.text if each.status_code != 200 else "") for each in [*answers, followed]]

        assert await tried("never") == await tried(run_id)
        assert {404} == {status for status, _ in await tried(run_id)}
        assert [] == (await client.get(f"{API}/runs", headers=other)).json()
        assert 0 == (await client.get(f"{API}/fleet", headers=other)).json()["runs"]
        mine = (await client.get(f"{API}/runs", headers=ACME)).json()

    assert [(run_id, "waiting")] == [(row["run_id"], row["status"]) for row in mine]
    assert not {"owner", "epoch", "rebound"} & set(mine[0])


async def test_pages_hold_the_runs_of_a_caller_alone() -> None:
    """As many as one holds, whatever others have begun since; the next begins after its last."""
    async with served(desk(), auth=verify, inspector="own") as client:
        mine = [(await client.post("/runs", json=body("a"), headers=ACME)).json()["run_id"]]
        others = [(await client.post("/runs", json=body("b"), headers=BOLT)).json()["run_id"] for _ in range(52)]
        lists = [
            [row["run_id"] for row in (await client.get(f"{API}/runs", params=asked, headers=who)).json()]
            for who, asked in ((ACME, {}), (BOLT, {}), (BOLT, {"after": others[2]}))
        ]
        first = await client.get(f"{API}/runs", headers=BOLT)

    assert [mine, others[:1:-1], others[1::-1]] == lists
    assert "no-store" == first.headers["cache-control"]


async def test_runs_are_listed_by_where_they_stand() -> None:
    """Those that run, those that wait, and those that have ended, in a list and in sums, each by its state."""
    store = MemoryStore()
    async with served(Runner(Refunds, store=store), inspector="own") as client:
        waits, ended = [(await client.post("/runs", json=REFUND)).json()["run_id"] for _ in range(2)]
        await client.post(f"/runs/{ended}/cancel")
        found = {
            status: [row["run_id"] for row in (await client.get(f"{API}/runs?status={status}")).json()]
            for status in ("running", "waiting", "finished")
        }
        fleet = (await client.get(f"{API}/fleet")).json()
        assert (409, "run_ended") == refusal(await client.post(f"{API}/runs/{ended}/cancel"))
    async with served(desk(), inspector="own") as client:
        running = asyncio.ensure_future(client.post("/runs", json=body("hold")))
        while "hold begins" not in DONE:  # noqa: ASYNC110 - it is done in the world
            await asyncio.sleep(0.001)
        standing = (await client.get(f"{API}/fleet")).json()
        HELD["hold"].set()
        await running

    assert {"running": [], "waiting": [waits], "finished": [ended]} == found
    assert ({}, {"approve": 1}, {"human": 1}) == tuple(fleet[key] for key in ("standing", "waiting", "ended"))
    assert {"cancelled": 1} == fleet["landings"]
    assert ([1], {}) == ([*standing["standing"].values()], standing["waiting"])


def refusal(answer: Any) -> tuple[int, str]:
    """Return the status and the code of an answer."""
    return answer.status_code, answer.json()["code"]


async def test_runs_of_other_machines_are_counted_and_not_shown() -> None:
    """Of a store that several machines share: there is nothing here by which they could be read."""
    store = MemoryStore()
    other = await Runner(Refunds, store=store).run(Claim(query="x"))
    async with served(desk(store=store), inspector="own") as client:
        await client.post("/runs", json=body("a"))
        path = f"{API}/runs/{other.run_id}"
        asked = [await client.get(path), await client.get(f"{path}/records"), await client.post(f"{path}/cancel")]
        fleet, others = [(await client.get(f"{API}/{each}")).json() for each in ("fleet", "others")]
        (listed,) = (await client.get(f"{API}/runs")).json()

    assert {"runs": 1, "is_all": True} == others
    assert other.run_id != listed["run_id"]
    assert [(409, "other_version")] * 3 == [refusal(each) for each in asked]
    assert (1, 1, {"done": 1}) == tuple(fleet[key] for key in ("runs", "of_others", "ended"))


@KINDS
async def test_a_name_that_no_database_takes_is_unknown(kind: str, tmp_path: Path) -> None:
    """Such as one with a NUL: nothing of the store is told."""
    store = SqlStore(url_of(kind, tmp_path, "inspected_names"))
    async with served(desk(store=store), inspector="own") as client:
        asked = await client.get(f"{API}/runs/a%00b")
    store.close()

    assert (404, "unknown_run") == refusal(asked)


async def test_a_run_is_cancelled() -> None:
    """It is landed; what is sent again is told that it has ended."""
    async with served(Runner(Refunds, store=MemoryStore()), inspector="own") as client:
        run_id = (await client.post("/runs", json=REFUND)).json()["run_id"]
        told = [await client.post(f"{API}/runs/{run_id}/cancel") for _ in range(2)]
        ended = await until(client, run_id, status="finished")

    assert (202, 409) == (told[0].status_code, told[1].status_code)
    assert "human" == ended["state"]


async def test_of_two_questions_the_one_that_is_named_is_answered() -> None:
    """The other one still waits."""
    async with served(Runner(Both, store=MemoryStore()), inspector="own") as client:
        begun = (await client.post("/runs", json=REFUND)).json()
        _, second = begun["waiting"]
        path = f"{API}/runs/{begun['run_id']}"
        sent = {"answer": {"two": "so"}, "question": second["key"]}
        taken = await client.post(f"{path}/answer", json=sent)
        left = (await client.get(path)).json()["run"]["waiting"]

    assert 202 == taken.status_code, taken.text
    assert [begun["waiting"][0]["key"]] == [each["key"] for each in left]


async def test_records_are_told_from_the_one_that_was_seen_last() -> None:
    """A stream that was cut goes on where it was."""
    async with served(desk(), inspector="own") as client:
        run_id = (await client.post("/runs", json=body("a"))).json()["run_id"]
        path, seen = f"{API}/runs/{run_id}/records", list[list[int]]()
        for last in (0, 3):
            async with client.stream("GET", path, headers={"Last-Event-ID": str(last)}) as response:
                seen.append([event.id async for event in events_of(response) if event.event != "result" and event.id])

    assert seen[0][3:] == seen[1] != []


async def test_a_fork_has_what_was_set_in_it() -> None:
    """The last reply has the field and the handoff that were sent, and it goes on where they lead."""
    async with served(inspected.travel(), inspector="own") as client:
        run_id = (await client.post("/runs", json={"context": {"wish": "Oslo"}})).json()["run_id"]
        sent = {"at": 11, "handoff": "no_seat", "sets": {"hotel": "Hotel Sud"}}
        made = await client.post(f"{API}/runs/{run_id}/fork", json=sent)
        path = f"{API}/runs/{made.json()['run_id']}"
        last = (await client.get(path)).json()["inputs"][-1]["input"]
        gone_on = await client.post(f"{path}/resume")
        told = await until(client, made.json()["run_id"], status="finished")

    assert (201, 202) == (made.status_code, gone_on.status_code)
    assert ("no_seat", "Hotel Sud") == (last["handoff"], last["changes"]["hotel"])
    assert "sorry" == told["state"]


async def test_a_fork_has_another_reply_of_a_machine_inside() -> None:
    """Its handoffs and fields are those of that machine, and are told for each reply; there is no other machine."""
    async with served(inspected.travel(), inspector="own") as client:
        run_id = (await client.post("/runs", json={"context": {"wish": "Oslo"}})).json()["run_id"]
        path = f"{API}/runs/{run_id}"
        found = {int(at): each for at, each in (await client.get(path)).json()["repliers"].items()}
        sent = {"at": 8, "machine": "fly.Flights", "handoff": "flow_1", "sets": {"day": "Sunday"}}
        made = await client.post(f"{path}/fork", json=sent)
        refused = [
            await client.post(f"{path}/fork", json=sent | each)
            for each in ({"machine": "fly"}, {"machine": "fly.Hotels"}, {"handoff": "by_air"}, {"machine": "x.y"})
        ]
        at = f"{API}/runs/{made.json()['run_id']}"
        last = (await client.get(at)).json()["inputs"][-1]["input"]

    assert {
        4: ("", "read", ["by_air", "only_hotel"]),
        8: ("fly.Flights", "when", ["flow_1"]),
        9: ("fly.Hotels", "search", ["flow"]),
        10: ("fly.Flights", "search", ["flow_2"]),
        11: ("", "fly", ["seat", "no_seat"]),
    } == {at: (each["machine"], each["replier"], each["handoffs"]) for at, each in found.items()}
    assert ([422] * 4, 201) == ([each.status_code for each in refused], made.status_code)
    assert ("flow_1", "Sunday", [1]) == (last["handoff"], last["changes"]["day"], last["path"])


async def test_a_fork_goes_on_to_an_effect_only_if_it_is_told_to() -> None:
    """Else it is told what it has stopped at, as often as it is asked, and stays as it is."""
    async with served(inspected.travel(), inspector="own") as client:
        run_id = (await client.post("/runs", json={"context": {"wish": "Oslo"}})).json()["run_id"]
        await client.post(f"{API}/runs/{run_id}/cancel")
        at = (await client.get(f"{API}/runs/{run_id}")).json()["cuts"][-2]["at"]
        fork = (await client.post(f"{API}/runs/{run_id}/fork", json={"at": at})).json()["run_id"]
        path = f"{API}/runs/{fork}"
        await client.post(f"{path}/resume")
        await until(client, fork, status="waiting")
        await client.post(f"{path}/answer", json={"answer": {"handoff": "confirm"}})
        await until(client, fork, state="book")
        while (first := await client.post(f"{path}/resume")).status_code == 202:  # noqa: ASYNC110 - driven still
            await asyncio.sleep(0.01)
        stopped = [first, await client.post(f"{path}/resume")]
        unfit = await client.post(f"{path}/resume?effects=perhaps")
        gone_on = await client.post(f"{path}/resume?effects=true")
        told = await until(client, fork, status="finished")

    assert [(409, "withheld")] * 2 == [refusal(each) for each in stopped]
    assert "has not begun the code of 'book'" in stopped[0].json()["detail"]
    assert (422, 202, "booked") == (unfit.status_code, gone_on.status_code, told["state"])


@pytest.mark.parametrize("kept", ["here", "elsewhere"])
async def test_a_run_that_is_under_way_goes_on_as_it_is(kept: str) -> None:
    """Whoever drives it: to have it go on is no mistake, and it is not done twice."""
    store = MemoryStore()
    here, there = (desk(store=store.beside(lease_s=15)) for _ in range(2))
    async with (
        served(here, inspector="own") as client,
        served(here if kept == "here" else there, inspector="own") as asked,
    ):
        begun = asyncio.ensure_future(client.post("/runs", json=body("hold")))
        while "hold begins" not in DONE:  # noqa: ASYNC110 - it is done in the world
            await asyncio.sleep(0.001)
        (row,) = (await client.get(f"{API}/runs")).json()
        told = await asyncio.gather(*(asked.post(f"{API}/runs/{row['run_id']}/resume") for _ in range(2)))
        HELD["hold"].set()
        ended = await begun

    assert [202, 202] == [each.status_code for each in told]
    assert ("done", 2) == (ended.json()["state"], len(DONE))


@pytest.mark.parametrize("act", ["resume", "answer"])
async def test_nothing_is_begun_where_a_process_is_to_end(act: str) -> None:
    """It is told so, with when to ask again."""
    runner = Runner(Refunds, store=MemoryStore())
    async with served(runner, inspector="own") as client:
        run_id = (await client.post("/runs", json=REFUND)).json()["run_id"]
        await runner.drain(grace_s=0)
        told = await client.post(f"{API}/runs/{run_id}/{act}", json={"answer": {"handoff": "yes", "note": "x"}})

    assert (503, "draining") == refusal(told)


async def test_what_took_most_comes_first() -> None:
    """Of the runs that took any tokens, the ten that took most; and each minute has its own."""
    store = MemoryStore()
    runner: Any = Runner(Travel, model=ScriptedModel(cycle([{"city": "Oslo"}])), store=store)
    async with served(runner, inspector="own") as client:
        for wish in ("a", "a" * 400, "a" * 40):
            await client.post("/runs", json={"context": {"wish": wish}})
        worst = (await client.get(f"{API}/fleet")).json()["worst"]

    tokens = [row["tokens"] for row in worst]
    assert 3 == len(tokens)
    assert sorted(tokens, reverse=True) == tokens != sorted(tokens)


async def test_each_minute_has_its_own_runs() -> None:
    """The newest last; what ended ten minutes ago or more is in none, and a fallback that was chosen is no landing."""
    store, now = MemoryStore(wall_clock=lambda: now_s[0]), 1_000_000.0
    now_s = [now]
    runner = desk(store=store)
    for ago in (599.0, 601.0, 130.0, 1.0, 2.0):
        now_s[0] = now - ago
        await runner.run(Query(text="a"), deps="")
    told = await Fleet(Driving(runner, lambda _: ""), Subjects(store)).json(await store.list(), now)

    assert [1, 0, 0, 0, 0, 0, 0, 1, 0, 2] == [each["runs"] for each in told["minutes"]]
    assert {0} == {each["tokens"] for each in told["minutes"]}
    assert ({}, []) == (told["landings"], told["worst"])  # nothing took any tokens


async def test_a_run_that_cannot_be_read_is_counted_all_the_same() -> None:
    """Why it was landed is not known, and the rest is told."""
    store: Any = MemoryStore()
    async with served(desk(store=store), inspector="own") as client:
        await client.post("/runs", json=body("break"))

        async def broken(run_id: str) -> Any:
            raise StoreError("it was forgotten")

        store.load = broken
        told = (await client.get(f"{API}/fleet")).json()

    assert (1, {"human": 1}, {}) == (told["runs"], told["ended"], told["landings"])


class Counted(MemoryStore):
    """A store that counts how often a journal is read."""

    loads = 0

    async def load(self, run_id: str) -> Any:
        self.loads += 1
        return await super().load(run_id)


async def test_a_journal_is_folded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run came to is told of the steps of which its cuts are: the same as of its journal alone."""
    runner = Runner(Refunds, store=MemoryStore())
    async with served(runner, inspector="own") as client:
        run_id = (await client.post("/runs", json=REFUND)).json()["run_id"]
        assert runner.store is not None
        journal = await runner.store.load(run_id)
        steps = [step for step, _ in walked(runner.compiled, journal)]
        folded = runner.replay(journal)
        stands = (await client.get(f"/runs/{run_id}")).json()
        monkeypatch.setattr(Runner, "replay", None)
        found = (await client.get(f"{API}/runs/{run_id}")).json()

    assert folded == runner.replay_folded(journal, steps)
    assert stands.items() <= found["run"].items()


async def test_a_run_that_has_not_changed_costs_nothing() -> None:
    """Its journal is not read again until it has changed; and who does not see it is told no more than before."""
    store = Counted()
    runner: Runner[Any, Any] = Runner(Refunds, model=ScriptedModel([]), store=store)
    async with served(runner, auth=verify, inspector="own") as client:
        run_id = (await client.post("/runs", json={"context": {"query": "x"}}, headers=ACME)).json()["run_id"]
        at = f"/inspector/api/runs/{run_id}"
        first = await client.get(at, headers=ACME)
        known, loads = {"If-None-Match": f'"other", {first.headers["etag"]}'}, store.loads
        again = await client.get(at, headers=ACME | known)
        strange = await client.get(at, headers=BOLT | known)
        assert (304, b"", 404, loads) == (again.status_code, again.content, strange.status_code, store.loads)
        await client.post(f"{at}/cancel", headers=ACME, json={})
        client.headers.update(ACME)
        await until(client, run_id, status="finished")
        changed = await client.get(at, headers=ACME | known)

    assert (200, "finished") == (changed.status_code, changed.json()["run"]["status"])
    assert first.headers["etag"] != changed.headers["etag"]
