"""A run is driven: what is due is done until nothing is but what humans are asked; however that ends, it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..errors import Drained, is_failure
from ..kernel.effects import Effect
from .once import is_once, reaches_out
from .outlast import outlasted
from .raised import Raised
from .work import Doing, Work
from .writer import Run

Perform = Callable[[Effect], Doing | None]
"""Begins a piece of work; returns None if it is done."""


async def drive(run: Run, perform: Perform, *, is_read: bool, cancelled: asyncio.CancelledError | None = None) -> None:
    """Do what a run is due, until it has ended or waits for humans.

    Args:
        is_read: somebody reads its records as they are made.
        cancelled: what came of its caller while its beginning was stored; it lands at once.

    Raises Drained: if its worker is being stopped; all is stored then, and the run goes on elsewhere.
    Raises Withheld: if it is a fork, and nothing is due but what it must not begin; all is stored then.
    Raises what the store raised: if it failed; nothing is folded then, and what is stored can be folded and resumed.
    Raises BaseException: a cancellation by the caller, or whatever of an agent or a guard is no failure of its own. The
        run has landed by then, and its end is stored.
    """
    work = Work(run)
    try:
        if cancelled is not None:
            raise cancelled
        while True:
            # Asked after every `await`, and begun without another one: what was due before may be due no longer.
            await run.turn.give(is_read=is_read)
            effect = work.next()
            if effect is None and await work.wait():
                continue
            # Stored before anything leaves, and only then: what has been done, or told, must be found after a crash. A
            # request to a model waits for that by itself, when its reservation can be stored along with the rest.
            if not run.is_stored and (effect is None or reaches_out(run, effect)):
                await run.flush()
                continue
            if effect is None:
                if run.is_draining and not run.is_finished and not run.now.is_waiting:
                    raise run.stopped_by or drained(run.now.run_id)
                break
            work.take(effect)
            if run.storage is not None and is_once(run, effect):
                run.begun.add(effect)
            doing = perform(effect)
            if doing is None:
                continue
            if work.is_alone:
                await doing.work
            else:
                work.begin(effect, doing)
        run.leave()  # without an await since all was stored
    except BaseException as error:
        if _is_closed(run, error):
            run.give_up()
            raise
        later = await work.end()
        raised = error if work.interrupt is None or not is_failure(error) else work.interrupt
        if run.lost is None or not is_failure(run.lost):  # else a cancellation would end for good what can be resumed
            if not run.is_draining:  # or its process is to end, which cancels whatever it finds
                run.cancel(type(raised).__name__)
            later = await _stored(run, raised) or later
        if raised is not error:
            raise raised from error
        if later is None or not isinstance(error, asyncio.CancelledError):
            raise
        raise later from error
    finally:
        run.time.end()


def drained(run_id: str) -> Drained:
    """Return what is told to who waits for a run that another worker goes on with."""
    return Drained(
        f"run {run_id!r} stopped here, since its process is to end, and has lost nothing: it is stored, and free. "
        f"It goes on in any other process: await runner.resume({run_id!r})"
    )


def _is_closed(run: Run, error: BaseException) -> bool:
    """Return whether this coroutine is being closed, and may not wait any more."""
    # of an agent or a guard, or of a store, it is an interrupt like any other
    return isinstance(error, GeneratorExit) and error is not run.error and error is not run.lost


async def _stored(run: Run, error: BaseException) -> asyncio.CancelledError | None:
    """Store the end of a run that has to raise. Return the last cancellation that came meanwhile.

    A store that fails is told in a note.
    """
    came, cancelled = await outlasted(run.flush)
    if isinstance(came, Raised) and isinstance(came.error, asyncio.CancelledError):
        # `asyncio.run` cancels each task that it finds when it ends, the store's too; one begun now it does not find
        came, later = await outlasted(run.flush)
        cancelled = later or cancelled
    for told in (error, cancelled):
        if isinstance(came, Raised) and told is not None:
            told.add_note(f"the end of run {run.now.run_id} could not be stored: {type(came.error).__name__}")
    return cancelled
