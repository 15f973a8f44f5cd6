"""The inspector as the page asks it: machines, runs, records, answers, forks, proofs; and who is given what."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from support import clerks, inspected
from support.asking import Refunds
from support.patience import PATIENCE_S
from support.serving import ASYNC, HELD, app_of, body, desk, events_of, served, until
from support.tenants import ACME, BOLT, verify

import fsm_orch
from fsm_orch import MemoryStore, Runner, ScriptedModel, StartError
from fsm_orch.errors import StoreError
from fsm_orch.service.inspector.drawing import drawn
from machines.travel import Travel, Trip

PAGE = Path(fsm_orch.__file__).parent / "service/inspector/page"
PATHS = ("machine", "proof", "fleet", "others", "runs", "runs/x", "runs/x/prompts", "runs/x/records")

ACTS = ("answer", "cancel", "fork", "resume")
ASTRAY = ("../routes.py", "routes.py", "%2e%2e/drawing.py", "api/x")


class Picky(MemoryStore):
    """A store that takes no NUL, as PostgreSQL takes none."""

    async def list(self, *, after: str | None = None, **wanted: Any) -> Any:
        if "\0" in (after or ""):
            raise StoreError("a NUL")
        return await super().list(after=after, **wanted)


class Away(MemoryStore):
    """A store whose journals cannot be read for a while."""

    is_away = False

    async def load(self, run_id: str) -> Any:
        if self.is_away:
            raise StoreError("away")
        return await super().load(run_id)


def travel() -> Runner[Trip, None]:
    model = ScriptedModel(cycle([{"handoff": "by_air", "city": "Oslo"}, {"day": "Friday"}]))
    return Runner(Travel, model=model, store=MemoryStore())


async def test_there_is_no_inspector_unless_it_is_asked_for() -> None:
    """It shows what agents and models said."""
    async with served(desk()) as client:
        found = [(await client.get(f"/inspector/{path}")).status_code for path in ("", "api/machine", "api/runs")]

    assert [404, 404, 404] == found


async def test_the_page_is_for_anybody_and_what_it_shows_is_not() -> None:
    """The page holds nothing of anybody's; all that it asks for needs the caller's token."""
    async with served(desk(), auth=verify, inspector="own") as client:
        pages = [(await client.get(f"/inspector/{name}")) for name in ("", "app.js", "inspector.css", "icon.svg")]
        asked = [(await client.get(f"/inspector/api/{path}")).status_code for path in PATHS]
        done = [(await client.post(f"/inspector/api/runs/x/{act}", json={})).status_code for act in ACTS]
        astray = [(await client.get(f"/inspector/{name}")).status_code for name in ASTRAY]

    assert [200] * 4 == [page.status_code for page in pages]
    assert all("script-src 'self';" in page.headers["content-security-policy"] for page in pages)
    assert [401] * 8 == asked
    assert [401] * 4 == done
    assert [404] * 4 == astray


async def test_the_page_comes_compressed_and_nothing_else_does() -> None:
    """In 32 kB for who takes it so, as it is for others; what it asks for, and streams, come as they are."""
    async with served(desk(), inspector="own") as client:
        run_id = (await client.post("/runs", json=body("a"))).json()["run_id"]
        sizes = dict[str, int]()
        for name in (each.name for each in PAGE.iterdir()):
            async with client.stream("GET", f"/inspector/{name}", headers={"Accept-Encoding": "gzip"}) as packed:
                sizes[name] = len(b"".join([part async for part in packed.aiter_raw()]))
                assert "Accept-Encoding" == packed.headers["vary"], name
            plain = await client.get(f"/inspector/{name}", headers={"Accept-Encoding": "identity"})
            assert (PAGE / name).read_bytes() == plain.content == (await client.get(f"/inspector/{name}")).content
            assert "content-encoding" not in plain.headers
        for path in ("machine", "proof", f"runs/{run_id}", f"runs/{run_id}/records"):
            asked = await client.get(f"/inspector/api/{path}", headers={"Accept-Encoding": "gzip"})
            assert "content-encoding" not in asked.headers, path

    assert 20_000 < sum(sizes.values()) < 32_000, sizes


@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [
        *((each, True) for each in ("gzip", "br, gzip;q=0.001", "gzip ; q=1.0", "deflate,gzip;q=0.5,*;q=0")),
        *((each, False) for each in ("", "gzip;q=0", "gzip; q=0.000", "GZIP;Q=0", "br, gzip;q=0 , *", "notgzip", "*")),
    ],
)
async def test_the_page_is_compressed_for_nobody_who_says_no(accepted: str, is_packed: bool) -> None:
    """Weight 0 says no; a cache keeps both, and half a page is given to nobody."""
    sent = {"Accept-Encoding": accepted, "Range": "bytes=0-9", "If-None-Match": "*"}
    async with served(desk(), inspector="own") as client:
        page = await client.get("/inspector/app.js", headers=sent)

    assert (200, "Accept-Encoding", is_packed) == (
        page.status_code,
        page.headers["vary"],
        page.headers.get("content-encoding") == "gzip",
    )
    assert (PAGE / "app.js").read_bytes() == page.content


async def test_whose_runs_are_seen() -> None:
    """Those of the caller's tenant alone, or those of everybody where it is for operators."""
    runner = desk()
    async with (
        served(runner, auth=verify, inspector="own") as own,
        served(runner, auth=verify, inspector="all") as everybody,
    ):
        mine = (await own.post("/runs", json=body("a"), headers=ACME)).json()["run_id"]
        other = (await own.post("/runs", json=body("b"), headers=BOLT)).json()["run_id"]
        listed = [
            {row["run_id"] for row in (await client.get("/inspector/api/runs", headers=ACME)).json()}
            for client in (own, everybody)
        ]
        fleets = [
            (await client.get("/inspector/api/fleet", headers=ACME)).json()["runs"] for client in (own, everybody)
        ]
        seen = [
            (await client.get(f"/inspector/api/runs/{other}", headers=ACME)).status_code for client in (own, everybody)
        ]
        stopped = (await own.post(f"/inspector/api/runs/{other}/cancel", headers=ACME)).json()["code"]

    assert [{mine}, {mine, other}] == listed
    assert [1, 2] == fleets
    assert [404, 200] == seen
    assert "unknown_run" == stopped


async def test_runs_of_nobody_are_found_behind_those_of_tenants() -> None:
    """However many of those are newer; and a place that is no name of a run is that of none."""
    runner = desk(store=Picky())
    async with served(runner, auth=verify, inspector="own") as own, served(runner, inspector="own") as nobody:
        mine = (await nobody.post("/runs", json=body("mine"))).json()["run_id"]
        for number in range(51):
            await own.post("/runs", json=body(f"{number}"), headers=ACME)
        listed = (await nobody.get("/inspector/api/runs")).json()
        theirs = (await own.get("/inspector/api/runs", headers=ACME)).json()
        rest = (await own.get("/inspector/api/runs", headers=ACME, params={"after": theirs[-1]["run_id"]})).json()
        astray = (await own.get("/inspector/api/runs", headers=ACME, params={"after": "a\0"})).json()

    assert [mine] == [row["run_id"] for row in listed]
    assert (50, 1, []) == (len(theirs), len(rest), astray)


def test_every_state_and_edge_has_its_place() -> None:
    """Within the picture, and in the machines inside too."""
    found = drawn(Travel.definition)

    assert {"", "fly.Flights", "fly.Hotels", "stay.Hotels"} == {*found}
    for machine in found.values():
        width, height = machine["size"]
        assert all(0 <= node["at"].x <= width and 0 <= node["at"].y <= height for node in machine["nodes"])
        assert all(edge["path"].startswith("M") and edge["label"] for edge in machine["edges"])
    assert [*Travel.definition.states, *Travel.definition.finals] == [node["name"] for node in found[""]["nodes"]]


async def test_a_run_is_told_with_its_inputs_and_records() -> None:
    """Records come as a stream, and each input says how many there are after it: so values are told beside them."""
    runner = travel()
    async with served(runner, inspector="own") as client:
        run_id = (await client.post("/runs", json={"context": {"wish": "Oslo"}})).json()["run_id"]
        told = (await client.get(f"/inspector/api/runs/{run_id}")).json()
        async with client.stream("GET", f"/inspector/api/runs/{run_id}/records") as response:
            numbers = []
            async for event in events_of(response):
                if event.event == "result":
                    break
                numbers.append(event.id)
        result = runner.replay(await runner.store.load(run_id))  # type: ignore[union-attr]

    assert "waiting" == told["run"]["status"] == told["row"]["status"]
    assert [*range(1, len(result.records) + 1)] == numbers
    assert len(result.journal) == len(told["inputs"])
    assert len(result.records) == told["inputs"][-1]["records"]
    assert {"wish": "Oslo"} == told["inputs"][0]["input"]["context"]
    assert [cut._asdict() for cut in await runner.cuts(run_id)] == told["cuts"]


async def test_others_are_answered_while_a_journal_is_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be long: it is folded beside the loop, for the run that is shown and for why runs were landed."""
    begun, let_go = threading.Event(), threading.Event()
    runner = desk()

    def slowed(replay: Callable[..., Any]) -> Callable[..., Any]:
        def slow(*words: Any) -> Any:
            begun.set()
            assert let_go.wait(timeout=30)
            return replay(*words)

        return slow

    async with served(runner, inspector="own") as client:
        run_id = (await client.post("/runs", json=body("break"))).json()["run_id"]
        for name in ("replay", "replay_folded"):
            monkeypatch.setattr(runner, name, slowed(getattr(runner, name)))
        for path in (f"runs/{run_id}", "fleet"):
            begun.clear()
            let_go.clear()
            folding = asyncio.ensure_future(client.get(f"/inspector/api/{path}"))
            await asyncio.to_thread(begun.wait, 30)
            others = [(await client.get(f"/inspector/api/{each}")).status_code for each in ("machine", "runs")]
            is_folding = not folding.done()
            let_go.set()

            assert ([200, 200], True, 200) == (others, is_folding, (await folding).status_code)


async def test_prompts_are_told_where_they_were_kept() -> None:
    """To who sees the run; nothing where none were kept."""
    told = []
    for runner in (inspected.travel(), travel()):
        async with served(runner, inspector="own") as client:
            run_id = (await client.post("/runs", json={"context": {"wish": "Oslo"}})).json()["run_id"]
            told.append((await client.get(f"/inspector/api/runs/{run_id}/prompts")).json())
            unknown = await client.get("/inspector/api/runs/x/prompts")

    assert [[("read", 1), ("when", 1)], []] == [[(each["state"], each["call"]) for each in kept] for kept in told]
    assert "Oslo" in told[0][0]["reply"]
    assert 404 == unknown.status_code


async def test_a_question_is_answered_and_who_did_is_journaled() -> None:
    """By the form of its state: what does not fit is refused, and changes nothing."""
    async with served(Runner(Refunds, store=MemoryStore()), auth=verify, inspector="own") as client:
        run_id = (await client.post("/runs", json={"context": {"query": "x"}}, headers=ACME)).json()["run_id"]
        path, fits = f"/inspector/api/runs/{run_id}/answer", {"handoff": "yes", "note": "mine"}
        unfit = await client.post(path, json={"answer": {"handoff": "perhaps"}}, headers=ACME)
        others = await client.post(path, json={"answer": fits}, headers=BOLT)
        taken = await client.post(path, json={"answer": fits}, headers=ACME)
        late = await client.post(path, json={"answer": fits}, headers=ACME)
        told = (await client.get(f"/inspector/api/runs/{run_id}", headers=ACME)).json()

    assert [(422, "answer_unfit"), (404, "unknown_run")] == [(e.status_code, e.json()["code"]) for e in (unfit, others)]
    assert 202 == taken.status_code
    assert 409 == late.status_code
    assert ["a"] == [each["input"]["who"] for each in told["inputs"] if each["input"]["kind"] == "answered"]


async def test_a_run_is_forked_and_goes_on() -> None:
    """From a cut, with another handoff of the last reply; the run that it was made of stays as it is."""
    runner = travel()
    async with served(runner, inspector="own") as client:
        run_id = (await client.post("/runs", json={"context": {"wish": "Oslo"}})).json()["run_id"]
        before = (await client.get(f"/inspector/api/runs/{run_id}")).json()
        at = before["cuts"][-1]["at"]
        made = await client.post(f"/inspector/api/runs/{run_id}/fork", json={"at": at})
        fork = made.json()["run_id"]
        told = (await client.get(f"/inspector/api/runs/{fork}")).json()
        refused = [
            await client.post(f"/inspector/api/runs/{run_id}/fork", json=each)
            for each in ({"at": 99}, {"at": at, "handoff": "fly_away"}, {"at": at, "sets": {"sky": 1}}, {"at": "x"}, {})
        ]
        after = (await client.get(f"/inspector/api/runs/{run_id}")).json()

    assert 201 == made.status_code
    assert {"parent": run_id, "at": at} == told["row"]["origin"]
    assert "waiting" == told["row"]["status"]
    assert [422] * 5 == [each.status_code for each in refused]
    assert before == after


async def test_a_fork_has_the_reply_that_was_asked_for() -> None:
    """Its values and handoff stand in the place of the agent's; what does not fit is told, and not stored."""
    runner = desk()
    async with served(runner, inspector="own") as client:
        run_id = (await client.post("/runs", json=body("a"))).json()["run_id"]
        path = f"/inspector/api/runs/{run_id}"
        at = next(cut["at"] for cut in (await client.get(path)).json()["cuts"] if cut["is_reply"])
        edits = {"at": at, "handoff": "on", "effects": True}
        made = await client.post(f"{path}/fork", json=edits | {"sets": {"by": "me"}})
        unfit = [
            await client.post(f"{path}/fork", json=edits | each) for each in ({"sets": {"by": 1}}, {"handoff": "end"})
        ]
        told = (await client.get(f"/inspector/api/runs/{made.json()['run_id']}")).json()
        listed = (await client.get("/inspector/api/runs")).json()

    assert "me" == told["run"]["context"]["by"]
    assert (["handoff=on", "set.by"], True) == (told["row"]["origin"]["edits"], told["row"]["origin"]["effects"])
    assert ([422, 422], 2) == ([each.status_code for each in unfit], len(listed))


async def test_a_run_that_goes_on_already_is_not_driven_twice() -> None:
    """Whoever clicks twice is told both times that it goes on; so is who asks of a run that is under way or waits."""
    runner = travel()
    async with served(runner, inspector="own") as client:
        run_id = (await client.post("/runs", json={"context": {"wish": "Oslo"}})).json()["run_id"]
        fork = (await client.post(f"/inspector/api/runs/{run_id}/fork", json={"at": 1})).json()["run_id"]
        paths = [f"/inspector/api/runs/{each}/resume" for each in (fork, run_id) for _ in range(4)]
        came = await asyncio.gather(*[client.post(path) for path in paths])

    assert [202] * 8 == [each.status_code for each in came]


async def test_who_has_a_run_go_on_that_does_is_not_kept_waiting() -> None:
    """It is told so at once, and not when the run has ended."""
    async with served(desk(), inspector="own") as client:
        run_id = (await client.post("/runs", json=body("hold twice"), headers=ASYNC)).json()["run_id"]
        await until(client, run_id, state="second")
        try:
            async with asyncio.timeout(PATIENCE_S):  # it would wait for what is let go below
                came = await client.post(f"/inspector/api/runs/{run_id}/resume")
        finally:
            HELD["hold twice"].set()

    assert 202 == came.status_code


async def test_where_all_runs_stand() -> None:
    """By state, with why they were landed, and which took most."""
    async with served(desk(), inspector="own") as client:
        for text in ("a", "b", "break"):
            await client.post("/runs", json=body(text))
        told = (await client.get("/inspector/api/fleet")).json()

    assert {"done": 2, "human": 1} == told["ended"]
    assert {"failure": 1} == told["landings"]
    assert (3, 3) == (told["runs"], sum(minute["runs"] for minute in told["minutes"]))
    assert {} == told["standing"] == told["waiting"]


async def test_why_a_run_was_landed_is_asked_again_if_the_store_was_away() -> None:
    """What could not be read once is no answer for good."""
    runner = desk(store=Away())
    async with served(runner, inspector="own") as client:
        await client.post("/runs", json=body("break"))
        Away.is_away = True
        told = [(await client.get("/inspector/api/fleet")).json()["landings"]]
        Away.is_away = False
        told.append((await client.get("/inspector/api/fleet")).json()["landings"])

    assert [{}, {"failure": 1}] == told


async def test_a_counterexample_is_told_as_the_records_of_a_run() -> None:
    """It is folded by the kernel, so the page plays what a run would do."""
    runner: Any = Runner(clerks.Shop, model=ScriptedModel([]), store=MemoryStore())
    async with served(
        runner, deps=(lambda _: None) if clerks.Shop.definition.deps else None, inspector="own"
    ) as client:
        told = (await client.get("/inspector/api/proof")).json()

    assert {"tokens", "calls", "hops"} <= {bound["measure"] for bound in told["bounds"]}
    assert told["counterexamples"]
    assert not told["is_sound"]
    for each in told["counterexamples"]:
        assert "run_started" == each["records"][0]["kind"]
        assert len(each["rows"]) > 0


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it, when the routes are made."""
    for name in [each for each in sys.modules if each.startswith("fsm_orch.service.inspector.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "fsm_orch.export.layout", raising=False)
    monkeypatch.setitem(sys.modules, "pygraphviz", None)

    with pytest.raises(StartError, match=r"needs 'pygraphviz', .* pip install 'fsm_orch\[inspect\]'"):
        app_of(desk(), inspector="own")
