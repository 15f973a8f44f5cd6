"""Webhooks of a process that is killed: whoever delivers next tells what it has not told."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.approvals import PayBack
from support.databases import KINDS, url_of
from support.patience import in_time
from support.receiver import SECRET, Receiver, receiving
from support.stubbed import environment

from fsm_orch import Runner
from fsm_orch.service.webhooks import Webhooks
from fsm_orch.store import Listed
from fsm_orch.store.sql import SqlStore

NORMAL = 0
Killed = Callable[[str, str, int], int]


@pytest.fixture(scope="module")
def killed() -> Iterator[Killed]:
    """Give what runs a claim in a process that is killed at a place, and returns how that ended."""
    line = [sys.executable, "-m", "support.killed_telling"]
    pipe = subprocess.PIPE
    with subprocess.Popen(line, env=environment(), stdin=pipe, stdout=pipe, text=True) as begins:
        assert begins.stdin is not None
        assert begins.stdout is not None
        read, write = begins.stdout, begins.stdin

        def at(store: str, receiver: str, place: int) -> int:
            print(store, receiver, place, file=write, flush=True)
            with in_time(begins):
                return int(read.readline())

        yield at
        write.close()


async def told_by_another(url: str, receiver: Receiver) -> Listed | None:
    """Deliver what is left, once what the dead process held is free. Return the run, if it is there."""
    store = SqlStore(url)
    hooks = Webhooks(
        receiver.url,
        secret=SECRET,
        is_http_allowed=True,
        is_private_allowed=True,
        wall_clock=lambda: time.time() + 200,
        drain_s=60,
    )
    async with hooks.delivering(Runner(PayBack, store=store)):
        pass
    rows = await store.list(run_id="r1")
    store.close()
    return rows[0] if rows else None


async def lost_and_told(url: str, place: int, killed: Killed) -> tuple[int, list[str], list[str]]:
    """Kill a process at a place, and have another tell. Return how it ended, and what both have told."""
    with receiving(Receiver()) as receiver:
        code = await asyncio.to_thread(killed, url, receiver.url, place)
        before = receiver.ids
        run = await told_by_another(url, receiver)
        ids = receiver.ids
        assert len(ids) == len(receiver.said())

    assert code in (NORMAL, -signal.SIGKILL)
    assert set(ids) <= {"r1:0:1", "r1:ended"}
    if run is not None and run.head.status == "waiting":  # it asks still
        assert "r1:0:1" in ids
    if run is not None and run.head.status == "finished":
        assert "r1:ended" in ids
    return code, before, ids[len(before) :]


@pytest.mark.slow
@KINDS
async def test_nothing_is_lost_wherever_a_process_is_killed(kind: str, tmp_path: Path, killed: Killed) -> None:
    """It is killed at each thing it asks of store and receiver; question and end are told by either, or by both."""
    seen, place, code = set[tuple[bool, bool]](), 0, -signal.SIGKILL
    ends = set[tuple[bool, bool]]()
    while code != NORMAL:
        (folder := tmp_path / str(place)).mkdir()
        code, first, second = await lost_and_told(url_of(kind, folder, "killed"), place, killed)
        seen.add(("r1:0:1" in first, "r1:0:1" in second))
        ends.add(("r1:ended" in first, "r1:ended" in second))
        place += 1

    every = {(False, False), (False, True), (True, False), (True, True)}
    assert every == seen
    assert every == ends
    assert place > 15


async def test_a_question_outlives_the_process_that_asked_it(tmp_path: Path, killed: Killed) -> None:
    """A process is killed when its run waits and nobody was told: another one tells."""
    for place in range(1, 20):
        (folder := tmp_path / str(place)).mkdir()
        _, first, second = await lost_and_told(f"sqlite:///{folder / 'runs.db'}", place, killed)
        if second:
            break

    assert ([], ["r1:0:1"]) == (first, second)
