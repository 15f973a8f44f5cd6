"""Admission of runs: what a run may still cost is held of its quotas, and then it has a place, while it is driven.

Both are given back when it ends or waits. What is held stays if it is to go on elsewhere: drained, or taken from here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from ..amounts import NOTHING, Allowance, Amount
from ..errors import Overloaded, StartError
from ..kernel.configuration import Configuration
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input, Started
from .costs import costs_of_start, still_costs
from .entrance import Entrance
from .taken import Taken
from .writer import Run


class _InLine:
    """The wait of a run for its place, which is over when it is landed, or its worker stops."""

    def __init__(self, run: Run, entering: asyncio.Task[None]) -> None:
        self._run, self._entering = run, entering
        self.is_given_up = False

    @property
    def due(self) -> Configuration | None:
        return None if _has_nothing_to_do(self._run) else self._run.now

    def give_up(self) -> None:
        self.is_given_up = True
        self._entering.cancel()


class Stay:
    """What one run has while it is driven: what it may still cost is held, and it has a place. At first it has nothing.

    Args:
        first: the first input of its journal.
    """

    def __init__(self, entrance: Entrance, compiled: CompiledMachine, first: Input) -> None:
        assert isinstance(first, Started)
        self._entrance, self._compiled, self._first = entrance, compiled, first
        self._taken = Taken(entrance, compiled, first)
        self._place: AbstractAsyncContextManager[float] | None = None
        self._is_in = self._is_driven = False

    @asynccontextmanager
    async def beginning(self) -> AsyncIterator[Stay]:
        """Admit a run that begins, of which nothing is stored. If the block does not drive it, it has had nothing.

        Raises Overloaded: if it is not admitted.
        Raises StartError: if it cannot be told which quotas it takes from, or what it may cost; or if that is more than
            a quota has in a whole window.
        Raises what the holdings raise.
        """
        most = costs_of_start(self._compiled, self._first)
        try:
            await self._enter(NOTHING, most, undo=self._taken.give_back)
        except Overloaded as refused:
            if refused.reason == "quota":
                self._taken.check_room(most)
            raise
        async with self._leaving(self._undo):
            yield self

    @asynccontextmanager
    async def driving(self, run: Run) -> AsyncIterator[None]:
        """Admit a run that goes on, unless it is in already, or there is nothing to drive.

        Raises Overloaded: if it is not admitted; all that came for it is stored then.
        Raises StartError: if it cannot be told which quotas it takes from, or what it may cost.
        Raises what the holdings raise, or the store.
        """
        if not self._is_in:
            await self._go_on(run)
        self._is_driven = True
        async with self._leaving(partial(self._left, run)):
            yield

    @asynccontextmanager
    async def _leaving(self, settle: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Free all when the block is left, unless that was done inside."""
        try:
            yield
        except GeneratorExit as error:  # this coroutine is being closed, and may not wait any more
            await self._give_place_back(error)
            raise
        except BaseException as error:
            await self._leave(settle, error)
            raise
        await self._leave(settle)

    async def _leave(self, settle: Callable[[], Awaitable[None]], error: BaseException | None = None) -> None:
        await self._give_place_back(error)
        if self._entrance.quotas:
            await settle()

    async def _go_on(self, run: Run) -> None:
        if _has_nothing_to_do(run):
            return
        # stored first: whoever is refused has been told that it is, and what is let go of is not taken for begun
        await run.flush()
        run.time.hold()
        settled = run.now.ledger.settled
        undo = partial(self._taken.settle, settled)
        entering = asyncio.ensure_future(self._enter(settled, still_costs(run.now), undo=undo))
        in_line = _InLine(run, entering)
        run.at_work.add(in_line)
        try:
            await entering
        except asyncio.CancelledError as error:
            if self._is_in:  # it was let in in the very moment in which its caller cancelled
                await self._leave(undo, error)
            if not in_line.is_given_up:
                raise
        except Overloaded as refused:
            await run.flush()  # what came meanwhile
            why, wait_s = refused.reason, refused.retry_after_s
            raise Overloaded(why, wait_s, detail=refused.detail, run_id=run.now.run_id) from None
        finally:
            entering.cancel()  # which nobody waits for if this coroutine is being closed
            run.at_work.discard(in_line)
            run.time.go_on()

    async def _enter(self, settled: Amount, may_cost: Allowance, *, undo: Callable[[], Awaitable[None]]) -> None:
        """Hold what a run may cost, and wait for its place.

        Args:
            undo: gives back what is held, if it gets none.
        """
        admission = self._entrance.admission
        weight = 1 if admission is None else admission.weight_of(may_cost.tokens)
        # asked before anything is held: under load most are refused, which must cost nothing
        if admission is not None and (refused := admission.refusal(weight)):
            raise refused
        try:
            await self._taken.hold(settled, may_cost)
            if admission is not None:
                place = admission.place(weight)
                waited_s = await place.__aenter__()
                self._place = place
                if waited_s:  # another of its id, as before a retry, may have left the line with what both had held
                    await self._taken.hold(settled, may_cost)
        except (GeneratorExit, StartError) as error:  # this coroutine is being closed, or nothing is held
            await self._give_place_back(error)
            raise
        except BaseException as error:
            await self._give_place_back(error)
            if not isinstance(error, Overloaded) or error.reason != "quota":  # else nothing is held
                await undo()
            raise
        self._is_in = True

    async def _give_place_back(self, error: BaseException | None = None) -> None:
        """Free the place, if it has one.

        Args:
            error: what cut it short, so that it does not count as what a run takes.
        """
        self._is_in = False
        if (place := self._place) is not None:
            self._place = None
            kind, traceback = (None, None) if error is None else (type(error), error.__traceback__)
            await place.__aexit__(kind, error, traceback)

    async def _left(self, run: Run) -> None:
        """Settle a run that has ended or waits; of one that goes on elsewhere what is held stays."""
        if run.is_stored and (_has_nothing_to_do(run) or run.stopped_by is not None):
            settled = run.now.ledger.settled
            run.on_late = partial(self._taken.charge_late, settled)
            await self._taken.settle(settled)
        elif run.storage is not None and not run.storage.kept:
            await self._taken.give_back()

    async def _undo(self) -> None:
        """Free all that a run has which was not driven."""
        if not self._is_driven:
            await self._taken.give_back()


def _has_nothing_to_do(run: Run) -> bool:
    """Return whether a run has ended, or waits for humans alone."""
    return run.is_finished or run.now.is_waiting
