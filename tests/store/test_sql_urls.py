"""URLs of databases: what names none is refused, with what is expected and without a password."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import closing
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from support.desk import BILLING, REFUND, Support, Ticket
from support.servers import postgres

from fsm_orch import Runner, ScriptedModel
from fsm_orch.errors import StartError, StoreError
from fsm_orch.store import store_at
from fsm_orch.store.base import LEASE_S
from fsm_orch.store.sql import SqlStore
from fsm_orch.store.sql.url import limited, opened


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


def silent_s(url: str) -> tuple[float, float]:
    """Return after how long a connection gives up a host that is gone: while it waits, and with something sent."""
    tcp = socket.IPPROTO_TCP
    with closing(opened(url).driver.connect()) as connection, socket.socket(fileno=os.dup(connection.fileno())) as end:
        idle, interval, count, sent_ms = [
            end.getsockopt(tcp, getattr(socket, name))
            for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
        ]
        return idle + interval * count, sent_ms / 1_000


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux alone says it by these names")
def test_a_host_that_is_gone_is_given_up_after_a_lease() -> None:
    """Else each statement would wait for minutes, or for hours; who says another time in the URL has that."""
    url = postgres().url

    assert (LEASE_S, LEASE_S) == silent_s(url)
    assert (LEASE_S, 60) == silent_s(f"{url}?tcp_user_timeout=60000")
    assert (70, LEASE_S) == silent_s(f"{url}?keepalives_idle=60")


@pytest.mark.parametrize("end", ["", "?", "?application_name=x", "?keepalives_count=9&application_name=x"])
def test_what_a_url_says_stands_as_it_was(end: str) -> None:
    """What it does not say is added, and what was added is not added again."""
    url = f"postgresql://me:a%3Fb@localhost:1/x{end}"
    read, added = conninfo_to_dict(url) if end != "?" else {}, conninfo_to_dict(limited(url))

    assert read.items() <= added.items()
    assert {"keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"} <= added.keys()
    assert limited(url) == limited(limited(url))
