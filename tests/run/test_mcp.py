"""Tools of MCP servers in runs: real processes over stdio and over HTTP, and all that they can do wrong."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.mcp_servers import BARE, STDIO, TOKEN, Served, served, shop
from support.shop import DONE, SOLVED, Ticket, desk, use, use_all

from fsm_orch import MCP, Limits, Machine, MemoryStore, Runner, RunResult, ScriptedModel, StartError, to_json
from fsm_orch.errors import ToolFailed
from fsm_orch.testing import TheoremChecker

Options = dict[str, Any]


@pytest.fixture(scope="module")
def web() -> Iterator[Served]:
    with served() as server:
        yield server


@pytest.fixture(params=["bare", pytest.param("stdio", marks=pytest.mark.slow), "http"])
def where(request: pytest.FixtureRequest) -> Options:
    """Give a server that is written by hand, one of the official SDK, and one that is reached over HTTP."""
    if request.param != "http":
        command = {"bare": BARE, "stdio": STDIO}[request.param]
        return {"command": command, "env": {"SHOP_TOKEN": TOKEN}}
    web = request.getfixturevalue("web")
    if web.process.poll() is not None:
        web.start()
    return {"url": web.url, "headers": {"Authorization": f"Bearer {TOKEN}"}}


PATIENT = Limits(hops=6, tokens=10_000, deadline_s=600, visit_s=300)
"""A process that is to be started within a visit may take longer than ten seconds on a slow machine."""


def helping(server: MCP, *names: str, **options: Any) -> type[Machine[Ticket]]:
    """Return a machine of one model that may use tools of a server."""
    return desk(*server.tools(*names), **{"calls": 8, "asks": 6, "max_input_tokens": 4_000, **options})


def runner(machine: type[Machine[Ticket]], *script: Any, **options: Any) -> tuple[Runner[Ticket, None], ScriptedModel]:
    model = ScriptedModel(script)
    return Runner(machine, model=model, **{"limits": PATIENT, **options}), model


def ran(machine: type[Machine[Ticket]], *script: Any) -> list[Any]:
    """Run once, hold each step to the theorems, and return what the model was shown of its tools at the end."""
    running, model = runner(machine, *script)
    result = running.run_sync(Ticket(query="?"))

    assert (result.status, result.landing, result.error) == ("finished", None, None)
    TheoremChecker(running.compiled).follow_all(result.journal)
    assert running.replay(result.journal).records == result.records
    return shown(model)


def shown(model: ScriptedModel) -> list[Any]:
    said = [json.loads(message.content) for message in model.requests[-1].messages[2:]]
    return [one.get("result", one.get("failed")) for one in said if "reply" not in one]


def test_a_model_uses_the_tools_of_a_server(tmp_path: Path, where: Options) -> None:
    """What a tool gives the model reads, what is null is left out, and the server is told the key and the token."""
    machine = helping(shop(tmp_path, **where), "order_status", "token", "key")
    asked = ("order_status", {"order": 3, "locale": None}), ("order_status", {"order": 4, "locale": "de"})
    first, second, token, key = ran(machine, use_all(*asked), use("token"), use("key"), DONE)

    assert (first, second) == (
        {"said": "order 3 is on its way (en)"},
        {"said": "order 4 is on its way (de)"},
    )
    assert token == {"said": str(len(TOKEN))}
    assert key["said"].endswith(":0:4")


def test_arguments_are_validated_before_they_are_asked(tmp_path: Path) -> None:
    """What does not fit the server's schema is a refusal that the model may mend, and no use."""
    machine = helping(shop(tmp_path), "order_status", calls=4)
    running, model = runner(machine, use("order_status", order=0), use("order_status", order=1, locale=None), DONE)
    result = running.run_sync(Ticket(query="?"))

    assert "order: 0 is less than the minimum of 1" in model.requests[1].messages[-1].content
    assert shown(model) == [{"said": "order 1 is on its way (en)"}]
    assert result.status == "finished"


def test_a_server_that_hangs_is_given_up(tmp_path: Path, where: Options) -> None:
    """A use that is not answered in time has failed, and the session is good for the next."""
    server = shop(tmp_path, **where)
    tools = server.tool("hung", timeout_s=0.2), *server.tools("order_status", "counted")
    machine = desk(*tools, calls=8, asks=6, max_input_tokens=4_000)
    hung, status, counted = ran(machine, use("hung"), use("order_status", order=1), use("counted"), DONE)

    assert hung == "it failed: it took longer than its 0.2 s; what it had begun has an unknown outcome"
    assert status == {"said": "order 1 is on its way (en)"}
    assert counted == {"said": "1"}, "the server was told that nobody waits any more"


def test_what_a_tool_says_of_its_failure_is_for_the_model_alone(
    tmp_path: Path, where: Options, caplog: pytest.LogCaptureFixture
) -> None:
    """A tool that says that it failed has failed, the model reads why, and no log does."""
    assert ran(helping(shop(tmp_path, **where), "raising"), use("raising"), DONE) == ["it failed: there is no order 7"]
    assert "it says that it failed" in caplog.text
    assert "there is no order" not in caplog.text


def test_a_server_that_lies_has_failed(tmp_path: Path, where: Options) -> None:
    """What does not fit the schema that the server gave for its results is no result."""
    (said,) = ran(helping(shop(tmp_path, **where), "lying"), use("lying"), DONE)

    assert said == "it failed: it returned something else than its server says that it returns"


@pytest.mark.parametrize("command", [BARE, pytest.param(STDIO, marks=pytest.mark.slow)])
def test_a_server_that_dies_is_started_again(tmp_path: Path, command: tuple[str, ...]) -> None:
    """A use in which the server dies has failed with an unknown outcome; the next one finds a new server."""
    machine = helping(shop(tmp_path, command=command), "dying", "order_status")
    died, status = ran(machine, use("dying"), use("order_status", order=1), DONE)

    assert died == (
        "it failed: its server 'shop' ended the connection while it was used; what it had begun has an unknown outcome"
    )
    assert status == {"said": "order 1 is on its way (en)"}


async def test_a_server_over_http_that_dies_is_found_again(tmp_path: Path) -> None:
    """While it is gone each use fails and says so; once it is there again the same runner goes on."""
    with served() as web:
        server = shop(tmp_path, url=web.url, headers={"Authorization": f"Bearer {TOKEN}"})
        machine = helping(server, "dying", "order_status")
        script = [use("dying"), use("order_status", order=1), DONE, use("order_status", order=2), DONE]
        running, model = runner(machine, *script)
        async with running:
            await running.run(Ticket(query="?"))
            gone = shown(model)
            web.stop()
            web.start()
            await running.run(Ticket(query="?"))

    assert "ended the connection while it was used" in gone[0]
    assert gone[1] == "it failed: its server 'shop' cannot be reached (ConnectError)"
    assert shown(model) == [{"said": "order 2 is on its way (en)"}]


def test_a_server_that_changes_is_used_no_more(tmp_path: Path) -> None:
    """A tool that is described otherwise in mid-run is not used, and the model reads why."""
    changed, refused = ran(
        helping(shop(tmp_path), "change", "order_status"), use("change"), use("order_status", order=1), DONE
    )

    assert changed == {"said": "done"}
    assert "its server 'shop' has changed since its tools were pinned (order_status: description, " in refused
    assert "pin anew" not in refused


def test_a_server_that_has_changed_starts_no_run(tmp_path: Path) -> None:
    """Nothing is begun, and the error names what changed and the command that pins anew, but nothing that is secret."""
    server = shop(tmp_path, command=BARE, env={"SHOP_CHANGED": TOKEN})
    running, model = runner(helping(server, "order_status", "slow"), DONE)
    with pytest.raises(StartError) as caught:
        running.run_sync(Ticket(query="?"))

    said = str(caught.value)
    assert said.startswith(
        "MCP server 'shop' has changed since its tools were pinned (order_status: description, "
        "order_status: inputSchema.properties.locale, order_status: inputSchema.properties.order.minimum, "
        "order_status: inputSchema.properties.order.type, slow is gone): to pin anew: fsm-orch mcp pin "
    )
    assert said.endswith(f"shop.tools.json -- {' '.join(BARE)}")
    assert TOKEN not in said
    assert model.requests == []


def test_tools_that_nobody_uses_may_change(tmp_path: Path) -> None:
    """Only what a machine uses is held against what was pinned."""
    server = shop(tmp_path, command=BARE, env={"SHOP_CHANGED": "1"})
    machine = helping(server, "order_status")

    assert Runner(desk(*shop(tmp_path).tools("slow")), model=ScriptedModel([SOLVED]))._driver.needs.keys() != {server}
    assert [*Runner(machine, model=ScriptedModel([]))._driver.needs.values()] == [{"order_status"}]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"command": (sys.executable, "-c", "pass")},
            r"cannot be reached \(it ended the connection\): try .*python.* -c pass",
        ),
        ({"command": ("there-is-no-such",)}, r"cannot be reached \(FileNotFoundError: .*\): try there-is-no-such"),
        (
            {"url": "http://127.0.0.1:9/mcp"},
            r"cannot be reached \(ConnectError\): is it there.* http://127.0.0.1:9/mcp",
        ),
        (
            {"command": (sys.executable, "-c", "while True: input()"), "start_s": 0.3},
            r"did not answer within 0.3 s: try .*python",
        ),
    ],
)
def test_a_server_that_is_not_there_starts_no_run(tmp_path: Path, options: Options, said: str) -> None:
    """The error says what is in the way and what to try; nothing is begun."""
    running, model = runner(helping(shop(tmp_path, **options), "order_status"), DONE)
    with pytest.raises(StartError, match=f"^MCP server 'shop' {said}"):
        running.run_sync(Ticket(query="?"))

    assert model.requests == []


def test_a_wrong_token_starts_no_run_and_is_shown_nowhere(
    tmp_path: Path, web: Served, caplog: pytest.LogCaptureFixture
) -> None:
    """What is secret is in no error, no log and no representation."""
    caplog.set_level(logging.DEBUG)
    server = shop(tmp_path, url=web.url, headers={"Authorization": "Bearer sk-wrong"})
    running, _ = runner(helping(server, "order_status"), DONE)
    with pytest.raises(
        StartError,
        match=r"cannot be reached \(it answered with error -?\d+\): is it there, and are its headers right\?",
    ) as caught:
        running.run_sync(Ticket(query="?"))

    seen = [caplog.text, str(caught.value), repr(server), repr(server._where), repr(server.tools("order_status"))]
    assert not any("sk-wrong" in one for one in seen)
    assert caught.value.__context__ is None or "sk-wrong" not in repr(vars(caught.value.__context__))


def test_what_is_secret_is_in_no_log_and_no_journal(
    tmp_path: Path, where: Options, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Variables and headers are in no log, journal or digest; what the server writes to stderr is shown nowhere."""
    caplog.set_level(logging.DEBUG)
    machine = helping(shop(tmp_path, **where), "token", "raising", "lying")
    running, _ = runner(machine, use("token"), use("raising"), use("lying"), DONE)
    result = running.run_sync(Ticket(query="?"))
    told = "".join(
        map(str, [caplog.text, *map(to_json, result.journal), machine.definition.canonical, *capfd.readouterr()])
    )

    assert "it failed" in told
    assert TOKEN not in told
    assert "stderr may hold" not in told


async def test_runs_share_a_connection(tmp_path: Path, where: Options) -> None:
    """Three runs at once use one server, whose uses overlap, and each reads its own results."""
    server = shop(tmp_path, **where)
    machine = helping(server, "slow", "counted", "order_status")
    running = [
        runner(machine, use_all(("slow", {"seconds": 0.5}), ("counted", {}), ("order_status", {"order": order})), DONE)
        for order in (1, 2, 3)
    ]
    async with running[0][0]:
        await asyncio.gather(*[each.run(Ticket(query="?")) for each, _ in running])
        assert len(server._keepers) == 1

    assert server._keepers == {}
    results = [shown(model) for _, model in running]
    assert [said["said"] for _, _, said in results] == [f"order {order} is on its way (en)" for order in (1, 2, 3)]
    assert max(int(counted["said"]) for _, counted, _ in results) > 1


async def test_a_runner_keeps_its_servers_from_run_to_run(tmp_path: Path) -> None:
    """Within `async with runner` one process serves all runs; without it each run has its own."""
    machine = helping(shop(tmp_path), "change", "order_status")
    running, _ = runner(machine, use("change"), DONE, use("change"), DONE)
    async with running:
        await running.run(Ticket(query="?"))
        with pytest.raises(StartError, match="has changed"):  # it is the same, which has changed
            await running.run(Ticket(query="?"))

    await running.run(Ticket(query="?"))
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def test_a_runner_may_be_closed_by_another_task(tmp_path: Path) -> None:
    """Frameworks open and close in tasks of their own; a session is closed by the task that opened it nevertheless."""
    running, model = runner(helping(shop(tmp_path), "order_status"), use("order_status", order=1), DONE)
    await asyncio.create_task(running.__aenter__())
    await asyncio.create_task(_run(running))
    await asyncio.create_task(running.__aexit__(None, None, None))

    assert shown(model) == [{"said": "order 1 is on its way (en)"}]


async def test_a_runner_closes_on_each_event_loop_what_it_opened_there(tmp_path: Path) -> None:
    """A thread that leaves while another one still holds the runner open closes its own connections, and no others."""
    server = shop(tmp_path)
    running, _ = runner(helping(server, "order_status"))
    has_left = threading.Event()
    async with running:

        async def other() -> None:
            async with running:
                entered.set()
                await asyncio.to_thread(has_left.wait)

        entered = threading.Event()
        thread = asyncio.create_task(asyncio.to_thread(asyncio.run, other()))
        await asyncio.to_thread(entered.wait)
        here, there = server._keepers.values()
        async with running:
            assert (here.users, there.users) == (2, 1)
        assert (here.users, there.users) == (1, 1)
    assert (here.users, there.users) == (0, 1)
    has_left.set()
    await thread

    assert server._keepers == {}


async def _run(running: Runner[Ticket, None]) -> RunResult[Ticket]:
    return await running.run(Ticket(query="?"))


async def test_a_cancelled_run_leaves_the_session_as_it_is(tmp_path: Path, where: Options) -> None:
    """Cancelled in the middle of a use the run lands, and the next one uses the same session."""
    server = shop(tmp_path, **where)
    running, model = runner(
        helping(server, "slow", "order_status"), use("slow", seconds=60), use("order_status", order=2), DONE
    )
    async with running:
        (keeper,) = server._keepers.values()
        session = await keeper.session()
        cancelled = asyncio.create_task(running.run(Ticket(query="?")))
        while await server.use("counted", {}, "k") != {"said": "2"}:
            assert not cancelled.done()
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        await running.run(Ticket(query="?"))

        assert await keeper.session() is session
        assert await server.use("counted", {}, "k") == {"said": "1"}
    assert shown(model) == [{"said": "order 2 is on its way (en)"}]


async def test_a_run_that_waits_goes_on_with_its_server(tmp_path: Path) -> None:
    """A tool that a human approves is used by the process that is told so, which connects for it."""
    server = shop(tmp_path)
    machine = desk(server.tool("order_status", approval=True, called="where_is"), max_input_tokens=4_000)
    running, model = runner(machine, use("where_is", order=4, locale=None), DONE, store=MemoryStore())
    waiting = await running.run(Ticket(query="?"), run_id="r")
    assert (waiting.status, server._keepers) == ("waiting", {})
    result = await running.resume("r", True)

    assert "where_is(order=4)" in waiting.waiting[0].text
    assert (result.status, shown(model)) == ("finished", [{"said": "order 4 is on its way (en)"}])


async def test_a_tool_that_is_used_without_a_run_says_what_is_missing(tmp_path: Path) -> None:
    """Where nobody has connected the use fails, and says who does."""
    with pytest.raises(ToolFailed, match=r"^MCP server 'shop' is not connected: a run does that"):
        await shop(tmp_path).use("order_status", {"order": 1}, "k")
