"""One run under way: its single writer.

Whatever happens to a run passes through `Run.fold`, which contains no `await`. So a reservation is checked and made
before anything else can happen, however many calls a visit has under way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from ..clock import Clock
from ..kernel import inputs
from ..kernel.booking import overspent
from ..kernel.configuration import Configuration
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input
from ..kernel.records import Record
from ..kernel.step import step
from ..observe.base import Observer
from ..store.base import Store

_log = logging.getLogger("fsm_orch")

_SHARE_S, _SHARE_HOPS = 0.001, 16
"""For how long a run may have the event loop before others get a turn: seconds and hops, whichever is over first."""


class Run:
    """The single writer of one run.

    Args:
        started: the first input.
        observers: told of every record.
        store: keeps the journal; None keeps it in the run alone.
    """

    def __init__(
        self,
        compiled: CompiledMachine,
        started: inputs.Started,
        *,
        clock: Clock,
        observers: Sequence[Observer] = (),
        store: Store | None = None,
    ) -> None:
        self.compiled = compiled
        self.journal: list[Input] = []
        self.records: list[Record] = []
        self.error: BaseException | None = None
        """What the last failed attempt raised; never journaled, since it may hold anything."""
        self.give_up: Callable[[], object] = _nothing
        """Ends the attempt that is under way."""
        self._clock = clock
        self._paused_at = clock()
        self._paused_after = 0
        self._began = self._paused_at - started.at
        self._observers = tuple(observers)
        self._store = store
        self._stored = 0
        self._storing = asyncio.Lock()
        self._appending: asyncio.Future[None] | None = None
        stepped = step(compiled, None, started)
        self.now: Configuration = stepped.configuration
        self._note(started, stepped.records)

    @property
    def is_finished(self) -> bool:
        return self.now.status == "finished"

    def elapsed(self) -> float:
        """Return the seconds that the run has been active."""
        # a clock that was set back before the start would give a negative time, which the kernel refuses
        return max(0.0, self._clock() - self._began)

    def fold(self, event: Input) -> None:
        """Apply an input, and tell the observers what the kernel made of it."""
        # No `await` in here. Two tasks that fold at once would step from the same configuration, and the second would
        # overwrite what the first had reserved. And the step is first: if it raises, nothing has been journaled.
        stepped = step(self.compiled, self.now, event)
        self.now = stepped.configuration
        self._note(event, stepped.records)

    def _note(self, event: Input, made: tuple[Record, ...]) -> None:
        self.journal.append(event)
        self.records += made
        for observer in self._observers:
            for record in made:
                self._tell(observer, record)

    def _tell(self, observer: Observer, record: Record) -> None:
        try:
            observer(record)
        except Exception as error:  # an observer is a guest: what it raises must not touch the run
            _log.error("observer %r raised %s on %s", observer, type(error).__name__, record.kind)

    def cancel(self, detail: str) -> None:
        """Land the run, unless it has ended already."""
        if not self.is_finished:
            self.fold(inputs.Cancelled(detail=detail, at=self.elapsed()))

    def overspend(self, event: inputs.Overspent) -> None:
        """Charge what a call used beyond its reservation, which came late, and end the attempt that is under way.

        Once the run has ended nothing is folded: its result was given out. It is told to the observers, and logged.
        """
        if not self.is_finished:
            self.fold(event)
            if self.is_finished:
                self.give_up()
            return
        record = overspent(self.compiled, self.now, event)
        for observer in self._observers:
            self._tell(observer, record)
        _log.error(
            "run %s had ended when call %d of %r turned out to have used %d tokens and %d micro-dollars "
            "more than it had reserved: they are charged to nobody",
            *(self.now.run_id, event.call, event.source, event.tokens, event.cost),
        )

    async def pause(self, *, is_read: bool) -> None:
        """Store what is journaled, and let others have the event loop if this run has had it for long.

        Args:
            is_read: let them have it now: a reader sees where the run stands, and may leave, before it goes on.
        """
        if self._store is not None:
            await self.flush()
        # A chain of plain agents awaits nothing, and would keep the loop to itself. A round of the loop costs about as
        # much as a hop, so not every hop gives it up. Hops are counted for clocks that stand still, as a test's may.
        seconds, hops = self._clock(), self.now.hops
        if is_read or seconds - self._paused_at >= _SHARE_S or hops - self._paused_after >= _SHARE_HOPS:
            await asyncio.sleep(0)
            self.has_paused()

    def has_paused(self) -> None:
        """Note that others have had a turn."""
        self._paused_at, self._paused_after = self._clock(), self.now.hops

    async def flush(self) -> None:
        """Store what is journaled and not stored yet, in order, one writer at a time."""
        if self._store is None:
            return
        # one at a time: an append says where it starts, which is known only when the one before it has ended
        async with self._storing:
            if self._appending is not None:  # a flush that was cancelled left it under way
                # only waited for, not believed: the same inputs are appended again, and a store skips what it keeps
                await asyncio.wait({self._appending})
            pending = self.journal[self._stored :]
            if pending:
                append = self._store.append(self.now.run_id, self._stored, pending)
                self._appending = asyncio.ensure_future(append)
                # shielded: cut off in the middle, a store could not say what it has kept, and the end of the run would
                # have to be appended at an unknown place
                await asyncio.shield(self._appending)
                self._appending = None
                self._stored += len(pending)  # not `len(self.journal)`: inputs may have been folded meanwhile


def _nothing() -> None:
    """Do nothing: no attempt is under way."""
