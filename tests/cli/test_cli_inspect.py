"""`fsm-orch inspect` and `fsm-orch serve --inspect` as processes on a port: who sees what, and how runs begin there."""

from __future__ import annotations

import json
import re
import shlex
import signal
from pathlib import Path

import pytest
from support.fleet import wait_until
from support.serve_command import ServeProcess
from support.serving import ASYNC, client_of, until
from typer.testing import CliRunner

from fsm_orch.cli import app

TOKEN = "hunter2-hunter2-hunter2"


def opened(shown: ServeProcess) -> tuple[str, dict[str, str]]:
    """Wait for the link of a process; return the URL, and the header that its page sends."""
    wait_until(lambda: "\n  try " in shown.screen, lambda: shown.said)
    url, token = shown.label("open").split("/inspector/#token=")
    return url, {"Authorization": f"Bearer {token}"}


@pytest.mark.slow
async def test_a_machine_is_inspected_with_nothing_but_its_name(tmp_path: Path) -> None:
    """A run is begun by the command that is shown, and seen by the link alone, whose token is in no log."""
    file = tmp_path / "go"
    file.touch()
    with ServeProcess(tmp_path, name="inspect") as shown:
        url, headers = opened(shown)
        program, at, _, header, *_ = shlex.split(shown.label("try"))
        async with client_of(url) as client:
            page = await client.get("/inspector/")
            closed = [(await client.get(path)).status_code for path in ("/inspector/api/runs", "/runs/x")]
            begun = await client.post(at.removeprefix(url), json={"context": {"file": str(file)}}, headers=headers)
            listed = (await client.get("/inspector/api/runs", headers=headers)).json()
        shown.send(signal.SIGINT)
        assert 0 == shown.ended()

    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
    assert (200, [401, 401]) == (page.status_code, closed)
    assert ("curl", f"Authorization: {headers['Authorization'][:6]} {headers['Authorization'][7:]}") == (
        program,
        header,
    )
    assert [begun.json()["run_id"]] == [row["run_id"] for row in listed]
    assert headers["Authorization"][7:] not in shown.said.removeprefix(shown.screen)


@pytest.mark.slow
async def test_the_runs_of_a_store_are_inspected(tmp_path: Path) -> None:
    """Those of each tenant; and no two links have one token."""
    store_url = f"sqlite:///{tmp_path}/runs.db"
    with ServeProcess(tmp_path, "--store", store_url, environment={"T": TOKEN}) as served:
        async with client_of(served.url()) as client:
            begun = await client.post("/runs", json={"context": {"file": "/nowhere/x"}}, headers=ASYNC)
            run_id = begun.json()["run_id"]
            await until(client, run_id, state="two")
            with ServeProcess(tmp_path, "--store", store_url, name="inspect") as first:
                url, headers = opened(first)
                with ServeProcess(tmp_path, "--store", store_url, name="inspect") as second:
                    assert headers != opened(second)[1]
                async with client_of(url, headers=headers) as page:
                    told = (await page.get(f"/inspector/api/runs/{run_id}")).json()

    assert "two" == told["run"]["state"]
    assert "SqlStore" in first.label("store")


@pytest.mark.slow
async def test_a_service_shows_its_runs_to_who_may_call(tmp_path: Path) -> None:
    """By `--inspect` alone, and for the token of the service, with the figures that it was given."""
    words, headers = ("--auth-token-env", "T"), {"Authorization": f"Bearer {TOKEN}"}
    taken = {"Steps (x.py:1)": {"digest": "0" * 64, "runs": 7, "edges": [], "refusals": {}, "landings": {}}}
    (tmp_path / "taken.json").write_text(json.dumps(taken))
    shown = ("--inspect", "--coverage", str(tmp_path / "taken.json"))
    with (
        ServeProcess(tmp_path, *shown, *words, environment={"T": TOKEN}) as served,
        ServeProcess(tmp_path, *words, environment={"T": TOKEN}) as plain,
    ):
        async with client_of(served.url()) as client, client_of(plain.url()) as other:
            bare = [(await each.get("/inspector/api/machine")).status_code for each in (client, other)]
            known, figures = [
                (await client.get(f"/inspector/api/{each}", headers=headers)).json() for each in ("machine", "figures")
            ]

    assert [401, 404] == bare
    assert "Steps" == known[""]["name"]
    assert (7, None) == (figures["coverage"]["runs"], figures["evaluation"])
    assert "/inspector/" in served.label("serves")
    assert "/inspector/" not in plain.label("serves")


def test_it_needs_a_store_and_is_for_this_machine_alone() -> None:
    """A store that is none; and there is no `--host`: it shows all to whoever has its link."""
    refused = [
        CliRunner().invoke(app, ["inspect", "machines.shop", *words])
        for words in (["--store", "mysql://x/y"], ["--host", "0.0.0.0"])
    ]

    assert [2, 2] == [each.exit_code for each in refused]
