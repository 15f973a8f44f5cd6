"""One attempt of an agent: a task of its own, which can be abandoned without ending the run."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from ..agents.base import Agent, PlainAgent, Reply, Visit
from ..define.states import State
from ..define.watched import declared, watched
from ..kernel.effects import Act
from ..models.base import Model
from ..models.metered import MeteredModel
from ..resilience.retry import Retry
from .desk import AttemptDesk
from .held import tell_if_held, watched_steps
from .outcome import TooLate, outcome
from .writer import Run

GRACE_S = 1.0
"""Seconds that a cancelled attempt has to clean up before it is abandoned."""


async def attempt(run: Run, act: Act, agent: Agent, model: Model | None, retry: Retry | None, deps: Any) -> None:
    """Let an agent act while its visit has time, and fold its reply or why it failed; do not begin one without time."""
    # The desk closes before anything is folded. What the attempt still does afterwards is refused there, so an agent
    # that was given up can neither spend nor write.
    desk = AttemptDesk(run)
    try:
        seconds = desk.seconds_left()
        visit = _visit(run, desk, act, _metered(run, desk, model, retry), deps)
        # the agent's own: a variable that it sets reaches its coroutine, and neither the run nor the next agent
        context = contextvars.copy_context()
        result: object
        if seconds <= 0:  # since the visit was entered others may have had the loop, or a store was waited for
            result = TooLate("the visit's time was over before its agent could begin")
        elif isinstance(agent, PlainAgent):
            clock = asyncio.get_running_loop().time
            began = clock()
            result = context.run(_begin, agent, visit)
            tell_if_held(visit.state, clock() - began, is_plain=True)
            if not isinstance(result, Reply) and isinstance(result, Awaitable):
                result = await _in_time(run, visit.state, partial(_itself, result), desk.seconds_left(), context)
        else:
            result = await _in_time(run, visit.state, partial(agent.act, visit), seconds, context)
            run.has_paused()
    finally:
        desk.close()
    if not run.is_finished:  # a call that used more than it had reserved has landed the run already
        run.fold(outcome(run, result))


def _begin(agent: PlainAgent, visit: Visit[Any, Any]) -> object:
    """Let a plain agent begin. Return its reply, something to await, or what it raised."""
    try:
        return agent.begin(visit)
    # SystemExit would end the process, with every other run in it. A CancelledError is the agent's own: nothing is
    # awaited here, so nobody can have cancelled the run. An interrupt from the keyboard is the user's, and passes.
    except (Exception, SystemExit, asyncio.CancelledError) as error:
        return error


def _itself(begun: Awaitable[object]) -> Awaitable[object]:
    return begun


async def _in_time(
    run: Run, state: State, act: Callable[[], Awaitable[object]], seconds: float, context: contextvars.Context
) -> object:
    """Await what an agent does, in a task of its own, and stop it when its time is over. Return what came of it.

    Args:
        seconds: how long it may take.
        context: the one that the agent began in, so that it can reset what it set there.
    """
    loop = asyncio.get_running_loop()
    # Whichever comes first ends the wait: the task, the timer, or the run. `asyncio.timeout` and `wait_for` would wait
    # on for an agent that does not let itself be cancelled, and the run with them.
    ended: asyncio.Future[None] = loop.create_future()
    run.give_up = partial(_signal, ended)
    task = loop.create_task(_signalling(state, act, ended), context=context)
    timer = loop.call_later(seconds, _signal, ended)
    try:
        await ended
        is_late = not task.done()
    finally:  # if the caller cancels, too: the agent must not go on working for a run that has landed
        timer.cancel()
        await _stop(task)
    if is_late:
        return TooLate("the visit's time was over; what its agent had begun has an unknown outcome")
    if task.cancelled():
        return asyncio.CancelledError()
    error = task.exception()
    return task.result() if error is None else error


async def _signalling(state: State, act: Callable[[], Awaitable[object]], ended: asyncio.Future[None]) -> object:
    """Await what an agent does, and signal its end as the last thing."""
    try:
        begun = act()
        # `await` in here, so that an `act` that is not async fails its attempt, and not the run
        return await (watched_steps(state, begun) if hasattr(begun, "__await__") else begun)
    except SystemExit as error:  # it would end the event loop, and with it every other run
        return error
    finally:
        _signal(ended)  # waiting for the task itself would take one more round of the loop


def _signal(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)


def _metered(run: Run, desk: AttemptDesk, model: Model | None, retry: Retry | None) -> MeteredModel | None:
    if model is None:
        return None
    return MeteredModel(model, desk, run.compiled.states[run.now.state].spec.call_limits, retry=retry)


def _visit(run: Run, desk: AttemptDesk, act: Act, metered: MeteredModel | None, deps: Any) -> Visit[Any, Any]:
    now, state = run.now, run.compiled.states[run.now.state].state
    return Visit(
        state=state,
        context=watched(now.context, declared(state)),
        messages=now.messages,
        deps=deps,
        # the same for every attempt of this visit and after a crash, so that a repeated effect can be recognised
        key=f"{now.run_id}:{act.hops}",
        attempt=act.attempt,
        refusals=now.visit.refusals if now.visit else (),
        seconds_left=desk.seconds_left,
        exits=run.compiled.states[now.state].exits,
        legal=desk.legal,
        metered=metered,
    )


async def _stop(task: asyncio.Task[object]) -> None:
    """Cancel a task that is still at work, give it a short grace, then abandon it."""
    if not task.done():
        task.cancel()  # once: a second cancellation would interrupt the clean-up that the grace is for
        # `wait` instead of `await task`: it returns after the grace, and raises nothing that the task raises
        await asyncio.wait({task}, timeout=GRACE_S)
    if task.done():  # a callback would be called in another round of the loop
        _retrieve(task)
    else:
        task.add_done_callback(_retrieve)


def _retrieve(task: asyncio.Task[object]) -> None:
    """Retrieve an exception that may no longer matter, so that asyncio does not report it as never retrieved."""
    if not task.cancelled():
        task.exception()
