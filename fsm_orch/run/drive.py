"""A run is driven: what is due is done until nothing is, and however that ends, the end is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ..agents.base import Agent
from ..errors import is_failure
from ..kernel.due import due
from ..kernel.effects import Act
from ..models.base import Model
from ..resilience.retry import Retry
from .attempt import attempt
from .outlast import outlast
from .writer import Run


async def drive(
    run: Run,
    agents: Mapping[str, Agent],
    models: Mapping[str, Model],
    *,
    retry: Retry | None,
    deps: Any,
    is_read: bool,
) -> None:
    """Do what a run is due, until it has ended.

    Args:
        agents, models: by state.
        is_read: somebody reads its records as they are made.

    Raises what the store raised: if it failed; nothing is folded then, and what is stored can be folded and resumed.
    Raises BaseException: a cancellation by the caller, or whatever of an agent or a guard is no failure of its own. The
        run has landed by then, and its end is stored.
    """
    try:
        await run.pause(is_read=is_read)
        # Asked after the pause, and begun without another `await`: what was due before the store was waited for may be
        # due no longer.
        while effects := due(run.now):
            (act,) = effects
            assert isinstance(act, Act)  # no machine has children or humans yet
            await attempt(run, act, agents[act.state], models.get(act.state), retry, deps)
            await run.pause(is_read=is_read)
        # A bill that came late may have ended the run in the pause, after what was written there.
        await run.flush()
    except BaseException as error:
        if _is_left_alone(run, error):
            raise
        run.cancel(type(error).__name__)
        later = await _stored(run, error)
        if later is None or not isinstance(error, asyncio.CancelledError):
            raise
        raise later from error
    finally:
        run.time.end()


def _is_left_alone(run: Run, error: BaseException) -> bool:
    """Return whether nothing more can be done for a run, not even its end be stored."""
    if run.lost is not None and is_failure(run.lost):
        return True  # a cancellation folded now would end a run for good that can be resumed
    # Of an agent or a guard it is one like any other. Else this coroutine is being closed, and may not wait any more.
    return isinstance(error, GeneratorExit) and error is not run.error and error is not run.lost


async def _stored(run: Run, error: BaseException) -> asyncio.CancelledError | None:
    """Store the end of a run that has to raise. Return the last cancellation that came meanwhile.

    A store that fails is told in a note.
    """
    failure, cancelled = await _outlasted(run)
    if isinstance(failure, asyncio.CancelledError):
        # `asyncio.run` cancels each task that it finds when it ends, the store's too; one begun now it does not find
        failure, later = await _outlasted(run)
        cancelled = later or cancelled
    for told in (error, cancelled):
        if failure is not None and told is not None:
            told.add_note(f"the end of run {run.now.run_id} could not be stored: {type(failure).__name__}")
    return cancelled


async def _outlasted(run: Run) -> tuple[BaseException | None, asyncio.CancelledError | None]:
    """Store what is not stored yet, whatever cancels. Return what the store raised, and the last cancellation."""
    storing = asyncio.ensure_future(_tried(run))
    cancelled = await outlast(storing)
    return asyncio.CancelledError() if storing.cancelled() else storing.result(), cancelled


async def _tried(run: Run) -> BaseException | None:
    """Store what is not stored yet. Return what the store raised: raised in a task, an interrupt would end the loop."""
    try:
        await run.flush()
    except BaseException as error:
        return error
    return None
