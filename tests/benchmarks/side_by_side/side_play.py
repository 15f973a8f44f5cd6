"""Do the task with one library, as often as it is told to: `python side_play.py LIBRARY URL SETTINGS`.

It reads a line of JSON for each thing to do, and prints one for what came of it. `{"runs": 20}` runs it so often, and
returns the seconds of processor time; `{"ask": "r1"}` runs it once.
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


def settings(library: str) -> dict[str, Any]:
    """Return the options of a program that its library documents against loops."""
    if library == "openai_agents":
        config = {"tool_not_found_behavior": "return_error_to_model"}
        return {"max_turns": MOST, "error_handlers": {"max_turns": lambda _: SORRY}, "config": config}
    if library == "langgraph":
        from langchain.agents.middleware import ModelCallLimitMiddleware, ToolCallLimitMiddleware

        middleware = ModelCallLimitMiddleware(run_limit=MOST), ToolCallLimitMiddleware(run_limit=2)
        steps = 30  # a call with its middleware is several
        return {"middleware": middleware, "config": {"recursion_limit": steps}}
    if library == "pydantic_ai":
        from pydantic_ai import UsageLimits

        return {"limits": UsageLimits(request_limit=MOST, tool_calls_limit=2)}
    return {"asks": 1}  # the tool has an effect: a visit may use it once


async def once(ask: Any, run_id: str) -> dict[str, Any]:
    """Run once, and return the answer, or what was raised."""
    try:
        return {"answer": await ask(QUESTION, run_id)}
    except Exception as error:
        return {"raised": type(error).__name__, "said": str(error).partition("\n")[0][:200]}


async def main(library: str, url: str, setting: str) -> None:
    """Do what is told."""
    options = settings(library) if setting == "best" else {}
    ask = importlib.import_module(f"with_{library}").desk(url, **options)
    while line := await asyncio.to_thread(sys.stdin.readline):
        told = json.loads(line)
        if "runs" in told:
            began = time.process_time()
            for _ in range(told["runs"]):
                await ask(QUESTION, uuid.uuid4().hex)
            came: dict[str, Any] = {"cpu_s": time.process_time() - began}
        else:
            came = await once(ask, told["ask"])
        print(json.dumps(came), flush=True)
    os._exit(0)  # clients that nobody closes would complain of the loop that has ended


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
