"""Forks of the process: no connection is open meanwhile.

Else the locks of SQLite would be those of the parent alone, and what the child has committed would be lost with the log
that the parent deletes.
"""

from __future__ import annotations

import os
import threading
from typing import Protocol
from weakref import WeakSet


class Pauses(Protocol):
    """What has a connection."""

    def pause(self) -> None:
        """Close the connection, and open none until `go_on` is called, by the same thread."""
        ...

    def go_on(self) -> None:
        """Go on, in the parent and in the child."""
        ...


_connected: WeakSet[Pauses] = WeakSet()
"""All of this process."""
_forking = threading.Lock()
"""Held during a fork: of two threads that fork, each would wait for connections that the other has paused."""
_paused: list[Pauses] = []
"""Those that wait for a fork to be over."""


def pauses_at_forks(each: Pauses) -> None:
    """Have something paused at each fork from now on, as long as it lives."""
    _connected.add(each)


def _before_fork() -> None:
    _forking.acquire()
    for each in tuple(_connected):
        each.pause()
        _paused.append(each)


def _after_fork() -> None:
    while _paused:
        _paused.pop().go_on()
    _forking.release()


if hasattr(os, "register_at_fork"):  # else this system has none
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
