"""Who is at work on what is due: what nobody is at work on is begun, and what is due no longer is given up.

There is a task for each thing that is due, and none where only one is, as in a chain of agents.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, NamedTuple

from msgspec import Struct

from ..errors import is_failure
from ..kernel.configuration import Configuration
from ..kernel.due import difference, due
from ..kernel.effects import AskHuman, Effect
from .desk import AttemptDesk
from .outlast import outlast
from .writer import Run


class Doing(Struct, frozen=True):
    """A piece of work that has begun."""

    desk: AttemptDesk
    work: Coroutine[Any, Any, None]
    """What is to be awaited until it is done."""


class _Task(NamedTuple):
    task: asyncio.Task[None]
    desk: AttemptDesk


class Work:
    """The work on one run."""

    # Nothing is begun here: the loop of the run does that, with no `await` after it has asked for the next.

    def __init__(self, run: Run) -> None:
        self._run = run
        self._seen: Configuration | None = None
        self._is_chain = False
        """Whether nothing is due but what was given last."""
        self._to_do: dict[Effect, None] = {}
        """What is due and nobody is at work on, in order."""
        self._tasks: dict[Effect, _Task] = {}
        self._stopped: set[asyncio.Task[None]] = set()
        """Of what was given up: they are in their grace."""
        self._failed: list[BaseException] = []
        self._woken: asyncio.Future[None] | None = None

    @property
    def is_alone(self) -> bool:
        """Whether nobody is at work, nothing is to be begun, and nothing will be until what was given is done."""
        if self._tasks or self._to_do:
            return False
        # what a human answers meanwhile makes something due
        return self._is_chain or not any(isinstance(effect, AskHuman) for effect in due(self._run.now))

    def next(self) -> Effect | None:
        """Return what is to be begun next, None if nothing is; what is due no longer is given up.

        Raises what the work raised, or the store.
        """
        run = self._run
        if self._failed:
            raise self._failed.pop(0)
        if run.lost is not None:
            raise run.lost
        now = run.now
        if self._tasks or self._to_do:
            over, begun = difference(self._seen, now)
            for effect in over:
                self._to_do.pop(effect, None)
                self._stop(effect)
        else:  # nobody is at work: all that is due is to be begun
            begun = due(now)
            if len(begun) == 1:  # a chain
                self._seen, self._is_chain = None, True
                return None if isinstance(begun[0], AskHuman) or run.is_draining else begun[0]
        self._seen = now
        self._is_chain = False
        self._to_do.update(dict.fromkeys([effect for effect in begun if not isinstance(effect, AskHuman)]))
        if not self._to_do or run.is_draining:
            return None
        return next(iter(self._to_do))

    def take(self, effect: Effect) -> None:
        """Note that a piece of work begins."""
        self._to_do.pop(effect, None)

    def begin(self, effect: Effect, doing: Doing) -> None:
        """Do a piece of work beside others, in a task of its own."""
        task = asyncio.get_running_loop().create_task(self._kept(effect, doing))
        self._tasks[effect] = _Task(task, doing.desk)

    async def _kept(self, effect: Effect, doing: Doing) -> None:
        try:
            await doing.work
        except BaseException as error:  # raised in a task, an interrupt would end the loop and every other run
            self._failed.append(error)
        finally:
            # what was given up may end when the same is at work again: in another visit of the machine above
            now = self._tasks.get(effect)
            if now is not None and now.desk is doing.desk:
                del self._tasks[effect]
            self._wake()

    def _stop(self, effect: Effect) -> None:
        # by its signal and not by a cancellation: the work itself cancels its agent, once, and waits for its clean-up
        found = self._tasks.pop(effect, None)
        if found is not None:
            self._stopped.add(found.task)
            found.task.add_done_callback(self._stopped.discard)
            found.desk.give_up()

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    async def wait(self) -> bool:
        """Wait until something may have changed. Return False at once if nobody is at work."""
        if self._failed:
            return True
        if not self._tasks:
            if self._stopped:  # they may yet say what they have used
                await asyncio.wait(set(self._stopped))
                return True
            return False
        self._woken = asyncio.get_running_loop().create_future()
        self._run.on_change = self._wake
        try:
            await self._woken
        finally:
            self._woken = self._run.on_change = None
        return True

    async def end(self) -> asyncio.CancelledError | None:
        """Stop all, and wait for it. Return the last cancellation that came meanwhile."""
        self._run.give_up()
        for each in self._tasks.values():  # those too that have not had their first turn
            each.desk.give_up()
        waiting = [*(each.task for each in self._tasks.values()), *self._stopped]
        return await outlast(asyncio.gather(*waiting, return_exceptions=True)) if waiting else None

    @property
    def interrupt(self) -> BaseException | None:
        """What the work raised that is no failure, and nobody was told yet: such as an interrupt from the keyboard."""
        return next((error for error in self._failed if not is_failure(error)), None)
