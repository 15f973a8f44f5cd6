"""Several processes that serve at one address: each is this command again, with the socket that the first has made."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread
from types import FrameType
from typing import Any

_AGAIN_S = 1.0
"""Seconds before a process is begun in place of one that has died."""

_COULD_NOT_START = 2
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_PROGRAM = "from fsm_orch.cli import app; app(prog_name='fsm-orch')"


class Workers:
    """Processes that serve, one begun anew for each that dies, until a signal ends them.

    Args:
        count: how many.
        words: of the command line of this process.
        listening: the socket that they have in common.
        log: told of each that died.
    """

    def __init__(self, count: int, words: Sequence[str], listening: socket.socket, log: Any) -> None:
        self._count, self._log = count, log
        self._listening, (self._ends_with_us, self._held) = listening, os.pipe()
        at = words.index("serve") + 1
        inherited = f"{listening.fileno()},{self._ends_with_us}"
        # -P: a module has the same name in each process, and this folder is not on the path of a script
        self._command = [sys.executable, "-P", "-c", _PROGRAM, *words[:at], "--inherited", inherited, *words[at:]]
        self._alive = dict[int, subprocess.Popen[bytes]]()
        self._is_ending = False
        self._came_to = 0

    def run(self) -> int:
        """Serve until all have ended; return the exit code: 0 if each was drained."""
        for each in _SIGNALS:
            signal.signal(each, self._told)
        for _ in range(self._count):
            self._begin()
        while self._alive:
            pid, status = os.wait()
            if (process := self._alive.pop(pid, None)) is not None:
                process.returncode = os.waitstatus_to_exitcode(status)
                self._ended(pid, process.returncode)
        return self._came_to

    def _ended(self, pid: int, code: int) -> None:
        if self._is_ending:
            was_told = -code in _SIGNALS  # before it served
            self._came_to = self._came_to or (0 if was_told else code if code >= 0 else 128 - code)
            return
        if code == _COULD_NOT_START:  # and would not the next time: it has said why
            self._came_to = code
            self._told(signal.SIGTERM, None)
            return
        self._log.msg("serve_worker_died", pid=pid, code=code)
        time.sleep(_AGAIN_S)
        if not self._is_ending:
            self._begin()

    def _begin(self) -> None:
        process = subprocess.Popen(  # noqa: S603 - this command, as it was given
            self._command,
            pass_fds=(self._listening.fileno(), self._ends_with_us),
            process_group=0,  # or Ctrl-C would come to it twice
        )
        self._alive[process.pid] = process
        if self._is_ending:  # a signal came meanwhile
            self._told(signal.SIGTERM, None)

    def _told(self, number: int, _: FrameType | None) -> None:
        """Send all of them the signal that came."""
        self._is_ending = True
        for pid in tuple(self._alive):
            with suppress(ProcessLookupError):
                os.kill(pid, number)  # not by its `Popen`, which would take from `os.wait` that it has ended


def inherited_from(fds: str) -> socket.socket:
    """Return the socket of a process that `Workers` has begun, which ends if that one is killed.

    Args:
        fds: of the socket, and of a pipe that nobody writes to.
    """
    listening, ends_with_it = map(int, fds.split(","))

    def watch() -> None:
        os.read(ends_with_it, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=watch, daemon=True).start()
    return socket.socket(fileno=listening)
