"""Servers of tests: none stays behind, however the tests end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

import psycopg
import pytest
from support import servers
from support.fleet import wait_until
from support.patience import in_time

STARTS = """
from support import servers
server = servers.own_NAME()
print(server.url, server._folder, flush=True)
WHAT
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["postgres", "temporal", "redis", "prometheus"])
@pytest.mark.parametrize("how", ["ends", "raises", "SIGTERM", "SIGKILL"])
def test_no_server_stays_behind(how: str, name: str) -> None:
    """Its process and its folder are gone once the tests are, whether these end, fail or are killed."""
    getattr(servers, name)()  # or it is a skip
    what = {"ends": "", "raises": "raise KeyboardInterrupt"}.get(how, "input()")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", STARTS.replace("NAME", name).replace("WHAT", what)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
    ) as starting:  # fmt: skip
        assert starting.stdout is not None
        with in_time(starting):
            url, folder = starting.stdout.readline().split()
        port = url.rpartition(":")[2].partition("/")[0]
        if how.startswith("SIG"):
            starting.send_signal(signal.Signals[how])
    wait_until(lambda: not Path(folder).exists() and is_free(int(port)))

    assert "fsm_orch_" in folder


def programs_with(folder: Path, initdb: str) -> Path:
    """Return a folder with the programs of PostgreSQL, of which one is a script.

    Args:
        initdb: the script, in which INITDB is the real one.
    """
    servers.postgres()  # or it is a skip
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [Path(which("initdb") or "").parent]
    script = folder / "initdb"
    script.write_text(f"#!/bin/sh\n{initdb.replace('INITDB', str(found[-1] / 'initdb'))}\n")
    for each in (folder, script):
        each.chmod(0o755)
    (folder / "pg_ctl").symlink_to(found[-1] / "pg_ctl")
    return folder


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Give a folder that the user of the server may read, as it may not that of pytest."""
    with TemporaryDirectory(prefix="fsm_orch_") as folder:
        yield Path(folder)


@pytest.mark.slow
def test_a_program_of_a_server_that_is_stopped_for_a_moment_goes_on(open_folder: Path) -> None:
    """Nothing beside it stays stopped, as `runuser` does when what it runs is stopped."""
    goes_on = "(while kill -CONT $$; do sleep 0.1; done) & kill -STOP $$"
    server = servers.PostgresServer(programs_with(open_folder, f'{goes_on}; exec INITDB "$@"'))
    server.stop()


@pytest.mark.slow
def test_a_program_of_a_server_that_does_not_end_is_a_failure(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for no longer than anything else is."""
    programs = programs_with(open_folder, "exec sleep 600")
    monkeypatch.setattr(servers, "PATIENCE_S", 0.5)

    with pytest.raises(subprocess.TimeoutExpired, match="initdb"):
        servers.PostgresServer(programs)


@pytest.mark.slow
def test_a_statement_that_waits_for_a_lock_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that somebody left open lets no test wait for ever."""
    server = servers.postgres()
    with servers.asking(server.url) as holds:
        holds.execute("LOCK TABLE fsm_runs IN ACCESS SHARE MODE")
        monkeypatch.setattr(servers, "PATIENCE_S", 1.0)

        with pytest.raises(psycopg.errors.QueryCanceled):
            server.empty()


def is_free(port: int) -> bool:
    """Return whether nothing listens on a port."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("postgres", "PostgreSQL"),
        ("temporal", "Temporal's server"),
        ("redis", "Redis"),
        ("prometheus", "Prometheus"),
    ],
)
@pytest.mark.parametrize(("required", "raised"), [("required", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_server_that_is_not_installed_is_a_skip_or_a_failure(
    required: str, raised: type[BaseException], name: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where servers are required, as in `.ci/run`, no test passes for want of one."""
    monkeypatch.setenv("FSM_ORCH_SERVERS", required)
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))
    monkeypatch.setattr(Path, "exists", lambda _: False)
    monkeypatch.setattr("shutil.which", lambda _: None)

    with pytest.raises(raised, match=f"{shown} is not installed"):
        getattr(servers, f"own_{name}")()
