"""Servers of tests: none stays behind, however the tests end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support import servers
from support.fleet import wait_until

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
        url, folder = starting.stdout.readline().split()
        port = url.rpartition(":")[2].partition("/")[0]
        if how.startswith("SIG"):
            starting.send_signal(signal.Signals[how])
    wait_until(lambda: not Path(folder).exists() and is_free(int(port)))

    assert "fsm_orch_" in folder


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
