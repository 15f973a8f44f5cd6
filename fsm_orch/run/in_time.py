"""Waiting for a piece of work, in a task of its own, which can be given up without ending the run."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable

from ..define.agent_spec import AgentSpec
from ..errors import is_failure
from ..kernel.effects import Effect
from ..reported import report
from .desk import AttemptDesk
from .held import watched_steps
from .outcome import TooLate
from .outlast import outlast
from .raised import Raised
from .writer import Run

GRACE_S = 1.0
"""Seconds that a cancelled attempt has to clean up before it is abandoned."""

_LATE = (
    "the visit's time was over; what its agent had begun has an unknown outcome "
    "(State(..., timeout_s=) or Limits(visit_s=) gives it more)"
)


async def in_time(
    run: Run,
    desk: AttemptDesk,
    effect: Effect,
    spec: AgentSpec,
    act: Callable[[], Awaitable[object]],
    seconds: float,
    context: contextvars.Context,
) -> object:
    """Await a piece of work in a task of its own, and stop it when its time is over. Return what came of it.

    It is stopped too when it is due no longer, or its run cannot be stored: by `run.at_work`.

    Args:
        spec: of the agent that acts.
        seconds: how long it may take.
        context: the one that the agent began in, so that it can reset what it set there.
    """
    loop = asyncio.get_running_loop()
    # Whichever comes first ends the wait: the task, the alarm, or whoever gives it up. `asyncio.timeout` and `wait_for`
    # would wait on for an agent that does not let itself be cancelled, and the run with them.
    ended = desk.ended = loop.create_future()
    task = loop.create_task(_signalling(effect.state, spec, act, ended), context=context)
    run.at_work.add(desk)
    alarm = run.time.set_alarm(seconds, desk.give_up)
    cancelled = None
    try:
        await ended
    except asyncio.CancelledError as error:
        cancelled = error
    finally:
        # Closed before the agent is stopped: in its grace it may clean up, and sends nothing. And here, for whatever is
        # raised: the agent must not go on working for a run that has landed.
        run.time.stop_alarm(alarm)
        run.at_work.discard(desk)
        is_late = not task.done()
        desk.close()
        # Once: a second one would interrupt the clean-up that the grace is for. An event loop that is being closed has
        # cancelled the agent too; an agent may also have cancelled itself, and gone on.
        if is_late and not (cancelled is not None and task.cancelling()):
            task.cancel()
    if is_late:
        cancelled = await _grace(task) or cancelled
    came = task.result() if task.done() and not task.cancelled() else Raised(asyncio.CancelledError())
    if type(came) is Raised and not is_failure(came.error):
        return came  # also if it was cancelled or is late: an interrupt out of a clean-up is for the caller
    if cancelled is not None:
        raise cancelled
    return TooLate(_LATE) if is_late else came


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
