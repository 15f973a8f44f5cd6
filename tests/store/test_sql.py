"""Stores in databases: what was acknowledged is kept, whatever dies; what fails is told, with what to do."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from support.desk import BILLING, REFUND, Support, Ticket
from support.servers import own_postgres, postgres

from fsm_orch import Runner, ScriptedModel
from fsm_orch.errors import StartError, StoreError
from fsm_orch.kernel import inputs
from fsm_orch.kernel.inputs import Input
from fsm_orch.store import Head, Rebound, store_at
from fsm_orch.store.sql import SqlStore, tables
from fsm_orch.store.sql.dialect import Statement
from fsm_orch.store.sql.schema import VERSION_TABLE, metadata
from fsm_orch.store.sql.statements import statements
from fsm_orch.store.sql.url import opened

HEAD = Head("a")
WRITES = Path(__file__).parents[1] / "support" / "writes.py"


def at(*seconds: float) -> list[Input]:
    return [inputs.Cancelled(at=float(s)) for s in seconds]


async def put(store: SqlStore, run: str, start: int, new: Sequence[Input], **options: Any) -> None:
    await store.append(run, start, new, HEAD, epoch=1, **options)


def url_of(kind: str, folder: Path) -> str:
    """Return the URL of a database without tables."""
    return f"sqlite:///{folder}/runs.db" if kind == "sqlite" else postgres().database("fresh")


KINDS = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])


@KINDS
@pytest.mark.parametrize("seed", range(4))
def test_what_was_acknowledged_survives_a_kill(kind: str, seed: int, tmp_path: Path) -> None:
    """A process that is killed at any instant has kept all that it was told was kept, and no half of an append."""
    url, chance = url_of(kind, tmp_path), random.Random(seed)
    writing = subprocess.Popen([sys.executable, str(WRITES), url, "20"], stdout=subprocess.PIPE, text=True)
    assert writing.stdout is not None
    said = [writing.stdout.readline() for _ in range(chance.randrange(20, 400))]
    writing.send_signal(signal.SIGKILL)
    said += writing.stdout.read().splitlines(keepends=True)
    writing.wait()
    writing.stdout.close()
    kept = {}
    for line in said:
        if line.endswith("\n"):
            run, count = line.split()
            kept[run] = int(count)

    async def check() -> None:
        store = SqlStore(url)
        for run, count in kept.items():
            journal = await store.load(run)
            assert count <= len(journal)
            assert 0 == len(journal) % 3
            assert [float(place) for place in range(len(journal))] == [event.at for event in journal]
        rows = {row.run_id: (row.inputs, row.head.hops) for row in await store.list(limit=100)}
        assert {run: (len(await store.load(run)), len(await store.load(run)) - 3) for run in rows} == rows
        store.close()

    assert kept
    asyncio.run(check())


@pytest.mark.slow
async def test_a_server_that_restarts_loses_no_run() -> None:
    """Two hundred runs, many at once, end well through three crashes of their server, and no call is sent twice."""
    server = own_postgres()
    store = SqlStore(server.url)
    gate, models = asyncio.Semaphore(64), list[ScriptedModel]()

    async def run(n: int) -> Any:
        async with gate:
            model = ScriptedModel([BILLING, REFUND])
            models.append(model)
            return await Runner(Support, model=model, store=store).run(Ticket(query="please"), run_id=f"r{n}")

    running = [asyncio.ensure_future(run(n)) for n in range(200)]
    for ended in (20, 80, 140):
        await asyncio.wait(running[ended : ended + 1])
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
    results = await asyncio.gather(*running)

    assert all(result.state is Support.answered for result in results)
    assert {2} == {len(model.requests) for model in models}
    for n, result in enumerate(results):
        assert result.journal == await store.load(f"r{n}")
    store.close()


@KINDS
def test_two_processes_that_make_the_tables_at_once_both_find_them(kind: str, tmp_path: Path) -> None:
    """Whoever comes second waits, and both write."""
    url = url_of(kind, tmp_path)
    writing = [
        subprocess.Popen([sys.executable, str(WRITES), url, "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    codes = [process.stdout.readline() if process.stdout else b"" for process in writing]
    for process in writing:
        process.kill()
    errors = [process.communicate()[1] for process in writing]

    assert 1 == sum(bool(line) for line in codes)  # they write one run, which is one's
    assert 2 == sum(b"a run id names one run" in error for error in errors)


@KINDS
def test_the_migrations_make_the_schema(kind: str, tmp_path: Path) -> None:
    """What Alembic has made is what the statements are written against, and it is told its version."""
    database = opened(url_of(kind, tmp_path))
    tables.ready(database).close()
    engine = create_engine(f"{database.dialect}://", creator=database.driver.connect)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert tables.VERSION == context.get_current_revision()
        assert [] == compare_metadata(context, metadata)
    engine.dispose()


@KINDS
async def test_the_tables_of_an_older_package_are_brought_up_to_date(kind: str, tmp_path: Path) -> None:
    """Whatever is in them stays, and goes on."""
    url, scripts = url_of(kind, tmp_path), str(Path(tables.__file__).parent / "migrations")
    database, versions = opened(url), [each.revision for each in ScriptDirectory(scripts).walk_revisions()]
    store = SqlStore(url)
    await put(store, "a", 0, at(1))
    store.close()
    engine = create_engine(f"{database.dialect}://", creator=database.driver.connect)
    for older in versions[1:]:
        with engine.connect() as connection:
            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", scripts)
            command.downgrade(config, older)
            connection.commit()
        store = SqlStore(url)
        claim = await store.claim("a")
        assert claim is not None
        await store.append("a", 1, at(2), HEAD, epoch=claim.epoch)
        assert tuple(at(1, 2)) == await store.load("a")
        store.close()
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
            assert tables.VERSION == context.get_current_revision()
            assert [] == compare_metadata(context, metadata)

    assert tables.VERSION == versions[0]
    assert len(versions) > 1
    engine.dispose()


@KINDS
async def test_tables_of_a_newer_package_are_left_alone(kind: str, tmp_path: Path) -> None:
    """They are refused with what to do."""
    url = url_of(kind, tmp_path)
    session = tables.ready(opened(url))
    connection = opened(url).driver.connect()
    connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    connection.commit()
    connection.close()
    session.close()
    store = SqlStore(url)
    with pytest.raises(StoreError, match="were made by a newer fsm_orch: upgrade"):
        await store.load("a")
    store.close()


async def test_a_file_that_is_locked_is_waited_for(tmp_path: Path) -> None:
    """Another program that holds its lock for a moment costs a moment; for longer, it is said, and nothing is lost."""
    url, path = f"sqlite:///{tmp_path}/runs.db", tmp_path / "runs.db"
    store, hasty = SqlStore(url), SqlStore(url, patience_s=0)
    await put(store, "a", 0, at(1))
    await hasty.load("a")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another program holds the lock of the file"):
        await put(hasty, "b", 0, at(1))
    waiting = asyncio.ensure_future(put(store, "a", 1, at(2)))
    await asyncio.sleep(0)
    other.execute("ROLLBACK")
    other.close()
    await waiting

    assert (tuple(at(1, 2)), ()) == (await store.load("a"), await store.load("b"))
    store.close()
    hasty.close()


async def test_a_disk_that_is_full_is_said(tmp_path: Path) -> None:
    """What does not fit is refused with what to do, and what was kept stays; with room again, it goes on."""
    store = SqlStore(f"sqlite:///{tmp_path}/runs.db")
    await put(store, "a", 0, at(1))

    def room(pages: int) -> Any:
        return lambda session: session._connection.execute(f"PRAGMA max_page_count={pages}").fetchall() and None

    await store._do(room(1))
    large = [inputs.Cancelled(detail="x" * 500_000, at=1.0)]
    with pytest.raises(StoreError, match="the disk is full: make room"):
        await put(store, "a", 1, large)
    assert tuple(at(1)) == await store.load("a")
    await store._do(room(1_000_000))
    await put(store, "a", 1, large)

    assert (*at(1), *large) == await store.load("a")
    store.close()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.write_bytes(b"no database" * 999), "the file is no database of SQLite"),
        (lambda path: path.mkdir(), "the file cannot be opened"),
    ],
    ids=["garbage", "folder"],
)
async def test_a_file_that_is_none_is_said(make: Any, why: str, tmp_path: Path) -> None:
    """A file of something else, or none, is refused with what is wrong."""
    make(tmp_path / "runs.db")
    store = SqlStore(f"sqlite:///{tmp_path}/runs.db")
    with pytest.raises(StoreError, match=why):
        await store.load("a")
    store.close()


async def test_a_connection_that_may_not_write_is_said(tmp_path: Path) -> None:
    """A file that is read-only is refused by name; once it is writable again, the store goes on."""
    store = SqlStore(f"sqlite:///{tmp_path}/runs.db")
    await put(store, "a", 0, at(1))
    await store._do(lambda session: session._connection.execute("PRAGMA query_only=1").fetchall() and None)
    with pytest.raises(StoreError, match="is not writable"):
        await put(store, "a", 1, at(2))
    connection: Any = store._writer._session
    connection._connection.execute("PRAGMA query_only=0")
    await put(store, "a", 1, at(2))

    assert tuple(at(1, 2)) == await store.load("a")
    store.close()


@KINDS
async def test_one_that_cannot_be_stored_fails_alone(kind: str, tmp_path: Path) -> None:
    """Of many appends in one transaction, one that the database refuses takes no other with it."""
    store = SqlStore(url_of(kind, tmp_path))
    await store.load("a")
    bad = Head("a", tokens=1 << 70)
    done = await asyncio.gather(
        *(store.append(f"r{n}", 0, at(1), bad if n == 7 else HEAD, epoch=1) for n in range(40)), return_exceptions=True
    )

    assert [7] == [n for n, one in enumerate(done) if one is not None]
    assert isinstance(done[7], StoreError)
    assert 39 == len(await store.list(limit=100))
    store.close()


@KINDS
async def test_many_appends_are_one_transaction(kind: str, tmp_path: Path) -> None:
    """What is asked for while one transaction is written goes into the next, up to 512 of it."""
    store, counts = SqlStore(url_of(kind, tmp_path)), list[int]()
    await store.load("a")
    play = store._writer._play
    store._writer._play = lambda session, works: counts.append(len(works)) or play(session, works)  # type: ignore[func-returns-value]
    await asyncio.gather(*(put(store, f"r{n}", 0, at(1)) for n in range(1_100)))

    assert (1_100, 512) == (sum(counts), max(counts))
    assert len(counts) < 100
    store.close()


async def test_the_writer_outlives_whatever_is_raised_in_it(tmp_path: Path) -> None:
    """An exit in its thread is told to who asked, and the next in line is served."""
    store = SqlStore(f"sqlite:///{tmp_path}/runs.db")
    for error in (SystemExit(3), KeyboardInterrupt(), MemoryError(), ValueError("secret")):

        def fails(session: Any, error: BaseException = error) -> None:
            raise error

        with pytest.raises(StoreError, match=type(error).__name__) as told:
            await store._do(fails)
        assert "secret" not in str(told.value)
    await put(store, "a", 0, at(1))
    assert tuple(at(1)) == await store.load("a")
    store.close()


async def test_a_closed_store_has_done_what_it_was_asked(tmp_path: Path) -> None:
    """What was on its way is kept, and what comes later is refused."""
    url = f"sqlite:///{tmp_path}/runs.db"
    store = SqlStore(url)
    asked = [asyncio.ensure_future(put(store, f"r{n}", 0, at(1))) for n in range(9)]
    await asyncio.sleep(0)
    await asyncio.to_thread(store.close)
    store.close()
    await asyncio.gather(*asked)
    with pytest.raises(StoreError, match="is closed"):
        await put(store, "b", 0, at(1))
    again = SqlStore(url)

    assert 9 == len(await again.list())
    again.close()


def test_a_store_that_is_forgotten_ends_its_thread(tmp_path: Path) -> None:
    """Nobody has to close it."""
    before = threading.active_count()
    store = SqlStore(f"sqlite:///{tmp_path}/runs.db")
    asyncio.run(store.load("a"))
    del store

    assert before == threading.active_count()


def test_a_fork_has_a_store_of_its_own(tmp_path: Path) -> None:
    """The child writes on, by its own connection and as another worker; the parent's is not touched."""
    store = SqlStore(f"sqlite:///{tmp_path}/runs.db")
    asyncio.run(put(store, "a", 0, at(1)))
    child = os.fork()
    if not child:
        try:
            asyncio.run(put(store, "b", 0, at(1)))
            with pytest.raises(StoreError):
                asyncio.run(put(store, "a", 1, at(2)))
            store.close()
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert 0 == os.waitpid(child, 0)[1]
    asyncio.run(put(store, "a", 1, at(2)))

    assert tuple(at(1)) == asyncio.run(store.load("b"))
    store.close()


def test_what_a_fork_has_stored_outlives_its_parent(tmp_path: Path) -> None:
    """The parent closes the last connection that has the locks of SQLite, and deletes no log that the child writes."""
    url = f"sqlite:///{tmp_path}/runs.db"
    store, (goes, tell) = SqlStore(url), os.pipe()
    asyncio.run(put(store, "a", 0, at(1)))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    child = os.fork()
    if not child:
        try:
            asyncio.run(put(store, "b", 0, at(1)))
            os.write(tell, b".")
            signal.sigwait([signal.SIGUSR1])
            asyncio.run(put(store, "c", 0, at(1)))
            store.close()
            os._exit(0)
        except BaseException:
            os._exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert b"." == os.read(goes, 1)
    store.close()
    again = SqlStore(url)
    asyncio.run(put(again, "d", 0, at(1)))
    again.close()
    os.kill(child, signal.SIGUSR1)
    assert 0 == os.waitpid(child, 0)[1]
    os.close(goes)
    os.close(tell)

    kept = SqlStore(url)
    assert tuple(at(1)) == asyncio.run(kept.load("c"))
    kept.close()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("runs.db", "a store is named by 'sqlite:///FILE' or 'postgresql"),
        ("mysql://root:hunter2@localhost/x", "a store is named by"),
        ("sqlite://", "a store in SQLite is a file"),
        ("sqlite:///:memory:", "a store in SQLite is a file"),
        ("sqlite:///runs.db?sync=off", "takes .sync=full or .sync=normal"),
        ("sqlite:///runs.db?mode=ro", "takes .sync=full or .sync=normal"),
        ("sqlite://[hunter2/x", "a store in SQLite is a file"),
        ("postgresql://root:hunter2@localhost:port/x", "this is no URL of PostgreSQL"),
        ("postgresql://root:hunter2%zz@localhost/x", "this is no URL of PostgreSQL"),
        ("postgresql://localhost/x?password=hunter2%zz", "this is no URL of PostgreSQL"),
        ("postgresql://root:12/hunter2@localhost/x", "%2F for /"),
        ("postgresql://root:my@hunter2@localhost/x", "%40 for @"),
    ],
)
def test_a_url_that_names_no_database_is_refused(url: str, why: str) -> None:
    """Where the runner is made, with what is expected, and without what may be a password."""
    with pytest.raises(StartError, match=why) as told:
        Runner(Support, model=ScriptedModel([]), store=url)
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [("sqlite:///a.db", "fsm_orch.store.sql", "sql"), ("postgresql://h/d", "fsm_orch.store.sql.postgres", "postgres")],
)
def test_an_extra_that_is_missing_is_named(url: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is not installed is a StartError that says what to install."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(StartError, match=f"install the extra `{extra}`"):
        store_at(url)


async def test_no_error_holds_a_password() -> None:
    """A server that refuses a user, or is not there, is named by its place alone."""
    url = postgres().url
    for wrong, why in (
        (url.replace("//postgres:", "//nobody:"), 'role "nobody" does not exist'),
        ("postgresql://root:secret@127.0.0.1:1/x", "refused"),
    ):
        store = SqlStore(wrong, patience_s=0)
        with pytest.raises(StoreError, match=why) as told:
            await store.load("a")
        assert "secret" not in f"{told.value!r} {told.value.__cause__!r} {store!r} {vars(store)!r}"
        store.close()


async def test_a_runner_takes_a_url(tmp_path: Path) -> None:
    """Its runs are kept in a file that another runner goes on from, or reads."""
    url = f"sqlite:///{tmp_path}/runs.db?sync=normal"
    result = await Runner(Support, model=ScriptedModel([BILLING, REFUND]), store=url).run(Ticket(query="please"))
    again = Runner(Support, model=ScriptedModel([]), store=url)

    assert result.journal == (await again.resume(result.run_id)).journal


@pytest.mark.parametrize(("url", "level"), [("", 2), ("?sync=normal", 1)])
async def test_commits_survive_a_loss_of_power_unless_said_otherwise(url: str, level: int, tmp_path: Path) -> None:
    """Full is the default."""
    store = SqlStore(f"sqlite:///{tmp_path}/runs.db{url}")
    rows = await store._do(lambda session: session._connection.execute("PRAGMA synchronous").fetchall())

    assert [(level,)] == rows
    store.close()


async def test_a_name_that_no_database_holds_is_refused(tmp_path: Path) -> None:
    """The character 0 ends texts in one and is refused by the other."""
    store = SqlStore(f"sqlite:///{tmp_path}/runs.db")
    with pytest.raises(StoreError, match="holds the character 0"):
        await put(store, "a\x00b", 0, at(1))
    store.close()


async def test_a_statement_is_compiled_once_in_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second store, its connection, and a page by the same filters compile nothing again."""
    url = f"sqlite:///{tmp_path}/runs.db"
    first = SqlStore(url)
    await first.list(status="running")
    for module in ("statements", "pages"):
        monkeypatch.setattr(f"fsm_orch.store.sql.{module}.text_of", None)
    second = SqlStore(url)

    assert [] == await second.list(status="running")
    first.close()
    second.close()


@pytest.mark.slow
async def test_a_process_that_is_stopped_in_a_transaction_holds_no_other_up_for_good() -> None:
    """The server ends its transaction after a while, and whoever waited for a run that it had locked goes on."""
    url = postgres().database("fresh")
    stopped, other = SqlStore(url, lease_s=0), SqlStore(url)
    await put(stopped, "a", 0, at(1))
    woken = threading.Event()

    def stops(session: Any) -> int:
        """Lock the run, and stop; once woken, go on, in a new transaction if this one was ended."""
        session.rows(stopped._statements.find, {"ids": stopped._database.driver.ids(["a"])})
        woken.wait()
        return len(session.rows(stopped._statements.find, {"ids": stopped._database.driver.ids(["a"])}))

    stopping = asyncio.ensure_future(stopped._do(stops))
    await asyncio.sleep(0.1)
    claim = await other.claim("a")
    woken.set()

    assert claim is not None
    assert 1 == await stopping
    for store in (stopped, other):
        store.close()


async def test_a_beat_forgets_workers_that_are_long_dead(tmp_path: Path) -> None:
    """One whose lease ended a moment ago stays; the runs of one that is forgotten may be claimed."""
    url = f"sqlite:///{tmp_path}/runs.db"
    long_dead, dead, alive = (SqlStore(url, lease_s=lease_s) for lease_s in (-86_400.0, -1.0, 60.0))
    for store in (long_dead, dead):
        await put(store, f"of {store._owner}", 0, at(1))
        await store.beat()
    await alive.beat()
    owners = {row[0] for row in sqlite3.connect(tmp_path / "runs.db").execute("SELECT id FROM fsm_workers")}
    claim = await alive.claim(f"of {long_dead._owner}")

    assert {dead._owner, alive._owner} == owners
    assert claim is not None
    assert long_dead._owner == claim.taken_from
    for store in (long_dead, dead, alive):
        store.close()


@pytest.mark.parametrize(
    ("column", "value"),
    [("status", "'bogus'"), ("began_at", "'soon'"), ("expires_at", "'late'"), ("hops", "'many'"), ("state", "X'ff'")],
)
async def test_a_row_that_was_changed_by_hand_is_told_by_its_run(column: str, value: str, tmp_path: Path) -> None:
    """A list would show it as anything; a worker finds its runs all the same."""
    store = SqlStore(f"sqlite:///{tmp_path}/runs.db")
    for run in "ab":
        await store.append(run, 0, [inputs.Started(run_id=run, context={}, digest="d")], Head("a"), epoch=1)
        await store.release(run, epoch=1)
    with sqlite3.connect(tmp_path / "runs.db") as connection:
        connection.execute(f"UPDATE fsm_runs SET {column} = {value} WHERE id = 'a'")
    with pytest.raises(StoreError, match=r"^the row of run 'a' in fsm_runs cannot be read.*Mend it"):
        await store.list()
    found = await store.claimable(["d"], expired_before=0.0)
    store.close()

    assert "b" in [row.run_id for row in found]


async def test_forks_that_nobody_asked_for_slow_no_worker(tmp_path: Path) -> None:
    """What should be driven is found by an index that forks are not in."""
    url = url_of("sqlite", tmp_path)
    store = SqlStore(url)
    await store.claimable(["d"], expired_before=0.0)
    store.close()
    claimable = statements("sqlite").claimable
    connection = sqlite3.connect(url.removeprefix("sqlite:///").partition("?")[0])
    values = {**claimable.fixed, "digests": "[]", "expired_before": 0.0, "limit": 50, "me": "w"}
    plan = connection.execute(f"EXPLAIN QUERY PLAN {claimable.text}", values).fetchall()
    connection.close()

    assert any("USING INDEX fsm_runs_running" in row[3] for row in plan), plan


@KINDS
async def test_runs_that_were_never_rebound_cost_one_statement(kind: str, tmp_path: Path) -> None:
    """A list, a look and a journal ask for rebindings only where there are some."""
    store, asked = SqlStore(url_of(kind, tmp_path)), list[Statement]()
    for run in "ab":
        await store.append(run, 0, [inputs.Started(run_id=run, context={}, digest="d")], HEAD, epoch=1)
        await store.release(run, epoch=1)
    session: Any = store._writer._session
    rows = session.rows
    session.rows = lambda statement, values: asked.append(statement) or rows(statement, values)

    async def counts() -> list[int]:
        found = []
        for ask in (store.list(), store.claimable(["d"], expired_before=0.0), store.load("a"), store.load("b")):
            asked.clear()
            await ask
            found.append(len(asked))
        return found

    assert [1, 1, 1, 1] == await counts()
    await store.rebind("a", Rebound(was="d", digest="d", inputs=1))
    assert [2, 2, 2, 1] == await counts()
    store.close()
