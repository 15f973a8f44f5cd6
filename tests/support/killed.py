"""A command that keeps a run in a file, and is killed while its model is asked."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from support.fleet import wait_until
from support.in_store import change
from support.patience import PATIENCE_S
from support.stubbed import environment

from fsm_orch.store import Listed, store_at

FILE = "runs.db"


def stored(folder: Path) -> Sequence[Listed]:
    """Return the runs of the store in a folder; none while it is not made."""

    async def listed() -> Sequence[Listed]:
        return await kept.list()

    if not (folder / FILE).exists():
        return ()
    kept = store_at(f"sqlite:///{folder / FILE}")
    try:
        return asyncio.run(listed())
    finally:
        kept.close()


def inputs(folder: Path) -> int:
    """Return how many inputs the only run has that is stored in a folder; 0 before it is."""
    return sum(run.inputs for run in stored(folder))


def killed_in_its_call(line: Sequence[str], folder: Path, *, after: int) -> str:
    """Begin a run, and kill its process once so many inputs are stored. Return the id of the run."""
    pipe = subprocess.PIPE
    with subprocess.Popen(line, cwd=folder, env=environment(), stdin=pipe, stdout=pipe, stderr=pipe) as begun:
        try:
            wait_until(lambda: inputs(folder) >= after or begun.poll() is not None)
            assert begun.poll() is None, begun.communicate(timeout=PATIENCE_S)
        finally:
            begun.kill()
        begun.communicate(timeout=PATIENCE_S)
    assert -signal.SIGKILL == begun.returncode
    (run,) = stored(folder)
    return run.run_id


def forget_leases(folder: Path) -> None:
    """Let the leases of all workers be over, as some seconds do."""
    change(folder / FILE, "UPDATE fsm_workers SET expires_at = 0")
