"""The driver: owns runs and drives them, those that begin and those that are stored, from one cast, store and clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from msgspec.structs import replace

from ..clock import Clock
from ..errors import AnswerError, LeaseHeld, StartError
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input, Started
from ..messages import Message
from ..observe.base import Observer, Tracer
from ..observe.everywhere import observers_of
from ..observe.prompted import OnPrompt
from ..observe.tracing import called
from ..resilience.retry import Retry
from ..store.base import Store
from ..store.values import Claim, News
from . import follows, resume, start
from .account import account_of, begun
from .admitted import Stay
from .cast import Cast
from .delta import OnDelta, Reader
from .drive import drive
from .driven import Driven, Place
from .entrance import Entrance
from .forked import maker
from .gates import Gates
from .head import check_head, folding
from .ids import new_epoch
from .inbox import Inbox
from .lease import Heart, let_go
from .loading import check_ours, checked, claimed, loaded, not_known
from .outlast import outlasted
from .performing import performing
from .raised import Raised, told
from .rebound import check_bound
from .servers import Needs, connected, needs_of
from .unread import check_unread
from .writer import Run


@dataclass(frozen=True, kw_only=True, eq=False)
class Driver:
    """What drives the runs of one machine. What each argument means is said by `Runner`."""

    compiled: CompiledMachine
    cast: Cast
    observers: tuple[Observer | Tracer, ...]
    on_prompt: OnPrompt | None
    store: Store | None
    retry: Retry | None
    clock: Clock | None
    wall_clock: Clock
    redacted: frozenset[str]
    gates: Gates | None = None
    entrance: Entrance | None = None
    driven: Driven = field(init=False)
    """The runs that are under way here."""
    inbox: Inbox = field(init=False)
    """What comes for them from outside."""
    heart: Heart = field(init=False)
    """Keeps their leases."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "driven", Driven(self.store))
        object.__setattr__(self, "inbox", Inbox(self.store, self.cast, self.wall_clock))
        object.__setattr__(self, "heart", Heart(self.store, partial(self.inbox.look_at, self.driven)))

    @cached_property
    def needs(self) -> Needs:
        """The servers that must be connected while a run is driven."""
        return needs_of(self.cast)

    def observers_now(self) -> tuple[Observer | Tracer, ...]:
        """Return what observes a run that is driven from now on."""
        return (*self.observers, *observers_of(self.compiled.definition))

    async def run(self, first: Started, deps: Any, reader: Reader | None = None, *, text: bool = False) -> Run:
        """Drive a run that begins.

        Args:
            reader: reads its records as they are made.
            text: whether it is told of the text of its answer too, while that is written.
        """
        if self.entrance is None:
            return await self._run(first, deps, None, reader, text=text)
        async with Stay(self.entrance, self.compiled, first).beginning() as stay:
            return await self._run(first, deps, stay, reader, text=text)

    async def _run(self, first: Started, deps: Any, stay: Stay | None, reader: Reader | None, *, text: bool) -> Run:
        """Drive a run that was admitted."""
        first = called(first, observers := self.observers_now())
        readers = () if reader is None else (reader,)
        with self.driven.under_way(first.run_id) as place:
            async with connected(self.needs):
                with self.heart.beating():
                    cancelled, epoch = await self._alive(first.run_id), new_epoch()
                    first, heard = await follows.named(self.store, self.compiled, first)
                    if self.gates is not None and (shut := self.gates.shut()):
                        first = replace(first, shut=tuple(sorted(shut)))
                    first, later = await self._begun(first, epoch)
                    on_delta = reader if text else None
                    run = self._made(
                        self.compiled, (first,), (*observers, *readers), epoch, heard=heard, on_delta=on_delta
                    )
                    async with self._owning(first.run_id, epoch, lambda: run.is_open):
                        self.driven.drive(place, run)
                        await self.drive(run, deps, stay=stay, is_read=reader is not None, cancelled=later or cancelled)
            return run

    async def _alive(self, run_id: str) -> asyncio.CancelledError | None:
        """See to it that this worker is alive in the store. Return what its caller cancelled meanwhile."""
        try:
            return await self.heart.begin()
        except BaseException as error:
            raise told(run_id, error) from None

    async def _begun(self, first: Started, epoch: int) -> tuple[Started, asyncio.CancelledError | None]:
        """Move to a run what it may take of its thread. Return its beginning, and what its caller cancelled meanwhile.

        A caller does not cut the store off: money may have been moved, which only the end of the run gives back.
        """
        if account_of(first) is None:
            return first, None
        assert self.store is not None  # a run of a thread with limits is refused without one
        stored, cancelled = await outlasted(
            partial(begun, self.store, self.compiled, first, epoch, redacted=self.redacted)
        )
        if isinstance(stored, Raised):
            raise told(first.run_id, stored.error)
        return stored, cancelled

    async def drive(
        self,
        run: Run,
        deps: Any,
        *,
        stay: Stay | None = None,
        is_read: bool = False,
        cancelled: asyncio.CancelledError | None = None,
    ) -> None:
        """Drive a run until it has ended, or is let go of because it waits.

        Args:
            stay: of a run that begins, which was admitted.

        Raises Overloaded: if it goes on, and is not admitted. It is stored as it stands.
        """
        if stay is None and self.entrance is not None:
            stay = Stay(self.entrance, run.compiled, run.journal[0])
        perform = performing(run, self.cast, self.retry, deps, self.wall_clock, self.gates)
        while True:
            # left before the run is let go of: whoever claims it then holds it anew
            async with nullcontext() if stay is None else stay.driving(run):
                await drive(run, perform, is_read=is_read, cancelled=cancelled)
            if self.store is None or run.is_finished or not await self._has_come(self.store, run):
                return

    async def _has_come(self, store: Store, run: Run) -> bool:
        """Let go of a run that waits, unless something has come for it. Return whether that is folded."""
        while True:
            # while its process ends nothing is folded here: what comes is for whoever has it next
            unless_news = not run.is_stopping
            news = await let_go(store, run.now.run_id, run.epoch, is_open=bool(run.is_open), unless_news=unless_news)
            if news is None:
                return False
            run.come_back()
            before = len(run.journal)
            await self.inbox.fold(run, news)
            if len(run.journal) > before:
                return True
            run.leave()

    @asynccontextmanager
    async def _driving(self, run_id: str, error: type[AnswerError | StartError], needs: Needs) -> AsyncIterator[Place]:
        if run_id in self.driven:
            raise error(f"run {run_id!r} is under way in this runner: wait until it has ended, or waits")
        if self.driven.is_on_store(run_id):
            raise LeaseHeld(f"run {run_id!r} is driven by another runner on this store, in this process")
        with self.driven.under_way(run_id) as place:
            async with connected(needs):
                yield place

    @asynccontextmanager
    async def owned(
        self,
        run_id: str,
        error: type[AnswerError | StartError],
        *,
        needs: Needs | None = None,
        effects: bool = False,
        was: Sequence[CompiledMachine] = (),
    ) -> AsyncIterator[tuple[Run, News]]:
        """Own a stored run, folded from its journal, until the block is left. Yield it, and what came for it.

        Args:
            error: is raised if it is under way here.
            needs: what to connect; None: all.
            effects: whether a fork may begin effects that are not recorded, even if it was not made so.
            was: other versions of the machine, on which runs may have been made that a fork comes from.

        Raises LeaseHeld: if another worker drives it.
        Raises Drifted: if the fold is not what was stored.
        Raises StartError: if what was redacted in it would be read.
        """
        store, run = checked(self.store), None
        async with self._driving(run_id, error, self.needs if needs is None else needs) as place:
            with self.heart.beating():
                if cancelled := await self._alive(run_id):
                    raise cancelled
                claim = await claimed(store, run_id)
                resume.tell_taken(run_id, claim, self.wall_clock())

                def is_open() -> bool | None:
                    if run is not None:
                        return run.is_open
                    return None if claim.head.status == "finished" else claim.taken_from is not None

                async with self._owning(run_id, claim.epoch, is_open):
                    journal = await loaded(store, run_id)
                    if not journal:  # it had ended, and was forgotten after the claim
                        raise not_known(run_id)
                    check_ours(run_id, journal, claim)
                    await check_bound(store, self.compiled, journal[0])
                    compiled = start.compiled_for(self.compiled, journal[0])
                    # one that is to be landed reads nothing more
                    goes_on = claim.head.status != "finished" and not claim.news.is_cancel_asked
                    heard = await follows.heard(store, compiled, journal[0], is_needed=goes_on)
                    machines = (self.compiled, *was)
                    make = await maker(store, machines, run_id, claim.origin, has_effects=effects, wall=self.wall_clock)
                    with folding(compiled, journal):
                        run = self._made(
                            compiled, journal, self.observers_now(), claim.epoch, claim=claim, heard=heard, make=make
                        )
                    resume.note_begun(run, claim)
                    if goes_on:
                        check_unread(compiled, run.now)
                    self.driven.drive(place, run)
                    yield run, claim.news

    @asynccontextmanager
    async def _owning(self, run_id: str, epoch: int, is_open: Callable[[], bool | None]) -> AsyncIterator[None]:
        """Let go of a run if the block raises.

        Args:
            is_open: returns whether it is left with something open; None: it has finished.
        """
        try:
            yield
        except GeneratorExit:  # this coroutine is being closed, and may not wait any more
            raise
        except BaseException:
            if self.store is not None and (left := is_open()) is not None:
                await let_go(self.store, run_id, epoch, is_open=left)
            raise

    def _made(
        self,
        compiled: CompiledMachine,
        journal: Sequence[Input],
        observers: Sequence[Observer | Tracer],
        epoch: int,
        *,
        claim: Claim | None = None,
        heard: tuple[Message, ...] | None = (),
        on_delta: OnDelta | None = None,
        make: Callable[..., Run] | None = None,
    ) -> Run:
        run = (make or Run)(
            compiled,
            journal,
            # the loop's time, not `time.monotonic`: timeouts and records agree, and a test's virtual loop moves both
            clock=self.clock or asyncio.get_running_loop().time,
            observers=observers,
            store=self.store,
            is_stored=claim is not None,
            epoch=epoch,
            responses=() if claim is None else claim.responses,
            heard=heard,
            redacted=self.redacted,
            on_prompt=self.on_prompt,
            on_delta=on_delta,
            shut=None if self.gates is None else self.gates.shut,
        )
        if claim is not None:
            check_head(compiled, run.now, claim.head)
        return run
