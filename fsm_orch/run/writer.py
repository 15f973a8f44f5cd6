"""One run under way: its single writer.

Whatever happens to a run passes through `Run.fold`, which contains no `await`. So a reservation is checked and made
before anything else can happen, however many calls a visit has under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from ..amounts import Amount
from ..clock import Clock
from ..errors import VisitError, Withheld, is_failure
from ..kernel import inputs
from ..kernel.begin import beginning
from ..kernel.booking import overspent
from ..kernel.configuration import Configuration
from ..kernel.due import due
from ..kernel.effects import Effect, Path
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input
from ..kernel.records import Record
from ..kernel.step import fold_recorded, step
from ..kernel.tree import Level, levels
from ..messages import Message
from ..observe.base import Observer, Trace, Tracer
from ..observe.prompted import OnPrompt, Prompted
from ..observe.telling import named, tell
from ..observe.tracing import observing
from ..reported import report
from ..store.base import Store
from ..store.values import PaidResponse
from .active import ActiveTime
from .delta import OnDelta, TextDelta
from .ears import Ear
from .loop import running_loop
from .raised import told
from .storage import Storage
from .turn import Turn

_PROCESS_ENDS = "its process is to end, and no other can go on with it: it has no store that outlives a process"

_BOOKED = frozenset({inputs.CallReserved, inputs.CallSettled, inputs.CallReleased})
"""What changes nothing of what is due, unless its machine lands."""

_OUTCOMES = frozenset({inputs.Replied, inputs.Asked, inputs.Failed, inputs.Answered})
"""What may fire a handoff, or let an agent act again."""


class AtWork(Protocol):
    """A piece of work that is waited for."""

    @property
    def due(self) -> Configuration | None:
        """Where its machine stands, if what it comes to is still waited for; else None."""
        ...

    def give_up(self) -> None:
        """Stop waiting for it, and have it stopped."""
        ...


class Run:
    """The single writer of one run.

    Args:
        journal: the first input, or all that were stored of a run that goes on.
        observers: told of every record that is new.
        store: keeps the journal; None keeps it in the run alone.
        is_stored: whether the journal comes from the store.
        epoch: of the claim under which it is driven.
        responses: what the store has kept of the visits under way.
        heard: what was said before it, besides what is in the journal; None: nobody can tell any more.
        redacted: the names of the fields that its store does not keep.
        on_prompt: told of what models were asked and answered; None: nobody is.
        on_delta: told of the text of the answer while it is written; None: nobody is, and no model is asked to stream.
        shut: returns the states that nobody may enter now; None: it has no gates.
    """

    stopped_by: Withheld | None = None
    """Of a fork: that it came to an effect which it must not begin."""
    error: BaseException | None = None
    """What the last failed attempt raised; never journaled, since it may hold anything."""

    def __init__(
        self,
        compiled: CompiledMachine,
        journal: Sequence[Input],
        *,
        clock: Clock,
        observers: Sequence[Observer | Tracer] = (),
        store: Store | None = None,
        is_stored: bool = False,
        epoch: int = 0,
        responses: Sequence[PaidResponse] = (),
        heard: tuple[Message, ...] | None = (),
        redacted: frozenset[str] = frozenset(),
        on_prompt: OnPrompt | None = None,
        on_delta: OnDelta | None = None,
        shut: Callable[[], frozenset[str]] | None = None,
    ) -> None:
        self.compiled = compiled
        self.heard: dict[str, str] = {}
        """By visit, what a model wrote for a reply that was refused; never journaled, and told to it alone."""
        # redacted: whether some fields are to be kept nowhere
        self.on_prompt, self.on_delta, self.is_redacted = on_prompt, on_delta, bool(redacted)
        self.epoch = epoch
        """Fences its appends."""
        self.heard_before = heard
        """What was said before it, besides what is in the journal."""
        self.lost: BaseException | None = None
        """What the store raised. Nothing is folded from then on, so that what is stored can be resumed."""
        self.is_draining = False
        """Whether nothing more is begun for it here, since another worker goes on with it."""
        self.is_stopping = False
        """Whether all work was given up, to land the run or to leave it."""
        self.begun: set[Effect] = set()
        """What may have begun, and must not begin again; some of it may be due no longer."""
        self.at_work: set[AtWork] = set()
        """The work that is waited for."""
        self.on_change: Callable[[], object] | None = None
        """Called when something else may be due than before."""
        self.on_late: Callable[[Amount], object] | None = None
        """Called with what a call turned out to have used after the end of the run."""
        self._shut, self._home = shut, running_loop()
        self._caller = None if self._home is None else asyncio.current_task()
        self._cancellations = self._caller.cancelling() if self._caller else 0
        now, records = fold_recorded(compiled, journal)
        self.now: Configuration = now
        self._found: tuple[Configuration, Path, tuple[Level, ...]] = now, (), levels(compiled, now, ())
        self.journal: list[Input] = list(journal)
        self.records: list[Record] = list(records)
        self.stored_records = len(records) if is_stored else 0
        """How many of them were made of inputs that are stored: no others are told to who follows it."""
        self.ears: Callable[[], Collection[Ear]] = tuple
        """Returns the ears of who follows it."""
        self.turn = Turn(clock, self.journal)
        self.time = ActiveTime(clock, at=now.at, now=self.turn.began_at)
        self.elapsed = self.time.elapsed
        """Returns the seconds that the run has been active."""
        self._observers = observing(observers, beginning(journal), records if is_stored else (), is_stored=is_stored)
        self.traces = tuple([each for each in self._observers if isinstance(each, Trace)])
        """Those of its observers that stand around its work too."""
        self.storage: Storage | None = None
        """What its store keeps of it; None: it has none."""
        if store is not None:
            self.storage = Storage(
                *(store, compiled, journal[0]),
                kept=len(self.journal) if is_stored else 0,
                now=now if is_stored else None,
                epoch=epoch,
                responses=responses,
                redacted=redacted,
            )
        self.is_given_out = False
        """Whether nothing more is folded, although it may not have ended: it waits, or what is stored is resumed."""
        if self._observers and not is_stored:
            tell(self._observers, records)

    @property
    def is_finished(self) -> bool:
        return self.now.status == "finished"

    @property
    def is_open(self) -> bool | None:
        """Whether something may be under way, or done, of which nothing is stored; None: it has ended."""
        if self.is_stored:
            return None if self.is_finished else not self.begun.isdisjoint(due(self.now))
        return True

    @property
    def is_left(self) -> bool:
        """Whether nothing more is folded for it here."""
        return self.is_given_out or self.is_stopping

    @property
    def is_stored(self) -> bool:
        """Whether there is nothing to store."""
        return self.storage is None or self.storage.kept == len(self.journal)

    @property
    def is_ending(self) -> bool:
        """Whether nothing may be sent for it any more: it has ended, or cannot be stored, or its caller cancels."""
        # asked of the task: a cancellation arrives a round of the loop after it was wanted, and a request might leave
        return self.now.status == "finished" or self.is_given_out or self._is_cancelled()

    def levels(self, path: Path) -> tuple[Level, ...]:
        """Return the machines on a path, from the run down, as far as they live."""
        now, of, found = self._found
        if now is not self.now or of != path:  # they are asked for several times between two inputs
            found = levels(self.compiled, self.now, path)
            self._found = self.now, path, found
        return found

    def check_here(self) -> None:
        """Check that this is the event loop of the run.

        Raises VisitError: if it is another loop, or another thread.
        """
        if running_loop() is not self._home:
            raise VisitError(
                "a run has one writer, on its own event loop, and this is another thread or loop: nothing was sent. "
                "Await visit.model.ask(...) in the agent itself; a thread can have it done there: "
                "asyncio.run_coroutine_threadsafe(visit.model.ask(...), loop).result(), "
                "with loop = asyncio.get_running_loop() of the agent"
            )

    def fold(self, event: Input) -> None:
        """Apply an input, and tell the observers what the kernel made of it; on the event loop of the run alone."""
        # No `await` in here. Two tasks that fold at once would step from the same configuration, and the second would
        # overwrite what the first had reserved. And the step is first: if it raises, nothing has been journaled.
        if type(event) in _OUTCOMES:  # it may fire a handoff, and draws the menu of who acts next
            self.see_gates()
        stepped = step(self.compiled, self.now, event)
        self.now = stepped.configuration
        self.journal.append(event)
        self.records += stepped.records
        if self._observers:
            tell(self._observers, stepped.records)
        # a call that used more than it had reserved makes more than its own record: its machine has landed
        if self.on_change is not None and (type(event) not in _BOOKED or len(stepped.records) > 1):
            self.on_change()

    def see_gates(self) -> None:
        """Take note of the states that nobody may enter now, if they are others than before."""
        if self._shut is None and not self.now.shut:
            return
        shut = frozenset[str]() if self._shut is None else self._shut()
        if shut != self.now.shut and not self.is_finished:
            self.fold(inputs.GatesSeen(shut=tuple(sorted(shut)), at=self.elapsed()))

    @property
    def is_heard(self) -> bool:
        """Whether somebody is told of the text of its answer while it is written."""
        return self.on_delta is not None or any(ear.hears_text for ear in self.ears())

    def tell_text(self, delta: TextDelta) -> None:
        """Pass on a piece of the text of its answer to who wants it."""
        if self.on_delta is not None:
            self.on_delta(delta)
        for ear in self.ears():
            ear.hear(len(self.records), delta)

    def prompted(self, prompted: Prompted) -> None:
        """Show what a model was asked and answered to who wants to know."""
        if self.on_prompt is not None:
            try:
                self.on_prompt(prompted)
            except BaseException as error:  # a guest, as observers are
                report("%s raised %s on a prompt", named(self.on_prompt), type(error).__name__)

    def cancel(self, detail: str) -> None:
        """Land the run, unless it has ended already."""
        if not self.is_finished:
            self.fold(inputs.Cancelled(detail=detail, at=self.elapsed()))

    def overspend(self, event: inputs.Overspent) -> None:
        """Charge what a call used beyond its reservation, which came late, and end what is under way where that lands.

        Once the run has ended, waits for somebody, or its store has failed, nothing is folded: its result was given
        out, or it can still be resumed. It is told to the observers, and logged.
        """
        if not self.is_finished and not self.is_given_out:
            self.fold(event)
            self._end_what_is_over()
            return
        record = overspent(self.compiled, self.now, event)
        tell(self._observers, (record,))
        thread = None if self.storage is None else self.storage.account
        charged = [each for each in (thread, self.on_late and "its quotas") if each]
        report(
            "run %s had ended when call %d of %r turned out to have used %d tokens and %d micro-dollars "
            "more than it had reserved: they are charged to %s",
            *(self.now.run_id, event.call, event.source, event.tokens, event.cost, " and ".join(charged) or "nobody"),
        )
        late = Amount(event.tokens, event.cost)
        if self.storage is not None:
            self.storage.charge(late)
        if self.on_late is not None:
            self.on_late(late)

    def land(self, detail: str) -> None:
        """Land the run while it is driven, and end what is under way, unless nothing more is folded."""
        if not self.is_left:
            self.cancel(detail)
            self._end_what_is_over()

    def _end_what_is_over(self) -> None:
        for work in tuple(self.at_work):
            if work.due is None:
                work.give_up()

    def drain(self) -> None:
        """Begin nothing more for it, if another worker can go on with it."""
        # a store whose leases last for good is this process's own
        self.is_draining = self.storage is not None and self.storage.store.lease_s is not None

    def stop(self) -> None:
        """Stop what is under way: to leave the run to another worker, or to land it where there can be none."""
        if self.is_draining:
            self.give_up()
        else:
            self.land(_PROCESS_ENDS)

    def give_up(self) -> None:
        """Stop waiting for all that is under way, and have it stopped: what it comes to is folded no more."""
        self.is_stopping = True
        for work in tuple(self.at_work):
            work.give_up()

    def leave(self) -> None:
        """Let nothing more happen to it here: its result is given out. No time passes from now on."""
        self.is_given_out = True
        self.time.hold()

    def come_back(self) -> None:
        """Go on after all: something came before it was given out."""
        self.is_given_out = False
        self.time.go_on()

    async def flush(self) -> None:
        """Store what is journaled and not stored yet, in order, one writer at a time. No time passes meanwhile.

        Raises what the store raised, of the kinds that end a program as a StoreError.
        """
        storage = self.storage
        if storage is None or self.is_stored:
            return
        self.time.hold()
        try:
            # one at a time: an append says where it starts, which is known only when the one before it has ended
            async with storage.writing:
                await storage.settled()
                if self.lost is not None and is_failure(self.lost):
                    raise self.lost
                # not a list, which a store could empty as it writes; and others may fold meanwhile
                new, made = tuple(self.journal[storage.kept :]), len(self.records)
                if new and (failure := await storage.append(new, self.now)) is not None:
                    raise self._lose(failure)
                self.stored_records = made
                for ear in self.ears():
                    ear.wake()
        finally:
            self.time.go_on()

    def _lose(self, failure: BaseException) -> BaseException:
        """Stop a run whose store failed. Return what to raise: an Exception, or the store's interrupt."""
        if isinstance(failure, asyncio.CancelledError) and self._is_cancelled():
            return failure  # the event loop is being closed, and cancels all that it finds
        self.lost = failure = told(self.now.run_id, failure)
        self.is_given_out = True
        self.give_up()
        return failure

    def _is_cancelled(self) -> bool:
        return self._caller is not None and self._caller.cancelling() > self._cancellations
