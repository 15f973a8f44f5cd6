"""One process that drives a run until it is killed at its n-th point, and what it wrote down until then."""

from __future__ import annotations

import json
import os
import signal
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from ..kernel.configuration import Configuration
from .witness import Point

HANGS_S = 60
"""For how long a process may be at work; none should be for a second."""


class Killer:
    """A witness that writes down what it sees, and ends its process at a point.

    Args:
        file: what is written is appended to it; a line that was written survives the process.
        kill_at: which point ends the process, from 1; 0: none does.
    """

    def __init__(self, file: Path, kill_at: int) -> None:
        self._out = os.open(file, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self._kill_at = kill_at
        self._numbers = count(1)  # the thread of the store counts too
        self._calls = count()
        self.points = 0

    def close(self) -> None:
        """Close the file."""
        os.close(self._out)

    def write(self, kind: str, **said: Any) -> None:
        """Write a line."""
        os.write(self._out, (json.dumps({"kind": kind, **said}) + "\n").encode())

    def reached(self, point: Point) -> None:
        """Count a point, and end the process if it is the one."""
        self.points = number = next(self._numbers)
        if number == self._kill_at:
            self.write("killed", point=point)
            os.kill(os.getpid(), signal.SIGKILL)

    def sent(self, visit: str, request: str) -> int:
        """Write down a request."""
        self.write("sent", visit=visit, request=request)
        return next(self._calls)

    def paid(self, number: int, tokens: int) -> None:  # noqa: ARG002 - as witnesses are told
        """Write down what a request has cost."""
        self.write("paid", tokens=tokens)

    def begun(self, key: str, *, is_once: bool) -> None:
        """Write down an effect."""
        self.write("begun", key=key, is_once=is_once)


def in_a_process(drive: Callable[[], object], killer: Killer) -> None:
    """Have something done in a process of its own, a fork of this one, and wait until that has ended.

    Args:
        drive: does it.
        killer: writes down what it raises; closed here once it is done.
    """
    with warnings.catch_warnings():  # of threads of this process, which are not in the child: it uses none of them
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process:
        os.waitpid(process, 0)
        killer.close()
        return
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(HANGS_S)
        drive()
    except BaseException:
        killer.write("raised", error=traceback.format_exc())
    finally:
        os._exit(0)  # nothing of this process is to be done: no fixture ends, and no buffer of the parent's is written


class Story:
    """What all processes of one run wrote down.

    Args:
        file: what they wrote to.
        run_id: of the run; it is left out of the keys of visits, so that runs can be compared.
    """

    def __init__(self, file: Path, run_id: str) -> None:
        lines = file.read_text().splitlines() if file.exists() else []
        self._lines: list[Mapping[str, Any]] = [json.loads(line) for line in lines]
        self._run_id = run_id

    def of(self, kind: str) -> Iterator[Mapping[str, Any]]:
        """Yield the lines of a kind."""
        return (line for line in self._lines if line["kind"] == kind)

    @property
    def last(self) -> Mapping[str, Any]:
        """The last line."""
        return self._lines[-1] if self._lines else {"kind": "nothing"}

    @property
    def paid(self) -> int:
        """What all requests that were answered have cost."""
        return sum(line["tokens"] for line in self.of("paid"))

    def sent(self) -> Counter[tuple[str, str]]:
        """Return how often each request was sent in each visit."""
        return Counter((line["visit"].removeprefix(self._run_id), line["request"]) for line in self.of("sent"))

    def lost(self) -> Counter[str]:
        """Return how many calls of each visit were open when a process went on that had not begun the run."""
        lost = Counter[str]()
        for line in self.of("found"):
            lost.update({visit.removeprefix(self._run_id): calls for visit, calls in line["open"].items()})
        return lost

    def twice(self) -> list[str]:
        """Return the keys of what must not be done twice, and was begun so."""
        often = Counter(line["key"] for line in self.of("begun") if line["is_once"])
        return [key for key, times in often.items() if times > 1]


def open_calls(now: Configuration) -> dict[str, int]:
    """Return how many calls are open of each visit under way, by its key, here and in all machines inside."""
    if now.visit is None:
        return {}
    found = {now.key: len(now.visit.open)} if now.visit.open else {}
    for ask in now.visit.asks.values():
        if ask.child is not None:
            found |= open_calls(ask.child)
    return found
