"""One attempt of an agent: a task of its own, which can be abandoned without ending the run."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

from ..agents.base import Agent, PlainAgent, Reply, Visit
from ..define.agent_spec import AgentSpec
from ..define.watched import watched
from ..errors import is_failure
from ..kernel.effects import Act
from ..kernel.engine import CompiledState
from ..models.base import Model
from ..models.metered import MeteredModel
from ..observe.telling import report
from ..resilience.retry import Retry
from .conversation import seen_by
from .desk import AttemptDesk
from .held import HELD_S, tell_held, watched_steps
from .outcome import Raised, TooLate, take
from .outlast import outlast
from .writer import Run

GRACE_S = 1.0
"""Seconds that a cancelled attempt has to clean up before it is abandoned."""


async def attempt(run: Run, act: Act, agent: Agent, model: Model | None, retry: Retry | None, deps: Any) -> None:
    """Let an agent act while its visit has time, and fold its reply or why it failed; do not begin one without time.

    Raises BaseException: what is no failure of an agent, a guard or a validator; or what the store raised. The reply is
        not folded then.
    """
    # The desk closes before anything is folded. What the attempt still does afterwards is refused there, so an agent
    # that was given up can neither spend nor write.
    own, desk = run.compiled.states[act.state], AttemptDesk(run)
    try:
        seconds = desk.seconds_left()
        metered = _metered(run, own, desk, model, retry)
        visit = _visit(run, own, desk, act, metered, deps)
        # the agent's own: a variable that it sets reaches its coroutine, and neither the run nor the next agent
        context = contextvars.copy_context()
        result: object
        if seconds <= 0:  # since the visit was entered others may have had the loop, or a store was waited for
            result = TooLate("the visit's time was over before its agent could begin")
        elif isinstance(agent, PlainAgent):
            clock = asyncio.get_running_loop().time
            began = clock()
            result, is_begun = context.run(_begin, agent, visit)
            if (held := clock() - began) >= HELD_S:
                tell_held(own.name, agent.spec, held, is_plain=True)
            if is_begun:
                begun = partial(_itself, cast("Awaitable[object]", result))
                result = await _in_time(run, desk, own.name, agent.spec, begun, desk.seconds_left(), context)
        else:
            result = await _in_time(run, desk, own.name, agent.spec, lambda: agent.act(visit), seconds, context)
            run.has_paused()
        # of a reply alone: what an attempt that raised had been told is not what is to be mended
        run.heard = metered.last.text if metered and metered.last and issubclass(type(result), Reply) else ""
    finally:
        desk.close()
    if run.lost is not None:  # the store's failure, whatever the agent made of it
        raise run.lost
    # `type`, not `isinstance`, which asks an object of the agent's for its class, and may be raised anything
    if type(result) is Raised and not is_failure(result.error):
        run.error = result.error
        raise result.error
    if not run.is_finished:  # a call that used more than it had reserved has landed the run already
        take(run, agent, result)


def _begin(agent: PlainAgent, visit: Visit[Any, Any]) -> tuple[object, bool]:
    """Let a plain agent begin. Return its reply or what it raised, or something to await, and whether that is so."""
    try:
        begun = agent.begin(visit)
        return begun, not isinstance(begun, Reply) and isinstance(begun, Awaitable)
    except BaseException as error:  # what it means is judged when the desk is closed
        return Raised(error), False


def _itself(begun: Awaitable[object]) -> Awaitable[object]:
    return begun


async def _in_time(
    run: Run,
    desk: AttemptDesk,
    state: str,
    spec: AgentSpec,
    act: Callable[[], Awaitable[object]],
    seconds: float,
    context: contextvars.Context,
) -> object:
    """Await what an agent does, in a task of its own, and stop it when its time is over. Return what came of it.

    Args:
        seconds: how long it may take.
        context: the one that the agent began in, so that it can reset what it set there.
    """
    loop = asyncio.get_running_loop()
    # Whichever comes first ends the wait: the task, the alarm, or a store that failed. `asyncio.timeout` and `wait_for`
    # would wait on for an agent that does not let itself be cancelled, and the run with them.
    ended: asyncio.Future[None] = loop.create_future()
    run.give_up = partial(_signal, ended)
    task = loop.create_task(_signalling(state, spec, act, ended), context=context)
    run.time.set_alarm(seconds, run.give_up)
    cancelled = None
    try:
        await ended
    except asyncio.CancelledError as error:
        cancelled = error
    finally:
        # Closed before the agent is stopped: in its grace it may clean up, and sends nothing. And here, for whatever is
        # raised: the agent must not go on working for a run that has landed.
        run.time.stop_alarm()
        is_late = not task.done()
        desk.close()
        # Once: a second one would interrupt the clean-up that the grace is for. An event loop that is being closed has
        # cancelled the agent too; an agent may also have cancelled itself, and gone on.
        if is_late and not (cancelled is not None and task.cancelling()):
            task.cancel()
    cancelled = await _grace(task) or cancelled
    came = task.result() if task.done() and not task.cancelled() else Raised(asyncio.CancelledError())
    if type(came) is Raised and not is_failure(came.error):
        return came  # also if it was cancelled or is late: an interrupt out of a clean-up is for the caller
    if cancelled is not None:
        raise cancelled
    return TooLate("the visit's time was over; what its agent had begun has an unknown outcome") if is_late else came


async def _signalling(
    state: str, spec: AgentSpec, act: Callable[[], Awaitable[object]], ended: asyncio.Future[None]
) -> object:
    """Await what an agent does, and signal its end as the last thing. Return what it raised, too."""
    try:
        begun = act()
        # `await` in here, so that an `act` that is not async fails its attempt, and not the run
        return await (watched_steps(state, spec, begun) if hasattr(begun, "__await__") else begun)
    except BaseException as error:  # raised in a task, an interrupt or an exit would end the loop and every other run
        return Raised(error)
    finally:
        _signal(ended)  # waiting for the task itself would take one more round of the loop


def _signal(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)


async def _grace(task: asyncio.Task[object]) -> asyncio.CancelledError | None:
    """Wait for a cancelled task a little, then abandon it. Return the last cancellation that came meanwhile."""
    if task.done():
        return None
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    timer = asyncio.get_running_loop().call_later(GRACE_S, _signal, over)
    task.add_done_callback(lambda _: _signal(over))
    cancelled = await outlast(over)
    timer.cancel()
    if not task.done():
        task.add_done_callback(_report_interrupt)
    return cancelled


def _report_interrupt(task: asyncio.Task[object]) -> None:
    """Log an interrupt of an agent that was given up, which has no caller any more."""
    came = None if task.cancelled() else task.result()
    if type(came) is Raised and not is_failure(came.error):
        report("an agent that was given up raised %s", type(came.error).__name__)


def _metered(
    run: Run, own: CompiledState, desk: AttemptDesk, model: Model | None, retry: Retry | None
) -> MeteredModel | None:
    if model is None:
        return None
    on_prompt = run.prompted if run.on_prompt else None
    return MeteredModel(model, desk, own.spec.call_limits, retry=retry, on_prompt=on_prompt)


def _visit(
    run: Run, own: CompiledState, desk: AttemptDesk, act: Act, metered: MeteredModel | None, deps: Any
) -> Visit[Any, Any]:
    now = run.now
    return Visit(
        state=own.state,
        context=watched(now.context, own.on_read),
        messages=seen_by(own.spec, now.messages) if now.messages else (),
        deps=deps,
        # the same for every attempt of this visit and after a crash, so that a repeated effect can be recognised
        key=f"{now.run_id}:{act.hops}",
        attempt=act.attempt,
        refusals=now.visit.refusals if now.visit else (),
        refused=run.heard if now.visit and now.visit.refusals else "",
        seconds_left=desk.seconds_left,
        exits=own.exits,
        legal=desk.legal,
        metered=metered,
    )
