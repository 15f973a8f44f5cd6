"""Runs whose ids hold what paths are made of: they are read, followed, answered and cancelled as all others."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from support.asking import Claim, Refunds
from support.serving import app_of, client_of, listening

from fsm_orch import MemoryStore, Runner, ScriptedModel
from fsm_orch.service.paths import path_of, routed, shown

IDS = (
    "a/b",
    "/",
    "//",
    "a/resume",
    "%2F",
    "a%2Fb/c",
    "ü/é",
    "a?b#c/d",
    "../x",
    "a b:c~d",
    "x/../..",
    "runs/a/events",
)


def sent(run_id: str) -> str:
    return quote(run_id, safe="").replace(".", "%2E")


@pytest.mark.parametrize("below", ["", "/mounted"])
async def test_a_run_is_found_by_whatever_it_is_called(below: str) -> None:
    """By each route, also in an application that is mounted in another; no id is taken for another's."""
    runner: Runner[Any, Any] = Runner(Refunds, model=ScriptedModel([]), store=MemoryStore())
    app: Any = app_of(runner, inspector="own")
    if below:
        outer = FastAPI()
        outer.mount(below, app)
        app = outer
    for run_id in IDS:
        await runner.run(Claim(query="x"), run_id=run_id)
    async with listening(app) as url, client_of(f"{url}{below}") as client:
        for run_id in IDS:
            at = sent(run_id)
            seen = [
                (await client.get(f"/runs/{at}")).json()["run_id"],
                (await client.get(f"/inspector/api/runs/{at}")).json()["run"]["run_id"],
            ]
            assert [run_id] * 2 == seen
            assert [] == (await client.get(f"/inspector/api/runs/{at}/prompts")).json()
            cancelled = await client.post(f"/runs/{at}/cancel")
            assert (202, run_id) == (cancelled.status_code, cancelled.json()["run_id"])
            assert f"{below}/runs/{quote(run_id, safe='')}" == cancelled.headers["location"]
        assert 404 == (await client.get("/runs/a%2Fc")).status_code
        assert 404 == (await client.get("/runs/a/b")).status_code


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_a_path_comes_back_as_it_was_sent(parts: list[str]) -> None:
    """Whatever its parts hold: each is one part while it is routed, and in a header it is written as it came."""
    path = "/" + "/".join(quote(part, safe="") for part in parts)
    scope = {"path": "/" + "/".join(parts), "raw_path": path.encode()}
    found = routed(scope)["path"].split("/")[1:]

    assert parts == [shown({"id": part})["id"] for part in found]
    assert path.replace("~", "%7E") == path_of(scope).replace("~", "%7E")


@pytest.mark.parametrize("raw", [None, b"/other%2Fpath", b"/a%2fb\xff"])
def test_a_path_that_was_changed_on_its_way_is_taken_as_it_is(raw: bytes | None) -> None:
    """What changes the one leaves the other as it was; some servers give none."""
    assert "/a/b" == routed({"path": "/a/b", "raw_path": raw})["path"]
