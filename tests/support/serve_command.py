"""`fsm-orch serve` in a process of its own, at a free port, and what it says."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support.fleet import SCRIPT, wait_until
from support.patience import PATIENCE_S

STEPS = "support.serving_alone"
"""A machine whose second step waits until there is a file."""

_AT_HANGUP = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.Handlers(int(sys.argv[1])))
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Begins what follows in its own place, with SIGHUP as is wished: not in a fork of a process that has threads."""


class ServeProcess:
    """A service in a process of its own, or several, which ends with its block.

    Args:
        folder: where it is begun, and has its log.
        words: further arguments of the command.
        environment: further variables.
        name: of the command; another than `serve` writes no `serve_started`.
        hangup: what is done at SIGHUP to begin with, whoever runs the tests; ignored, as `nohup` has it, or not.
    """

    def __init__(
        self,
        folder: Path,
        *words: str,
        target: str = STEPS,
        environment: Mapping[str, str] | None = None,
        name: str = "serve",
        hangup: signal.Handlers = signal.SIG_DFL,
    ) -> None:
        self._out, self._log = (folder / f"serve{time.monotonic_ns()}.{each}" for each in ("out", "log"))
        command = [sys.executable, "-c", _AT_HANGUP, str(int(hangup))]
        command += [sys.executable, str(SCRIPT), name, target, "--port", "0", *words]
        known = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(environment or {})}
        with self._out.open("wb") as out, self._log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, env=known, stdout=out, stderr=log)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.send(signal.SIGKILL)
            self.ended()

    def url(self, workers: int = 1) -> str:
        """Wait until so many processes serve; return where."""
        wait_until(lambda: self._serves(workers), lambda: self.said)
        return str(self.events("serve_started")[0]["url"])

    def _serves(self, workers: int) -> bool:
        assert self.process.poll() is None, self.said
        return len(self.events("serve_started")) >= workers

    def send(self, what: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(what)

    def ended(self) -> int:
        """Wait until it has ended; return its exit code."""
        return self.process.wait(PATIENCE_S)

    @property
    def said(self) -> str:
        """All that it has written."""
        return self._out.read_text() + self._log.read_text()

    @property
    def screen(self) -> str:
        """What it shows to people."""
        return self._out.read_text()

    def label(self, name: str) -> str:
        """Return a line of the screen."""
        found = re.search(rf"^  {name} +(.+)$", self.screen, re.MULTILINE)
        assert found, self.said
        return found[1]

    def events(self, name: str) -> Sequence[dict[str, Any]]:
        """Return the events of its log that have a name."""
        lines = self._log.read_text().splitlines(keepends=True)
        read = [json.loads(line) for line in lines if line.endswith("\n")]  # the log is lines of JSON, and nothing else
        return [line for line in read if line["event"] == name]
