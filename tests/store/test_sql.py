"""Stores in databases: what was acknowledged is kept, whatever dies; what fails is told, with what to do."""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conformance.stores.appending import HEAD, at, put
from support.databases import KINDS, url_of
from support.desk import BILLING, REFUND, Support, Ticket
from support.patience import PATIENCE_S, in_time
from support.servers import free_port, own_postgres, postgres

from fsm_orch import Runner, ScriptedModel
from fsm_orch.errors import StoreError
from fsm_orch.kernel import inputs
from fsm_orch.store import Head
from fsm_orch.store.sql import SqlStore

WRITES = Path(__file__).parents[1] / "support" / "writes.py"


@KINDS
@pytest.mark.parametrize("seed", range(4))
def test_what_was_acknowledged_survives_a_kill(kind: str, seed: int, tmp_path: Path) -> None:
    """A process that is killed at any instant has kept all that it was told was kept, and no half of an append."""
    url, chance = url_of(kind, tmp_path, "fresh"), random.Random(seed)
    writing = subprocess.Popen([sys.executable, str(WRITES), url, "20"], stdout=subprocess.PIPE, text=True)
    assert writing.stdout is not None
    with in_time(writing):
        said = [writing.stdout.readline() for _ in range(chance.randrange(20, 400))]
    writing.send_signal(signal.SIGKILL)
    said += writing.stdout.read().splitlines(keepends=True)
    writing.wait(PATIENCE_S)
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
    store = SqlStore(url_of(kind, tmp_path, "fresh"))
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
    store, counts = SqlStore(url_of(kind, tmp_path, "fresh")), list[int]()
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


def asked_and_left(store: SqlStore, *works: Callable[[Any], Any], cancels: bool = False) -> None:
    """Have works done one after another, on a loop that is closed, or that has cancelled them, before the first is."""
    begun, goes_on = threading.Event(), threading.Event()

    def holds(_: Any) -> None:
        begun.set()
        assert goes_on.wait(30)

    async def ask() -> None:
        asked = [store._asked(work) for work in (holds, *works)]
        assert begun.wait(30)
        if cancels:
            for each in asked:
                each.cancel()
            goes_on.set()
            await store._do(lambda _: None)

    asyncio.run(ask())
    goes_on.set()
    store.close()


def fails(_: Any) -> None:
    raise ValueError("sk-secret")


@pytest.mark.parametrize("cancels", [False, True])
def test_what_could_not_be_stored_is_logged_if_nobody_waits_for_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, cancels: bool
) -> None:
    """The loop that asked is closed, or who asked was cancelled: a line says what the problem was, and no value."""
    asked_and_left(SqlStore(f"sqlite:///{tmp_path}/runs.db"), fails, lambda _: None, fails, cancels=cancels)

    assert [logging.WARNING] * 2 == [each.levelno for each in caplog.records]
    for told in caplog.messages:
        assert told.startswith("1 thing(s) that nobody waits for any more were not stored: the store sqlite:///")
        assert told.endswith("could not do it (ValueError)")


def test_a_database_that_stays_away_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Of all that it did not take after the loop was closed one line tells."""
    store = SqlStore(f"postgresql://somebody@127.0.0.1:{free_port()}/nothing", patience_s=0.2)

    async def ask() -> None:
        for _ in range(5):
            store._asked(lambda _: None)

    asyncio.run(ask())
    store.close()

    assert 5 == sum(int(told.split()[0]) for told in caplog.messages)
    assert len(caplog.messages) < 3


@pytest.mark.parametrize("cancels", [False, True])
def test_what_was_stored_is_not_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture, *, cancels: bool) -> None:
    """What nobody waits for any more and was done is nobody's trouble."""
    asked_and_left(SqlStore(f"sqlite:///{tmp_path}/runs.db"), lambda _: None, cancels=cancels)

    assert [] == caplog.messages


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


async def test_a_name_that_no_database_holds_is_refused(tmp_path: Path) -> None:
    """The character 0 ends texts in one and is refused by the other."""
    store = SqlStore(f"sqlite:///{tmp_path}/runs.db")
    with pytest.raises(StoreError, match="holds the character 0"):
        await put(store, "a\x00b", 0, at(1))
    store.close()


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
