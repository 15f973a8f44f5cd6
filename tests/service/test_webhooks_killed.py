"""Webhooks of a process that is killed: whoever delivers next tells what it has not told."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from support.approvals import PayBack
from support.databases import KINDS, url_of
from support.receiver import SECRET, Receiver, receiving
from support.stubbed import environment

from fsm_orch import Runner
from fsm_orch.service.webhooks import Webhooks
from fsm_orch.store.sql import SqlStore

NORMAL = 0


async def ended(line: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Wait for a process that begins."""
    run = partial(subprocess.run, line, env=environment(), check=False, capture_output=True, text=True, timeout=120)
    return await asyncio.to_thread(run)


async def killed_at(place: int, url: str) -> int:
    """Kill a process that runs a claim at one of its points, have another tell, and return how the first ended."""
    with receiving(Receiver()) as receiver:
        line = [sys.executable, "-m", "support.killed_telling", url, receiver.url, str(place)]
        began = await ended(line)
        assert began.returncode in (NORMAL, -signal.SIGKILL), began.stderr
        store = SqlStore(url)
        # as if some time had passed: what the dead one holds is free again
        hooks = Webhooks(
            *(receiver.url,),
            secret=SECRET,
            is_http_allowed=True,
            is_private_allowed=True,
            wall_clock=lambda: time.time() + 100,
            give_up_s=1e9,
            drain_s=60,
        )
        async with hooks.delivering(Runner(PayBack, store=store)):
            pass
        rows = await store.list(run_id="r1")
        store.close()
    ids, heads = set(receiver.ids), {row.head.status for row in rows}

    assert ids <= {"r1:0:1", "r1:ended"}
    if "waiting" in heads:  # it asks still
        assert {"r1:0:1"} == ids
    if "finished" in heads:
        assert "r1:ended" in ids
    assert receiver.said() is not None
    return began.returncode


@pytest.mark.slow
async def test_nothing_is_lost_wherever_a_process_is_killed(tmp_path: Path) -> None:
    """It is killed before and after each thing that it asks of its store and its receiver, at one after the other."""
    place, code = 0, -signal.SIGKILL
    while code != NORMAL:
        (folder := tmp_path / str(place)).mkdir()
        code = await killed_at(place, f"sqlite:///{folder / 'runs.db'}")
        place += 1

    assert place > 15


@KINDS
async def test_a_question_outlives_the_process_that_asked_it(kind: str, tmp_path: Path) -> None:
    """A process is killed when its run waits and nobody was told: another one tells."""
    url = url_of(kind, tmp_path, "killed")
    receiver = Receiver()
    with receiving(receiver):
        program = (
            "import asyncio, os, signal\n"
            "from support.approvals import *\n"
            "from support.receiver import SECRET\n"
            "from fsm_orch import Runner\n"
            "from fsm_orch.service.webhooks import Webhooks\n"
            "async def main():\n"
            f"    runner = Runner(PayBack, store={url!r})\n"
            f"    hooks = Webhooks({receiver.url!r}, secret=SECRET, poll_s=1000, is_http_allowed=True,\n"
            "                     is_private_allowed=True)\n"
            "    async with hooks.delivering(runner):\n"
            "        await asyncio.sleep(0.3)\n"
            "        await runner.run(Claim(query='q', card='c'), run_id='r1')\n"
            "        os.kill(os.getpid(), signal.SIGKILL)\n"
            "asyncio.run(main())\n"
        )
        line = [sys.executable, "-c", program]
        died = await ended(line)
        assert -signal.SIGKILL == died.returncode, died.stderr
        assert [] == receiver.sent
        store = SqlStore(url)
        hooks = Webhooks(receiver.url, secret=SECRET, is_http_allowed=True, is_private_allowed=True)
        async with hooks.delivering(Runner(PayBack, store=store)):
            pass
        store.close()

    assert ["r1:0:1"] == receiver.ids
