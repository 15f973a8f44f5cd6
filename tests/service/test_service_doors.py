"""A service that is full, or not ready yet: what it refuses, what it keeps all the same, and when it is ready."""

from __future__ import annotations

from typing import Any

import pytest
from support.asking import Claim, Refunds
from support.serving import ASYNC, Desk, app_of, body, client_of, desk, listening, served, until

from fsm_orch import MemoryStore, Runner
from fsm_orch.errors import NotWarm
from fsm_orch.resilience import Admission
from fsm_orch.service import add_door, lifespan


async def test_the_door_refuses_what_would_begin_a_run_and_nothing_else() -> None:
    """Before the body is read, under a prefix too; runs are seen, answered and cancelled all the same."""
    admission = Admission(1, queue=0)
    runner = desk(admission=admission)
    app = app_of(runner)
    add_door(app, admission)
    under = app_of(runner)
    add_door(under, admission, prefix="/shop")
    async with listening(app) as url, client_of(url) as client:
        run_id = (await client.post("/runs", json=body("x"))).json()["run_id"]
        async with admission.place():
            begins = [await client.post(path, content=b"{") for path in ("/runs", "/v1/chat/completions", "/agui")]
            others = [
                await client.get(f"/runs/{run_id}"),
                await client.post(f"/runs/{run_id}/cancel"),
                await client.get("/healthz"),
            ]
            async with listening(under) as elsewhere, client_of(elsewhere) as other:
                begins.append(await other.post("/shop/runs", content=b"{"))
                others.append(await other.post("/runs", content=b"{"))

    assert {(429, "queue_full")} == {(each.status_code, each.json()["reason"]) for each in begins}
    assert all("retry-after" in each.headers for each in begins)
    assert [200, 409, 200, 422] == [each.status_code for each in others]


async def test_an_answer_for_which_there_is_no_place_is_kept() -> None:
    """429 says so, and where the run is seen, which goes on once there is a place."""
    admission = Admission(1, queue=0)
    runner = Runner(Refunds, store=MemoryStore(), admission=admission)
    waits = await runner.run(Claim(query="x"))
    async with served(runner, works=5) as client:
        async with admission.place():
            path = f"/runs/{waits.run_id}"
            refused = await client.post(f"{path}/resume", json={"answer": {"handoff": "yes", "note": "ok"}})
            again = await client.post("/runs", json={"context": {"query": "y"}})
        ended = await until(client, waits.run_id, status="finished")

    assert (429, "overloaded", waits.run_id) == (refused.status_code, *(refused.json()[e] for e in ("code", "run_id")))
    assert path == refused.headers["location"]
    assert "stored" in refused.json()["detail"]
    assert (429, None) == (again.status_code, again.headers.get("location"))
    assert "paid" == ended["state"]


async def test_a_service_is_ready_once_it_is_warm(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Until then it says that it is not, tries again, and says why once; requests are answered meanwhile."""
    monkeypatch.setattr(lifespan, "AGAIN_S", 0.01)
    asked, is_up = list[int](), list[int]()

    class Cold(Runner[Any, Any]):
        async def warm(self) -> None:
            asked.append(1)
            if not is_up:
                raise NotWarm("Desk is not warm: the model is away", transient=True)
            await super().warm()

    async with served(Cold(Desk, store=MemoryStore())) as client:
        while len(asked) < 3:
            cold = await client.get("/readyz")
        begun = await client.post("/runs", json=body("x"), headers=ASYNC)
        is_up.append(1)
        while (warm := await client.get("/readyz")).status_code != 200:
            pass

    assert (503, "not_warm", "1") == (cold.status_code, cold.json()["code"], cold.headers["retry-after"])
    assert (202, {"status": "ok"}) == (begun.status_code, warm.json())
    assert 1 == sum("not ready yet: NotWarm: Desk is not warm" in each.getMessage() for each in caplog.records)
