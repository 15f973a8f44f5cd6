"""One attempt of an agent: a task of its own, which can be given up without giving up the run."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any

from ..agents.base import Agent, PlainAgent, Visit
from ..define.states import State
from ..define.watched import watched
from ..errors import ContextError
from ..kernel import effects
from ..models.base import Model
from ..models.metered import MeteredModel
from ..resilience.retry import Retry
from .desk import AttemptDesk
from .outcome import TooLate, outcome
from .writer import Run

GRACE_S = 1.0
"""Seconds that a cancelled attempt has to clean up before it is abandoned."""


async def attempt(
    run: Run, effect: effects.CallAgent, agent: Agent, model: Model | None, retry: Retry | None, deps: Any
) -> None:
    """Let an agent act for as long as its visit has time, and fold what came of it."""
    with closing(AttemptDesk(run)) as desk:
        visit = _visit(run, desk, effect, _metered(run, desk, model, retry), deps)
        context = contextvars.copy_context()
        if isinstance(agent, PlainAgent):
            await asyncio.sleep(0)  # a chain of plain agents must not keep the loop to itself
            came = context.run(_on_the_spot, agent, visit)
        else:
            came = _acting(agent, visit)
        if isinstance(came, Awaitable):
            came = await _in_time(came, desk.seconds_left(), context)
    if not run.is_finished:
        run.fold(outcome(run, came))


def _on_the_spot(agent: PlainAgent, visit: Visit[Any, Any]) -> object:
    """Call a plain agent; gives what it raises as a value."""
    try:
        return agent.begin(visit)
    except (Exception, SystemExit, asyncio.CancelledError) as error:  # nothing is awaited here: all are the agent's own
        return error


async def _acting(agent: Agent, visit: Visit[Any, Any]) -> object:
    """Let an agent act, as a coroutine of ours: even one that is not async, as it should be, fails just its attempt."""
    return await agent.act(visit)


async def _in_time(acting: Awaitable[object], seconds: float, context: contextvars.Context) -> object:
    """Await an agent in a task of its own, to be given up when its time is over; gives what it raises as a value.

    Args:
        context: the one that the agent began in: what it set there, it may reset here.
    """
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    task = loop.create_task(_signalling(acting, over), context=context)
    timer = loop.call_later(seconds, _signal, over)
    try:
        await over
        is_late = not task.done()
    finally:
        timer.cancel()
        await _stop(task)
    if is_late:
        return TooLate()
    if task.cancelled():
        return asyncio.CancelledError()
    error = task.exception()
    return task.result() if error is None else error


async def _signalling(acting: Awaitable[object], over: asyncio.Future[None]) -> object:
    """Signal as the last thing: to wait for the task itself would take one more round of the loop."""
    try:
        return await acting
    except SystemExit as error:  # it would end the event loop, and with it every other run
        return error
    finally:
        _signal(over)


def _signal(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)


def _metered(run: Run, desk: AttemptDesk, model: Model | None, retry: Retry | None) -> MeteredModel | None:
    if model is None:
        return None
    spec = run.compiled.definition.states[run.now.state].spec
    return MeteredModel(model, desk, spec.call_limits, retry=retry)


def _visit(
    run: Run, desk: AttemptDesk, effect: effects.CallAgent, metered: MeteredModel | None, deps: Any
) -> Visit[Any, Any]:
    now, state = run.now, run.compiled.definition.states[effect.state]
    return Visit(
        state=state,
        context=watched(now.context, _only(state)),
        messages=now.messages,
        deps=deps,
        key=effect.key,
        attempt=effect.attempt,
        refusals=now.visit.refusals if now.visit else (),
        seconds_left=desk.seconds_left,
        legal=desk.legal,
        metered=metered,
    )


def _only(state: State) -> Callable[[str], None]:
    """Make the reader that shows an agent the fields it declares and no others."""

    def on_read(field: str) -> None:
        if field not in state.spec.read_names:
            declared = ", ".join(sorted(state.spec.read_names)) or "none"
            raise ContextError(f"The agent of {state.name!r} read {field!r}; it declares to read: {declared}")

    return on_read


async def _stop(task: asyncio.Task[object]) -> None:
    """Cancel a task that is still at work and give it a short grace; then abandon it."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=GRACE_S)
    task.add_done_callback(_retrieve)


def _retrieve(task: asyncio.Task[object]) -> None:
    """Look at an outcome that may no longer matter, so that asyncio does not report it as overlooked."""
    if not task.cancelled():
        task.exception()
