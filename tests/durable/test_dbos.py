"""DBOS as the engine, in an app of its own and in one of the user's; real PostgreSQL, one process."""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dbos import DBOS, DBOSClient
from psycopg.conninfo import conninfo_to_dict
from support.patience import PATIENCE_S
from support.servers import asking, postgres

from fsm_orch import Context, Final, Given, Machine, Runner, State, Visit
from fsm_orch.durable.dbos import DBOSEngine
from fsm_orch.errors import StartError
from fsm_orch.store.sql import SqlStore

pytestmark = pytest.mark.slow


class Note(Context):
    """A text."""

    text: Given[str] = "one two"
    words: int = 0


def count(visit: Visit[Note]) -> Any:
    """Count its words."""
    return {Note.words: len(visit.context.text.split())}


class Notes(Machine[Note]):
    """Count the words of a note."""

    counting = State(count, reads=Note.text, writes=Note.words, initial=True, repeatable=True)
    counted, lost = Final(), Final(fallback=True)
    done = counting.to(counted)


def broken(visit: Visit[Note]) -> Any:
    """Hold what only its process may know."""
    raise KeyboardInterrupt("sk-secret")


class Broken(Machine[Note]):
    """A machine whose agent does what no machine survives."""

    only = State(broken, initial=True)
    end, lost = Final(), Final(fallback=True)
    done = only.to(end)


LIMITED = {"keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"}
"""How libpq calls the times after which a silent host is given up."""
GATES = defaultdict[str, asyncio.Event](asyncio.Event)
"""Whether a piece of work has begun, and may end."""


async def step(visit: Visit[Note]) -> Any:
    """Wait until it may end."""
    GATES["began"].set()
    await GATES["goes on"].wait()
    return {}


class Steps(Machine[Note]):
    """Two pieces of work."""

    first, second = State(step, initial=True, timeout_s=50), State(step, timeout_s=50)
    end, lost = Final(), Final(fallback=True)
    on, done = first.to(second), second.to(end)


@pytest.fixture
def url() -> str:
    """Give a database of its own."""
    return postgres().database("dbos")


@pytest.fixture(params=["postgresql"])
def store(url: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    """Give a store there, or in a file."""
    with closing(SqlStore(f"sqlite:///{tmp_path}/runs.db" if request.param == "sqlite" else url, lease_s=60)) as made:
        yield made


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Give what DBOS logs too, which it keeps from other loggers."""
    logging.getLogger("dbos").addHandler(caplog.handler)
    yield caplog
    logging.getLogger("dbos").removeHandler(caplog.handler)


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """Begin with nothing begun, and leave no app, and nothing that it has registered."""
    GATES.clear()
    yield
    DBOS.destroy(destroy_registry=True)


@asynccontextmanager
async def working(engine: DBOSEngine[Any, Any]) -> AsyncIterator[None]:
    """Work until the block is left."""
    work = asyncio.ensure_future(engine.work(poll_s=0.1))
    try:
        yield
    finally:
        await engine.drain()
        await work


async def ended(store: SqlStore, runs: int) -> list[str]:
    """Wait until runs have ended, and return where."""
    async with asyncio.timeout(60):
        while len(rows := await store.list(status="finished")) < runs:  # noqa: ASYNC110 - of any process
            await asyncio.sleep(0.05)
    return [row.head.state for row in rows]


def tickets(url: str) -> list[tuple[Any, ...]]:
    """Return what DBOS holds of our runs."""
    with asking(url) as connection:
        return connection.execute(
            "SELECT workflow_uuid, status, serialization FROM dbos.workflow_status "
            "WHERE name LIKE 'fsm_orch:%' ORDER BY workflow_uuid"
        ).fetchall()


@pytest.mark.parametrize("store", ["postgresql", "sqlite"], indirect=True)
async def test_what_is_queued_is_driven_and_its_ticket_is_json(url: str, store: SqlStore) -> None:
    """A ticket is named by the run and what was stored of it; whoever queues it twice, or late, makes no second."""
    with closing(DBOSEngine(Runner(Notes, store=store), url=url)) as engine:
        async with working(engine):
            for _ in range(2):
                assert "n1" == await engine.enqueue(Note(), run_id="n1")
            assert ["counted"] == await ended(store, 1)
            await engine.enqueue(Note(), run_id="n1")

    assert [("n1:1", "SUCCESS", "portable_json")] == tickets(url)


async def let_go_on(runner: Runner[Any, Any]) -> None:
    """Let what is under way end once its runner is drained."""
    async with asyncio.timeout(PATIENCE_S):
        while not runner.is_draining:  # noqa: ASYNC110 - it may be drained in another thread
            await asyncio.sleep(0.01)
    GATES["goes on"].set()


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
async def test_a_host_that_is_gone_is_given_up_by_dbos_too(
    url: str, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each connection of its client and of its app says for how long its host may be silent."""
    told, connect = list[dict[str, Any]](), psycopg.connect

    def noted(conninfo: str = "", **options: Any) -> Any:
        told.append(conninfo_to_dict(conninfo, **{name: options[name] for name in options if name in LIMITED}))
        return connect(conninfo, **options)

    monkeypatch.setattr(psycopg, "connect", noted)
    with closing(DBOSEngine(Runner(Steps, store=store), url=url)) as engine:
        async with working(engine):
            GATES["goes on"].set()
            await engine.enqueue(Note(), run_id="g1")
            assert ["end"] == await ended(store, 1)

    assert told
    assert [] == [each for each in told if not each.keys() >= LIMITED]


async def test_whoever_cancels_the_work_drains_it(url: str, store: SqlStore) -> None:
    """What is under way may end, and counts; the run is free, has not landed, and goes on by the same ticket."""
    mine = Runner(Steps, store=store)
    with closing(DBOSEngine(mine, url=url)) as engine:
        work = asyncio.ensure_future(engine.work(poll_s=0.1))
        await engine.enqueue(Note(), run_id="s1")
        async with asyncio.timeout(PATIENCE_S):
            await GATES["began"].wait()
        work.cancel()
        await let_go_on(mine)
        with pytest.raises(asyncio.CancelledError):
            await work
    (row,) = await store.list()
    left = tickets(url)
    with closing(DBOSEngine(Runner(Steps, store=store), url=url)) as engine:
        async with working(engine):
            states = await ended(store, 1)

    assert ("second", "running", None) == (row.head.state, row.head.status, row.owner)
    assert ("s1:1", "ENQUEUED", "portable_json") in left
    assert ["end"] == states


async def test_the_work_ends_where_somebody_else_drains_a_runner(url: str, store: SqlStore) -> None:
    """What is under way is free then, of the other runners too, and goes on elsewhere by the same ticket."""
    mine, other = Runner(Steps, store=store), Runner(Notes, store=store)
    with closing(DBOSEngine(mine, url=url, also=[other])) as engine:
        work = asyncio.ensure_future(engine.work(poll_s=0.1))
        await engine.enqueue(Note(), run_id="s1")
        async with asyncio.timeout(PATIENCE_S):
            await GATES["began"].wait()
            await other.drain()
            await let_go_on(mine)
            await work
    (row,) = await store.list()

    assert ("running", None) == (row.head.status, row.owner)
    assert ("s1:1", "ENQUEUED", "portable_json") in tickets(url)


async def test_it_drives_one_run_or_more_at_once_and_pauses(url: str, store: SqlStore) -> None:
    """DBOS itself would take 0 for as many as there are, and a pause of 0 would leave the store no rest."""
    with pytest.raises(ValueError, match="a worker drives 1 run or more at once"):
        DBOSEngine(Runner(Notes, store=store), url=url, concurrency=0)
    with (
        closing(DBOSEngine(Runner(Notes, store=store), url=url)) as engine,
        pytest.raises(ValueError, match="pauses for a time"),
    ):
        await engine.work(poll_s=0)


async def test_an_app_of_the_users_keeps_its_settings(url: str, store: SqlStore) -> None:
    """Runs are driven in an app that pickles, by its queue's rate limit, and are queued by its schedule."""
    DBOS(config={"name": "theirs", "system_database_url": url, "application_version": "2", "executor_id": "e1"})
    client = DBOSClient(system_database_url=url, application_name="theirs", lazy=True)
    engine = DBOSEngine(Runner(Notes, store=store), client=client)

    @DBOS.workflow()
    async def nightly(at: datetime, context: Any) -> None:
        await engine.enqueue(Note(), run_id=f"nightly-{context}")

    DBOS.launch()
    await DBOS.register_queue_async(engine.queue, limiter={"limit": 2, "period": 3600}, polling_interval_sec=0.1)
    async with working(engine):
        await DBOS.create_schedule_async(
            schedule_name="nightly", workflow_fn=nightly, schedule="0 3 * * *", context="a"
        )
        await asyncio.to_thread(DBOS.trigger_schedule, "nightly")
        await ended(store, 1)
        for n in range(2):
            await engine.enqueue(Note(), run_id=f"n{n}")
        await ended(store, 2)
        await asyncio.sleep(1)  # in which the third could begin
        states = await ended(store, 2)
    client.destroy()

    assert ["counted", "counted"] == states
    assert {"n0:1", "n1:1", "nightly-a:1"} == {name for name, _, _ in tickets(url)}
    assert {"portable_json"} == {format for _, _, format in tickets(url)}
    assert ["ENQUEUED", "SUCCESS", "SUCCESS"] == sorted(status for _, status, _ in tickets(url))


async def test_what_a_run_raises_is_told_to_dbos_without_its_message(
    url: str, store: SqlStore, logged: pytest.LogCaptureFixture
) -> None:
    """Whatever was raised is told by its name, and neither the database of DBOS nor its log holds more."""
    with closing(DBOSEngine(Runner(Broken, store=store), url=url)) as engine:
        async with working(engine):
            await engine.enqueue(Note(), run_id="b1")
            assert ["lost"] == await ended(store, 1)
            async with asyncio.timeout(PATIENCE_S):
                while ("b1:1", "ERROR", "portable_json") not in tickets(url):  # noqa: ASYNC110 - in another thread
                    await asyncio.sleep(0.05)
    with asking(url) as connection:
        found = connection.execute(
            "SELECT o::text, s::text FROM dbos.workflow_output o, dbos.workflow_status s"
        ).fetchall()

    assert "KeyboardInterrupt" in json.dumps(found)
    assert "sk-secret" not in json.dumps(found) + logged.text


@pytest.mark.parametrize(
    "wrong",
    [
        "postgresql://postgres:hunter2@127.0.0.1:{port}/nowhere",
        "postgresql://nobody:hunter2@127.0.0.1:{port}/postgres",
        "postgresql://postgres:hunter2@127.0.0.1:1/postgres",
        "postgresql://postgres:hunter2@127.0.0.1:port/postgres",
        "postgresql://postgres:hunt/er2@127.0.0.1:1/postgres",
        "postgresql://postgres:hunter2@127.0.0.1,127.0.0.2:1,2/postgres",
        "mysql://postgres:hunter2@127.0.0.1:1/postgres",
        "sqlite:///hunter2.db",
    ],
)
async def test_a_database_that_cannot_be_had_is_named_without_its_password(
    wrong: str, store: SqlStore, logged: pytest.LogCaptureFixture
) -> None:
    """Neither what is raised nor what is logged holds a password, wherever in the URL the mistake is."""

    async def used() -> None:
        with closing(DBOSEngine(Runner(Notes, store=store), url=wrong.format(port=postgres().port))) as engine:
            await engine.enqueue(Note(), run_id="n1")
            await engine.work()

    with pytest.raises(StartError) as raised:
        await used()

    assert "er2" not in "".join(traceback.format_exception(raised.value)) + logged.text


async def test_one_database_is_named(url: str, store: SqlStore) -> None:
    """Not two, and not none."""
    runner = Runner(Notes, store=store)
    with pytest.raises(StartError, match="give its url=, or the client= of an app"):
        DBOSEngine(runner)
    with pytest.raises(StartError, match="give its url=, or the client= of an app"):
        DBOSEngine(runner, url=url, client=DBOSClient(system_database_url=url, lazy=True))


async def test_an_app_that_is_there_is_not_taken_for_our_own(url: str, store: SqlStore) -> None:
    """A process has one app of DBOS: a second one, which would be the first in silence, is refused."""
    DBOS(config={"name": "theirs", "system_database_url": url})
    with (
        closing(DBOSEngine(Runner(Notes, store=store), url=url)) as engine,
        pytest.raises(StartError, match="this process has an app of DBOS already: give its client="),
    ):
        await engine.work()
