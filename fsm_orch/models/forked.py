"""Native libraries in a forked process: it has their memory, and none of the threads that work on it.

What such a library destroys, it waits for a thread of it, and in a forked process the wait has no end. So nothing of it
is destroyed there: what was loaded is kept, and the process ends without the library's own clean-up, which the system
makes needless.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache

_forks: list[int] = []


def is_forked() -> bool:
    """Return whether this process, or one before it, was forked after `in_child` was called."""
    return bool(_forks)


@cache  # once a process is enough, and what is registered cannot be taken back
def in_child(forget: Callable[[], None]) -> None:
    """Call a function in every process that is forked from now on, before anything else happens in it."""
    if not hasattr(os, "register_at_fork"):
        return  # a system without `fork`

    def begin() -> None:
        _forks.append(os.getpid())
        _skip_native_exit()
        forget()

    os.register_at_fork(after_in_child=begin)


def keep(thing: object) -> None:
    """Keep something for as long as the process lives, also while the interpreter ends."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _skip_native_exit() -> None:
    """End this process, once Python has ended in it, before the library can clean up."""
    libc = ctypes.CDLL(None)
    # not `os._exit` at the end of Python: other modules still have things to do then
    if hasattr(libc, "on_exit"):  # of glibc; it is called with the exit code, and `_exit` takes nothing else
        libc.on_exit(libc._exit, None)
