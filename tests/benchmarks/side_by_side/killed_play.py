"""Do the task with a program that keeps its runs: `python killed_play.py PROGRAM URL DATABASE begin|again`.

It prints a line of JSON for what came of it, and then waits to be killed.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from typing import Any

from side_world import QUESTION

RUN = "r1"


async def once(ask: Any, *, is_again: bool) -> dict[str, Any]:
    """Run once, and return the answer, or what was raised."""
    while True:
        try:
            return {"answer": await ask(QUESTION, RUN, is_again=is_again)}
        except Exception as error:
            if type(error).__name__ != "LeaseHeld":  # of fsm_orch: a dead process counts as alive for a second
                return {"raised": type(error).__name__, "said": str(error).partition("\n")[0][:200]}
            await asyncio.sleep(0.2)


async def main(program: str, url: str, database: str, what: str) -> None:
    """Begin the run, or go on with it."""
    ask = await importlib.import_module(program).desk(url, database)
    came = await once(ask, is_again=what == "again")
    print(json.dumps(came), flush=True)
    await asyncio.sleep(3_600)


if __name__ == "__main__":
    os.environ |= {"OPENAI_AGENTS_DISABLE_TRACING": "1", "LANGSMITH_TRACING": "false", "OTEL_SDK_DISABLED": "true"}
    asyncio.run(main(*sys.argv[1:]))
