"""`fsm-orch serve` as a process on a port: what it serves, who may call, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import socket
import sys
from contextlib import closing, suppress
from pathlib import Path

import httpx2
import pytest
from support.fleet import wait_until
from support.patience import PATIENCE_S
from support.serve_command import ServeProcess
from support.serving import ASYNC, SSE, client_of, events_of, until
from typer.testing import CliRunner

from fsm_orch.cli import app
from fsm_orch.cli.logs import json_logger
from fsm_orch.cli.serve import metrics as serve_metrics
from fsm_orch.cli.serve.address import Place, bound, listening, names_of
from fsm_orch.cli.show import CommandError
from fsm_orch.store import store_at

TOKEN = "hunter2-hunter2-hunter2"


def job(file: Path) -> dict[str, object]:
    """Return the body of a run that waits for a file."""
    return {"context": {"file": str(file)}}


@pytest.mark.slow
async def test_all_of_a_service_is_served(tmp_path: Path) -> None:
    """Runs, OpenAI's routes, AG-UI's, health, and the page; the screen says where, and its command works."""
    file = tmp_path / "go"
    file.touch()
    with ServeProcess(tmp_path) as served:
        url = served.url()
        program, at, *words = shlex.split(served.label("try"))
        async with client_of(url) as client:
            tried = await client.post(at.removeprefix(url), json=job(file))
            ready, alive = await client.get("/readyz"), await client.get("/healthz")
            page = await client.get("/docs")
            models = await client.get("/v1/models")
            said = {"model": "Steps", "messages": [{"role": "user", "content": str(file)}]}
            chat = await client.post("/v1/chat/completions", json=said)
            agui = await client.post("/agui", json={})
            await client.get("/runs/x", params={"password": "hunter2"})
        served.send(signal.SIGTERM)
        assert 0 == served.ended()

    assert ("curl", url + "/runs") == (program, at)
    assert {"context": {"file": "..."}} == json.loads(words[-1])
    assert (200, "done") == (tried.status_code, tried.json()["state"])
    assert [{"status": "ok"}] * 2 == [ready.json(), alive.json()]
    assert (200, "Steps") == (page.status_code, models.json()["data"][0]["id"])
    assert str(file) == chat.json()["choices"][0]["message"]["content"]
    assert 422 == agui.status_code
    assert "no run takes more than 0 calls, 3 hops" in served.label("proved")
    assert "memory" in served.label("store")
    assert "nobody" in served.label("auth")
    assert ["POST", "/runs", 200] == [served.events("request")[0][each] for each in ("method", "path", "status")]
    assert ["/runs/x"] == [each["path"] for each in served.events("request") if each["status"] == 404]
    assert "hunter2" not in served.said
    assert served.events("serve_drained")


@pytest.mark.slow
async def test_a_service_is_drained_in_the_middle_of_a_run(tmp_path: Path) -> None:
    """Its follower is let go, who waits is told where the run is, nothing is lost, and nothing is wrong in its log."""
    url_of_store, file = f"sqlite:///{tmp_path}/runs.db", tmp_path / "go"
    with ServeProcess(tmp_path, "--store", url_of_store, "--drain-s", "0.1") as served:
        async with client_of(served.url()) as client:
            begun = await client.post("/runs", json=job(file), headers=ASYNC)
            waiting = asyncio.ensure_future(client.post("/runs", json=job(file)))
            async with client.stream("GET", f"{begun.headers['location']}/events") as response:
                events = events_of(response)
                told = [await anext(events)]
                await until(client, begun.json()["run_id"], state="two")
                served.send(signal.SIGTERM)
                told += [event async for event in events]
            answered = await waiting
        assert 0 == served.ended()
    with ServeProcess(tmp_path, "--store", url_of_store) as again:
        async with client_of(again.url()) as client:
            file.touch()
            places = [begun.headers["location"], answered.headers["location"]]
            ended = [await until(client, each.rpartition("/")[2], status="finished") for each in places]

    assert (503, "draining") == (answered.status_code, answered.json()["code"])
    assert ["run_started", "visit_started"] == [each.event for each in told][:2]
    assert "run_finished" not in {each.event for each in told}
    assert ["done", "done"] == [each["state"] for each in ended]
    assert "Traceback" not in served.said
    assert not served.events("report")


@pytest.mark.slow
@pytest.mark.parametrize("store", ["sqlite", "memory"])
def test_the_second_signal_ends_a_service_that_drains(store: str, tmp_path: Path) -> None:
    """Neither a run nor a connection is waited for any longer, and the run is released."""
    url_of_store, file = f"sqlite:///{tmp_path}/runs.db", tmp_path / "go"
    words = ("--store", url_of_store) if store == "sqlite" else ()
    with ServeProcess(tmp_path, *words, "--drain-s", "3000") as served:
        host, port = served.url().removeprefix("http://").split(":")
        begun = httpx2.post(
            f"http://{host}:{port}/runs", json=job(file), headers=ASYNC, trust_env=False, timeout=PATIENCE_S
        )
        with socket.create_connection((host, int(port))) as slow:
            slow.sendall(b"POST /runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
            served.send(signal.SIGTERM)
            until_refused(f"http://{host}:{port}")
            assert served.process.poll() is None
            served.send(signal.SIGTERM)
            assert 0 == served.ended()
    if store == "sqlite":
        kept = store_at(url_of_store)
        (row,) = asyncio.run(kept.list())
        kept.close()

        assert (begun.json()["run_id"], "running", None) == (row.run_id, row.head.status, row.owner)
    assert "Traceback" not in served.said


def until_refused(url: str) -> None:
    """Wait until nothing listens any more."""

    def is_refused() -> bool:
        try:
            httpx2.get(f"{url}/healthz", trust_env=False, timeout=PATIENCE_S)
        except httpx2.TransportError:
            return True
        return False

    wait_until(is_refused)


@pytest.mark.slow
async def test_callers_send_the_token(tmp_path: Path) -> None:
    """Without it, or with another, nothing of runs is done or seen; health is for everybody, and no log has it."""
    file = tmp_path / "go"
    file.touch()
    words = ("--auth-token-env", "SHOP_TOKEN")
    with ServeProcess(tmp_path, *words, environment={"SHOP_TOKEN": TOKEN}) as served:
        async with client_of(served.url()) as client:
            wrong = [{}, *({"Authorization": each} for each in (f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer", TOKEN))]
            refused = [await client.post("/runs", json=job(file), headers=each) for each in wrong]
            refused += [await client.get(each) for each in ("/runs/x", "/runs/x/events", "/v1/models")]
            right = {"Authorization": f"Bearer {TOKEN}"}
            done = await client.post("/runs", json=job(file), headers=right)
            seen = await client.get(f"/runs/{done.json()['run_id']}", headers=right)
            health = [(await client.get(each)).status_code for each in ("/healthz", "/readyz")]
        served.send(signal.SIGINT)
        assert 0 == served.ended()

    assert {401} == {each.status_code for each in refused}
    assert {"Bearer"} == {each.headers["www-authenticate"] for each in refused}
    assert [200, 200, 200, 200] == [done.status_code, seen.status_code, *health]
    assert "$SHOP_TOKEN" in served.label("auth")
    assert '"Authorization: Bearer $SHOP_TOKEN"' in served.label("try")
    assert TOKEN not in served.said


@pytest.mark.slow
async def test_a_service_without_a_token_is_called_by_its_own_name(tmp_path: Path) -> None:
    """Else a page of any site could have its own name lead here (DNS rebinding), and read all runs from a browser."""
    with ServeProcess(tmp_path, "--inspect") as served:
        async with client_of(served.url()) as client:
            own = [
                (await client.get("/inspector/api/runs", headers={"Host": name})).status_code
                for name in ("localhost", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST:1")
            ]
            other = [
                (await client.get(path, headers={"Host": name})).status_code
                for name in ("evil.example", "localhost.evil.example:8000", "127.0.0.1.evil.example", "a@localhost")
                for path in ("/inspector/api/runs", "/inspector/", "/runs/x", "/metrics", "/docs")
            ]

    assert [200] * 4 == own
    assert [400] * 20 == other


@pytest.mark.parametrize(("has_token", "is_open"), [(True, False), (False, True)])
def test_a_service_that_is_guarded_is_called_by_any_name(*, has_token: bool, is_open: bool) -> None:
    """By a token, which no page of another site knows; or, as the user says, by something in front of it."""
    assert names_of(Place("127.0.0.1", 0, 1), has_token=has_token, is_open=is_open) is None


@pytest.mark.slow
async def test_metrics_are_given_out_to_callers(tmp_path: Path) -> None:
    """Who sends the token sees at `/metrics` what runs have done, and who does not sees nothing."""
    file = tmp_path / "go"
    file.touch()
    words = ("--auth-token-env", "SHOP_TOKEN")
    with ServeProcess(tmp_path, *words, environment={"SHOP_TOKEN": TOKEN}) as served:
        async with client_of(served.url()) as client:
            right = {"Authorization": f"Bearer {TOKEN}"}
            await client.post("/runs", json=job(file), headers=right)
            refused = await client.get("/metrics")
            scraped = await client.get("/metrics", headers=right)
        served.send(signal.SIGTERM)
        assert 0 == served.ended()

    assert (401, 200) == (refused.status_code, scraped.status_code)
    assert scraped.headers["content-type"].startswith("text/plain; version=")
    assert 'agent_request_handoffs_count{machine="Steps"} 1.0' in scraped.text.splitlines()
    assert 'agent_runs_active{machine="Steps"} 0.0' in scraped.text.splitlines()
    assert "/metrics" in served.label("serves")


def test_without_the_extra_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is served without metrics, and processes get no folder to count in."""
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    monkeypatch.setitem(sys.modules, "fsm_orch.observe.prometheus", None)

    assert (False, None) == (serve_metrics.has_metrics(), serve_metrics.metrics_or_none())
    with serve_metrics.counted_together():
        assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ


@pytest.mark.slow
async def test_settings_are_kept_to(tmp_path: Path) -> None:
    """One run is driven at a time and nobody waits, bodies have their limit, and a stream its heartbeat."""
    file, settings = tmp_path / "go", tmp_path / "shop.toml"
    settings.write_text(
        "[service]\nmax_body = 1024\nheartbeat_s = 0.1\ndrain_s = 0.1\n[admission]\nmost = 50\nqueue = 0\n"
        "[gates.two]\nat_once = 8\nqueue = 8\n"
    )
    with ServeProcess(tmp_path, "--settings", str(settings), "--admission", "1") as served:
        async with (
            client_of(served.url()) as client,
            client.stream("POST", "/runs", json=job(file), headers=SSE) as response,
        ):
            events = events_of(response)
            told = [(await anext(events)).event for _ in range(6)]
            refused = await client.post("/runs", json=job(file))
            file.touch()
            told += [event.event async for event in events]
            large = await client.post("/runs", json=job(tmp_path / ("x" * 2_000)))
        served.send(signal.SIGTERM)
        assert 0 == served.ended()

    assert ("", "result") == (told[5], told[-1])
    assert (429, "queue_full") == (refused.status_code, refused.json()["reason"])
    assert int(refused.headers["retry-after"]) >= 1
    assert (413, "too_large") == (large.status_code, large.json()["code"])
    assert "1 run at once" in served.label("admits")
    assert "two, kept in each process" in served.label("gates")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--host", "0.0.0.0"), "--host 0.0.0.0: other machines reach it"),
        (("--host", "::"), "--host ::: other machines reach it"),
        (("--host", "nowhere.invalid"), "--host 'nowhere.invalid' is no address"),
        (("--host", "203.0.113.9", "--open-to-all"), "203.0.113.9, port 8000, cannot be listened on"),
        (("--workers", "2"), "--workers 2: the store in memory is of one process"),
        (("--auth-token-env", "NO_SUCH"), "there is no variable 'NO_SUCH' in the environment"),
        (("--auth-token-env", "SHORT"), "a token has 16 printable characters of ASCII or more"),
        (("--auth-token-env", "SPACED"), "a token has 16 printable characters of ASCII or more"),
        (("--settings", "nowhere.toml"), "--settings nowhere.toml cannot be read: No such file"),
        (("--settings", "other.toml"), "gates.lok is no state of Desk: did you mean 'look'? Expected: look"),
        (("--settings", "tokens.toml"), "admission.by is 'tokens': expected admission.most beside it"),
        (("--redis", "http://root:hunter2@h"), "--redis takes redis://HOST:6379/0"),
        (("--store", "mysql://root:hunter2@h/d"), "a store is named by"),
        (("--coverage", "taken.json"), "--coverage and --eval are shown by the inspector alone: give --inspect, too"),
        (("--eval", "routed.json"), "--coverage and --eval are shown by the inspector alone: give --inspect, too"),
        (("--inspect", "--coverage", "taken.json"), "taken.json cannot be read: No such file"),
        (("--inspect", "--eval", "routed.json"), "routed.json cannot be read: No such file"),
        (("--text", "nothing"), "--text: Ticket has no field 'nothing'"),
    ],
)
def test_what_it_cannot_serve_is_said_at_once(
    cli: CliRunner, desk: str, words: tuple[str, ...], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, exit code 2, and no secret."""
    monkeypatch.setenv("SHORT", "hunter2")
    monkeypatch.setenv("SPACED", "hunter2 hunter2 hunter2")
    (tmp_path / "other.toml").write_text("[gates.lok]\nat_once = 3\n")
    (tmp_path / "tokens.toml").write_text("[admission]\nby = 'tokens'\n")
    result = cli.invoke(app, ["serve", desk, *(word.format(name=desk) for word in words)])

    assert (2, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n")), result.output
    assert why in result.stderr
    assert "hunter2" not in result.stderr


def test_a_port_that_is_taken_meanwhile_is_said() -> None:
    """Two programs may be given an address that neither listens on yet; the first that does has it."""
    first = bound("127.0.0.1", 0)
    with closing(first), closing(bound(*first.getsockname())) as second:
        listening(first)
        with pytest.raises(CommandError, match=r"cannot be listened on: Address already in use"):
            listening(second)


def test_a_log_that_cannot_be_written_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk, or when nobody reads it any more: it would be a request that fails."""
    full = Path("/dev/full").open("w", buffering=1)  # noqa: SIM115 - it cannot be closed without an error, once
    monkeypatch.setattr(sys, "stderr", full)
    log = json_logger()
    log.msg("said")
    log.info("said")
    with suppress(OSError):
        full.close()
    log.msg("said")
    monkeypatch.setattr(sys, "stderr", None)
    json_logger().msg("said")


def test_a_port_that_is_taken_is_said(cli: CliRunner, desk: str) -> None:
    """With what to give instead."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = cli.invoke(app, ["serve", desk, "--port", str(taken.getsockname()[1])])

    assert 2 == result.exit_code
    assert "Give another --port" in result.stderr
