"""Who holds the event loop: a step of an agent that takes long keeps every other run waiting, and is told by name."""

from __future__ import annotations

import asyncio
import logging
import types
from collections.abc import Awaitable, Callable, Generator
from typing import Any

from ..define.agent_spec import AgentSpec
from ..reported import report

HELD_S = 0.1
"""Seconds for which an agent may hold the event loop without a warning, as in asyncio's debug mode."""


def tell_held(state: str, spec: AgentSpec, seconds: float, *, is_plain: bool) -> None:
    """Log a warning that an agent held the event loop for long.

    Args:
        spec: of the agent that acts, which may stand in for the state's own.
        is_plain: whether it was called, and not awaited. A thread can be given to a function alone.
    """
    name = spec.name
    if not is_plain:
        fix = "await what blocks, by asyncio.to_thread(...) if nothing else"
    elif spec.kind == "code":
        fix = f"State({name}, thread=True)"
    else:  # it is ours, and calls nothing of the user's but what validates fields
        fix = "a validator of the context takes long, or this machine is busy"
    report(
        "the agent of %r, %s at %s, held the event loop for %.2f s, in which no other run went on: %s",
        state,
        name,
        spec.where,
        seconds,
        fix,
        level=logging.WARNING,
    )


@types.coroutine
def watched_steps(state: str, spec: AgentSpec, begun: Awaitable[Any]) -> Generator[Any, None, Any]:
    """Await what an agent does, and look at how long each of its steps holds the event loop."""
    clock: Callable[[], float] = asyncio.get_running_loop().time
    steps, error = begun.__await__(), None
    while True:
        began = clock()
        try:
            waiting = next(steps) if error is None else steps.throw(error)
        except StopIteration as end:
            return end.value
        finally:
            error = None
            if (held := clock() - began) >= HELD_S:
                tell_held(state, spec, held, is_plain=False)
        try:
            yield waiting  # a task sends nothing but None
        except BaseException as thrown:  # a cancellation: the agent's own code says what becomes of it
            error = thrown
