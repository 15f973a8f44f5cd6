"""Do the task with one library, as often as it is told to: `python side_play.py LIBRARY URL SETTINGS [DATABASE]`.

It reads a line of JSON for each thing to do, and prints one for what came of it. `{"runs": 20}` runs it so often, and
returns the seconds of processor time; `{"ask": "r1", "is_again": false}` runs it once, or goes on with a run.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import time
import uuid
from typing import Any

from side_world import QUESTION, SORRY

os.environ |= {"OPENAI_AGENTS_DISABLE_TRACING": "1", "LANGSMITH_TRACING": "false"}
MOST = 6
"""The calls that a run may make with the best settings: twice what the task needs."""


async def settings(library: str, best: bool, database: str | None) -> dict[str, Any]:
    """Return the options of a program: none, or what its library documents against loops and for crashes."""
    if library == "openai_agents":
        options: dict[str, Any] = {"database": database} if database else {}
        if best:
            handlers = {"max_turns": lambda _: SORRY}
            told = {"tool_not_found_behavior": "return_error_to_model"}
            options |= {"max_turns": MOST, "error_handlers": handlers, "config": told}
        return options
    if library == "langgraph":
        from langchain.agents.middleware import ModelCallLimitMiddleware, ToolCallLimitMiddleware

        options = {}
        if best:
            middleware = ModelCallLimitMiddleware(run_limit=MOST), ToolCallLimitMiddleware(run_limit=2)
            options |= {"middleware": middleware, "limit": 30}  # steps; a call with its middleware is several
        return options | ({"saver": await _saver(database)} if database else {})
    if library == "pydantic_ai" and best:
        from pydantic_ai import UsageLimits

        return {"limits": UsageLimits(request_limit=MOST, tool_calls_limit=2)}
    if library == "fsm_orch":
        options = {"asks": 1} if best else {}  # the tool has an effect: a visit may use it once
        if database:
            from fsm_orch.store.sql import SqlStore

            options |= {"store": SqlStore(f"sqlite:///{database}", lease_s=1)}
        return options
    return {}


async def _saver(database: str) -> Any:
    import aiosqlite
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    return AsyncSqliteSaver(await aiosqlite.connect(database))


async def once(ask: Any, run_id: str, *, is_again: bool) -> dict[str, Any]:
    """Run once, and return the answer, or what was raised."""
    while True:
        try:
            return {"answer": await ask(QUESTION, run_id, is_again=is_again)}
        except Exception as error:
            if type(error).__name__ != "LeaseHeld":  # of fsm_orch: a dead process counts as alive for a second
                return {"raised": type(error).__name__, "said": str(error).partition("\n")[0][:200]}
            await asyncio.sleep(0.2)


async def main(library: str, url: str, setting: str, database: str | None = None) -> None:
    """Do what is told."""
    options = await settings(library, setting == "best", database)
    ask = importlib.import_module(f"with_{library}").desk(url, **options)
    while line := await asyncio.to_thread(sys.stdin.readline):
        told = json.loads(line)
        if "runs" in told:
            began = time.process_time()
            for _ in range(told["runs"]):
                await ask(QUESTION, uuid.uuid4().hex)
            came: dict[str, Any] = {"cpu_s": time.process_time() - began}
        else:
            came = await once(ask, told["ask"], is_again=told["is_again"])
        print(json.dumps(came), flush=True)
    os._exit(0)  # clients that nobody closes would complain of the loop that has ended


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
