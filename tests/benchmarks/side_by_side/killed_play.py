"""Do the task with a program that keeps its runs: `python killed_play.py PROGRAM URL DATABASE begin|again`.

It prints a line of JSON for what came of it, and then waits to be killed.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from functools import partial

from side_play import once


async def main(program: str, url: str, database: str, what: str) -> None:
    """Begin the run, or go on with it."""
    desk = await importlib.import_module(program).desk(url, database)
    ask = partial(desk, is_again=what == "again")
    came = await once(ask, "r1")
    while came.get("raised") == "LeaseHeld":  # of fsm_orch: a dead process counts as alive for a second
        await asyncio.sleep(0.2)
        came = await once(ask, "r1")
    print(json.dumps(came), flush=True)
    await asyncio.sleep(3_600)


if __name__ == "__main__":
    os.environ["OTEL_SDK_DISABLED"] = "true"
    asyncio.run(main(*sys.argv[1:]))
