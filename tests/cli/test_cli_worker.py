"""`fsm-orch worker`; what becomes of its runs when it is killed or drained is in tests/store/test_workers.py."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.fleet import WorkerProcess, serving, wait_until
from support.provider import Provider
from support.provider_faults import FAULTS
from typer.testing import CliRunner

from fsm_orch import Runner, ScriptedModel, discover
from fsm_orch.cli import app
from fsm_orch.store.sql import SqlStore

SHOP = """
    from contextlib import asynccontextmanager
    from fsm_orch import *

    class Ticket(Context):
        query: str
        by: str | None = None

    def look(visit: Visit[Ticket, str]):
        return {Ticket.by: visit.deps}

    class Desk(Machine[Ticket, str]):
        look = State(look, reads=Ticket.query, writes=Ticket.by, initial=True)
        answered, human = Final(), Final(fallback=True)
        done = look.to(answered)

    opened = []

    def deps():
        opened.append(1)
        return f"shop {len(opened)}"

    @asynccontextmanager
    async def for_tenant(run):
        print(f"open {run.tenant}")
        yield f"shop of {run.tenant}"
        print(f"close {run.tenant}")

    not_a_function = 3
"""


def queue(url: str, name: str, count: int, folder: Path, **options: Any) -> Runner[Any, Any]:
    """Queue runs of a machine, each of a tenant of its own."""
    machine = discover.machine(name, folder)
    runner = Runner[Any, Any](machine, store=SqlStore(url), **options)
    for n in range(count):
        context = machine.definition.context(query="x")
        asyncio.run(runner.enqueue(context, run_id=f"{name}-{n}", tenant=f"t{n}"))
    return runner


def ended(runner: Runner[Any, Any], name: str, count: int) -> list[Any]:
    """Return what the runs of a machine came to; nothing if they have not ended."""
    assert runner.store is not None
    rows = asyncio.run(runner.store.list(status="finished", digest=runner.definition.digest))
    if len(rows) < count:
        return []
    journals = [asyncio.run(runner.store.load(f"{name}-{n}")) for n in range(count)]
    return [runner.replay(journal).context.by for journal in journals]


def test_it_drives_several_machines_with_dependencies_for_each_run(write: Callable[[str], str], tmp_path: Path) -> None:
    """It says which it drives, opens and closes what each run needs, and ends with 0 when it is told to."""
    new, old = write(SHOP), write(SHOP)
    url = f"sqlite:///{tmp_path}/runs.db"
    runners = {name: queue(url, name, 2, tmp_path) for name in (new, old)}
    words = ("--also", old, "--also", new, "--deps", f"{new}:for_tenant", "--concurrency", "1", "--events")
    with serving() as provider, WorkerProcess(url, provider, tmp_path, *words, target=new) as worker:
        came = {
            name: wait_until(lambda name=name, runner=runner: ended(runner, name, 2), lambda: worker.said)  # type: ignore[misc]
            for name, runner in runners.items()
        }
        worker.send(signal.SIGTERM)
        assert 0 == worker.ended()
        started, *others = worker.events()

    assert {new: ["shop of t0", "shop of t1"], old: ["shop of t0", "shop of t1"]} == came
    assert ["worker_started", 1, 15.0] == [started[name] for name in ("event", "concurrency", "lease_s")]
    assert {runner.definition.digest: f"{name}:Desk" for name, runner in runners.items()} == started["drives"]
    assert {f"{new}-0", f"{old}-1"} <= {line["run_id"] for line in others if line["event"] == "run_finished"}
    assert "worker_drained" == others[-1]["event"]
    assert worker.said.index("open t0") < worker.said.index("close t0") < worker.said.index("open t1")


def test_without_a_factory_dependencies_are_opened_once(write: Callable[[str], str], tmp_path: Path) -> None:
    """They are what `deps()` of the module returns, as for `fsm-orch run`, and all runs share them."""
    name, url = write(SHOP), f"sqlite:///{tmp_path}/runs.db"
    runner = queue(url, name, 3, tmp_path)
    with serving() as provider, WorkerProcess(url, provider, tmp_path, target=name) as worker:
        came = wait_until(lambda: ended(runner, name, 3), lambda: worker.said)

    assert ["shop 1"] * 3 == came


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--store", "runs.db"), "a store is named by 'sqlite:///FILE'"),
        (("--store", "mysql://root:hunter2@h/d"), "a store is named by"),
        (("--also", "nowhere"), "No module, file or folder 'nowhere'"),
        (("--deps", "{name}"), "names no function. Name one in a module"),
        (("--deps", "{name}:nothing"), "No function 'nothing' in '{name}'"),
        (("--deps", "{name}:not_a_function"), "No function 'not_a_function' in '{name}'"),
        (("--store", "sqlite:////nowhere/runs.db"), "the file cannot be opened"),
        (("--engine-url", "h:1"), "(the variable FSM_ORCH_ENGINE is --engine-url too)"),
        (("--engine", "temporal", "--engine-url", "postgresql://root:hunter2@h/d"), "Temporal is named by HOST:PORT"),
        (("--engine", "temporal"), "Temporal is a server: say where, by --engine-url HOST:PORT"),
        (("--engine-url", "postgresql://root:hunter2@h/d"), "leave --engine-url out, or give --engine"),
        (("--engine", "dbos"), "and the store is not there: give --engine-url"),
        (("--engine", "dbos", "--engine-url", "mysql://root:hunter2@h/d"), "DBOS has its queues in PostgreSQL here"),
    ],
)
def test_what_it_cannot_do_is_said_at_once(
    cli: CliRunner, write: Callable[[str], str], words: tuple[str, ...], why: str, tmp_path: Path
) -> None:
    """One line, exit code 2, and no password."""
    name = write(SHOP)
    given = ["worker", name, *(() if "--store" in words else ("--store", f"sqlite:///{tmp_path}/runs.db"))]
    before = logging.getLogger("fsm_orch").handlers[:]
    result = cli.invoke(app, [*given, *(word.format(name=name) for word in words)])

    assert (2, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))
    assert why.format(name=name) in result.stderr
    assert "hunter2" not in result.stderr
    assert before == logging.getLogger("fsm_orch").handlers


def test_dependencies_that_nobody_has_are_not_taken_for_given(
    cli: CliRunner, write: Callable[[str], str], tmp_path: Path
) -> None:
    """A machine without dependencies is not given a factory of them in silence."""
    name = write(ASKS)
    given = ["worker", name, "--store", f"sqlite:///{tmp_path}/runs.db", "--deps", f"{name}:nothing"]
    result = cli.invoke(app, given)

    assert (2, "") == (result.exit_code, result.stdout)
    assert "is for machines with dependencies, and Desk has none: leave it out" in result.stderr


ASKS = """
    from fsm_orch import *

    class Ticket(Context):
        query: str

    class Desk(Machine[Ticket]):
        look = State(LLMAgent("Decide.", reads=Ticket.query), initial=True)
        answered, human = Final(), Final(fallback=True)
        done = look.to(answered, "it is answered")
        to_human = look.to(human, "anything else")
"""


def test_it_is_warm_before_it_drives(write: Callable[[str], str], tmp_path: Path) -> None:
    """Its models are looked up before the first run is claimed, and so before any is asked."""
    name, url = write(ASKS), f"sqlite:///{tmp_path}/runs.db"
    runner = queue(url, name, 1, tmp_path, model=ScriptedModel([]))
    with serving() as provider, WorkerProcess(url, provider, tmp_path, target=name) as worker:
        wait_until(
            lambda: asyncio.run(runner.store.list(status="finished")) if runner.store else (), lambda: worker.said
        )
        worker.send(signal.SIGTERM)
        assert 0 == worker.ended()

    assert ["GET", "POST"] == [one.method for one in provider.requests]


def test_a_model_that_cannot_be_asked_is_said_before_a_run_is_claimed(
    cli: CliRunner, write: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong key ends the worker, the key is not shown, and the runs are left to others."""
    name, url = write(ASKS), f"sqlite:///{tmp_path}/runs.db"
    runner = queue(url, name, 1, tmp_path, model=ScriptedModel([]))
    monkeypatch.setenv("FSM_ORCH_COMPATIBLE_KEY", "sk-hunter2")
    with serving() as provider:
        monkeypatch.setenv("FSM_ORCH_COMPATIBLE_URL", f"{provider.url}/v1")
        result = cli.invoke(app, ["worker", name, "--store", url, "--model", "compatible:m"])
    assert runner.store is not None
    (row,) = asyncio.run(runner.store.list())

    assert (2, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))
    assert "Desk is not warm: model 'compatible:m' of 'look': authentication: HTTP 401" in result.stderr
    assert "hunter2" not in result.stderr
    assert (1, None) == (row.inputs, row.owner)


def test_a_provider_that_is_down_keeps_no_worker_from_its_runs(write: Callable[[str], str], tmp_path: Path) -> None:
    """It says that it is not warm, and drives: a run takes the failure edge that is there for that."""
    name, url = write(f"{ASKS}        down = look.on_failure(answered)"), f"sqlite:///{tmp_path}/runs.db"
    runner = queue(url, name, 1, tmp_path, model=ScriptedModel([]))
    assert runner.store is not None
    nobody = Provider(FAULTS["connection refused"])
    with nobody as provider, WorkerProcess(url, provider, tmp_path, target=name) as worker:
        (row,) = wait_until(lambda: asyncio.run(runner.store.list(status="finished")), lambda: worker.said)
        worker.send(signal.SIGTERM)
        assert 0 == worker.ended()

    assert "answered" == row.head.state
    assert ["Desk is not warm: model 'compatible:m' of 'look': connection: ConnectError"] == [
        line["why"] for line in worker.events() if line["event"] == "worker_not_warm"
    ]


def test_an_engine_that_is_away_is_said(cli: CliRunner, desk: str, tmp_path: Path) -> None:
    """With where it was looked for; nothing is tried for long."""
    words = ("--store", f"sqlite:///{tmp_path}/runs.db", "--engine", "temporal", "--engine-url", "127.0.0.1:9")
    result = cli.invoke(app, ["worker", desk, *words])

    assert 2 == result.exit_code
    assert "Temporal cannot be reached at '127.0.0.1:9'" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_engine_without_its_package_is_said(
    cli: CliRunner, desk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, with what to install."""
    monkeypatch.delitem(sys.modules, "fsm_orch.durable.dbos", raising=False)
    monkeypatch.setitem(sys.modules, "dbos", None)
    monkeypatch.setenv("FSM_ORCH_ENGINE", "postgresql://root:hunter2@h/d")
    words = ["worker", desk, "--store", f"sqlite:///{tmp_path}/runs.db", "--model", "local:smollm2", "--engine", "dbos"]
    result = cli.invoke(app, words)

    assert (2, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))
    assert "install the extra `dbos` of fsm_orch" in result.stderr


def test_a_machine_whose_dependencies_nobody_makes_is_said(
    cli: CliRunner, write: Callable[[str], str], tmp_path: Path
) -> None:
    """As by `fsm-orch run`."""
    name = write(SHOP.replace("def deps", "def other"))
    result = cli.invoke(app, ["worker", name, "--store", f"sqlite:///{tmp_path}/runs.db"])

    assert 2 == result.exit_code
    assert "Desk has dependencies, but" in result.stderr


def test_what_the_library_reports_is_a_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    """With its level, and its time."""
    from fsm_orch.cli.logs import Reports, json_logger

    log = logging.getLogger("test_cli_worker")
    log.addHandler(Reports(json_logger()))
    log.warning("run %s was %s", "r", "left")
    line = json.loads(capsys.readouterr().err)

    assert ("report", "warning", "run r was left") == (line["event"], line["level"], line["message"])
    assert "timestamp" in line
