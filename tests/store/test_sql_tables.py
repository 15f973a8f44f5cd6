"""The tables of a database: made once, brought up to date from any older package, and left alone if newer."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from conformance.stores.appending import HEAD, at, put
from sqlalchemy import create_engine
from support.databases import KINDS, url_of
from support.patience import in_time

from fsm_orch.errors import StoreError
from fsm_orch.store.sql import SqlStore, tables
from fsm_orch.store.sql import sqlite as sqlite_driver
from fsm_orch.store.sql.schema import VERSION_TABLE, metadata
from fsm_orch.store.sql.session import Opened, Session
from fsm_orch.store.sql.url import opened

WRITES = Path(__file__).parents[1] / "support" / "writes.py"


@KINDS
def test_two_processes_that_make_the_tables_at_once_both_find_them(kind: str, tmp_path: Path) -> None:
    """Whoever comes second waits, and both write."""
    url = url_of(kind, tmp_path, "fresh")
    writing = [
        subprocess.Popen([sys.executable, str(WRITES), url, "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    codes = list[bytes]()
    for process in writing:
        with in_time(process):
            codes.append(process.stdout.readline() if process.stdout else b"")
    for process in writing:
        process.kill()
    errors = [process.communicate()[1] for process in writing]

    assert 1 == sum(bool(line) for line in codes)  # they write one run, which is one's
    assert 2 == sum(b"a run id names one run" in error for error in errors)


async def test_a_new_file_that_another_holds_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tables are made once its lock is free, also if that was taken just before they were to be made."""
    monkeypatch.setattr(sqlite_driver, "_BUSY_S", 0.01)
    holder = sqlite3.connect(tmp_path / "runs.db", isolation_level=None, check_same_thread=False)
    found, is_held = tables._version, Event()

    def looked(database: Opened, session: Session) -> str | None:
        version = found(database, session)
        if not is_held.is_set():
            holder.execute("BEGIN IMMEDIATE")
            is_held.set()
        return version

    monkeypatch.setattr(tables, "_version", looked)
    store = SqlStore(f"sqlite:///{tmp_path / 'runs.db'}")
    listing = asyncio.ensure_future(store.list())
    await asyncio.to_thread(is_held.wait)
    await asyncio.sleep(0.3)
    assert not listing.done()
    holder.execute("ROLLBACK")

    assert [] == list(await listing)
    holder.close()
    store.close()


@KINDS
def test_the_migrations_make_the_schema(kind: str, tmp_path: Path) -> None:
    """What Alembic has made is what the statements are written against, and it is told its version."""
    database = opened(url_of(kind, tmp_path, "fresh"))
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
    url, scripts = url_of(kind, tmp_path, "fresh"), str(Path(tables.__file__).parent / "migrations")
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
    url = url_of(kind, tmp_path, "fresh")
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
