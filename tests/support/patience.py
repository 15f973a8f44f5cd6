"""How long a test waits for something at most: no wait is without an end, so that what hangs fails, and says where."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE_S = 120.0
"""How long something may take on a machine that has much else to do; nothing is measured by it."""


@contextmanager
def in_time(process: subprocess.Popen[Any], patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Kill a process that keeps the block waiting, so that who reads from it, or waits for its end, goes on.

    Args:
        patience_s: seconds that the block may take.

    Raises TimeoutError: if it was killed.
    """
    killed = threading.Event()

    def kill() -> None:
        killed.set()
        process.kill()

    late = threading.Timer(patience_s, kill)
    late.start()
    try:
        yield
    finally:
        late.cancel()
        if killed.is_set():  # whatever the block made of that
            raise TimeoutError(f"{process.args} was killed: it was waited for longer than {patience_s} s")
