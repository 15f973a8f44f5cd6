"""Do the task with a program that keeps its runs: `python killed_play.py PROGRAM URL DATABASE begin|again`.

It prints a line of JSON for what came of it, and then waits to be killed.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import time

from side_play import once

RUN = "r1"


async def main(program: str, url: str, database: str, what: str) -> None:
    """Begin the run, or go on with it."""
    ask = await importlib.import_module(program).desk(url, database)
    came = await once(ask, RUN, is_again=what == "again")
    print(json.dumps(came), flush=True)
    time.sleep(3_600)


if __name__ == "__main__":
    os.environ["OTEL_SDK_DISABLED"] = "true"
    asyncio.run(main(*sys.argv[1:]))
