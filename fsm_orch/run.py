"""One run under way: its single writer, and the desk that each attempt books at.

Whatever happens to a run passes through `Run.fold`, which takes it to the kernel without an `await`. That is why a
reservation is checked and made in one go, however many calls a visit has under way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from . import events, kernel
from .clock import Clock
from .configuration import Configuration
from .definition import Handoff
from .engine import Compiled
from .errors import CallDenied, VisitClosed
from .messages import Usage
from .observe.base import Observer
from .rules import legal
from .store.base import Store

_log = logging.getLogger("fsm_orch")


class Run:
    """The single writer of one run.

    Args:
        started: the first input.
        observers: told of every record.
        store: keeps the journal; None keeps it in the run alone.
    """

    def __init__(
        self,
        machine: Compiled,
        started: events.Started,
        *,
        clock: Clock,
        observers: Sequence[Observer] = (),
        store: Store | None = None,
    ) -> None:
        self.machine = machine
        self.journal: list[events.Input] = []
        self.records: list[events.Record] = []
        self.error: BaseException | None = None
        """What the last failed attempt raised; never journaled, since it may hold anything."""
        self._clock = clock
        self._began = clock() - started.at
        self._observers = tuple(observers)
        self._store = store
        self._stored = 0
        self._storing = asyncio.Lock()
        self._now: Configuration | None = None
        self.effect: events.Effect | None = None
        self.fold(started)

    @property
    def now(self) -> Configuration:
        assert self._now is not None  # the constructor folds `Started`
        return self._now

    @property
    def is_finished(self) -> bool:
        return self.now.status == "finished"

    def elapsed(self) -> float:
        """Tell the seconds that the run has been active."""
        return max(0.0, self._clock() - self._began)

    def fold(self, event: events.Input) -> tuple[events.Record, ...]:
        """Apply an input and tell the observers; returns the records."""
        stepped = kernel.step(self.machine, self._now, event)
        self._now = stepped.configuration
        self.journal.append(event)
        self.records += stepped.records
        if stepped.effects:
            self.effect = stepped.effects[-1]
        for record in stepped.records:
            for observer in self._observers:
                self._tell(observer, record)
        return stepped.records

    def _tell(self, observer: Observer, record: events.Record) -> None:
        try:
            observer(record)
        except Exception as error:  # an observer is a guest: what it raises must not touch the run
            _log.error("observer %r raised %s on %s", observer, type(error).__name__, record.kind)

    def cancel(self, detail: str) -> None:
        """Land the run, unless it has ended."""
        if not self.is_finished:
            self.fold(events.Cancelled(detail=detail, at=self.elapsed()))

    async def flush(self) -> None:
        """Store what is journaled and not stored yet, in order, one writer at a time."""
        if self._store is None:
            return
        async with self._storing:
            pending = self.journal[self._stored :]
            if pending:
                await self._store.append(self.now.run_id, pending)
                self._stored += len(pending)


class AttemptDesk:
    """Where one attempt books its calls. Once closed, whatever the attempt still does is refused."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._is_closed = False

    def close(self) -> None:
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed or self._run.is_finished:
            raise VisitClosed("This visit has ended: its model takes no more calls")

    def reserve(self, input_tokens: int, output_tokens: int) -> int:
        self._check_open()
        visit = self._run.now.visit
        call = visit.calls + 1 if visit else 1
        records = self._run.fold(
            events.CallReserved(
                call=call, input_tokens=input_tokens, output_tokens=output_tokens, at=self._run.elapsed()
            )
        )
        for record in records:
            if isinstance(record, events.CallRefused):
                raise CallDenied(record.reason)
        return call

    async def written(self) -> None:
        await self._run.flush()

    def settle(self, call: int, usage: Usage | None) -> None:
        self._check_open()
        self._run.fold(events.CallSettled(call=call, usage=usage, at=self._run.elapsed()))

    def release(self, call: int) -> None:
        self._check_open()
        self._run.fold(events.CallReleased(call=call, at=self._run.elapsed()))

    def legal(self) -> tuple[Handoff, ...]:
        """Draw the menu as if the next call's whole allowance were held; the first call's is held already."""
        self._check_open()
        now = self._run.now
        assert now.visit is not None  # the desk is open, so the visit is under way
        return legal(self._run.machine, now, holding=self._run.machine.grants[now.state] - now.visit.grant)

    def seconds_left(self) -> float:
        """Tell how long until the visit's time or the run's deadline is over; 0 if one is."""
        now, limits = self._run.now, self._run.machine.limits
        if now.visit is None:
            return 0.0
        visit_s = self._run.machine.definition.states[now.state].timeout_s or limits.visit_s
        return max(0.0, min(limits.deadline_s, now.visit.since + visit_s) - self._run.elapsed())
