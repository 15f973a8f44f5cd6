"""Starts and stops servers for tests, and nothing else does: by their id, in a scratch folder, on a free port.

A server is started when a test first needs it, and stopped when the tests end, even if they are killed. One that is not
installed is a skip; with `FSM_ORCH_SERVERS=required`, as `.ci/run` sets it, it is a failure.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import psycopg
import pytest

from fsm_orch.store.sql.schema import metadata
from fsm_orch.store.sql.tables import ready
from fsm_orch.store.sql.url import opened

_END = 'read line; folder=$1; shift; "$@"; exec rm -rf -- "$folder"'
"""Waits until its input ends, which it does with the process that has the other end, however that dies."""


class PostgresServer:
    """A server of PostgreSQL in a folder of its own.

    Args:
        programs: the folder of `initdb` and `pg_ctl`.
    """

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="fsm_orch_pg_"))
        if os.geteuid() == 0:  # the server refuses to be root's
            shutil.chown(self._folder, "postgres", "postgres")
        command = ["sh", "-c", _END, "sh", str(self._folder), *self._command("pg_ctl", "-m", "immediate", "stop")]
        self._ending = subprocess.Popen(  # in a session of its own, so that Ctrl-C leaves it alone
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        atexit.register(self._ending.communicate)
        self.port = _free_port()
        self.url = f"postgresql://postgres:secret@127.0.0.1:{self.port}/postgres"
        self._run("initdb", "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        self.start()
        ready(opened(self.url)).close()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1"
        self._run("pg_ctl", "-w", "-l", str(self._folder / "log"), "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it; immediately is as if it had crashed."""
        self._run("pg_ctl", "-w", "-m", mode, "stop")

    def empty(self) -> None:
        """Empty all tables."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"TRUNCATE {', '.join(metadata.tables)}")

    def database(self, name: str) -> str:
        """Make a database without tables, and return its URL."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {name}")
        return self.url.removesuffix("postgres") + name

    def _run(self, program: str, *words: str) -> None:
        command = self._command(program, *words)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self._folder)

    def _command(self, program: str, *words: str) -> Sequence[str]:
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        return [*user, str(self._programs / program), "-D", str(self._folder / "data"), *words]


@cache
def postgres() -> PostgresServer:
    """Return a server that all tests of this process share."""
    return own_postgres()


def own_postgres() -> PostgresServer:
    """Return a server that a test may stop."""
    found: Sequence[Path] = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    program = str(found[-1]) if found else shutil.which("initdb")
    if program is None:
        missing("PostgreSQL is not installed: in Debian it is the package `postgresql`")
    return PostgresServer(Path(str(program)).parent)


def missing(what: str) -> None:
    """Skip the test that needs a server, or fail it where servers are required."""
    if os.environ.get("FSM_ORCH_SERVERS") == "required":
        pytest.fail(what)
    pytest.skip(what)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
