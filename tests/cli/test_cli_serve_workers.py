"""`fsm-orch serve --workers`: several processes at one address, over one store, of which any may die."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import httpx2
import pytest
from support.databases import KINDS, url_of
from support.fleet import wait_until
from support.serve_command import ServeProcess
from support.serving import ASYNC, client_of, events_of, until

pytestmark = pytest.mark.slow


async def numbers(url: str, run_id: str, after: int) -> list[int]:
    """Follow a run after an event on a connection of its own, to the end; return the numbers of its events."""
    headers = {"Last-Event-ID": str(after)}
    async with client_of(url) as client, client.stream("GET", f"/runs/{run_id}/events", headers=headers) as response:
        return [event.id async for event in events_of(response) if event.id is not None]


@KINDS
async def test_whichever_process_is_killed_its_run_goes_on(kind: str, tmp_path: Path) -> None:
    """One after the other is killed and begun anew; who follows by any of them misses nothing; all are drained."""
    store, file = url_of(kind, tmp_path, "serve_workers"), tmp_path / "go"
    words = ("--workers", "2", "--lease-s", "12", "--drain-s", "0.5")
    with ServeProcess(tmp_path, *words, environment={"FSM_ORCH_STORE": store}) as served:
        url = served.url(workers=2)
        async with client_of(url) as client:
            begun = await client.post("/runs", json={"context": {"file": str(file)}}, headers=ASYNC)
            run_id = begun.json()["run_id"]
            await until(client, run_id, state="two")
        for count, each in enumerate(served.events("serve_started")[:2], 3):
            os.kill(each["pid"], signal.SIGKILL)
            wait_until(lambda count=count: len(served.events("serve_started")) >= count, lambda: served.said)  # type: ignore[misc]
        following = [asyncio.ensure_future(numbers(url, run_id, after)) for after in range(5)]
        file.touch()
        told = await asyncio.gather(*following)
        async with client_of(url) as client:
            ended = await until(client, run_id, status="finished")
        served.send(signal.SIGTERM)
        assert 0 == served.ended()

    whole = list(range(1, len(told[0]) + 1))
    assert [whole[after:] for after in range(5)] == told
    assert "done" == ended["state"]
    assert [-signal.SIGKILL] * 2 == [each["code"] for each in served.events("serve_worker_died")]
    assert 2 == len(served.events("serve_drained"))
    assert "in each process" in served.label("admits")
    assert "Traceback" not in served.said


async def test_processes_are_counted_together(tmp_path: Path) -> None:
    """Whichever is asked gives the sums of all, in a folder that nobody has to name and that is gone after them."""
    file, scratch = tmp_path / "go", tmp_path / "scratch"
    file.touch()
    scratch.mkdir()
    words = ("--workers", "2", "--store", f"sqlite:///{tmp_path}/runs.db")
    with ServeProcess(tmp_path, *words, environment={"TMPDIR": str(scratch)}) as served:
        url = served.url(workers=2)
        for _ in range(12):
            async with client_of(url) as client:  # a connection of its own, which either may take
                await client.post("/runs", json={"context": {"file": str(file)}})
        scraped = []
        for _ in range(6):
            async with client_of(url) as client:
                scraped.append((await client.get("/metrics")).text)
        folders = list(scratch.glob("fsm-orch-metrics-*"))
        served.send(signal.SIGTERM)
        assert 0 == served.ended()

    for each in scraped:
        assert 'agent_request_handoffs_count{machine="Steps"} 12.0' in each.splitlines()
    assert 1 == len(folders)
    assert not list(scratch.glob("fsm-orch-metrics-*"))


def test_a_folder_of_metrics_that_is_not_there_is_named(tmp_path: Path) -> None:
    """One line says which, before any process is begun, and the exit code is 2."""
    words = ("--workers", "2", "--store", f"sqlite:///{tmp_path}/runs.db")
    with ServeProcess(tmp_path, *words, environment={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "none")}) as served:
        assert 2 == served.ended()

    assert "PROMETHEUS_MULTIPROC_DIR names" in served.said
    assert "serve_started" not in served.said


def test_a_folder_of_metrics_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    """Likewise: else each process would end at once, and be begun again and again."""
    words = ("--workers", "2", "--store", f"sqlite:///{tmp_path}/runs.db")
    with ServeProcess(tmp_path, *words, environment={"PROMETHEUS_MULTIPROC_DIR": "/proc"}) as served:
        assert 2 == served.ended()

    assert "which cannot be written to" in served.said


def test_processes_end_with_the_first(tmp_path: Path) -> None:
    """Killed, it leaves nobody behind who serves."""
    store = f"sqlite:///{tmp_path}/runs.db"
    with ServeProcess(tmp_path, "--workers", "2", "--store", store) as served:
        url = served.url(workers=2)
        served.send(signal.SIGKILL)
        served.ended()
        wait_until(lambda: len(served.events("serve_drained")) == 2, lambda: served.said)

    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{url}/healthz", trust_env=False)


async def test_a_terminal_that_goes_drains_all(tmp_path: Path) -> None:
    """SIGHUP ends them as SIGTERM does, and their folder is gone after them."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    words = ("--workers", "2", "--store", f"sqlite:///{tmp_path}/runs.db")
    with ServeProcess(tmp_path, *words, environment={"TMPDIR": str(scratch)}) as served:
        served.url(workers=2)
        assert list(scratch.glob("fsm-orch-metrics-*"))
        served.send(signal.SIGHUP)
        assert 0 == served.ended()

    assert 2 == len(served.events("serve_drained"))
    assert not list(scratch.glob("fsm-orch-metrics-*"))


def test_a_terminal_that_goes_is_nothing_to_nohup(tmp_path: Path) -> None:
    """Begun with SIGHUP ignored, they go on, and one that dies is begun anew; a deploy ends them all the same."""
    words = ("--workers", "2", "--store", f"sqlite:///{tmp_path}/runs.db")
    with ServeProcess(tmp_path, *words, hangup=signal.SIG_IGN) as served:
        served.url(workers=2)
        served.send(signal.SIGHUP)
        os.kill(served.events("serve_started")[0]["pid"], signal.SIGKILL)
        wait_until(lambda: len(served.events("serve_started")) == 3, lambda: served.said)
        served.send(signal.SIGTERM)
        assert 0 == served.ended()

    assert 2 == len(served.events("serve_drained"))
