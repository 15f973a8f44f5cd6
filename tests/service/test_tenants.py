"""Who may see what: a caller sees the runs of its tenant alone, and who is nobody sees nothing."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from support.asking import Refunds
from support.serving import SSE, Query, body, desk, ready, served
from support.tenants import ACME, BOLT, NONE, verify

from fsm_orch import MemoryStore, Runner
from fsm_orch.kernel.inputs import Answered
from fsm_orch.service import Caller


def secured(runner: Any = None, **options: Any) -> Any:
    return served(desk() if runner is None else runner, auth=verify, **options)


async def test_who_is_nobody_is_told_so_and_nothing_else() -> None:
    """By every route of runs; health is for everybody."""
    async with secured() as client:
        run_id = (await client.post("/runs", json=body("x"), headers=ACME)).json()["run_id"]
        came = [
            await client.post("/runs", json=body("x")),
            await client.post("/runs", json=body("x"), headers=SSE),
            await client.get(f"/runs/{run_id}"),
            await client.get(f"/runs/{run_id}/events"),
            await client.post(f"/runs/{run_id}/resume", json={"answer": 1}),
            await client.post(f"/runs/{run_id}/cancel"),
        ]
        await ready(client)
        health = [(await client.get(path)).status_code for path in ("/healthz", "/readyz")]

    assert {(401, "unauthorized", "Say who you are.", "Bearer", "application/problem+json")} == {
        (e.status_code, e.json()["code"], e.json()["detail"], e.headers["www-authenticate"], e.headers["content-type"])
        for e in came
    }
    assert [200, 200] == health


@pytest.mark.parametrize("other", [BOLT, NONE])
async def test_the_run_of_another_tenant_is_not_there(other: dict[str, str]) -> None:
    """It is said in the very words of a run that never was."""
    async with secured(Runner(Refunds, store=MemoryStore())) as client:
        run_id = (await client.post("/runs", json={"context": {"query": "x"}}, headers=ACME)).json()["run_id"]
        answer = {"answer": {"handoff": "yes", "note": "mine"}}

        async def tried(name: str) -> list[tuple[int, str]]:
            async with client.stream("GET", f"/runs/{name}/events", headers=other) as followed:
                if followed.status_code != 200:  # else it has no end, and this is to fail
                    await followed.aread()
            answers = [
                await client.get(f"/runs/{name}", headers=other),
                followed,
                await client.post(f"/runs/{name}/resume", json=answer, headers=other),
                await client.post(f"/runs/{name}/cancel", headers=other),
            ]
            return [(each.status_code, each.text if each.status_code != 200 else "") for each in answers]

        assert await tried("never") == await tried(run_id)
        assert {404} == {status for status, _ in await tried(run_id)}
        assert "waiting" == (await client.get(f"/runs/{run_id}", headers=ACME)).json()["status"]


async def test_a_key_is_of_a_tenant() -> None:
    """The same key of two tenants names two runs, and neither is given that of the other."""
    async with secured() as client:
        key = {"Idempotency-Key": "k"}
        came = [await client.post("/runs", json=body("x"), headers=each | key) for each in (ACME, BOLT, NONE, ACME)]

    assert {200} == {each.status_code for each in came}
    ids = [each.json()["run_id"] for each in came]
    assert (ids[0], 3) == (ids[3], len(set(ids)))


async def test_a_conversation_is_of_a_tenant() -> None:
    """Under the same name two tenants have two; what the client called it is what it is told."""
    store = MemoryStore()
    async with secured(desk(store=store)) as client:
        callers = [ACME, BOLT, NONE, ACME]
        came = [(await client.post("/runs", json=body("x", thread_id="t"), headers=each)).json() for each in callers]

    assert [1, 1, 1, 2] == [len(each["context"]["notes"]) for each in came]
    assert {"t"} == {each["thread_id"] for each in came}
    assert {"acme:t", "bolt:t", "t"} == {row.thread_id for row in await store.list()}


@pytest.mark.parametrize("multitask", ["reject", "enqueue"])
async def test_nobody_takes_the_conversation_of_a_tenant(multitask: str) -> None:
    """Who calls without a tenant may name it as the store does: it is another one, and the tenant's is free."""
    store = MemoryStore()
    async with secured(desk(store=store)) as client:
        squat = await client.post("/runs", json=body("mine", thread_id="acme:t"), headers=NONE)
        came = await client.post("/runs", json=body("x", thread_id="t", multitask=multitask), headers=ACME)

    assert [200, 200] == [squat.status_code, came.status_code]
    assert ["acme:t", "t"] == [squat.json()["thread_id"], came.json()["thread_id"]]
    assert 2 == len({row.thread_id for row in await store.list()})


async def test_a_conversation_that_was_begun_beside_the_service_is_of_its_tenant_too() -> None:
    """Under the very name that a caller without a tenant gives."""
    runner = desk()
    await runner.run(Query(text="secret"), deps=None, thread_id="t", tenant="acme", run_id="mine")
    async with secured(runner) as client:
        came = (await client.post("/runs", json=body("x", thread_id="t"), headers=NONE)).json()

    assert ["x"] == came["context"]["notes"]


async def test_who_answers_is_kept() -> None:
    """In the journal, beside the answer."""
    runner = Runner(Refunds, store=MemoryStore())
    async with secured(runner) as client:
        run_id = (await client.post("/runs", json={"context": {"query": "x"}}, headers=ACME)).json()["run_id"]
        answer = {"answer": {"handoff": "no", "note": "ok"}}
        await client.post(f"/runs/{run_id}/resume", json=answer, headers=ACME)

    journal = (await runner.result(run_id)).journal
    assert ["a"] == [event.who for event in journal if isinstance(event, Answered)]


async def test_the_factory_of_dependencies_knows_whose_run_it_is() -> None:
    """It is told the tenant, the thread and the id of the run, and is left when the run has ended."""
    told = list[Any]()

    def deps(row: Any) -> str:
        told.append((row.run_id, row.tenant, row.thread_id, row.digest))
        return str(row.tenant)

    runner = desk()
    async with secured(runner, deps=deps) as client:
        came = (await client.post("/runs", json=body("x", thread_id="t"), headers=ACME)).json()

    assert [(came["run_id"], "acme", "acme:t", runner.definition.digest)] == told
    assert "acme" == came["context"]["by"]


async def test_auth_may_be_any_dependency_of_fastapi() -> None:
    """So that the page of the API has a button for it."""

    async def bearer(held: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> Caller:
        return Caller(tenant=held.credentials)

    async with served(desk(), auth=bearer) as client:
        page = (await client.get("/openapi.json")).json()
        came = await client.post("/runs", json=body("x"), headers=ACME)
        nobody = await client.post("/runs", json=body("x"))

    assert ["HTTPBearer"] == list(page["components"]["securitySchemes"])
    assert {"HTTPBearer": []} in page["paths"]["/runs"]["post"]["security"]
    assert [200, 401] == [came.status_code, nobody.status_code]


async def test_an_auth_that_fails_lets_nobody_in() -> None:
    """What it raised is not told."""

    async def broken(request: Request) -> Caller:
        raise KeyError("hunter2")

    async with served(desk(), auth=broken) as client:
        came = await client.post("/runs", json=body("x"))

    assert (500, "internal") == (came.status_code, came.json()["code"])
    assert "hunter2" not in came.text
